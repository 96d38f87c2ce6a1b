//! What an alert says: a sentence for people, all that is known for programs, and what receivers want it wrapped in.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

use super::judge::News;
use super::{Event, Format};
use crate::report::{Report, rfc3339};

/// Discord takes 2000 characters.
const LONGEST_SENTENCE: usize = 1800;

/// An alert as it is kept until it is delivered, and as programs get it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// What it is about.
    pub event: Event,
    /// The job; null when it is about none.
    pub job: Option<String>,
    /// The same for people, in a sentence or two.
    pub message: String,
    /// When it was made.
    #[serde(serialize_with = "crate::report::instant")]
    pub at: DateTime<Utc>,
    /// The host that made it.
    pub host: String,
    /// The scheduled instant that nobody answered.
    #[serde(serialize_with = "crate::report::optional_instant")]
    pub overdue_since: Option<DateTime<Utc>>,
    /// What was wrong before.
    pub recovered_from: Option<Event>,
    /// The run that it is about.
    pub run: Option<Report>,
}

impl Message {
    /// What to say of a job.
    #[must_use]
    pub fn of(job: &str, news: &News, at: DateTime<Utc>, host: &str) -> Self {
        let (sentence, overdue_since, recovered_from, run) = match news {
            News::Run(event, run) => (ended(job, *event, run), None, None, Some(run.clone())),
            News::Overdue(since) => (overdue(job, *since), Some(*since), None, None),
            News::Still(event) => (still(job, *event), None, None, None),
            News::Recovered(from, run) => (recovered(job, *from, run), None, Some(*from), Some(run.clone())),
        };
        let plain = Self::plain(news.event(), &sentence, at, host);
        Self { job: Some(job.to_owned()), overdue_since, recovered_from, run, ..plain }
    }

    /// What is about no job.
    #[must_use]
    pub fn plain(event: Event, sentence: &str, at: DateTime<Utc>, host: &str) -> Self {
        let message = format!("sweepd: {sentence}");
        let host = host.to_owned();
        Self { event, job: None, message, at, host, overdue_since: None, recovered_from: None, run: None }
    }

    /// The body that is kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// A kept body in the format of its receiver.
#[must_use]
pub fn wrapped(format: Format, body: &str) -> String {
    let sentence = || {
        let message: Value = serde_json::from_str(body).unwrap_or_default();
        message["message"].as_str().unwrap_or(body).to_owned()
    };
    match format {
        Format::Json => body.to_owned(),
        Format::Slack => json!({ "text": shortened(&escaped(&sentence())) }).to_string(),
        // Nobody is called by what an error of a database says.
        Format::Discord => {
            json!({ "content": shortened(&sentence()), "allowed_mentions": { "parse": [] } }).to_string()
        }
    }
}

/// Slack takes `<...>` for a link, or for a call to everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= LONGEST_SENTENCE {
        return text.to_owned();
    }
    text.chars().take(LONGEST_SENTENCE).chain("...".chars()).collect()
}

fn ended(job: &str, event: Event, run: &Report) -> String {
    let (rows, host) = (rows(run.deleted_count), &run.host);
    match (event, &run.error) {
        (Event::Partial, _) => {
            let why = run.stopped_by.map(|why| format!(" ({why})")).unwrap_or_default();
            format!("{job} ended early{why} after deleting {rows}; the rest is left for the next run (on {host})")
        }
        (Event::Interrupted, _) => {
            format!("a run of {job} died after deleting {rows}, and was closed; it was running on {host}")
        }
        (_, Some(error)) => format!("{job} failed after deleting {rows}: {error} (on {host})"),
        (_, None) => format!("{job} failed after deleting {rows} (on {host})"),
    }
}

fn overdue(job: &str, since: DateTime<Utc>) -> String {
    format!("nobody ran {job} at {}; look whether sweepd runs, and what `sweepd history` says", rfc3339(since))
}

fn still(job: &str, event: Event) -> String {
    format!("{job} is still not well: {}; `sweepd history` says more", before(event))
}

fn recovered(job: &str, from: Event, run: &Report) -> String {
    format!("{job} is well again: completed, {} deleted ({} before)", rows(run.deleted_count), before(from))
}

fn before(event: Event) -> &'static str {
    match event {
        Event::Partial => "it had ended early",
        Event::Interrupted => "a run had died",
        Event::Overdue => "it was overdue",
        _ => "it had failed",
    }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;

    #[test]
    fn receivers_call_nobody_and_get_no_more_than_they_take() {
        let at = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let sentence = format!("sessions failed: <!channel> & @everyone {}", "ä".repeat(3000));
        let body = Message::plain(Event::Failed, &sentence, at, "host").to_json();
        let slack: Value = serde_json::from_str(&wrapped(Format::Slack, &body)).unwrap();
        assert!(
            slack["text"].as_str().unwrap().starts_with("sweepd: sessions failed: &lt;!channel&gt; &amp; @everyone")
        );
        let discord: Value = serde_json::from_str(&wrapped(Format::Discord, &body)).unwrap();
        assert_eq!(discord["allowed_mentions"]["parse"], json!([]));
        assert_eq!(discord["content"].as_str().unwrap().chars().count(), LONGEST_SENTENCE + 3);
        assert_eq!(wrapped(Format::Json, &body), body);
    }
}
