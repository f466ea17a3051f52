//! Each rule on its own, on a scripted session.

use super::rig::{COOKED, HIDDEN, RAW, Rig, millis, policy, text};
use crate::record::SecretRule;
use crate::secrets::Piece;
use crate::stream::Stream::{Input, Tty};
use crate::terminal::LineState;

pub(super) const SHELL: &str = "\x1b[32mme@host\x1b[0m:~$ ";

/// A shell with a line editor at its prompt.
pub(super) fn shell() -> Rig {
    let mut rig = Rig::new();
    rig.line(RAW).shows(SHELL).waits(500);
    rig
}

mod line_discipline {
    use super::*;

    #[test]
    fn a_password_is_masked_and_its_end_is_kept() {
        let mut rig = Rig::new();
        rig.shows("Password: ").line(HIDDEN).types_unseen("hunter2\r").line(COOKED).waits(5);
        let recording = rig.shows("\r\n").ends();
        assert_eq!(recording.input(), "\r");
        assert_eq!(recording.redactions, [(Input, 16, SecretRule::LineDiscipline)]);
        assert_eq!(recording.output(), "Password: \r\n");
    }

    #[test]
    fn not_even_enciphered_bytes_of_it_are_recorded() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types("hunter2\r").ends();
        let sealed = rig.pieces.iter().any(|piece| matches!(piece, Piece::Sealed { .. }));
        assert!(!sealed, "{:?}", rig.pieces);
    }

    #[test]
    fn its_length_is_told_only_when_asked_for() {
        let mut rig = Rig::with(&crate::policy::Secrets { exact_length: true, ..policy() }, true);
        rig.line(HIDDEN).types("hunter2\r");
        assert_eq!(rig.ends().redactions, [(Input, 7, SecretRule::LineDiscipline)]);
        let mut rig = Rig::new();
        rig.line(HIDDEN).types("seventeen letters\r");
        assert_eq!(rig.ends().redactions, [(Input, 32, SecretRule::LineDiscipline)]);
    }

    #[test]
    fn backspaces_belong_to_it() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types_unseen("hunz\x7fter2\x15other\r");
        let recording = rig.ends();
        assert_eq!(recording.input(), "\r");
        assert_eq!(recording.redactions, [(Input, 16, SecretRule::LineDiscipline)]);
    }

    #[test]
    fn an_interrupt_ends_it() {
        for end in ["\x03", "\x04", "\x1a", "\x1c"] {
            let mut rig = Rig::new();
            rig.line(HIDDEN).types_unseen("half").types(end);
            assert_eq!(rig.so_far().redactions.len(), 1, "told before the session ends");
            rig.line(RAW).shows(["^C\r\n", SHELL].concat()).waits(300).types_echoed("ls");
            rig.types("\r").waits(300);
            assert_eq!(rig.ends().input(), [end, "ls\r"].concat());
        }
    }

    #[test]
    fn a_retry_is_a_secret_of_its_own() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types("wrong\r").waits(900).shows("\r\nSorry, try again.\r\nPassword: ");
        rig.types("hunter2\r");
        let recording = rig.ends();
        assert_eq!(recording.input(), "\r\r");
        assert_eq!(recording.redactions.len(), 2);
    }

    #[test]
    fn a_prompt_that_gives_up_ends_it() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types_unseen("hunt").line(COOKED).shows("\r\ntimed out\r\n");
        rig.waits(5000).shows("name: ").waits(30).types("bob\n").shows("bob\r\n").waits(200);
        let recording = rig.ends();
        assert_eq!(recording.input(), "bob\n");
        assert_eq!(recording.redactions, [(Input, 16, SecretRule::LineDiscipline)]);
    }

    #[test]
    fn a_second_try_pasted_with_the_first_is_no_less_secret() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types("wrong\nhunter2\nls\n").waits(30);
        rig.shows("\r\nSorry\r\nPassword: ").waits(3000);
        let recording = rig.ends();
        assert_eq!(recording.input(), "\n\n\n");
        assert_eq!(recording.sealed, 0);
    }

    #[test]
    fn a_command_pasted_behind_a_password_is_kept_once_a_shell_shows_it() {
        let mut rig = Rig::new();
        rig.line(HIDDEN).types("hunter2\nls -la\n").unread(7).waits(30);
        rig.line(RAW).shows("\r\n").shows("$ ls -la\r\n").waits(2000);
        let recording = rig.ends();
        assert_eq!(recording.input(), "\nls -la\n");
        assert_eq!(recording.redactions.len(), 1);
    }
}

mod prompts {
    use super::*;

    #[test]
    fn a_password_typed_visibly_is_masked_in_both_directions() {
        let mut rig = Rig::new();
        rig.shows("Password: ").waits(100).types_echoed("hunter2").types("\n").waits(2);
        rig.shows("\r\nName: ").waits(60).types_echoed("bob").types("\n").shows("\r\n").waits(300);
        let recording = rig.ends();
        assert_eq!(recording.input(), "\nbob\n");
        assert_eq!(recording.output(), "Password: \r\nName: bob\r\n");
        assert_eq!(
            recording.redactions,
            [(Tty, 16, SecretRule::Prompt), (Input, 16, SecretRule::Prompt)]
        );
        assert_eq!(recording.gone, [7, 7], "as long in the output as in the input");
    }

