use super::*;
use crate::normalise::{End, Map};
use crate::normalise::{Mark, Normaliser, Signal, Sink};

/// All secrets of a raw stream, cut into chunks of `size`, as raw text.
fn raw_secrets(raw: &str, size: usize) -> Vec<String> {
    struct Collect(RowScanner, Vec<(u64, u64)>);
    impl Sink for Collect {
        fn row(&mut self, text: &[u8], map: Map<'_>, end: End) {
            let found = &mut self.1;
            self.0.row(text, map, end, |_, start, stop| found.push((start, stop)));
        }
        fn mark(&mut self, _: Mark, _: usize) {}
        fn signal(&mut self, _: Signal) {}
    }
    let mut collect = Collect(RowScanner::default(), Vec::new());
    let mut normaliser = Normaliser::new(None);
    for chunk in raw.as_bytes().chunks(size) {
        normaliser.feed(chunk, &mut collect);
    }
    normaliser.flush_open(&mut collect);
    collect.1.iter().map(|(a, b)| raw[*a as usize..*b as usize].to_owned()).collect()
}

fn one(text: &str, secret: &str) {
    let found = find_in(text.as_bytes());
    let all: Vec<&str> = found.iter().map(|f| &text[f.start..f.end]).collect();
    assert_eq!(all, [secret], "{text}: {found:?}");
}

fn none(text: &str) {
    assert_eq!(find_in(text.as_bytes()), [], "{text}");
}

// The values are made up and put together here, so that no scanner takes this file for a leak.
fn alnum(length: usize) -> String {
    (0..length)
        .map(|i| char::from(b"aB3dE5gH7jK9mN1pQ2sT4vW6xY8zR0"[(i * 7 + i / 9) % 30]))
        .collect()
}

#[test]
fn every_family_compiles_and_has_an_anchor_of_its_own() {
    for family in &families::FAMILIES {
        assert!(crate::rules::compile(family.pattern).is_some(), "{}", family.name);
        assert!(!family.anchors.is_empty(), "{}", family.name);
    }
}

#[test]
fn provider_tokens_are_found_whole() {
    for (prefix, length) in [
        ("ghp_", 36),
        ("glpat-", 20),
        ("npm_", 36),
        ("sk_live_", 24),
        ("hf_", 34),
        ("hvs.", 90),
        ("sk-proj-", 48),
        ("pypi-", 120),
        ("xoxb-12345678-", 24),
        ("AIza", 35),
    ] {
        let secret = format!("{prefix}{}", alnum(length));
        one(&format!("TOKEN={secret}"), &secret);
        one(
            &format!("curl -H \"Authorization: Bearer {secret}\" https://api.example.com"),
            &secret,
        );
        one(&format!("{{\"token\":\"{secret}\",\"expires\":3600}}"), &secret);
    }
}

#[test]
fn passwords_beside_their_names_are_found() {
    one("DB_PASSWORD=jTT8MdwYGcgK", "jTT8MdwYGcgK");
    one("password: m12vjwRO7Deo", "m12vjwRO7Deo");
    one("  \"password\": \"xr7ho7cY6RYl\",", "xr7ho7cY6RYl");
    one("Password for alice: xr7ho7cY6RYl", "xr7ho7cY6RYl");
    one("[sudo] password for dev: sQCZOzRGthd", "sQCZOzRGthd");
    one("mysql -u root -pS3cr3tPw! shop", "S3cr3tPw!");
    one("sshpass -p 'S3cr3tPw!' ssh a@b", "S3cr3tPw!");
    one("curl -u admin:S3cr3tPw9 https://h/", "S3cr3tPw9");
    one("machine h.example login bob password S3cr3tPw9", "S3cr3tPw9");
}

