//! What a prompt looks like.

/// A prompt is no longer than this many bytes.
const PROMPT_LIMIT: usize = 160;

/// What stands behind a secondary prompt (`> ` and its like).
pub(super) fn continuation(row: &str) -> Option<&str> {
    ["> ", "quote> ", "dquote> ", "pipe> ", "cmdand> ", "heredoc> ", "for> ", "... "]
        .iter()
        .find_map(|p| row.strip_prefix(p))
}

/// Where a prompt at the start of the row ends, if there is one: `$ `, `# `, `% `, `❯ ` behind a
/// user, a host, a directory, a bracket or nothing.
pub fn prompt_end(row: &str) -> Option<usize> {
    let mut best = None;
    for (at, sign) in row.char_indices().take_while(|(at, _)| *at < PROMPT_LIMIT) {
        let end = at + sign.len_utf8();
        if !row[end..].starts_with(' ') {
            continue;
        }
        let head = &row[..at];
        let ends = match sign {
            '$' | '#' | '%' => head_of_prompt(head, sign),
            '❯' | '➜' | '»' | 'λ' | '⟩' => true,
            '>' => {
                !head.is_empty()
                    && (head.contains('@') || head.ends_with(['~', '/']))
                    && !head.contains(' ')
            }
            _ => false,
        };
        if ends {
            best = Some(end + 1);
            break;
        }
    }
    let end = best?;
    // an arrow may be followed by the directory and the branch
    if row[..end].trim_start().starts_with('➜') {
        let mut rest = row[end..].trim_start();
        if let Some((first, after)) = rest.split_once(' ') {
            if first.starts_with(['~', '/']) || after.trim_start().starts_with("git:(") {
                rest = after.trim_start();
            }
            if let Some((_, after)) = rest.strip_prefix("git:(").and_then(|r| r.split_once(')')) {
                rest = after.trim_start().trim_start_matches(['✗', '✔']).trim_start();
            }
            return Some(row.len() - rest.len());
        }
    }
    Some(end)
}

/// Whether what stands before the sign can be a prompt's head.
fn head_of_prompt(head: &str, sign: char) -> bool {
    let head = head.trim_end();
    if head.is_empty() {
        return sign != '%';
    }
    if head.ends_with(|c: char| c.is_ascii_digit()) && sign == '%' {
        return false;
    }
    // (venv) [user@host dir], user@host:dir, host:dir, bash-5.2, sh-4.4, ~/dir, a time in brackets
    let shell = ["bash", "sh", "zsh", "ksh", "dash"]
        .iter()
        .any(|s| head.strip_prefix(s).is_some_and(|r| r.is_empty() || r.starts_with('-')));
    let bracket = head.starts_with(['[', '(', '┌', '└', '╰']) && head.len() < 100;
    let user = head.contains('@') && head.split_whitespace().count() <= 3;
    let host = head.contains(':')
        && head.split_whitespace().count() <= 2
        && head.len() < 80
        && (head.contains('~') || head.contains(":/"));
    let directory = head.starts_with(['~', '/']) && head.split_whitespace().count() <= 3;
    shell || bracket || user || host || directory
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_prompts_are_told_from_output() {
        for prompt in [
            "$ ",
            "# ",
            "dev@web1:~/app$ ",
            "[dev@web1 app]$ ",
            "root@db2:~# ",
            "bash-5.2$ ",
            "sh-4.4# ",
            "(venv) bob@h:/srv$ ",
            "~/app main ❯ ",
            "➜  app git:(main) ✗ ",
            "user@host ~ % ",
            "/ # ",
            "┌──(kali㉿kali)-[~] $ ",
        ] {
            let row = format!("{prompt}rm -rf x");
            assert_eq!(prompt_end(&row).map(|end| row[end..].trim()), Some("rm -rf x"), "{prompt}");
        }
        for row in [
            "/dev/vda1        98G   41G   53G  44% /",
            "Filesystem      Size  Used Avail Use% Mounted on",
            "100% done",
        ] {
            assert_eq!(prompt_end(row), None, "{row}");
        }
    }
}
