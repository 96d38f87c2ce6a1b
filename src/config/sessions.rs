//! `[sessions]` and `[users]`.

use std::time::Duration;

use super::error::{may_be_secret, quoted};
use super::jobs::CENTURY;
use super::key::{did_you_mean, nearest};
use super::reader::Section;
use super::setting::Setting as _;
use super::{Config, Sessions};
use crate::job::Job;
use crate::sessions::{MAX_AGE, UPDATE_AGE, Users};

pub(super) fn sessions(root: &mut Section<'_>, jobs: &[Job]) -> Sessions {
    let mut section = root.table("sessions");
    let job: Option<String> = section.optional("job");
    if let Some(problem) = job.as_deref().and_then(|name| unknown(name, jobs)) {
        section.problem("job", problem);
    }
    let second = Duration::from_secs(1);
    let max_age = section.within("max_age", MAX_AGE, second..=CENTURY);
    let update_age = section.within("update_age", UPDATE_AGE, Duration::ZERO..=CENTURY);
    if update_age >= max_age {
        section.problem("update_age", format!("must be shorter than max_age, which is {}", max_age.to_toml()));
    }
    let sessions = Sessions { job, max_age, update_age };
    let longest = chosen(&sessions, jobs, None).ok().and_then(|job| Some((job, job.spec.max_age?)));
    if let Some((job, longest)) = longest.filter(|(_, longest)| *longest < max_age) {
        let (name, longest) = (&job.spec.job, longest.to_toml());
        section.problem("max_age", format!("must be at most jobs.{name}.max_age, which is {longest}"));
    }
    section.finish();
    sessions
}

fn unknown(name: &str, jobs: &[Job]) -> Option<String> {
    let names = || jobs.iter().map(|job| job.spec.job.as_str());
    let list = names().collect::<Vec<_>>().join(", ");
    let missing = !names().any(|known| known == name) && !jobs.is_empty();
    missing.then(|| {
        format!("there is no job {}; configured: {list}{}", quoted(name), did_you_mean(nearest(name, names())))
    })
}

pub(super) fn users(root: &mut Section<'_>) -> Users {
    let default = Users::default();
    let mut section = root.table("users");
    let schema = section.identifier("schema");
    let table = section.identifier("table");
    let mut column = |key, default: String| {
        let name = section.identifier(key).unwrap_or(default);
        section.derive(key, Some(name.to_toml()), "default");
        name
    };
    let (id, role) = (column("id", default.id), column("role", default.role));
    let (name, email) = (column("name", default.name), column("email", default.email));
    let roles: Option<Vec<String>> = section.optional("roles");
    let odd = |role: &String| role.trim().is_empty() || role.chars().any(char::is_control) || may_be_secret(role);
    if roles.as_ref().is_some_and(|roles| roles.is_empty() || roles.iter().any(odd)) {
        section.problem("roles", "expected the names of the roles that can be given; leave it out to accept any");
    }
    let roles = roles.unwrap_or_default();
    section.finish();
    Users { table, schema, id, role, name, email, roles }
}

impl Config {
    /// The job whose sessions are managed: the one of that name, else that of `sessions.job`, else the only one that is
    /// enabled and has tokens.
    ///
    /// # Errors
    /// Why there is none, and what to do.
    pub fn sessions_job(&self, name: Option<&str>) -> Result<&Job, String> {
        chosen(&self.sessions, &self.jobs, name)
    }
}

fn chosen<'a>(sessions: &Sessions, jobs: &'a [Job], name: Option<&str>) -> Result<&'a Job, String> {
    let names = |jobs: &[&Job]| jobs.iter().map(|job| job.spec.job.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(name) = name.or(sessions.job.as_deref()) {
        let job = jobs.iter().find(|job| job.spec.job == name);
        let all = names(&jobs.iter().collect::<Vec<_>>());
        return job.ok_or_else(|| format!("there is no job {name:?}; the configuration has {all}"));
    }
    let fitting: Vec<&Job> = jobs.iter().filter(|job| job.enabled && job.spec.layout.token.is_some()).collect();
    match fitting.as_slice() {
        [] => Err("no enabled job has a column for the token; set `token` in the job".to_owned()),
        [job] => Ok(job),
        several => Err(format!(
            "several jobs have sessions ({}); set `sessions.job` to one of them, or name one (`--job`, over HTTP `?job=`)",
            names(several)
        )),
    }
}
