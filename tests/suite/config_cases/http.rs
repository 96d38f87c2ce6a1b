//! `[http]`: what turns it on, its secrets, and that they are never repeated.

use std::fs;

use super::{accepted, load, refusal};

const SECRET: &str = "hunter2-hunter2-hunter2";
const OTHER: &str = "another2-another2-another2";

#[test]
fn it_is_off_unless_one_of_its_keys_is_there() {
    for (text, variables) in [("", vec![]), ("", vec![("CRON_SECRET", SECRET)]), ("[http]", vec![])] {
        let config = accepted(text, &variables);
        assert!(config.http.is_none(), "{text}");
        assert!(config.effective().contains("[http]\n# listen is not set\n"), "{}", config.effective());
    }
    let on = accepted("[http]\nvercel_cron = true", &[("CRON_SECRET", SECRET)]);
    let http = on.http.as_ref().unwrap();
    assert_eq!(http.listen.as_ref().unwrap().to_string(), "127.0.0.1:8787");
    assert_eq!((http.vercel_cron, http.max_connections, http.socket.as_deref()), (true, 512, None));
    let shown = on.effective();
    for line in [
        "listen = \"127.0.0.1:8787\"  # default\n",
        "secret = \"***\"  # CRON_SECRET\n",
        "max_connections = 512  # default\n",
    ] {
        assert!(shown.contains(line), "{line} is not in {shown}");
    }
    let by_variable = accepted("", &[("SWEEPD_HTTP__SECRET", SECRET)]);
    assert!(by_variable.http.is_some());
    let socket = accepted("[http]\nsocket = \"/run/s.sock\"", &[("CRON_SECRET", SECRET)]).http.unwrap();
    assert!(socket.listen.is_none() && socket.socket.is_some());
}

#[test]
fn mistakes_are_named_and_secrets_are_not() {
    let cases: &[(&str, &str)] = &[
        ("listen = \"8787\"", "http.listen: expected an address and a port, such as \"127.0.0.1:8787\""),
        ("listen = \":8787\"", "http.listen: expected an address"),
        ("listen = \"*:8787\"", "http.listen: expected an address"),
        ("listen = \"::1:8787\"", "http.listen: expected an address"),
        ("listen = \"[127.0.0.1]:8787\"", "http.listen: expected an address"),
        ("listen = \"localhost:99999\"", "http.listen: expected an address"),
        ("listen = 8787", "http.listen: expected text in quotes"),
        ("max_connections = 0", "http.max_connections: must be from 1 to 10000"),
        ("secrets = \"hunter2\"", "http.secrets: unknown key; accepted here: listen, socket, secret, secret_file"),
        ("tls_certificate = \"/a\"", "http.tls_key: is missing; tls_certificate cannot be used without it"),
        ("tls_key = \"/a\"", "http.tls_certificate: is missing"),
        (
            "tls_certificate = \"/nowhere.crt\"\ntls_key = \"/a\"",
            "http.tls_certificate: /nowhere.crt: cannot read a certificate",
        ),
        ("socket = \"/run/s\"\ntls_certificate = \"/a\"\ntls_key = \"/a\"", "http.tls_certificate: is for listen"),
        ("secret_file = \"/nowhere\"", "http.secret_file: cannot read the file /nowhere"),
        (
            "previous_secret = \"hunter2\"",
            "sweepd.toml:3: http.previous_secret: has fewer than 16 characters; `openssl",
        ),
        ("read_secret = \"hunter2\"", "http.read_secret: has fewer than 16 characters; `openssl"),
        ("read_secret = \"hunter2-hunter2-hunter2\"", "http.read_secret: allows everything, as secret"),
        (
            "previous_secret = \"hunter2-hunter2\\u0000-hunter2\"",
            "http.previous_secret: has a line break or another control",
        ),
        ("read_secret = 1234567890123456789", "http.read_secret: expected text in quotes\n"),
        ("previous_secret = \"hunter2-hunter2-hunter3\"\nprevious_secret_file = \"x\"", "previous_secret is given too"),
    ];
    for (keys, part) in cases {
        let own_secret = if keys.starts_with("secret_file") { "" } else { "secret = \"hunter2-hunter2-hunter2\"" };
        let errors = refusal(&format!("[http]\n{own_secret}\n{keys}")) + "\n";
        assert!(errors.contains(part), "{keys}: {part:?} is not in:\n{errors}");
        assert!(!errors.contains("hunter2") && !errors.contains("123456"), "{errors}");
    }
    let weak = load("[http]\nlisten = \"[::1]:0\"", &[("DATABASE_URL", "file:./a"), ("CRON_SECRET", "hunter2")]);
    assert_eq!(weak.unwrap_err(), "CRON_SECRET: has fewer than 16 characters; `openssl rand -hex 32` makes a good one");
    let numbers = refusal("[http]\nsecret = 1234567890123456789");
    assert_eq!(numbers, "sweepd.toml:2: http.secret: expected text in quotes");
}

#[test]
fn secrets_come_from_files_too_and_are_trimmed() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        toml::Value::from(path.to_str().unwrap()).to_string()
    };
    let (full, read) = (write("full", &format!("  {SECRET}\r\n\n")), write("read", &format!("{OTHER}\n")));
    let by_files = accepted(&format!("[http]\nsecret_file = {full}\nread_secret_file = {read}"), &[]);
    let by_keys = accepted(&format!("[http]\nsecret = \"{SECRET} \"\nread_secret = \"{OTHER}\""), &[]);
    assert_eq!(by_files.http.as_ref().unwrap().secrets, by_keys.http.as_ref().unwrap().secrets);
    assert!(by_files.effective().contains("# secret: from secret_file\n"), "{}", by_files.effective());
    for config in [by_files, by_keys] {
        let shown = format!("{}{config:?}", config.effective());
        assert!(!shown.contains("hunter2") && !shown.contains("another2"), "{shown}");
    }
    let twice = write("twice", &format!("{SECRET}\n{OTHER}\n"));
    let errors = refusal(&format!("[http]\nsecret_file = {twice}"));
    assert!(errors.contains("has several lines; it has to hold a secret, and nothing else"), "{errors}");
}

#[test]
fn plain_text_for_others_to_read_is_warned_of() {
    let warned = |listen: &str| {
        let config = accepted(&format!("[http]\nlisten = \"{listen}\"\nsecret = \"{SECRET}\""), &[]);
        config.warnings.iter().any(|warning| warning.starts_with("http.listen: others can reach"))
    };
    for near in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "localhost:1"] {
        assert!(!warned(near), "{near}");
    }
    for far in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "sweepd.example.com:1"] {
        assert!(warned(far), "{far}");
    }
}
