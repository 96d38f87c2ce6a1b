//! How far a run is: a bar on a terminal, plain lines elsewhere.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;

use super::output;
use crate::clock::Stopwatch;
use crate::sweep::{Answer, Progress};

const WITH_END: &str = "{prefix} [{bar:30}] {percent}% {msg} {elapsed}";
const WITHOUT_END: &str = "{prefix} {spinner} {msg} {elapsed}";

/// Shows how far `run` is until it ends, every so often; what is over before that needs nothing. `plain`: lines, also on
/// a terminal.
pub async fn show(
    job: &str,
    run: impl Future<Output = Answer>,
    progress: watch::Receiver<Progress>,
    plain: bool,
) -> Answer {
    tokio::pin!(run);
    let watch = Stopwatch::start();
    let bar = (!plain && std::io::stderr().is_terminal()).then(|| bar(job));
    let every = Duration::from_millis(if bar.is_some() { 200 } else { 5000 });
    let answer = loop {
        tokio::select! {
            answer = &mut run => break answer,
            () = tokio::time::sleep(every) => {}
        }
        let progress = *progress.borrow();
        let words = words(progress, watch.elapsed());
        match &bar {
            Some(bar) => update(bar, progress, words),
            None => drop(writeln!(std::io::stderr(), "{job}: {words}")),
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    answer
}

/// Rows done, rows a second, the estimated rest, and why it pauses.
fn words(progress: Progress, time: Duration) -> String {
    let rate = progress.deleted * 1000 / u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    let rest = progress.expected.map(|expected| expected.saturating_sub(progress.deleted)).filter(|rest| *rest > 0);
    let rest = rest.map(|rest| format!(", about {} left", output::rows(rest))).unwrap_or_default();
    let pausing = progress.throttle.map(|reason| format!(", pausing: {reason}")).unwrap_or_default();
    format!("{} deleted, {rate} rows/s{rest}{pausing}", output::rows(progress.deleted))
}

fn bar(job: &str) -> ProgressBar {
    ProgressBar::no_length().with_prefix(job.to_owned())
}

fn update(bar: &ProgressBar, progress: Progress, words: String) {
    let template = if progress.of.is_some() { WITH_END } else { WITHOUT_END };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_length(progress.of.unwrap_or_default().max(progress.walked));
    bar.set_position(progress.walked);
    bar.set_message(words);
    bar.tick();
}
