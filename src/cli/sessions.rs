//! `sweepd sessions`: list, touch and revoke the sessions of an application.

use std::future::pending;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use serde_json::json;

use super::{Exit, Failure, Session, output};
use crate::daemon;
use crate::report::rfc3339;
use crate::sessions::{Error, SessionInfo, Sessions};
use crate::telemetry::Level;

const ABSENT: &str = "Exit 1 means that there is no such session or that it has expired; the message says so.";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    pub common: Common,
}

/// What `sessions` and `users` have in common.
#[derive(Debug, clap::Args)]
pub struct Common {
    /// The job whose table holds the sessions [default: `sessions.job` of the configuration, else the only one with tokens]
    #[arg(long, global = true, value_name = "JOB")]
    job: Option<String>,
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the live sessions of a user, those that expire last first; of each token only a fingerprint
    List {
        /// The user's id
        #[arg(value_name = "USER")]
        user: String,
    },
    /// End one session
    #[command(after_help = ABSENT)]
    Revoke {
        /// The session's token; others on this machine can see it here (`ps`), so without it one line is read from
        /// standard input
        #[arg(value_name = "TOKEN")]
        token: Option<String>,
    },
    /// End all sessions of a user
    RevokeUser {
        /// The user's id
        #[arg(value_name = "USER")]
        user: String,
        /// Leave the session with this token; "-" reads it from standard input, so that others cannot see it (`ps`)
        #[arg(long, value_name = "TOKEN")]
        except: Option<String>,
    },
    /// Say that a session was just used, so that it lives on
    #[command(after_help = ABSENT)]
    Touch {
        /// The session's token; others on this machine can see it here (`ps`), so without it one line is read from
        /// standard input
        #[arg(value_name = "TOKEN")]
        token: Option<String>,
    },
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let sessions = open(path, &args.common).await?;
    let done = call(&sessions, args.command, args.common.json).await;
    sessions.close().await;
    done
}

/// The sessions of the configuration, for a command that is called once.
pub async fn open(path: Option<&Path>, common: &Common) -> Result<Sessions, Failure> {
    let session = Session::open(path, Level::Warn)?.decided(pending()).await?;
    let job = session.config.sessions_job(common.job.as_deref()).map_err(Failure::usage)?;
    Ok(daemon::sessions(&session.config, job, &session.clock, "cli"))
}

async fn call(sessions: &Sessions, command: Command, json: bool) -> Result<Exit, Failure> {
    match command {
        Command::List { user } => {
            let found = sessions.user_sessions(&user).await.map_err(failure)?;
            if json { output::json(&json!({ "sessions": found })) } else { print(&found) }
        }
        Command::Revoke { token } => {
            let token = token.map_or_else(read_token, Ok)?;
            if !sessions.revoke_session(&token).await.map_err(failure)? {
                return Err(absent("there is no such session"));
            }
            say(json, &json!({ "success": true, "revoked": true }), "The session is revoked.");
        }
        Command::RevokeUser { user, except } => {
            let except = if except.as_deref() == Some("-") { Some(read_token()?) } else { except };
            let revoked = sessions.invalidate_user_sessions(&user, except.as_deref()).await;
            let revoked = revoked.map_err(failure)?;
            let noun = if revoked == 1 { "session" } else { "sessions" };
            say(json, &json!({ "success": true, "revokedCount": revoked }), &format!("{revoked} {noun} revoked."));
        }
        Command::Touch { token } => {
            let token = token.map_or_else(read_token, Ok)?;
            if !sessions.touch_session(&token).await.map_err(failure)? {
                return Err(absent("the session has expired, or there is none"));
            }
            say(json, &json!({ "success": true, "active": true }), "The session is active.");
        }
    }
    Ok(Exit::Done)
}

/// A line of standard input, without its end.
fn read_token() -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        output::note("waiting for the token on standard input, as one line");
    }
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let token = line.trim_end_matches(['\r', '\n']).to_owned();
    if token.is_empty() {
        return Err(Failure::usage("no token; give it as one line on standard input"));
    }
    Ok(token)
}

/// What is wrong with the call itself is the caller's to mend.
pub fn failure(error: Error) -> Failure {
    match error {
        Error::Invalid(_) | Error::RoleNotAllowed { .. } => Failure::usage(error.to_string()),
        other => other.into(),
    }
}

fn absent(message: &str) -> Failure {
    Failure { message: message.to_owned(), exit: Exit::Failed }
}

pub fn say(as_json: bool, value: &serde_json::Value, words: &str) {
    if as_json { output::json(value) } else { output::line(words) }
}

fn print(found: &[SessionInfo]) {
    if found.is_empty() {
        return output::line("The user has no live session.");
    }
    let rows = found.iter().map(|session| {
        let expires = session.expires_at.map_or_else(|| "never".to_owned(), rfc3339);
        vec![session.fingerprint.clone().unwrap_or_else(|| "-".to_owned()), expires]
    });
    output::table(&["fingerprint", "expires"], &[], rows.collect());
}
