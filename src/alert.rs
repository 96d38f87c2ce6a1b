//! Alerts: being told when a clean-up fails, ends early, dies or does not happen, and when all is well again.
//!
//! | module | what it does |
//! |---|---|
//! | [`judge`] | what people have to be told, from what the ledger says |
//! | [`message`] | how it is said |
//! | [`teller`] | looks into the ledgers, and puts alerts into them |
//! | [`courier`] | delivers the alerts of a channel, in their order |
//! | [`ping`] | tells a dead man's switch that runs begin and end |
//! | [`office`] | all of that while the daemon runs |
//! | [`once`] | the same for a command |
//!
//! The ledger knows up to which run people were told, and what is still to be delivered. So whoever dies, and however long
//! a receiver is away: each alert goes out, and once for all processes.

pub mod courier;
pub mod judge;
pub mod message;
pub mod office;
pub mod once;
pub mod ping;
pub mod teller;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::report::Outcome;
use crate::webhook::{Address, Client, Key};

/// Whom to tell, and of what.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The channels.
    pub channels: Vec<Channel>,
    /// Where the runs of a job are announced, by the job's name.
    pub pings: BTreeMap<String, Address>,
    /// Posts the pings; none where there are none.
    pub pinging: Option<Client>,
}

/// Somebody who is told.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Its name in the configuration.
    pub name: String,
    /// Where alerts are posted.
    pub address: Address,
    /// What they look like.
    pub format: Format,
    /// What they are signed with.
    pub key: Option<Key>,
    /// Of what it is told.
    pub events: Vec<Event>,
    /// Who is told of something that goes on is reminded after this time.
    pub remind_after: Duration,
    /// Give up on an answer after this time.
    pub timeout: Duration,
    /// Posts them.
    pub client: Client,
}

/// What the body of an alert looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// All that is known, for programs.
    Json,
    /// A sentence, as Slack and those who speak like it take it.
    Slack,
    /// A sentence, as Discord takes it.
    Discord,
}

/// What people are told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// A run failed.
    Failed,
    /// A run was ended by a limit, the window or the like, and left something.
    Partial,
    /// A run was found dead.
    Interrupted,
    /// Nobody answered an instant of a job's schedule.
    Overdue,
    /// A database cannot be reached, so nobody can tell.
    Unreachable,
    /// What was wrong is well again.
    Recovered,
    /// Somebody tries whether alerts arrive.
    Test,
}

impl Event {
    /// Those that a channel can be told of.
    pub const ALL: [Self; 6] =
        [Self::Failed, Self::Partial, Self::Interrupted, Self::Overdue, Self::Unreachable, Self::Recovered];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Interrupted => "interrupted",
            Self::Overdue => "overdue",
            Self::Unreachable => "unreachable",
            Self::Recovered => "recovered",
            Self::Test => "test",
        }
    }

    /// The one with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.as_str() == word)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl TryFrom<Outcome> for Event {
    type Error = ();

    /// Of the outcomes, those that somebody has to look at.
    fn try_from(outcome: Outcome) -> Result<Self, ()> {
        match outcome {
            Outcome::Failed => Ok(Self::Failed),
            Outcome::Partial => Ok(Self::Partial),
            Outcome::Interrupted => Ok(Self::Interrupted),
            Outcome::Completed | Outcome::Skipped => Err(()),
        }
    }
}

impl Settings {
    /// The channel with this name.
    #[must_use]
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.name == name)
    }

    /// Those that are told of an event, but for tests, which are sent to whoever is asked for.
    pub fn told_of(&self, event: Event) -> impl Iterator<Item = &Channel> {
        self.channels.iter().filter(move |channel| channel.events.contains(&event))
    }

    /// After how long people are reminded of what goes on: as soon as one channel wants it.
    #[must_use]
    pub fn remind_after(&self) -> Duration {
        self.channels.iter().map(|channel| channel.remind_after).min().unwrap_or(Duration::MAX)
    }
}
