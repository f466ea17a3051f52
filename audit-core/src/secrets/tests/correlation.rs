//! Rule two on scripted sessions: neither edited nor echoed by the kernel.

use super::rig::{HIDDEN, RAW, Rig};
use super::rules::{SHELL, shell};
use crate::record::SecretRule;
use crate::stream::Stream::Input;

#[test]
fn a_command_line_is_kept() {
    let mut rig = shell();
    rig.types_echoed("cat password.txt").types("\r").shows("\r\n").shows(SHELL).waits(300);
    rig.ends_intact();
}

#[test]
fn a_key_is_in_doubt_until_it_comes_back() {
    let mut rig = shell();
    rig.types("l");
    assert_eq!((rig.so_far().input(), rig.so_far().sealed), (String::new(), 1));
    rig.waits(2).shows("\x1b[1ml\x1b[0m");
    assert_eq!((rig.so_far().input(), rig.so_far().sealed), ("l".to_owned(), 0));
    assert_eq!(rig.secrets.deadline(), None, "no timer runs without a doubt");
}

#[test]
fn several_keys_may_come_back_together() {
    let mut rig = shell();
    rig.types("l").types("s").types(" ").types("ä").waits(9).shows("ls \u{e4}");
    assert_eq!(rig.so_far().input(), "ls ä");
    rig.ends_intact();
}

#[test]
fn suggestions_colours_and_redraws_are_seen_through() {
    let mut rig = shell();
    rig.types("l").waits(4).shows("\x1b[31ml\x1b[90ms -la\x1b[6D\x1b[0m");
    assert_eq!(rig.so_far().sealed, 0);
    rig.types("s").waits(4).shows("\r\x1b[32mme@host\x1b[0m:~$ \x1b[36mls\x1b[90m -la\x1b[4D");
    assert_eq!(rig.so_far().sealed, 0);
    rig.types("\t").waits(4).shows("\r\nls.txt  lsof\r\n").shows(SHELL).shows("ls");
    rig.types("\x01").shows("\x1b[2D").types("x").shows("x\x1b[C\x1b[C\x08\x08");
    rig.ends_intact();
}

#[test]
fn keys_that_are_no_text_are_never_in_doubt() {
    let mut rig = shell();
    for key in ["\x1b[A", "\x1bb", "\x12", "\x17", "\x19", "\x1b[<0;3;4M", "\x1b[8;80R", "\t"] {
        rig.types(key);
        assert_eq!(rig.so_far().sealed, 0);
    }
    rig.ends_intact();
}

#[test]
fn a_slow_line_comes_out_clear() {
    let mut rig = shell();
    for key in ["l", "s", " ", "-", "l"] {
        rig.types(key).waits(400);
        rig.shows(key).waits(100);
    }
    rig.types("\r");
    rig.ends_intact();
}

#[test]
fn hidden_keys_at_a_prompt_are_secret() {
    for prompt in ["me@far's password: ", "Enter token: ", "Wirklich?", "PIN code: "] {
        let mut rig = shell();
        rig.shows(["\r\n", prompt].concat()).types_unseen("hunter2").types("\r").waits(900);
        let recording = rig.shows("\r\nwelcome\r\n").ends();
        assert_eq!(recording.input(), "\r", "{prompt}");
        assert_eq!(recording.redactions, [(Input, 16, SecretRule::Echo)], "{prompt}");
    }
}

#[test]
fn a_pasted_password_is_secret_though_its_end_came_with_it() {
    let mut rig = shell();
    rig.shows("\r\nme@far's password: ").types("hunter2\r").waits(150);
    let recording = rig.shows("\r\nwelcome hunter3\r\n").waits(900).ends();
    assert_eq!(recording.input(), "\r");
}

