//! What is typed at a prompt for a secret is nowhere to be found afterwards.

use audit_core::{Body, SecretRule, Stream};

use super::scenarios;
use crate::live::{Ended, Live};
use crate::patience::until_true;
use crate::scene::Stage;

scenarios![
    a_password_asked_for_without_echo_is_nowhere,
    a_password_asked_for_by_bash_is_nowhere,
    a_password_read_key_by_key_is_nowhere,
    a_wrong_password_is_as_secret_as_the_right_one,
    a_password_given_up_half_way_is_nowhere,
    a_password_typed_ahead_is_nowhere,
    what_is_typed_after_a_password_is_recorded,
];

/// Asks as `getpass(3)` does.
const GETPASS: &str = "ask() { stty -echo; printf '%s' \"$1\"; read -r word; stty echo; echo; }; ";

/// Checks that a secret is nowhere and that something says so.
fn check_redacted(ended: &Ended, secret: &str) {
    ended.files.check_secrecy(secret);
    let is_redaction = |body: &Body| matches!(body, Body::Redaction { stream: Stream::Input, .. });
    assert!(ended.journal.holds(is_redaction), "{}", ended.journal.summary());
    assert!(!ended.terminal.text().contains(secret), "a secret has no echo");
}

fn answers(live: &mut Live, prompt: &str, secret: &str, length: usize) {
    live.expect(prompt);
    live.send(format!("{secret}\r"));
    live.expect(&format!("{length} characters"));
}

fn a_password_asked_for_without_echo_is_nowhere(stage: &Stage) {
    let script = format!("{GETPASS} ask 'Password: '; echo \"${{#word}} characters\"");
    let mut live = stage.sh(&script).play();
    answers(&mut live, "Password: ", "hunter2-and-more", 16);
    let ended = live.end();
    check_redacted(&ended, "hunter2-and-more");
    let exact = |body: &Body| matches!(body, Body::Redaction { length, exact: false, .. } if length % 16 == 0);
    assert!(ended.journal.holds(exact), "the length is not told");
    ended.check_screen();
}

fn a_password_asked_for_by_bash_is_nowhere(stage: &Stage) {
    let script = "read -r -s -p 'Login secret: ' word; echo; echo \"${#word} characters\"";
    let mut live = stage.bash(script).play();
    answers(&mut live, "Login secret: ", "correct horse battery", 21);
    check_redacted(&live.end(), "correct horse battery");
}

fn a_password_read_key_by_key_is_nowhere(stage: &Stage) {
    // Neither canonical nor echoing, as `sudo` with feedback: only the prompt and the missing echo
    // tell.
    let script = "read -r -s -n 6 -p 'PIN code: ' word; echo; echo \"${#word} characters\"";
    let mut live = stage.bash(script).play();
    live.expect("PIN code: ");
    live.send("835");
    live.send("194");
    live.expect("6 characters");
    let ended = live.end();
    check_redacted(&ended, "835194");
    ended.files.check_secrecy("835");
    ended.files.check_secrecy("194");
}

fn a_wrong_password_is_as_secret_as_the_right_one(stage: &Stage) {
    let script = format!(
        "{GETPASS} ask 'Password: '; while [ \"$word\" != right-one ]; do \
         echo 'Sorry, try again.'; ask 'Password: '; done; echo welcome"
    );
    let mut live = stage.sh(&script).play();
    live.expect("Password: ");
    live.send("wrong-one\r");
    live.expect("try again");
    live.expect("Password: ");
    live.send("rigth\x7f\x7f\x7fght-one\r");
    live.expect("welcome");
    let ended = live.end();
    for secret in ["wrong-one", "rigth", "ght-one", "right-one"] {
        check_redacted(&ended, secret);
    }
}

fn a_password_given_up_half_way_is_nowhere(stage: &Stage) {
    let script =
        format!("trap 'stty echo; echo; echo given up; exit 9' INT; {GETPASS} ask 'Passphrase: '");
    let mut live = stage.sh(&script).play();
    live.expect("Passphrase: ");
    live.send("half-a-secret");
    // dash does not see an interrupt that comes between its prompt and read(2).
    std::thread::sleep(std::time::Duration::from_millis(300));
    live.send("\x03");
    live.expect("given up");
    let ended = live.end();
    assert_eq!(ended.status(), 9);
    check_redacted(&ended, "half-a-secret");
}

fn a_password_typed_ahead_is_nowhere(stage: &Stage) {
    // Typed while echo is still on: the kernel shows it, the recording must not.
    let script = "waits() { until [ -e $1 ]; do sleep 0.02; done; }; echo ready; waits prompt; \
                  stty -echo; printf 'Password: '; waits read; read -r word; stty echo; echo; \
                  echo \"${#word} characters\"";
    let mut live = stage.sh(script).play();
    let go = |live: &Live, name| {
        std::fs::write(live.files().dir().join(name), "").expect("the directory takes files");
    };
    live.expect("ready");
    live.send("typed-too-early\r");
    live.expect("typed-too-early");
    go(&live, "prompt");
    live.expect("Password: ");
    go(&live, "read");
    live.expect("15 characters");
    let ended = live.end();
    ended.files.check_secrecy("typed-too-early");
    let redacted = |wanted| {
        move |body: &Body| {
            matches!(body, Body::Redaction { stream, rule: SecretRule::TypeAhead, .. }
                if *stream == wanted)
        }
    };
    assert!(ended.journal.holds(redacted(Stream::Tty)), "{}", ended.journal.summary());
}

fn what_is_typed_after_a_password_is_recorded(stage: &Stage) {
    let script = format!(
        "{GETPASS} ask 'Password: '; echo \"${{#word}} characters\"; \
         while read -r word; do echo \"got $word\"; done"
    );
    let mut live = stage.sh(&script).play();
    answers(&mut live, "Password: ", "hunter2", 7);
    // On a busy machine one line or another may stay in doubt; not all of them.
    until_true("a line is recorded", || {
        live.send("not a secret\r");
        live.expect("got not a secret");
        live.files().journal().text(Stream::Input).contains("not a secret\r")
    });
    live.send("\x04");
    let ended = live.end();
    check_redacted(&ended, "hunter2");
    ended.check_screen();
}