    #[test]
    fn configured_patterns_are_used() {
        let mut asked = policy();
        asked.prompt_patterns = vec!["Codewort".to_owned()];
        let mut rig = Rig::with(&asked, true);
        rig.shows("Codewort? ").waits(100).types("hunter2\n").shows("hunter2\r\n").waits(300);
        assert_eq!(rig.ends().input(), "\n");
    }
}

mod type_ahead {
    use super::*;

    #[test]
    fn a_line_a_waiting_program_takes_is_kept_within_milliseconds() {
        let mut rig = Rig::new();
        rig.types_echoed("hello");
        assert_eq!(rig.so_far().input(), "", "an unfinished line is in doubt");
        rig.types("\n").waits(1).unread(6).shows("\r\n").unread(0).waits(12);
        assert_eq!(rig.so_far().input(), "hello\n");
        assert_eq!(rig.so_far().output(), "hello\r\n");
        assert_eq!(rig.secrets.deadline(), None, "no timer runs without a doubt");
        rig.ends_intact();
    }

    #[test]
    fn a_line_that_ends_its_program_is_kept() {
        for shown in ["bob\r\n", "bob\r\nhello bob\r\n"] {
            let mut rig = Rig::new();
            rig.shows("Name: ").waits(90).types("bob\n").unread(4).shows(shown);
            // The child is gone: nobody samples its terminal any more.
            rig.now += millis(300);
            rig.ends_intact();
        }
    }

    #[test]
    fn what_a_program_shows_with_the_echo_proves_a_line_harmless() {
        let mut rig = Rig::new();
        rig.types("hello\n").waits(1).unread(6).shows("hello\r\nhello\r\n");
        assert_eq!(rig.so_far().input(), "hello\n");
        rig.ends_intact();
    }

    #[test]
    fn a_user_name_before_a_password_is_kept() {
        let mut rig = Rig::new();
        rig.shows("Username: ").waits(90).types_echoed("bob").types("\n").waits(1).line(HIDDEN);
        rig.shows("\r\nPassword: ").waits(400).types("hunter2\n").line(COOKED).shows("\r\n");
        let recording = rig.waits(300).ends();
        assert_eq!(recording.input(), "bob\n\n");
        assert_eq!(recording.redactions, [(Input, 16, SecretRule::LineDiscipline)]);
    }

    #[test]
    fn a_line_that_waits_for_a_hidden_prompt_is_secret_in_both_directions() {
        let mut rig = Rig::new();
        rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(900);
        rig.line(LineState { unread: Some(8), ..HIDDEN }).waits(2000).line(COOKED);
        let recording = rig.ends();
        assert_eq!((recording.input(), recording.output()), ("\n".to_owned(), "\r\n".to_owned()));
        assert_eq!(
            recording.redactions,
            [(Tty, 16, SecretRule::TypeAhead), (Input, 16, SecretRule::TypeAhead)]
        );
    }

    #[test]
    fn a_line_a_hidden_prompt_took_at_once_is_secret() {
        let mut rig = Rig::new();
        rig.types("hunter2\n").waits(1).line(HIDDEN).shows("hunter2\r\n").waits(900);
        assert_eq!(rig.line(COOKED).ends().input(), "\n");
    }

    #[test]
    fn a_line_a_hidden_prompt_took_between_two_looks_is_secret() {
        let mut rig = Rig::new();
        rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(900);
        rig.unread(0).shows("done\r\n").waits(5000);
        assert_eq!(rig.ends().input(), "\n");
    }

    #[test]
    fn a_line_typed_a_moment_before_a_hidden_prompt_that_takes_it_is_secret() {
        // Prompt, answer and what follows come in one read, with the echo back on.
        for moment in 1..200 {
            let mut rig = Rig::new();
            rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(moment);
            rig.unread(0).shows("Password: \r\ndone\r\n").waits(5000);
            let recording = rig.ends();
            assert_eq!(recording.input(), "\n", "after {moment} ms");
            assert!(!recording.output().contains("hunter2"), "after {moment} ms");
        }
    }

    #[test]
    fn a_prompt_that_comes_behind_the_sample_counts_all_the_same() {
        for moment in 1..200 {
            let mut rig = Rig::new();
            rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(moment);
            rig.unread(0).waits(3).shows("Password: \r\ndone\r\n").waits(5000);
            assert_eq!(rig.ends().input(), "\n", "after {moment} ms");
        }
    }

    #[test]
    fn a_line_that_a_prompt_took_just_before_the_end_is_secret() {
        for moment in 1..200 {
            let mut rig = Rig::new();
            rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(moment);
            rig.unread(0).shows("Password: \r\ndone\r\n").waits(1);
            assert_eq!(rig.ends().input(), "\n", "after {moment} ms");
        }
    }

