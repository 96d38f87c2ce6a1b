//! An edit of the configuration counts from the next call on.

use std::fs;

use super::super::daemon::said;
use super::{Api, in_minutes, on_every_engine};
use crate::sessions::App;
use crate::stage::Stage;

const LOADED: &str = "the configuration was loaded anew";

impl Api {
    /// Puts `to` in the place of `from`, and waits until that is followed.
    fn edit(&self, from: &str, to: &str) {
        let path = self.app.stage.directory().join("sweepd.toml");
        let text = fs::read_to_string(&path).expect("the configuration");
        assert_eq!(text.matches(from).count(), 1, "{from}: {text}");
        let before = self.daemon.output().matches(LOADED).count();
        let new = path.with_extension("new");
        fs::write(&new, text.replace(from, to)).expect("it is written");
        fs::rename(new, path).expect("it takes the place of the old one");
        said(&self.daemon, LOADED, before + 1);
    }
}

#[test]
fn ages_roles_and_the_database_follow() {
    on_every_engine(|api| {
        api.app.add("tok3n-1", "ada", in_minutes(1));
        api.app.add("tok3n-2", "bob", in_minutes(1));
        assert!(api.is_alive("tok3n-1"));
        assert_eq!(api.minutes_left("ada"), 30);
        let role = r#"{"role":"ADMIN"}"#;
        api.expect("PATCH", "/api/users/ada", role);

        api.edit("[users]", "[sessions]\nmax_age = \"2h\"\n[users]");
        assert!(api.is_alive("tok3n-1") && api.is_alive("tok3n-2"));
        assert_eq!((api.minutes_left("ada"), api.minutes_left("bob")), (120, 120), "{:?}", api.app.engine);

        api.edit("roles = [\"USER\", \"ADMIN\"]", "roles = [\"GUEST\"]");
        let refused = api.refused(422, "PATCH", "/api/users/ada", role);
        assert_eq!(refused, "this role is not accepted; accepted: GUEST");
        api.edit("roles = [\"GUEST\"]", "");

        let Some(other) = Stage::fresh(api.app.engine).map(App::new) else { return };
        other.add("tok3n-3", "ada", in_minutes(1));
        let url = |app: &App| toml::Value::from(app.database().url()).to_string();
        api.edit(&url(&api.app), &url(&other));
        assert!(api.is_alive("tok3n-3") && !api.is_alive("tok3n-1"));
        assert_eq!(api.minutes_left("ada"), 120);
        api.expect("PATCH", "/api/users/ada", role);
        assert_eq!((api.app.audit().len(), other.audit().len()), (1, 1));

        // What cannot be used changes nothing.
        let path = api.app.stage.directory().join("sweepd.toml");
        fs::write(path, "nonsense [").expect("it is written");
        said(&api.daemon, "cannot be used", 1);
        assert!(api.is_alive("tok3n-3"));
    });
}
