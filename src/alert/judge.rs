//! What people have to be told, from what they were told before and what has happened since.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::Event;
use crate::report::{Outcome, Report, StoppedBy};

/// Something that people have to be told.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A run that somebody has to look at.
    Run(Event, Report),
    /// An instant that nobody answered.
    Overdue(DateTime<Utc>),
    /// What people were told of long ago goes on.
    Still(Event),
    /// All is well again: what was wrong, and the run that shows it.
    Recovered(Event, Report),
}

/// What is wrong with a job, as far as people know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// What is wrong.
    pub trouble: Option<Event>,
    /// How long ago they were told.
    pub ago: TimeDelta,
    /// They are told again after this time, when it goes on.
    pub remind_after: Duration,
}

/// What is wrong after all that, and what people have to be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// What is wrong now.
    pub trouble: Option<Event>,
    /// What to tell, in its order.
    pub news: Vec<News>,
}

/// Judges the runs that ended since people were told, oldest first, and whether the job is overdue.
#[must_use]
pub fn judge(known: Known, ended: &[Report], overdue: Option<DateTime<Utc>>) -> Verdict {
    let mut verdict = Verdict { trouble: known.trouble, news: Vec::new() };
    for run in ended.iter().filter(|run| !was_asked_to_stop(run)) {
        match run.outcome.map(Event::try_from) {
            Some(Ok(event)) => verdict.goes_wrong(known, event, || News::Run(event, run.clone())),
            Some(Err(())) if run.outcome == Some(Outcome::Completed) => verdict.goes_well(run),
            _ => {}
        }
    }
    if let Some(since) = overdue {
        verdict.goes_wrong(known, Event::Overdue, || News::Overdue(since));
    }
    if let (Some(trouble), true) = (verdict.trouble, verdict.news.is_empty() && known.is_long_ago()) {
        verdict.news.push(News::Still(trouble));
    }
    verdict
}

impl Known {
    fn is_long_ago(&self) -> bool {
        self.ago.to_std().unwrap_or_default() >= self.remind_after
    }
}

impl Verdict {
    /// The same trouble is told once, and again when it goes on for long.
    fn goes_wrong(&mut self, known: Known, event: Event, news: impl FnOnce() -> News) {
        let reminded = !self.news.is_empty() || !known.is_long_ago();
        if self.trouble != Some(event) || !reminded {
            self.trouble = Some(event);
            self.news.push(news());
        }
    }

    fn goes_well(&mut self, run: &Report) {
        if let Some(trouble) = self.trouble.take() {
            self.news.push(News::Recovered(trouble, run.clone()));
        }
    }
}

/// A stop and a pause are what somebody wanted.
fn was_asked_to_stop(run: &Report) -> bool {
    matches!(run.stopped_by, Some(StoppedBy::Shutdown | StoppedBy::Paused))
}

impl News {
    /// The event.
    #[must_use]
    pub fn event(&self) -> Event {
        match self {
            Self::Run(event, _) | Self::Still(event) => *event,
            Self::Overdue(_) => Event::Overdue,
            Self::Recovered(..) => Event::Recovered,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::report::{RunId, Trigger};

    fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + minute * 60, 0).unwrap()
    }

    fn run(outcome: Outcome) -> Report {
        let begun = Report::begun("sessions", RunId::new(at(0)), Trigger::Schedule, at(0), "host");
        Report { outcome: Some(outcome), ..begun }
    }

    fn known(trouble: Option<Event>, minutes: i64) -> Known {
        Known { trouble, ago: TimeDelta::minutes(minutes), remind_after: Duration::from_hours(24) }
    }

    fn told(known: Known, outcomes: &[Outcome]) -> (Vec<Event>, Option<Event>) {
        let runs: Vec<_> = outcomes.iter().map(|outcome| run(*outcome)).collect();
        let Verdict { trouble, news } = judge(known, &runs, None);
        (news.iter().map(News::event).collect(), trouble)
    }

    #[test]
    fn what_goes_on_is_told_once_and_its_end_too() {
        use Outcome::{Completed, Failed, Interrupted, Partial, Skipped};
        let well = known(None, 0);
        assert_eq!(told(well, &[Completed, Skipped, Completed]), (vec![], None));
        assert_eq!(told(well, &[Failed, Failed, Skipped, Failed]), (vec![Event::Failed], Some(Event::Failed)));
        assert_eq!(told(known(Some(Event::Failed), 60), &[Failed]), (vec![], Some(Event::Failed)));
        assert_eq!(told(known(Some(Event::Failed), 60), &[Skipped]), (vec![], Some(Event::Failed)));
        assert_eq!(told(known(Some(Event::Failed), 60), &[Completed]), (vec![Event::Recovered], None));
        let all = [Interrupted, Completed, Partial, Failed, Completed];
        let events = [Event::Interrupted, Event::Recovered, Event::Partial, Event::Failed, Event::Recovered];
        assert_eq!(told(well, &all), (events.to_vec(), None));
    }

    #[test]
    fn what_goes_on_for_long_is_told_again_once() {
        let day = 24 * 60;
        assert_eq!(told(known(Some(Event::Failed), day - 1), &[Outcome::Failed; 3]).0, []);
        assert_eq!(told(known(Some(Event::Failed), day), &[Outcome::Failed; 3]).0, [Event::Failed]);
        let overdue = judge(known(Some(Event::Overdue), day), &[], Some(at(0)));
        assert_eq!(overdue.news, [News::Overdue(at(0))]);
        assert_eq!(judge(known(Some(Event::Overdue), 5), &[], Some(at(0))).news, []);
        assert_eq!(judge(known(Some(Event::Failed), day), &[], None).news, [News::Still(Event::Failed)]);
        assert_eq!(judge(known(Some(Event::Failed), day - 1), &[], None).news, []);
        assert_eq!(judge(known(None, day), &[], None).news, []);
    }

    #[test]
    fn a_stop_or_a_pause_is_no_trouble_and_no_recovery() {
        for stopped_by in [StoppedBy::Shutdown, StoppedBy::Paused] {
            let stopped = Report { stopped_by: Some(stopped_by), ..run(Outcome::Partial) };
            assert_eq!(judge(known(None, 0), std::slice::from_ref(&stopped), None).news, []);
            let failed = known(Some(Event::Failed), 5);
            assert_eq!(judge(failed, &[stopped], None), Verdict { trouble: Some(Event::Failed), news: vec![] });
        }
    }

    #[test]
    fn an_instant_that_nobody_answered_comes_after_what_ended_before() {
        let verdict = judge(known(Some(Event::Failed), 5), &[run(Outcome::Completed)], Some(at(7)));
        let events: Vec<_> = verdict.news.iter().map(News::event).collect();
        assert_eq!((events, verdict.trouble), (vec![Event::Recovered, Event::Overdue], Some(Event::Overdue)));
    }
}