    #[test]
    fn a_line_that_a_prompt_flushes_is_secret() {
        let mut rig = Rig::new();
        rig.types("hunter2").waits(1).shows("hunter2").waits(300);
        rig.line(HIDDEN).shows("Password: ").waits(300).types("hunter2\n");
        let recording = rig.ends();
        assert_eq!((recording.input(), recording.output()), ("\n".into(), "Password: ".into()));
    }

    #[test]
    fn a_line_a_shell_shows_again_is_kept() {
        let mut rig = Rig::new();
        rig.types("ls -la\n").waits(1).unread(7).shows("ls -la\r\n").waits(900);
        rig.line(RAW).shows(SHELL).shows("\x1b[1mls -la\x1b[0m\r\nfile\r\n").waits(2000);
        rig.ends_intact();
    }

    #[test]
    fn an_interrupt_flushes_what_nobody_read() {
        let mut rig = Rig::new();
        rig.types("hunter2\n").waits(1).unread(8).shows("hunter2\r\n").waits(300);
        rig.types("\x03").unread(0).shows("^C\r\n").waits(300);
        assert_eq!(rig.ends().input(), "\n\x03");
    }

    #[test]
    fn the_echo_is_found_in_a_flood() {
        let mut rig = Rig::new();
        rig.types("hunter2\n").waits(1).unread(8);
        rig.shows("compiling a\r\ncompiling hunhunter2\r\ncompiling b\r\n").waits(900);
        rig.line(HIDDEN).waits(2000);
        let recording = rig.ends();
        assert_eq!(recording.output(), "compiling a\r\ncompiling hun\r\ncompiling b\r\n");
    }

    #[test]
    fn an_echo_that_comes_after_the_decision_is_masked_too() {
        let mut rig = Rig::new();
        rig.types("hunter2").waits(5).line(HIDDEN).types("x\n").waits(2).shows("hunter2");
        assert_eq!(rig.so_far().sealed, 0, "nothing is in doubt any more");
        let recording = rig.ends();
        assert_eq!((recording.input(), recording.output()), ("\n".into(), String::new()));
    }

    #[test]
    fn a_system_that_does_not_tell_what_is_unread_keeps_ordinary_lines() {
        let mut rig = Rig::new();
        rig.line(LineState::COOKED).types("hello\n").waits(1).shows("hello\r\n").waits(2000);
        rig.ends_intact();
    }

    #[test]
    fn many_lines_pasted_into_a_slow_reader_are_kept() {
        let paste = (0..30).map(|n| format!("command number {n}\n")).collect::<String>();
        let mut rig = Rig::new();
        rig.types(&paste).waits(1).unread(500).shows(paste.replace('\n', "\r\n"));
        rig.waits(900).unread(200).waits(900).unread(0).waits(2000);
        rig.ends_intact();
    }

    #[test]
    fn many_lines_pasted_ahead_of_a_hidden_prompt_are_secret() {
        let paste = (0..30).map(|n| format!("secret number {n}\n")).collect::<String>();
        let mut rig = Rig::new();
        rig.types(&paste).waits(1).unread(500).shows(paste.replace('\n', "\r\n")).waits(300);
        rig.line(HIDDEN).shows("Password: ").waits(2000);
        assert_eq!(rig.ends().input(), "\n");
    }

    #[test]
    fn a_megabyte_pasted_into_a_reader_is_kept() {
        let mut rig = Rig::new();
        let paste = "a line of a long paste, with some text in it\n".repeat(23_000);
        let mut in_kernel = Vec::new();
        for read in paste.as_bytes().chunks(65_536) {
            rig.types(read);
            for written in read.chunks(2048) {
                in_kernel.extend_from_slice(written);
                let whole = memchr::memrchr(b'\n', &in_kernel).map_or(0, |at| at + 1);
                rig.unread(u32::try_from(whole).expect("small"));
                rig.shows(text(written).replace('\n', "\r\n")).waits(1);
                in_kernel.drain(..whole);
                rig.unread(0).shows("+").waits(1);
                assert!(rig.secrets.vault.held() <= super::super::super::vault::LIMIT);
            }
        }
        rig.waits(500);
        rig.ends_intact();
    }
}

#[test]
fn without_masking_or_without_a_terminal_everything_is_clear() {
    let off = crate::policy::Secrets { mask_input: false, ..policy() };
    for mut rig in [Rig::with(&off, true), Rig::with(&policy(), false)] {
        rig.shows("Password: ").line(HIDDEN).types("hunter2\r").line(COOKED).types("ls\n");
        rig.ends_intact();
    }
}

#[test]
fn the_state_does_not_tell_secrets_when_printed() {
    let mut rig = Rig::new();
    rig.types("hunter2").shows("hunter2");
    assert!(!format!("{:?}", rig.secrets).contains("hunter2"));
}
