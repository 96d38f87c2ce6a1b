//! How it ends.

use std::time::Duration;

use sweepd::clock::Stopwatch;

use super::client::request;
use super::stand::{FULL, Stand};

#[test]
fn an_answer_under_way_is_finished_and_nothing_else_is_waited_for() {
    let mut stand = Stand::new();
    let place = stand.place();
    let mut idle = place.connect();
    assert_eq!(idle.call("GET", "/open", None, "").body, "open");
    let mut silent = place.connect();
    let mut half = place.connect();
    half.send("GET /open HTTP/1.1\r\nHost:");
    let mut half_body = place.connect();
    half_body.send(format!(
        "POST /write HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {FULL}\r\nContent-Length: 60000\r\n\r\n{{"
    ));
    let mut wrong = place.connect();
    for _ in 0..4 {
        wrong.send(request("GET", "/read", Some("wrong"), ""));
    }
    let mut busy = place.connect();
    busy.send(request("GET", "/slow", None, ""));
    stand.began.recv_timeout(Duration::from_secs(5)).expect("it has begun");

    let watch = Stopwatch::start();
    stand.stop.cancel();
    assert_eq!((idle.rest(), silent.rest()), (vec![], vec![]));
    assert!(watch.elapsed() < Duration::from_millis(900), "{:?}", watch.elapsed());
    assert_eq!(half.rest(), b"");
    assert_eq!(half_body.answer().status, 408);
    assert!(watch.elapsed() < Duration::from_secs(3), "{:?}", watch.elapsed());
    assert!(std::net::TcpStream::connect(stand.address()).is_err(), "nobody new is let in");
    stand.go.notify_one();
    let answer = busy.answer();
    assert_eq!((&*answer.body, answer.header("connection")), ("done", Some("close")));
    stand.drained();
    assert!(watch.elapsed() < Duration::from_secs(6), "{:?}", watch.elapsed());
}
