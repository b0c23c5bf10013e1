//! `skep health`, against an admin listener of the test's own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::started::{Ran, skep};

/// What the command makes of that answer to `GET /readyz`.
fn asked(status: &str, body: &str) -> Ran {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    let server = std::thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let mut lines = BufReader::new(peer.try_clone().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().unwrap(), "GET /readyz HTTP/1.1");
        lines.find(|line| line.is_empty()).unwrap();
        peer.write_all(answer.as_bytes()).unwrap();
    });
    let ran = skep(&["health"]).variable("SKEP_ADMIN_URL", &url).run();
    server.join().unwrap();
    ran
}

#[test]
fn whether_it_is_ready_is_the_exit_status() {
    let ready = asked("200 OK", "ready\n");
    assert_eq!((ready.status, ready.stdout.as_str()), (Some(0), "ready\n"), "{ready:?}");
    asked("503 Service Unavailable", "skep is stopping\n").refused(1, &["not ready", "skep is stopping"]);
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    skep(&["health", "--admin", &format!("http://{free}")]).run().refused(4, &["can't be reached"]);
}
