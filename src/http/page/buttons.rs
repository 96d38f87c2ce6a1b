//! What the buttons do: the same as the calls of the API. A run belongs to nobody: the page comes back at once, and shows it.

use std::time::Duration;

use axum::extract::{Path, State as Of};
use axum::http::StatusCode;
use axum::response::Response;

use super::super::State;
use super::super::failure::Failure;
use super::super::query::failed;
use super::super::{cron, jobs};
use super::form::Form;
use super::local;
use super::logins::Notice;
use super::visitor::{Visitor, redirect};
use crate::status::{Desk, Status};

/// Nobody looks at an empty page for longer. What was asked for goes on.
const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn press(
    visitor: Visitor,
    Of(state): Of<State>,
    Path((name, button)): Path<(String, String)>,
    form: Form,
) -> Result<Response, Failure> {
    visitor.check(&form)?;
    let desk = jobs::find(&state.status, &name)?;
    if button == "dry-run" {
        // It goes on when it takes longer, and the page shows its number then.
        let _ = tokio::time::timeout(PATIENCE, desk.dry_run()).await;
        return Ok(redirect(&format!("/jobs/{name}#dry-run")));
    }
    let done = match button.as_str() {
        "run" => run(&state.status, &desk).await,
        "pause" => set_paused(&desk, true).await,
        "resume" => set_paused(&desk, false).await,
        _ => return Err(Failure::new(StatusCode::NOT_FOUND, "there is no such button")),
    };
    let is_refusal = done.is_err();
    let text = done.unwrap_or_else(|why| why);
    state.logins.tell(&visitor.token, Notice { job: name.clone(), text, is_refusal });
    match local(form.get("back").unwrap_or_default()) {
        "/" => Ok(redirect(&format!("/#job-{name}"))),
        back => Ok(redirect(back)),
    }
}

async fn run(status: &Status, desk: &Desk) -> Result<String, String> {
    match tokio::time::timeout(PATIENCE, cron::begun(status, desk)).await {
        Ok(Ok(_)) => Ok("The run has begun.".to_owned()),
        Ok(Err(failure)) => Err(format!("Not run: {}.", failure.error())),
        Err(_) => Ok("The run is asked for, and begins when the database lets it.".to_owned()),
    }
}

async fn set_paused(desk: &Desk, paused: bool) -> Result<String, String> {
    let changed = desk.set_paused(paused).await;
    let changed = changed.map_err(|error| failed(&desk.job().spec.job, &error).error().to_owned())?;
    Ok(match (paused, changed) {
        (true, true) => "Paused, in all processes: its instants are skipped until it is resumed.",
        (true, false) => "It was paused already.",
        (false, true) => "Resumed: it runs at its next instant.",
        (false, false) => "It was not paused.",
    }
    .to_owned())
}
