//! The link over TLS.

use std::path::PathBuf;

use super::*;

/// An analyser behind a certificate for `name`.
fn analyser(name: &str) -> tls::TlsServer {
    tls::server(name, |stream| {
        let Ok(mut socket) = tungstenite::accept_hdr(stream, admit) else { return };
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                let question = serde_json::from_str(&text).expect("a question");
                let _ = socket.send(Message::text(answer_to(&question).to_string()));
            }
        }
    })
}

fn wss(host: &str, port: u16, ca_file: PathBuf) -> Result<Link, audit_detect::DetectError> {
    let url = format!("wss://{host}:{port}/ai");
    let settings = LinkSettings { ca_file: Some(ca_file), ..settings(url, 10.0) };
    Link::open(&settings, "session-1".into(), "alice".into(), "web1".into())
}

#[test]
fn a_server_with_a_trusted_certificate_is_asked() {
    for host in ["localhost", "127.0.0.1"] {
        let server = analyser(host);
        let mut link = wss(host, server.port, server.ca_file.clone()).expect("a link");
        assert_eq!(asked(&mut link, "id").expect("an answer").score, 0.9);
        assert_eq!(asked(&mut link, "id -u").expect("the same connection").score, 0.9);
    }
}

#[test]
fn a_server_with_another_certificate_or_name_is_not_believed() {
    let (server, other) = (analyser("localhost"), analyser("localhost"));
    let mut link = wss("localhost", server.port, other.ca_file.clone()).expect("a link");
    let trouble = asked(&mut link, "id").expect_err("another certificate");
    assert!(trouble.contains("certificate"), "{trouble}");
    let named = analyser("analyser.example");
    let mut link = wss("localhost", named.port, named.ca_file.clone()).expect("a link");
    let trouble = asked(&mut link, "id").expect_err("another name");
    assert!(trouble.contains("certificate"), "{trouble}");
}

#[test]
fn a_server_without_tls_is_not_spoken_to_in_clear() {
    let (sender, heard) = std::sync::mpsc::channel();
    let plain = scripted(move |_, question| {
        let _ = sender.send(question);
    });
    let port = plain.trim_end_matches("/ai").rsplit(':').next().expect("a port").to_owned();
    let server = analyser("localhost");
    let port = port.parse().expect("a number");
    let mut link = wss("localhost", port, server.ca_file.clone()).expect("a link");
    asked(&mut link, "id").expect_err("no TLS there");
    assert!(heard.try_recv().is_err());
}

#[test]
fn a_server_that_drips_its_certificate_is_given_up_in_time() {
    use std::io::Write as _;
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // a handshake record of 16 KiB, byte by byte
            let mut bytes = b"\x16\x03\x03\x40\x00\x02".iter().chain(std::iter::repeat(&0));
            while stream.write_all(std::slice::from_ref(bytes.next().expect("endless"))).is_ok() {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    });
    let server = analyser("localhost");
    let url = format!("wss://localhost:{port}/ai");
    let settings = LinkSettings { ca_file: Some(server.ca_file.clone()), ..settings(url, 0.3) };
    let mut link = Link::open(&settings, "s".into(), "u".into(), "h".into()).expect("a link");
    let trouble = asked(&mut link, "id").expect_err("no answer");
    assert!(trouble.contains("in time"), "{trouble}");
}

#[test]
fn certificates_that_cannot_be_used_are_refused_at_once() {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in [
        ("empty", ""),
        ("text", "no certificate"),
        ("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
    ] {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("a file");
        let refused = wss("localhost", 1, path).expect_err(name).to_string();
        assert_eq!(refused.lines().count(), 1, "{refused}");
    }
    assert!(wss("localhost", 1, dir.path().join("missing")).is_err());
}
