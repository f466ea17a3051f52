//! Does the cursor stand at a prompt for a secret?

use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use regex::RegexSet;

use super::row::Rows;

/// What shells and interpreters put in front of a command line, each with the blank behind it.
const SHELLS: [&str; 9] = ["$ ", "# ", "% ", "> ", "❯ ", "➜ ", "λ ", "» ", "▶ "];

/// How far above its field the question of a full-screen form stands, in rows.
const FORM: usize = 8;

/// What programs show for a character of a secret.
pub(super) const fn is_mask(char: char) -> bool {
    matches!(char, '*' | '•' | '●' | '∙' | '⬤' | '＊' | '∗')
}

/// How much a row looks like a prompt for a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Suspicion {
    /// It does not.
    None,
    /// It asks for something.
    Weak,
    /// It asks for a secret by one of the configured patterns.
    Strong,
}

/// The configured prompt patterns. Sessions with the same share them: compiled they are by far the
/// largest thing a session would hold.
#[derive(Debug)]
pub(super) struct Prompts(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    patterns: Vec<String>,
    /// Compiled when a row is first to be judged by them, which for many a session is never.
    set: OnceLock<RegexSet>,
}

impl Prompts {
    /// Patterns that do not compile are left out: configuration has refused them before.
    pub(super) fn new(patterns: &[String]) -> Self {
        static KNOWN: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|shared| shared.strong_count() > 0);
        let same = known.iter().filter_map(Weak::upgrade).find(|same| same.patterns == patterns);
        Self(same.unwrap_or_else(|| {
            let made = Arc::new(Shared { patterns: patterns.to_vec(), set: OnceLock::new() });
            known.push(Arc::downgrade(&made));
            made
        }))
    }

    fn is_match(&self, text: &str) -> bool {
        let Shared { patterns, set } = &*self.0;
        let set = set.get_or_init(|| {
            RegexSet::new(patterns).unwrap_or_else(|_| {
                let good = patterns.iter().filter(|p| regex::Regex::new(p).is_ok());
                RegexSet::new(good).unwrap_or_else(|_| RegexSet::empty())
            })
        });
        set.is_match(text)
    }

    /// Whether the cursor may stand in a form that asks for a secret, its question further up.
    pub(super) fn may_ask(&self, rows: &Rows) -> bool {
        self.is_match(&rows.above(FORM))
    }

    /// Judges the cursor's row.
    pub(super) fn judge(&self, rows: &Rows) -> Suspicion {
        self.judge_text(&rows.before_cursor())
    }

    /// Whether a row that the cursor has left is a question for a secret that was answered at once.
    pub(super) fn has_asked(&self, row: &str) -> bool {
        asks(bare(row)) && self.judge_text(row) == Suspicion::Strong
    }

    /// Judges the text in front of the cursor. Mask characters at its end are what was typed
    /// behind the prompt.
    pub(super) fn judge_text(&self, text: &str) -> Suspicion {
        let text = bare(text);
        let (asks, command) = (asks(text), holds_command(text));
        if (asks || !command) && self.is_match(text) {
            return Suspicion::Strong;
        }
        // The bare colon of a pager asks for nothing.
        let worded = text.chars().filter(|c| c.is_alphabetic()).count() >= 2;
        if asks && worded && !command { Suspicion::Weak } else { Suspicion::None }
    }
}

/// The text without what stands for typed characters.
fn bare(text: &str) -> &str {
    text.trim_end().trim_end_matches(is_mask).trim_end()
}

fn asks(text: &str) -> bool {
    text.ends_with([':', '：', '?', '？'])
}

/// Whether the row is a shell's or an interpreter's and the text behind its prompt a command.
fn holds_command(text: &str) -> bool {
    SHELLS.iter().any(|shell| text.contains(shell))
}

/// Whether the cursor stands right behind the prompt of a shell or an interpreter.
pub(super) fn is_shell(text: &str) -> bool {
    SHELLS.iter().any(|shell| text.ends_with(shell))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DEFAULT_PROMPTS;

    fn judge(text: &str) -> Suspicion {
        Prompts::new(&DEFAULT_PROMPTS.map(str::to_owned)).judge_text(text)
    }

    #[test]
    fn prompts_for_secrets_are_strong() {
        for prompt in [
            "Password: ",
            "[sudo] password for me: ",
            "[sudo] password for me: ****",
            "Enter passphrase for key '/home/me/.ssh/id': ",
            "PIN code: ",
            "パスワードを入力してください: ",
            "密码：",
            "请输入口令",
            "### Password: ",
        ] {
            assert_eq!(judge(prompt), Suspicion::Strong, "{prompt}");
        }
    }

    #[test]
    fn questions_are_weak() {
        for prompt in ["Enter token: ", "Username for 'https://host': ", "Continue? "] {
            assert_eq!(judge(prompt), Suspicion::Weak, "{prompt}");
        }
    }

    #[test]
    fn command_lines_and_pagers_ask_for_nothing() {
        for row in [
            "$ ",
            "me@host:~$ ",
            "root@host:/# cat password.txt",
            ">>> password = ",
            ":",
            "",
            "abc",
        ] {
            assert_eq!(judge(row), Suspicion::None, "{row}");
        }
    }

    #[test]
    fn sessions_with_the_same_patterns_share_them() {
        let [one, same, other] = ["shared", "shared", "not"].map(|p| Prompts::new(&[p.to_owned()]));
        assert!(Arc::ptr_eq(&one.0, &same.0) && !Arc::ptr_eq(&one.0, &other.0));
    }

    #[test]
    fn a_pattern_that_does_not_compile_harms_no_other() {
        let prompts = Prompts::new(&["(".to_owned(), "geheim".to_owned()]);
        assert_eq!(prompts.judge_text("geheim"), Suspicion::Strong);
    }
}