#[test]
fn connection_strings_and_hashes_are_found() {
    one(
        "DATABASE_URL=postgres://app:cI8sarF1v!82L4@db:5432/app",
        "postgres://app:cI8sarF1v!82L4@db:5432/app",
    );
    one(
        "mongodb+srv://u:p4ssW0rd@c.example.net/x?y=1",
        "mongodb+srv://u:p4ssW0rd@c.example.net/x?y=1",
    );
    let hash = format!("$6$BUqBRG8r${}", alnum(86));
    one(&format!("root:{hash}:19700:0:99999:7:::"), &hash);
    let hash = format!("$y$j9T$F5Jx5fExrKuPp53xLKQ..1${}", alnum(43));
    one(&format!("bob:{hash}:19700:0:99999:7:::"), &hash);
    let hash = format!("$apr1$x8sPq1aB${}", alnum(22));
    one(&format!("bob:{hash}"), &hash);
}

#[test]
fn what_is_no_secret_is_left_alone() {
    for text in [
        "secret = vault.read(\"secret/data/app\")",
        "tokenizer: bert-base-uncased-v2",
        "PASSWORD_HASHER = \"django.contrib.auth.hashers.Argon2PasswordHasher\"",
        "password must be at least 12 characters",
        "token_type: bearer",
        "DB_PASSWORD=${DB_PASSWORD}",
        "API_KEY=changeme",
        "password: ********",
        "token: <your-token-here>",
        "password = getpass.getpass()",
        "if not token: raise ValueError(\"no token\")",
        "secret/db-credentials   Opaque   3   41d",
        "postgres://db1.internal:5432/app",
        "Enter password for alice: ",
        "etag: \"2f0608e89f91cfb680ae733134a94af1\"",
        "integrity sha512-BPZKPfDJSjXiPCZH2FfRiZgk6Clexlu3hPWSnqPJgM0BG0rj5TOk7D7vSbg4t6Eq==",
        "checksum = \"75bae92e2e31e1fcd2a84ee19dd5c61c3f71\"",
        "https://example.com/a:b@c",
        "ssh -p 2222 host",
        "sk-learn is a library",
        "keyboard-interactive",
        "password authentication failed for user \"app\"",
        "aws_access_key_id = AKIAXXXXXXXXEXAMPLE1",
        "-rw------- 1 root shadow 1200 /etc/shadow",
    ] {
        none(text);
    }
}

#[test]
fn a_secret_split_by_colours_chunks_and_wraps_is_found_in_the_raw_stream() {
    let (head, tail) = (format!("ghp_{}", alnum(16)), alnum(20));
    let raw = format!("TOKEN={head}\x1b[0m{tail}\r\nls\r\n");
    for size in [1, 2, 7, 1000] {
        let found = raw_secrets(&raw, size);
        assert_eq!(found, [format!("{head}\x1b[0m{tail}")], "chunks of {size}");
    }
}

#[test]
fn a_private_key_is_one_stretch_over_all_its_rows() {
    let begin = format!("-----BEGIN {} PRIVATE KEY-----", "RSA");
    let end = format!("-----END {} PRIVATE KEY-----", "RSA");
    let key = format!("{begin}\n{}\n{}\n{end}", alnum(64), alnum(40));
    let raw = format!("$ cat k\n{key}\n$ ls\n");
    for size in [1, 5, 1000] {
        assert_eq!(raw_secrets(&raw, size).concat(), key, "chunks of {size}");
    }
}

#[test]
fn a_cut_off_private_key_does_not_swallow_what_follows() {
    let raw = format!(
        "-----BEGIN {} KEY-----\n{}\n$ ls -la /home/bob\nREADME.md: text, here\n",
        "PRIVATE",
        alnum(64)
    );
    assert!(!raw_secrets(&raw, 1000).concat().contains("README"));
}

#[test]
fn a_certificate_is_no_key() {
    assert_eq!(
        raw_secrets("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n", 9),
        [""; 0]
    );
}

#[test]
fn redacted_text_names_the_family() {
    assert_eq!(redact(&format!("export T=ghp_{}", alnum(36))), "export T=[github]");
}