#[test]
fn an_answer_that_its_prompt_swallowed_is_secret_whatever_comes_behind_it() {
    let screens = [("\r\n", "OTP code: "), ("\x1b[?1049h\x1b[2J$ read\r\n", "Password: ")];
    for (before, prompt) in screens {
        // `read -s` at a line editor, which shows its next prompt on the same row
        for next in ["\x1b[?2004h$ ", "me@host:~$ ", "hello, world "] {
            for typed in ["hunter2\r", "123456", "hello"] {
                let mut rig = shell();
                rig.shows([before, prompt].concat()).waits(50).types(typed).waits(5);
                let recording = rig.shows(next).waits(900).ends();
                let end = typed.trim_start_matches(|c: char| c != '\r');
                if next.starts_with(typed) {
                    assert_eq!(recording.input(), typed, "an echo");
                } else {
                    assert_eq!(recording.input(), end, "{prompt}, {typed:?}, then {next:?}");
                }
            }
            let mut rig = shell();
            rig.shows([before, prompt].concat()).waits(50);
            for key in ["1", "2", "3", "4"] {
                rig.types(key).waits(20);
            }
            assert_eq!(rig.shows(next).waits(900).ends().input(), "", "then {next:?}");
        }
    }
}

#[test]
fn a_visible_answer_typed_at_once_is_kept() {
    let echoes: [&[&str]; 5] = [
        &["hello"],
        &["he", "llo"],
        &["h\x1b[90mere you are\x1b[m\x1b[12D", "ello\x1b[K"],
        &["hello\r\nwelcome\r\n"],
        &["\x1b[1mh\x1b[mello", "\r\x1b[Kdone"],
    ];
    for echo in echoes {
        for typed in ["hello", "hello\r"] {
            let mut rig = shell();
            rig.shows("\r\nYour name: ").waits(50).types(typed).waits(5);
            for chunk in echo {
                rig.shows(chunk).waits(5);
            }
            assert_eq!(rig.waits(900).so_far().input(), typed, "{echo:?}");
        }
    }
}

#[test]
fn what_an_editor_brings_back_beside_the_keys_is_no_answer_swallowed() {
    // `A` and a text in vim on a line that asks, a motion there, and history at a prompt
    let form = "\x1b[?1049h\x1b[2J\x1b[1;1Hdb_password: x\r\nhost: localhost\x1b[2;7H";
    for (before, typed, shown) in [
        (form, "Axyz", "\x1b[2;16Hxyz"),
        (form, "fs", "\x1b[2;13H"),
        ("\r\nIn [1]: ", "\x1b[A.x", "print(y).x"),
        ("\r\nIn [1]: ", "k\x7fls", "ls"),
    ] {
        let mut rig = shell();
        rig.shows(before).waits(50).types(typed).waits(5).shows(shown).waits(900);
        assert_eq!(rig.so_far().input(), typed, "{shown:?}");
    }
}

#[test]
fn mask_characters_give_a_secret_away_at_any_prompt() {
    for (prompt, star) in [("[sudo] password for me: ", "*"), ("read> ", "●"), ("Geheim ", "•")]
    {
        let mut rig = shell();
        rig.shows(["\r\n", prompt].concat());
        for key in "hun*er2".chars() {
            rig.types(key.to_string()).waits(3).shows(["\x1b[K", star].concat()).waits(50);
        }
        let recording = rig.types("\r").waits(600).ends();
        assert_eq!(recording.input(), "\r", "{prompt}");
        assert_eq!(recording.redactions.len(), 1, "one secret: {:?}", recording.redactions);
    }
}

#[test]
fn an_asterisk_typed_at_a_shell_is_no_mask() {
    let mut rig = shell();
    rig.types_echoed("rm *");
    rig.ends_intact();
}

#[test]
fn the_command_behind_a_secret_is_kept() {
    let mut rig = shell();
    rig.shows("\r\nPIN code: ").types_unseen("4711").waits(300);
    rig.shows("\r\n").shows(SHELL).waits(50).types_echoed("ls").types("\r").waits(300);
    assert_eq!(rig.ends().input(), "ls\r");
}

