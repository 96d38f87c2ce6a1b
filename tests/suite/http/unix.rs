//! A unix socket.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;

use sweepd::http::Settings;
use sweepd::http::listen::Bound;

use super::client::Place;
use super::stand::{FULL, Stand, settings};

/// With one place for both: neither keeps it from the other while nobody is there.
fn on(path: &Path) -> Settings {
    Settings { socket: Some(path.to_owned()), max_connections: 1, ..settings() }
}

fn bind(path: &Path) -> Result<Bound, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(Bound::new(on(path))).map_err(|error| error.to_string())
}

#[test]
fn it_listens_on_a_unix_socket_beside_the_address() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("http.sock");
    // One that a dead process has left.
    drop(UnixListener::bind(&path).unwrap());
    let mut stand = Stand::with(on(&path));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    let place = Place::Unix(path.clone());
    assert_eq!(place.get("/read", FULL).body, "read");
    assert_eq!(stand.place().get("/read", FULL).body, "read");
    assert_eq!(place.get("/read", "a wrong secret").status, 401);
    let large = place.call("POST", "/write", Some(FULL), &"x".repeat(1 << 20));
    assert_eq!(large.status, 413);

    let error = bind(&path).unwrap_err();
    assert!(error.contains("http.sock: another process listens there; `http.socket` has to be a path"), "{error}");
    assert_eq!(place.get("/read", FULL).body, "read", "it is left alone");
    stand.stop.cancel();
    stand.drained();
    assert!(!path.exists());
}

#[test]
fn what_is_no_socket_is_never_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("important");
    fs::write(&file, "data").unwrap();
    let error = bind(&file).unwrap_err();
    assert!(error.contains("there is a file that is no socket"), "{error}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "data");
    let error = bind(&directory.path().join("nowhere/http.sock")).unwrap_err();
    assert!(error.contains("needs a directory in which this user may create files"), "{error}");
}
