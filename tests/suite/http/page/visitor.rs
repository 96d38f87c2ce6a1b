//! Somebody with a browser that keeps one cookie.

use crate::http::called::Called;
use crate::http::client::{Answer, Place};

pub struct Visitor {
    place: Place,
    pub cookie: Option<String>,
}

impl Visitor {
    pub fn new(called: &Called) -> Self {
        Self { place: called.place.clone(), cookie: None }
    }

    /// Who has logged in with this secret.
    pub fn with(called: &Called, secret: &str) -> Self {
        let mut visitor = Self::new(called);
        let answer = visitor.log_in(secret, "");
        assert_eq!(answer.status, 303, "{answer:?}");
        visitor
    }

    /// Gives the secret, and keeps the cookie. `headers` are whole lines.
    pub fn log_in(&mut self, secret: &str, headers: &str) -> Answer {
        let answer = self.send("POST", "/login", headers, &format!("secret={secret}&next="));
        let cookie = answer.header("set-cookie").and_then(|cookie| cookie.split(';').next());
        self.cookie = cookie.map(str::to_owned).or(self.cookie.take());
        answer
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "", "")
    }

    /// The page, which has to be there.
    pub fn page(&self, path: &str) -> String {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        answer.body
    }

    /// What the forms of this log-in carry.
    pub fn token(&self) -> String {
        let page = self.page("/");
        let token = page.split(r#"name="token" value=""#).nth(1).and_then(|rest| rest.split('"').next());
        token.expect("a form").to_owned()
    }

    pub fn press(&self, path: &str) -> Answer {
        self.send("POST", path, "", &format!("token={}", self.token()))
    }

    /// A call as a browser makes it.
    pub fn send(&self, method: &str, path: &str, headers: &str, form: &str) -> Answer {
        let cookie = self.cookie.as_ref().map(|cookie| format!("Cookie: other=1; {cookie}\r\n")).unwrap_or_default();
        let is_form = method == "POST" && !headers.contains("Content-Type");
        let kind = if is_form { "Content-Type: application/x-www-form-urlencoded\r\n" } else { "" };
        let length = if method == "POST" { format!("Content-Length: {}\r\n", form.len()) } else { String::new() };
        let mut connection = self.place.connect();
        connection.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/html,*/*;q=0.8\r\n{cookie}{kind}{length}{headers}\r\n{form}"
        ));
        if method == "HEAD" { connection.head() } else { connection.answer() }
    }
}
