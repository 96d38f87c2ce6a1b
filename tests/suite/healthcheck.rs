//! `sweepd healthcheck`, as a container calls it.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;

use crate::http::tls::Certificate;
use crate::process::{Process, sweepd};
use crate::servers::Engine;
use crate::stage::{LIMIT, NEVER, Stage, stop};

const SECRET: &str = "secret = \"the-secret-of-the-daemon\"";

/// The exit code and the one line that it prints.
fn check(config: Option<&Path>, arguments: &[&str]) -> (i32, String) {
    let mut command = sweepd();
    if let Some(config) = config {
        command.arg("--config").arg(config);
    }
    command.arg("healthcheck").args(arguments);
    let mut process = Process::spawn(command);
    let code = process.exit_code(LIMIT);
    let said = process.output();
    assert_eq!(said.lines().count(), 1, "{said}");
    (code, said.trim_end().to_owned())
}

fn stage() -> Stage {
    Stage::fresh(Engine::Sqlite).expect("SQLite is built in")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A daemon on a port that is known before, and that port: the first that nobody else has taken meanwhile.
fn daemon_at(stage: &Stage, http: impl Fn(u16) -> String) -> (Process, u16) {
    let start = || {
        let port = free_port();
        let mut daemon = stage.daemon(NEVER, "", &format!("[http]\n{SECRET}\n{}", http(port)));
        loop {
            let said = daemon.output();
            if said.contains("is ready") {
                return Some((daemon, port));
            }
            if daemon.wait_timeout(std::time::Duration::from_millis(10)).is_some() {
                assert!(said.contains("cannot listen"), "{said}");
                return None;
            }
        }
    };
    (0..5).find_map(|_| start()).expect("a free port")
}

#[test]
fn it_asks_where_the_configuration_lets_the_daemon_listen() {
    for host in ["127.0.0.1", "0.0.0.0", "[::]", "localhost"] {
        let stage = stage();
        let (mut daemon, port) = daemon_at(&stage, |port| format!("listen = \"{host}:{port}\""));
        let config = stage.directory().join("sweepd.toml");
        let alive = check(Some(&config), &[]);
        assert_eq!(alive, (0, format!("ok: http://{host}:{port}/healthz")));
        assert_eq!(check(Some(&config), &["--ready"]), (0, format!("ok: http://{host}:{port}/readyz")));
        let url = format!("http://127.0.0.1:{port}");
        assert_eq!(check(None, &["--url", &url]), (0, format!("ok: {url}/healthz")));

        // A bad edit changes nothing for the daemon, so it is no reason to restart it.
        fs::write(&config, format!("[http]\nlisten = \"{host}:{port}\"\nsecret_file = \"/nowhere\"\nodd = 1\n"))
            .unwrap();
        assert_eq!(check(Some(&config), &[]), alive);
        stop(&mut daemon);
        let (code, said) = check(Some(&config), &[]);
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("/healthz: cannot connect: Connection refused"), "{said}");
    }
}

#[test]
fn it_asks_on_the_socket_first_which_nobody_outside_can_fill() {
    let stage = stage();
    let socket = stage.directory().join("http.sock");
    let keys = format!("socket = \"{}\"\nmax_connections = 1", socket.display());
    let (mut daemon, port) = daemon_at(&stage, |port| format!("listen = \"127.0.0.1:{port}\"\n{keys}"));
    let _crowd = [(); 3].map(|()| std::net::TcpStream::connect(("127.0.0.1", port)).unwrap());
    let good = (0, format!("ok: unix:{}/healthz", socket.display()));
    assert_eq!(check(Some(&stage.directory().join("sweepd.toml")), &[]), good);
    assert_eq!(check(None, &["--socket", socket.to_str().unwrap()]), good);
    stop(&mut daemon);
}

#[test]
fn it_speaks_tls_with_a_certificate_for_another_name() {
    let stage = stage();
    let Some(certificate) = Certificate::make(stage.directory(), "sweepd.example.com") else { return };
    let (certificate, key) = (certificate.certificate.display(), certificate.key.display());
    let tls = format!("tls_certificate = \"{certificate}\"\ntls_key = \"{key}\"");
    let (mut daemon, port) = daemon_at(&stage, |port| format!("listen = \"localhost:{port}\"\n{tls}"));
    let config = stage.directory().join("sweepd.toml");
    assert_eq!(check(Some(&config), &[]), (0, format!("ok: https://localhost:{port}/healthz")));
    let (code, said) = check(None, &["--url", &format!("http://127.0.0.1:{port}")]);
    assert_eq!(code, 1, "{said}");
    stop(&mut daemon);
}

#[test]
fn ready_says_no_while_something_is_wrong() {
    let stage = stage();
    let (mut daemon, port) = daemon_at(&stage, |port| format!("listen = \"127.0.0.1:{port}\""));
    let config = stage.directory().join("sweepd.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, good.replace(NEVER, "sometimes")).unwrap();
    daemon.wait_for_output("sometimes", LIMIT);
    let wrong = format!(
        "error: http://127.0.0.1:{port}/readyz: something is wrong; `sweepd history`, `sweepd check` and the log say what"
    );
    assert_eq!(check(Some(&config), &["--ready"]), (1, wrong));
    assert_eq!(check(Some(&config), &[]).0, 0);
    stop(&mut daemon);
}

#[test]
fn a_daemon_that_stands_still_is_not_well() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut silent, _) = listener.accept().unwrap();
        let mut request = String::new();
        silent.read_to_string(&mut request).unwrap();
        request
    });
    let said = check(None, &["--url", &url, "--timeout", "300ms"]);
    assert_eq!(said, (1, format!("error: {url}/healthz: no answer within 300ms")));
    let request = server.join().unwrap();
    assert!(request.starts_with("GET /healthz HTTP/1.1\r\n") && !request.to_lowercase().contains("auth"), "{request}");
}

#[test]
fn without_http_there_is_nobody_to_ask() {
    let stage = stage();
    let config = stage.configure(NEVER, "", "");
    let off = "HTTP is off, so nobody can be asked; a key of [http] turns it on";
    assert_eq!(check(Some(&config), &[]), (1, format!("error: {off}")));
    assert_eq!(check(Some(&config), &["--allow-off"]), (0, off.to_owned()));
    // Where it is configured but nobody answers, that is no excuse.
    let config = stage.configure(NEVER, "", &format!("[http]\nlisten = \"127.0.0.1:{}\"", free_port()));
    assert_eq!(check(Some(&config), &["--allow-off"]).0, 1);
    let (code, said) = check(Some(Path::new("/nowhere/sweepd.toml")), &["--allow-off"]);
    assert!(code == 1 && said.contains("cannot read the configuration"), "{said}");
}
