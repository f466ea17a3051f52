//! What is believed, and what is refused.

use super::*;

#[test]
fn the_same_question_is_not_asked_twice() {
    let (url, stop) = served(LocalBackend::default());
    let mut link = link(url, 10.0);
    let first = asked(&mut link, "git status").expect("an answer");
    assert_eq!(link.ask(question("git status")), Some(first));
    stop();
}

#[test]
fn a_score_out_of_range_is_refused() {
    for score in [
        serde_json::json!(7),
        serde_json::json!(-1),
        serde_json::json!("high"),
        serde_json::json!(null),
    ] {
        let shown = score.to_string();
        let mut link = link(answering(move |v| v["score"] = score.clone()), 10.0);
        let trouble = asked(&mut link, "id").expect_err(&shown);
        assert!(!trouble.is_empty());
    }
}

#[test]
fn answers_of_another_version_session_or_kind_are_refused() {
    for (field, value) in [
        ("v", serde_json::json!(2)),
        ("session", serde_json::json!("other")),
        ("t", serde_json::json!("block")),
        ("req_id", serde_json::json!(99)),
    ] {
        let mut link = link(answering(move |v| v[field] = value.clone()), 10.0);
        asked(&mut link, "id").expect_err(field);
    }
}

#[test]
fn garbage_is_refused() {
    for garbage in ["", "}{", "\u{0}\u{1b}[2J", "[1,2,3]"] {
        let url = scripted(move |socket, _| {
            let _ = socket.send(Message::text(garbage));
        });
        asked(&mut link(url, 10.0), "id").expect_err("refused");
    }
}

#[test]
fn a_reply_of_a_hundred_megabytes_is_refused_unread() {
    let url = scripted(|socket, _| {
        let _ = socket.send(Message::text("x".repeat(100 << 20)));
    });
    let trouble = asked(&mut link(url, 60.0), "id").expect_err("refused");
    assert!(
        trouble.to_lowercase().contains("too long")
            || trouble.to_lowercase().contains("space limit")
            || trouble.contains("exceed"),
        "{trouble}"
    );
}

#[test]
fn a_server_that_speaks_no_subprotocol_is_not_believed() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("ws://{}/ai", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = tungstenite::accept(stream).map(|mut s| s.read());
        }
    });
    asked(&mut link(url, 10.0), "id").expect_err("refused");
}

#[test]
fn an_address_that_cannot_be_used_is_refused_at_once() {
    for (url, timeout) in [
        ("https://h/ai", 5.0),
        ("http://h/ai", 5.0),
        ("nonsense", 5.0),
        ("ws://h/ai", 0.0),
        ("ws://h/ai", f64::NAN),
    ] {
        let settings = settings(url.into(), timeout);
        assert!(
            Link::open(&settings, String::new(), String::new(), String::new()).is_err(),
            "{url} {timeout}"
        );
    }
}

#[test]
fn a_question_tells_where_the_line_lies_and_whose_it_is() {
    let (sender, questions) = std::sync::mpsc::channel();
    let url = scripted(move |socket, question| {
        let answer = answer_to(&question);
        let _ = sender.send(question);
        let _ = socket.send(Message::text(answer.to_string()));
    });
    asked(&mut link(url, 10.0), "curl x").expect("an answer");
    let question = questions.recv().expect("a question");
    assert_eq!((question.range, question.req_id), (Some([100, 106]), 1));
    assert_eq!(question.raw_ref.as_deref(), Some("session-1/input/100-106"));
    let context = question.context;
    assert_eq!((context.user.as_str(), context.host.as_str()), ("alice", "web1"));
    assert_eq!((context.cwd.as_deref(), context.cmd_id), (Some("/srv"), Some(7)));
}

#[test]
fn evidence_is_told_and_must_lie_in_what_was_asked_about() {
    for (from, to, good) in [(101, 104, true), (0, 4, false), (101, 1000, false), (4, 4, false)] {
        let url = answering(move |v| {
            v["evidence"] = serde_json::json!([{ "from_seq": from, "to_seq": to }]);
        });
        let answer = asked(&mut link(url, 10.0), "curl x");
        assert_eq!(answer.is_ok(), good, "{from} to {to}: {answer:?}");
    }
}

#[test]
fn an_answer_in_fragments_between_pings_is_an_answer() {
    let url = scripted(|socket, question| {
        use tungstenite::protocol::frame::Frame;
        use tungstenite::protocol::frame::coding::{Data, OpCode};
        let text = answer_to(&question).to_string();
        let (head, tail) = text.split_at(text.len() / 2);
        let mut part = |text: &str, code, last| {
            let frame = Frame::message(text.to_owned(), OpCode::Data(code), last);
            let _ = socket.send(Message::Ping(Vec::new().into()));
            let _ = socket.send(Message::Frame(frame));
        };
        part(head, Data::Text, false);
        part(tail, Data::Continue, true);
    });
    assert_eq!(asked(&mut link(url, 10.0), "id").expect("an answer").score, 0.9);
}
