//! Servers that are slow, silent, or not there.

use super::*;

#[test]
fn asking_does_not_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    let mut link = link(url, 3600.0);
    // nobody ever accepts: were asking to wait, this test would not end
    assert_eq!(link.ask(question("id")), None);
    assert!(link.awaits());
}

#[test]
fn a_server_that_says_nothing_is_given_up_in_time() {
    let url = scripted(|_, _| {});
    let mut link = link(url, 0.2);
    let trouble = asked(&mut link, "id").expect_err("no answer");
    assert!(
        trouble.contains("in time")
            || trouble.contains("emporarily")
            || trouble.contains("timed out"),
        "{trouble}"
    );
}

#[test]
fn a_server_that_is_not_there_opens_the_circuit() {
    let url = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        format!("ws://{}/ai", listener.local_addr().expect("an address"))
    };
    let mut link = link(url, 10.0);
    for index in 0..3 {
        asked(&mut link, &format!("id {index}")).expect_err("nobody there");
    }
    assert_eq!(link.ask(question("id again")), None);
    assert!(!link.awaits(), "nothing is asked while the circuit is open");
}

#[test]
fn the_link_comes_back_when_the_server_does() {
    struct Flaky(std::sync::atomic::AtomicUsize);
    impl Backend for Flaky {
        fn judge(&self, _: &Analyze) -> Result<Judgement, String> {
            match self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
                0 => Err("not now".into()),
                _ => Ok(Judgement { score: 0.8, ..Judgement::default() }),
            }
        }
    }
    let (url, stop) = served(Flaky(0.into()));
    let mut link = link(url, 10.0);
    asked(&mut link, "first").expect_err("an error message is no answer");
    assert_eq!(asked(&mut link, "second").expect("an answer").score, 0.8);
    stop();
}

/// A server that shakes hands or not, and then drips `head` and more until nobody listens.
fn dripping(head: &'static [u8], greet: bool) -> (String, std::sync::mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    let (sender, connections) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let sender = sender.clone();
            std::thread::spawn(move || {
                use std::io::Write as _;
                let _ = sender.send(());
                let mut stream = match greet {
                    true => {
                        let mut socket = tungstenite::accept_hdr(stream, admit).expect("a hand");
                        let _ = socket.read();
                        socket.get_ref().try_clone().expect("a handle")
                    }
                    false => stream,
                };
                for byte in head.iter().chain(std::iter::repeat(&b'a')) {
                    if stream.write_all(std::slice::from_ref(byte)).is_err() {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
    });
    (url, connections)
}

#[test]
fn a_server_that_drips_its_answer_is_given_up_in_time_and_not_stayed_with() {
    // the head of a text message of 60 000 bytes, and an endless header
    for (head, greet) in [(&b"\x81\x7e\xea\x60"[..], true), (&b"HTTP/1.1 101 OK\r\nx: "[..], false)]
    {
        let (url, connections) = dripping(head, greet);
        let mut link = link(url, 0.3);
        let mut questions = 0;
        // were each byte to buy more time, the circuit would never open
        let trouble = loop {
            assert!(questions < 20, "the circuit stays closed");
            questions += 1;
            let trouble = asked(&mut link, &format!("id {questions}")).expect_err("no answer");
            if !trouble.contains("in time") {
                break trouble;
            }
        };
        assert!(trouble.is_empty() || trouble.contains("away"), "{trouble}");
        for _ in 0..3 {
            connections.recv_timeout(PATIENCE).expect("each question had a connection of its own");
        }
    }
}

#[test]
fn a_server_that_pings_without_end_is_given_up_in_time() {
    let url =
        scripted(|socket, _| while socket.send(Message::Ping(vec![0; 100].into())).is_ok() {});
    let trouble = asked(&mut link(url, 0.3), "id").expect_err("no answer");
    assert!(trouble.contains("in time"), "{trouble}");
}

#[test]
fn a_server_that_dies_in_the_middle_of_a_question_is_told_of_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut socket = tungstenite::accept_hdr(stream, admit).expect("a hand");
            let _ = socket.read();
            // as the kernel closes what a killed process had open
            drop(socket);
        }
    });
    // its patience is far beyond this test's
    let trouble = asked(&mut link(url, 3600.0), "id").expect_err("no answer");
    assert!(!trouble.is_empty() && !trouble.contains("in time"), "{trouble}");
}
