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
use super::words;
use crate::report::Report;
use crate::status::{Desk, Status};
use crate::sweep::Answer;

/// Nobody looks at an empty page for longer. What was asked for goes on.
const PATIENCE: Duration = Duration::from_secs(3);

/// No notice is longer.
const LONGEST_NOTICE: usize = 300;

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
    // The error of a database may be long, and the page says it in full where it says what is wrong.
    let text = words::shortened(&done.unwrap_or_else(|why| why), LONGEST_NOTICE);
    state.logins.tell(&visitor.token, Notice { job: name.clone(), text, is_refusal });
    match local(form.get("back").unwrap_or_default()) {
        "/" => Ok(redirect(&format!("/#job-{name}"))),
        back => Ok(redirect(back)),
    }
}

async fn run(status: &Status, desk: &Desk) -> Result<String, String> {
    let (id, answer) = desk.order(&status.clock).map_err(|error| format!("Not run: {error}."))?;
    let begun = async {
        tokio::select! {
            biased;
            answer = answer => answer.map_err(|_| "Not run: sweepd is stopping.".to_owned()).and_then(|answer| said(desk, &answer)),
            () = desk.begun(id) => Ok("The run has begun.".to_owned()),
        }
    };
    let asked = || Ok("The run is asked for; the database has not answered yet.".to_owned());
    tokio::time::timeout(PATIENCE, begun).await.unwrap_or_else(|_| asked())
}

/// What is said of a run that is over already. One that could not begin stands in no ledger.
fn said(desk: &Desk, answer: &Answer) -> Result<String, String> {
    if let Some(failure) = cron::not_run(&desk.job().spec.job, answer) {
        return Err(format!("Not run: {}.", failure.error()));
    }
    match answer.report() {
        Some(Report { error: Some(error), .. }) => Err(format!("The run failed: {error}.")),
        Some(report) => Ok(format!("The run has ended: {} deleted.", words::rows(report.deleted_count))),
        None => Ok("The run has ended.".to_owned()),
    }
}

async fn set_paused(desk: &Desk, paused: bool) -> Result<String, String> {
    let changed = desk.set_paused(paused).await;
    let changed = changed.map_err(|error| failed(&desk.job().spec.job, &error).error().to_owned())?;
    Ok(match (paused, changed) {
        (true, true) => {
            "Paused, in all processes: its instants are skipped until it is resumed. A run ends after its batch."
        }
        (true, false) => "It was paused already.",
        (false, true) if desk.job().schedule.is_manual() => "Resumed: it runs when somebody asks for it.",
        (false, true) => "Resumed: it runs at its next instant.",
        (false, false) => "It was not paused.",
    }
    .to_owned())
}
