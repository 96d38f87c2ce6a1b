//! `sweepd users`: change the role or the profile of a user.

use std::path::Path;

use serde_json::json;

use super::sessions::{Common, failure, open, say};
use super::{Exit, Failure};
use crate::sessions::{Changes, Name};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Give a user a role
    SetRole {
        /// The user's id
        #[arg(value_name = "USER")]
        user: String,
        /// The role; where `users.roles` is configured, one of those
        #[arg(value_name = "ROLE")]
        role: String,
    },
    /// Change a user's name or e-mail address
    SetProfile {
        /// The user's id
        #[arg(value_name = "USER")]
        user: String,
        /// The name; "" for none
        #[arg(long, value_name = "NAME", required_unless_present = "email")]
        name: Option<String>,
        /// The e-mail address
        #[arg(long, value_name = "EMAIL")]
        email: Option<String>,
    },
}

pub async fn run(path: Option<&Path>, args: Args) -> Result<Exit, Failure> {
    let sessions = open(path, &args.common).await?;
    let (user, changes) = changes(args.command);
    let done = sessions.update_user(&user, &changes).await;
    sessions.close().await;
    let updated = done.map_err(failure)?;
    let words = match updated.changed.as_slice() {
        [] => "Nothing to change: it is so already.".to_owned(),
        parts => format!("Changed: {}.", parts.join(", ")),
    };
    say(args.common.json, &json!({ "success": true, "changed": updated.changed }), &words);
    Ok(Exit::Done)
}

fn changes(command: Command) -> (String, Changes) {
    match command {
        Command::SetRole { user, role } => (user, Changes { role: Some(role), ..Changes::default() }),
        Command::SetProfile { user, name, email } => {
            let name = match name {
                None => Name::Keep,
                Some(name) if name.is_empty() => Name::Clear,
                Some(name) => Name::Set(name),
            };
            (user, Changes { role: None, name, email })
        }
    }
}
