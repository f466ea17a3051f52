//! Each rule on its own, on a scripted session.

use super::rig::{COOKED, HIDDEN, RAW, Rig, millis, policy, text};
use crate::record::SecretRule;
use crate::secrets::Piece;
use crate::stream::Stream::{Input, Tty};
use crate::terminal::LineState;

const SHELL: &str = "\x1b[32mme@host\x1b[0m:~$ ";

/// A shell with a line editor at its prompt.
fn shell() -> Rig {
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

mod correlation {
    use super::*;

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
        rig.shows("\x1b[?1049h\x1b[2J\x1b[3;5HEnter your password\x1b[5;5H________\x1b[5;5H")
            .waits(50);
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
