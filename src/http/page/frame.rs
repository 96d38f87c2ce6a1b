//! What is around every page: its head, and the headers that keep a browser to what is ours.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::response::{IntoResponse, Response};
use maud::{DOCTYPE, Markup, html};

use super::assets::address;
use super::visitor::Visitor;

const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
const OPENER: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
const NOTHING: &str = "camera=(), geolocation=(), microphone=(), payment=(), usb=()";

/// A page as an answer.
pub(super) fn respond(status: StatusCode, page: &Markup) -> Response {
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        // With `no-referrer`, some browsers would not say where a form comes from.
        (REFERRER_POLICY, "same-origin"),
        (OPENER, "same-origin"),
        (RESOURCE, "same-origin"),
        (PERMISSIONS, NOTHING),
    ];
    (status, headers, page.0.clone()).into_response()
}

/// A page for an error.
pub(in crate::http) fn wrong(status: StatusCode, error: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error");
    let body = html! {
        main.narrow {
            h1 { (title) }
            p.notice.refusal { (error) }
            p { a href="/" { "To the status page" } }
        }
    };
    respond(status, &page(&format!("{title} · sweepd"), &html! {}, &body))
}

/// The whole of a page. `head` is what only this one has in its head.
pub(super) fn page(title: &str, head: &Markup, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { (title) }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                link rel="icon" href=(address("icon.svg")) type="image/svg+xml";
                link rel="stylesheet" href=(address("page.css"));
                script src=(address("page.js")) defer {}
                (head)
            }
            body { (body) }
        }
    }
}

/// The top of the pages for those who are logged in.
pub(super) fn top(visitor: &Visitor, host: &str, is_overview: bool) -> Markup {
    html! {
        a.skip href="#main" { "To the content" }
        header.top {
            nav aria-label="Pages" {
                @if is_overview { span.brand { "sweepd" } } @else { a.brand href="/" { "sweepd" } }
                span.quiet { " on " (host) }
            }
            form method="post" action="/logout" {
                input type="hidden" name="token" value=(visitor.form_token());
                @if !visitor.may_act() { span.quiet { "read only " } }
                button type="submit" { "Log out" }
            }
        }
        p #offline .notice.refusal role="alert" hidden {}
        p #said .unseen role="status" {}
    }
}

/// For those without JavaScript, while something is under way.
pub(super) fn refresh(is_active: bool) -> Markup {
    html! {
        @if is_active { noscript { meta http-equiv="refresh" content="10"; } }
    }
}
