//! What the user is told on his own screen.
//!
//! Notices go to the viewer and never into the PTY, where a shell would run them. What comes from
//! outside (a reason, a comment) is stripped of everything that could steer a terminal.

use std::time::Duration;

use crate::ids::BlockId;
use crate::policy::Language;

/// The things the user is told.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message<'a> {
    Blocked { block: BlockId, reason: &'a str, wait: Duration },
    InputRefused,
    Approved { block: BlockId, by: &'a str },
    Rejected { block: BlockId, by: &'a str },
    Expired { block: BlockId, resumed: bool },
    JournalFailedClosed { reason: &'a str },
    JournalFailedOpen { reason: &'a str },
    JournalCut { reason: &'a str },
    JournalRecovered { bytes: u64 },
    OutputFailed { stream: &'a str, reason: &'a str },
    TimedOut,
    Terminated,
}

/// Leaves the alternate screen.
const LEAVE: &str = "\x1b[?1049l";

/// Switches off what a full-screen program switches on: a scrolling region, a hidden cursor, keys
/// of its own, reports of the mouse, bracketed paste, other characters.
const RESTORE: &str = "\x1b7\x1b[r\x1b8\x1b[?25h\x1b[?7h\x1b[?1l\x1b>\
    \x1b[?1000;1002;1003;1004;1006;2004l\x1b[4l\x1b(B\x0f";

/// What puts a terminal back for a child that is killed and cannot do it; `alternate` tells that
/// the alternate screen is shown. It begins with CAN (ECMA-48), which ends an escape sequence that
/// the child may have left open.
pub(super) fn restoring(alternate: bool) -> String {
    format!("\x18{}{RESTORE}", if alternate { LEAVE } else { "" })
}

/// The banner as terminal bytes. It begins with CAN as well.
pub(super) fn terminal(message: Message<'_>, language: Language) -> String {
    let colour = if message.is_good() { "42;30" } else { "41;97" };
    let text = text(message, language);
    format!("\x18\r\n\x1b[0;{colour}m {text} \x1b[0m\r\n")
}

/// The message as one plain line, for a standard error that is no terminal.
pub(super) fn plain(message: Message<'_>, language: Language) -> String {
    text(message, language) + "\n"
}

/// `text` on one line without control characters, at most 200 characters.
pub(super) fn sanitise(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() || is_bidi_control(c) { ' ' } else { c })
        .take(200)
        .collect::<String>()
        .trim()
        .to_owned()
}

/// Characters that reorder or hide what stands beside them (Unicode Bidirectional Algorithm).
const fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}')
}

impl Message<'_> {
    /// Whether it is shown to a user who wants quiet too: what became of his input, and what is
    /// missing from the recording.
    pub(super) const fn must_be_seen(self) -> bool {
        !matches!(self, Self::TimedOut | Self::Terminated)
    }

    /// Whether the session ends with it.
    pub(super) const fn ends(self) -> bool {
        matches!(
            self,
            Self::Rejected { .. }
                | Self::Expired { resumed: false, .. }
                | Self::JournalFailedClosed { .. }
                | Self::TimedOut
                | Self::Terminated
        )
    }

    const fn is_good(self) -> bool {
        matches!(
            self,
            Self::Approved { .. }
                | Self::JournalRecovered { .. }
                | Self::Expired { resumed: true, .. }
        )
    }
}

fn text(message: Message<'_>, language: Language) -> String {
    let body = match language {
        Language::English => english(message),
        Language::Japanese => japanese(message),
        Language::Chinese => chinese(message),
    };
    format!("auditty: {body}")
}

fn english(message: Message<'_>) -> String {
    match message {
        Message::Blocked { block, reason, wait } => format!(
            "session blocked (block {block}): {}. Input is refused until someone decides, at the latest in {}.",
            sanitise(reason),
            span(wait)
        ),
        Message::InputRefused => "what you typed was dropped: the session is blocked.".into(),
        Message::Approved { block, by } => {
            format!("block {block} approved by {}; the session goes on.", sanitise(by))
        }
        Message::Rejected { block, by } => {
            format!("block {block} rejected by {}; the session ends.", sanitise(by))
        }
        Message::Expired { block, resumed: true } => {
            format!("nobody decided block {block} in time; the session goes on.")
        }
        Message::Expired { block, resumed: false } => {
            format!("nobody decided block {block} in time; the session ends.")
        }
        Message::JournalFailedClosed { reason } => {
            format!("the journal cannot be written ({}); the session ends.", sanitise(reason))
        }
        Message::JournalFailedOpen { reason } => format!(
            "the journal cannot be written ({}); the session goes on WITHOUT RECORD.",
            sanitise(reason)
        ),
        Message::JournalCut { reason } => format!(
            "the journal cannot be written ({}); the end of the session is missing from it.",
            sanitise(reason)
        ),
        Message::JournalRecovered { bytes } => {
            format!("the journal is written again; {bytes} bytes are missing from it.")
        }
        Message::OutputFailed { stream, reason } => {
            format!("{stream} cannot be written ({}); output is lost.", sanitise(reason))
        }
        Message::TimedOut => "the session has reached its time limit and ends.".into(),
        Message::Terminated => "the session was ended by an operator.".into(),
    }
}

fn japanese(message: Message<'_>) -> String {
    match message {
        Message::Blocked { block, reason, wait } => format!(
            "セッションを停止しました（ブロック {block}）：{}。判断が下るまで入力は受け付けません（期限：{}）。",
            sanitise(reason),
            span(wait)
        ),
        Message::InputRefused => "セッション停止中のため、入力は破棄されました。".into(),
        Message::Approved { block, by } => {
            format!(
                "ブロック {block} は {} に承認されました。セッションを再開します。",
                sanitise(by)
            )
        }
        Message::Rejected { block, by } => {
            format!(
                "ブロック {block} は {} に却下されました。セッションを終了します。",
                sanitise(by)
            )
        }
        Message::Expired { block, resumed: true } => {
            format!("ブロック {block} は期限切れです。セッションを再開します。")
        }
        Message::Expired { block, resumed: false } => {
            format!("ブロック {block} は期限切れです。セッションを終了します。")
        }
        Message::JournalFailedClosed { reason } => {
            format!("記録を書き込めません（{}）。セッションを終了します。", sanitise(reason))
        }
        Message::JournalFailedOpen { reason } => {
            format!("記録を書き込めません（{}）。記録なしで続行します。", sanitise(reason))
        }
        Message::JournalCut { reason } => {
            format!(
                "記録を書き込めません（{}）。セッションの終わりは記録されていません。",
                sanitise(reason)
            )
        }
        Message::JournalRecovered { bytes } => {
            format!("記録を再開しました。{bytes} バイトが欠落しています。")
        }
        Message::OutputFailed { stream, reason } => {
            format!("{stream} に書き込めません（{}）。出力が失われました。", sanitise(reason))
        }
        Message::TimedOut => "セッションの制限時間に達したため終了します。".into(),
        Message::Terminated => "管理者がセッションを終了しました。".into(),
    }
}

fn chinese(message: Message<'_>) -> String {
    match message {
        Message::Blocked { block, reason, wait } => format!(
            "会话已被阻止（阻止编号 {block}）：{}。在作出决定之前不接受输入，期限：{}。",
            sanitise(reason),
            span(wait)
        ),
        Message::InputRefused => "会话已被阻止，您的输入已丢弃。".into(),
        Message::Approved { block, by } => {
            format!("阻止 {block} 已由 {} 批准，会话继续。", sanitise(by))
        }
        Message::Rejected { block, by } => {
            format!("阻止 {block} 已由 {} 拒绝，会话结束。", sanitise(by))
        }
        Message::Expired { block, resumed: true } => {
            format!("阻止 {block} 超时无人处理，会话继续。")
        }
        Message::Expired { block, resumed: false } => {
            format!("阻止 {block} 超时无人处理，会话结束。")
        }
        Message::JournalFailedClosed { reason } => {
            format!("无法写入审计日志（{}），会话结束。", sanitise(reason))
        }
        Message::JournalFailedOpen { reason } => {
            format!("无法写入审计日志（{}），会话将在无记录的情况下继续。", sanitise(reason))
        }
        Message::JournalCut { reason } => {
            format!("无法写入审计日志（{}），会话结尾未被记录。", sanitise(reason))
        }
        Message::JournalRecovered { bytes } => {
            format!("审计日志已恢复写入，缺失 {bytes} 字节。")
        }
        Message::OutputFailed { stream, reason } => {
            format!("无法写入 {stream}（{}），输出已丢失。", sanitise(reason))
        }
        Message::TimedOut => "会话已达到时间上限，即将结束。".into(),
        Message::Terminated => "会话已被管理员结束。".into(),
    }
}

/// A span as `1h 30m`, `45s`: the two largest units.
fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [(seconds / 3600, 'h'), (seconds / 60 % 60, 'm'), (seconds % 60, 's')];
    let shown: Vec<_> = units
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if shown.is_empty() { "0s".into() } else { shown.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_cannot_steer_the_terminal() {
        let message = Message::Blocked {
            block: BlockId(1),
            reason: "x\x1b]0;owned\x07\r\n\u{202e}y",
            wait: Duration::from_secs(1800),
        };
        let bytes = terminal(message, Language::English);
        let text = bytes.as_str();
        assert_eq!(text.matches('\x1b').count(), 2, "only our own colours");
        assert!(!text.contains('\x07') && !text.contains('\u{202e}'));
        assert!(text.contains("30m"));
    }

    const LANGUAGES: [Language; 3] = [Language::English, Language::Japanese, Language::Chinese];

    fn block(reason: &str) -> Message<'_> {
        Message::Blocked { block: BlockId(7), reason, wait: Duration::from_secs(5400) }
    }

    #[test]
    fn a_block_tells_reason_number_and_deadline_in_each_language() {
        let told = LANGUAGES.map(|language| text(block("reverse shell [shell.dev-tcp]"), language));
        for (told, word) in told.iter().zip(["session blocked", "ブロック", "会话已被阻止"])
        {
            for part in [word, "reverse shell [shell.dev-tcp]", "7", "1h 30m"] {
                assert!(told.contains(part), "{part} in {told}");
            }
        }
    }

    #[test]
    fn each_message_is_one_line_of_its_own_in_each_language() {
        let (by, reason) = ("alice", "no space");
        let messages = [
            block("x"),
            Message::InputRefused,
            Message::Approved { block: BlockId(7), by },
            Message::Rejected { block: BlockId(7), by },
            Message::Expired { block: BlockId(7), resumed: true },
            Message::Expired { block: BlockId(7), resumed: false },
            Message::JournalFailedClosed { reason },
            Message::JournalFailedOpen { reason },
            Message::JournalCut { reason },
            Message::JournalRecovered { bytes: 3 },
            Message::TimedOut,
            Message::Terminated,
        ];
        let mut seen = std::collections::BTreeSet::new();
        for message in messages {
            for language in LANGUAGES {
                let told = text(message, language);
                assert!(!told.chars().any(char::is_control), "{told}");
                assert_eq!(told.is_ascii(), language == Language::English, "{told}");
                assert!(seen.insert(told), "{message:?} in {language:?} is told as another is");
            }
        }
    }

    #[test]
    fn a_reason_steers_no_terminal_in_any_language() {
        for language in LANGUAGES {
            let bytes = terminal(block("x\x1b]0;owned\x07\r\n\u{9b}2J\u{202e}y"), language);
            let shown = bytes.as_str();
            assert_eq!(shown.matches('\x1b').count(), 2, "only our own colours");
            assert!(!shown.contains(['\x07', '\u{9b}', '\u{202e}']));
        }
    }
}
