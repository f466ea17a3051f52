//! Completions, man pages, reference pages.

use crate::sandbox::{Sandbox, files};

#[test]
fn completions_exist_for_the_usual_shells() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish"] {
        let ran = sandbox.run(["completions", shell]);
        assert_eq!(ran.status, 0);
        assert!(ran.text().contains("verify"), "{shell}");
    }
    assert_eq!(sandbox.run(["completions", "tcl"]).status, 2);
}

#[test]
fn completions_offer_what_help_shows_and_no_more() {
    let sandbox = Sandbox::new();
    let help = sandbox.run(["--help"]).text();
    for shell in ["bash", "zsh", "fish"] {
        let script = sandbox.run(["completions", shell]).text();
        for hidden in ["bench-seat", "bench__seat", "docgen"] {
            assert!(!script.contains(hidden) && !help.contains(hidden), "{shell}: {hidden}");
        }
        for shown in ["verify", "approve", "on-journal-failure", "asciicast-v3", "version"] {
            assert!(script.contains(shown), "{shell}: {shown}");
        }
    }
}

#[test]
fn every_command_has_a_man_page() {
    let sandbox = Sandbox::new();
    assert!(sandbox.run(["man"]).text().contains(".TH auditty 1"));
    let dir = sandbox.path("man");
    assert_eq!(sandbox.run(["man", dir.to_str().unwrap()]).status, 0);
    for name in ["auditty.1", "auditty-run.1", "auditty-verify.1", "auditty-ctl-approve.1"] {
        let page = std::fs::read_to_string(dir.join(name)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
    }
    for hidden in ["auditty-worker.1", "auditty-bench-seat.1", "auditty-docgen.1"] {
        assert!(!dir.join(hidden).exists());
    }
}

#[test]
fn a_man_page_tells_exit_statuses_and_the_pages_beside_it() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("man");
    assert_eq!(sandbox.run(["man", dir.to_str().unwrap()]).status, 0);
    for path in files(&dir) {
        let page = std::fs::read_to_string(&path).unwrap().replace("\\-", "-");
        assert!(page.contains(".SH \"EXIT STATUS\""), "{}", path.display());
        let others = page.split_once(".SH \"SEE ALSO\"\n").unwrap().1.lines().next().unwrap();
        for other in others.split(", ") {
            let file = dir.join(other.replace("(1)", ".1"));
            assert!(file.exists(), "{}: {other}", path.display());
        }
    }
    let run = std::fs::read_to_string(dir.join("auditty-run.1")).unwrap();
    for status in ["2", "73", "74", "77", "78", "126", "127", "128 + N", "129, 143, 137"] {
        assert!(run.contains(&format!(".TP\n\\fB{status}\\fR\n")), "{status}");
    }
    for section in ["ENVIRONMENT", "FILES", "EXAMPLES"] {
        assert!(run.contains(&format!(".SH {section}\n")), "{section}");
    }
}

#[test]
fn the_reference_names_every_key() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("out");
    assert_eq!(sandbox.run(["docgen", dir.to_str().unwrap()]).status, 0);
    let page = std::fs::read_to_string(dir.join("docs/src/reference/configuration.md")).unwrap();
    for line in sandbox.run(["config", "show"]).lines() {
        if let Some((key, _)) = line.split_once(" = ") {
            assert!(page.contains(&format!(".{key}`")), "{key}");
        }
    }
    assert!(files(&dir).len() > 10);
}

#[test]
fn the_doctor_finds_this_machine_usable() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run(["doctor"]);
    for check in
        ["pty", "kernel", "configuration", "engine", "journal", "host key", "control socket"]
    {
        let line = ran.lines().into_iter().find(|l| l.contains(&format!("{check}: ")));
        let line = line.unwrap_or_else(|| panic!("no {check} in {ran:?}"));
        assert!(!line.starts_with("fail"), "{line}");
    }
}

#[test]
fn the_doctor_knocks_at_servers_that_are_switched_on() {
    let sandbox = Sandbox::new();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/ai", listener.local_addr().unwrap());
    let said = |enabled: &str| {
        let mut command = sandbox.command(["doctor"]);
        command.env("AUDITTY_AI__ENABLED", enabled).env("AUDITTY_AI__SERVER_URL", &url);
        crate::sandbox::Ran::of(command.spawn().unwrap()).text()
    };
    assert!(said("true").contains("ok   AI server: 127.0.0.1:"));
    assert!(!said("false").contains("AI server"));
}

#[test]
fn nothing_is_coloured_into_a_pipe() {
    let sandbox = Sandbox::new();
    assert!(!sandbox.run(["doctor"]).text().contains('\x1b'));
    assert!(sandbox.run(["--color", "always", "doctor"]).text().contains("\x1b[3"));
}
