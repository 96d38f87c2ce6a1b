//! The style sheet, the script and the icon. Their addresses change with what is in them, so they can be kept for ever.

use axum::extract::{Path, RawQuery};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};

use super::super::failure::Failure;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
const ICON: &str = include_str!("icon.svg");
/// So pages can be told apart from those that another sweepd has sent.
const FINGERPRINT: u64 = fingerprint(STYLE, fingerprint(SCRIPT, fingerprint(ICON, 0xcbf2_9ce4_8422_2325)));

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Where a file is.
pub(super) fn address(file: &str) -> String {
    format!("/assets/{file}?v={FINGERPRINT:016x}")
}

pub(super) async fn serve(Path(file): Path<String>, RawQuery(query): RawQuery) -> Response {
    let (kind, text) = match file.as_str() {
        "page.css" => ("text/css; charset=utf-8", STYLE),
        "page.js" => ("text/javascript; charset=utf-8", SCRIPT),
        "icon.svg" => ("image/svg+xml", ICON),
        _ => return Failure::new(StatusCode::NOT_FOUND, "there is no such file").into_response(),
    };
    // A page of another version must not find this one under its address for a year.
    let is_its_own = query.is_some_and(|query| address(&file).ends_with(&format!("?{query}")));
    let keep = if is_its_own { "public, max-age=31536000, immutable" } else { "no-cache" };
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, keep), (CORP, "same-origin")];
    (headers, text).into_response()
}

/// FNV-1a, which can be computed when sweepd is compiled.
const fn fingerprint(text: &str, start: u64) -> u64 {
    let (bytes, mut hash, mut at) = (text.as_bytes(), start, 0);
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
        at += 1;
    }
    hash
}