#[test]
fn noise_at_a_prompt_for_a_secret_reveals_nothing() {
    let mut rig = shell();
    rig.shows("\r\nme@far's password: ").types("hun").waits(20);
    rig.shows("\r\n[1]+  Done   sleep 5\r\n").waits(20).types("ter2\r").waits(900);
    assert!(!rig.ends().input().contains("hun"));
}

#[test]
fn pagers_keep_their_keys() {
    let mut rig = Rig::new();
    rig.line(RAW).shows("text\r\n:\x1b[K").waits(100);
    for key in ["j", "k", " ", "/", "q"] {
        rig.types(key).waits(400);
    }
    rig.ends_intact();
}

#[test]
fn in_the_alternate_screen_keys_are_commands() {
    let mut rig = shell();
    rig.shows("\x1b[?10").shows("49h\x1b[1;1Hsome text: ").waits(50);
    rig.types("dd:wq\r");
    assert_eq!(rig.so_far().input(), "dd:wq\r");
    rig.ends_intact();
}

#[test]
fn an_editor_at_the_word_password_keeps_its_keys() {
    let mut rig = shell();
    rig.shows("\x1b[?1049h\x1b[2J\x1b[3;1HPassword: ").waits(50);
    rig.types("i").waits(9).shows("\x1b[24;1H-- INSERT --\x1b[3;11H").waits(50);
    rig.types_echoed("secret").types("\x1b").waits(9).shows("\x08").waits(50);
    rig.types("j").waits(9).shows("\n").waits(50).types("k").waits(9).shows("\x1b[A");
    rig.types("Z").types("Z").waits(9).shows("\x1b[?1049l$ ").waits(400);
    rig.ends_intact();
}

#[test]
fn a_prompt_in_the_alternate_screen_is_found_all_the_same() {
    let mut rig = shell();
    rig.shows("\x1b[?1049h\x1b[2J\x1b[3;1H$ sudo ls\r\n[sudo] password for me: ").waits(50);
    rig.types_unseen("hunter2").types("\r").waits(900).shows("\r\nSorry\r\npassword: ");
    rig.types("hunter2\r").waits(5).shows("\r\nfile\r\n$ ").waits(50);
    rig.types("l").waits(5).shows("l").types("s").waits(5).shows("s").types("\r").waits(900);
    let recording = rig.ends();
    assert_eq!(recording.input(), "\r\rls\r");
    assert_eq!(recording.redactions.len(), 2);
}

#[test]
fn a_form_that_masks_its_field_gives_a_secret_away() {
    let mut rig = shell();
    rig.shows("\x1b[?1049h\x1b[2J\x1b[3;5HEnter your password\x1b[5;5H________\x1b[5;5H").waits(50);
    for (at, key) in (6..).zip(["h", "u", "n"]) {
        rig.types(key).waits(9).shows(format!("*\x1b[5;{at}H")).waits(50);
    }
    assert_eq!(rig.types("\r").waits(500).ends().input(), "\r");
}

#[test]
fn a_bracketed_paste_is_kept() {
    let mut rig = shell();
    rig.types("\x1b[200~echo one\recho two\x1b[201~").waits(5);
    rig.shows("\x1b[7mecho one\r\n\x1b[7mecho two\x1b[27m");
    assert_eq!(rig.so_far().sealed, 0);
    rig.types("\r");
    rig.ends_intact();
}

#[test]
fn lines_pasted_at_once_are_kept_as_the_shell_shows_them() {
    let mut rig = shell();
    rig.types("ls\rpwd\r").waits(4).shows("ls\r\n").shows("file\r\n").waits(100);
    rig.shows(SHELL).shows("pwd\r\n").waits(2000);
    rig.ends_intact();
}

#[test]
fn a_password_pasted_behind_its_command_is_secret() {
    let mut rig = shell();
    rig.types("sudo -s\rhunter2\r").waits(4).shows("sudo -s\r\n").line(HIDDEN).waits(30);
    rig.shows("[sudo] password for me: ").waits(3000);
    let recording = rig.ends();
    assert_eq!(recording.input(), "sudo -s\r\r");
}
