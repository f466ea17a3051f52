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
        let known = |anchor: &&str| anchor.replace('?', "").len() >= 3;
        assert!(family.anchors.iter().all(known), "{}", family.name);
    }
}

/// A secret of each family and of each spelling with a prefix of its own: what stands before it,
/// the secret, what stands behind it.
fn samples() -> Vec<(&'static str, String, String, &'static str)> {
    let hex = |length: usize| -> String {
        (0..length).map(|i| char::from(b"0f1e2d3c4b5a6978"[(i * 5 + i / 7) % 16])).collect()
    };
    let upper = |length: usize| alnum(length).to_uppercase();
    let digits = |length: usize| -> String {
        (0..length).map(|i| char::from(b"1234567890"[(i * 3) % 10])).collect()
    };
    let mut all = Vec::new();
    let mut add = |family, before: &str, secret: String, behind| {
        all.push((family, before.to_owned(), secret, behind));
    };
    add("aws_access_key", "", format!("AKIA{}", upper(16)), "");
    add("aws_secret", "aws_secret_access_key = ", alnum(40), "");
    add("aws_secret", "\"SecretAccessKey\": \"", alnum(40), "\"");
    add("aws_session", "SessionToken: ", alnum(80), "");
    for prefix in ["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"] {
        add("github", "", format!("{prefix}{}", alnum(36)), "");
    }
    for prefix in ["pat", "dt", "rt", "ptt", "soat", "cbt", "agent", "oas", "ft", "imt"] {
        add("gitlab", "", format!("gl{prefix}-{}", alnum(20)), "");
    }
    for prefix in ["xoxb-", "xoxp-", "xoxa-", "xoxe.xoxp-", "xapp-1-"] {
        add("slack", "", format!("{prefix}{}", alnum(40)), "");
    }
    add("slack_hook", "", format!("https://hooks.slack.com/services/{}", alnum(40)), "");
    add(
        "discord_hook",
        "",
        format!("https://discord.com/api/webhooks/{}/{}", digits(18), alnum(60)),
        "",
    );
    for prefix in ["sk_live_", "rk_test_", "whsec_"] {
        add("stripe", "", format!("{prefix}{}", alnum(24)), "");
    }
    for prefix in ["sk-proj-", "sk-ant-api03-", "sk-svcacct-", "sk-"] {
        add("ai", "", format!("{prefix}{}", alnum(48)), "");
    }
    add("huggingface", "", format!("hf_{}", alnum(34)), "");
    add("npm", "", format!("npm_{}", alnum(36)), "");
    add("npmrc", "//npm.example.com/:_authToken=", alnum(30), "");
    add("pypi", "", format!("pypi-{}", alnum(60)), "");
    add("google_api", "", format!("AIza{}", alnum(35)), "");
    for prefix in ["GOCSPX-", "ya29.", "1//0"] {
        add("google_oauth", "", format!("{prefix}{}", alnum(36)), "");
    }
    add("digitalocean", "", format!("dop_v1_{}", hex(64)), "");
    add("vault", "", format!("hvs.{}", alnum(30)), "");
    for (head, tail) in [
        ("dapi", hex(32)),
        ("shpat_", hex(32)),
        ("SG.", format!("{}.{}", alnum(22), alnum(43))),
        ("key-", hex(32)),
        ("lin_api_", alnum(40)),
        ("pul-", hex(40)),
        ("nvapi-", alnum(60)),
        ("r8_", alnum(37)),
        ("ATATT3", alnum(60)),
        ("sntrys_", alnum(60)),
        ("dt0c01.", format!("{}.{}", upper(24), upper(64))),
        ("glsa_", alnum(41)),
        ("ntn_", alnum(46)),
        ("figd_", alnum(40)),
        ("pscale_pw_", alnum(43)),
        ("dp.pt.", alnum(43)),
        ("ops_eyJ", alnum(120)),
        ("sbp_", hex(40)),
        ("fo1_", alnum(43)),
        ("rnd_", alnum(32)),
        ("EAAC", alnum(100)),
        ("sq0atp-", alnum(22)),
        ("dckr_pat_", alnum(27)),
        ("HRKU-", alnum(40)),
        ("AGE-SECRET-KEY-1", upper(58)),
        ("rubygems_", hex(48)),
        ("lsv2_pt_", format!("{}_{}", hex(32), hex(10))),
        ("tvly-", alnum(32)),
        ("xai-", alnum(80)),
        ("gsk_", alnum(52)),
        ("pplx-", alnum(48)),
        ("EAAA", alnum(60)),
    ] {
        add("prefixed", "", format!("{head}{tail}"), "");
    }
    add("prefixed", "", format!("{}.atlasv1.{}", alnum(14), alnum(66)), "");
    add("telegram", "", format!("{}:AA{}", digits(10), alnum(33)), "");
    add("jwt", "", format!("eyJ{}.{}.{}", alnum(20), alnum(40), alnum(40)), "");
    for head in ["$1$", "$5$", "$6$", "$apr1$"] {
        add("password_hash", "", format!("{head}{}${}", alnum(8), alnum(22)), "");
    }
    for head in ["$y$j9T$", "$gy$j9T$", "$7$CU"] {
        add("password_hash", "", format!("{head}{}${}", alnum(22), alnum(43)), "");
    }
    add("password_hash", "", format!("$2b$12${}", alnum(53)), "");
    add(
        "password_hash",
        "",
        format!("$argon2id$v=19$m=65536,t=3,p=4${}${}", alnum(22), alnum(43)),
        "",
    );
    add("password_hash", "", format!("{{SSHA}}{}", alnum(32)), "");
    add("uri_password", "", format!("redis://:{}@cache:6379/0", alnum(12)), "");
    add("authorization", "X-Api-Key: ", alnum(32), "");
    add("authorization", "Authorization: SSWS ", alnum(42), "");
    add("bearer", "bearer ", alnum(32), "");
    add("azure_key", "AccountKey=", format!("{}==", alnum(86)), "");
    add("sas", "https://x.example/c?sp=r&sig=", alnum(44), "");
    add("docker_auth", "\"auth\": \"", alnum(24), "\"");
    add("netrc", "machine h login u password ", alnum(12), "");
    add("password_value", "DB_PASSWORD=", alnum(12), "");
    add("password_value", "  adminPassword: ", format!("{}&{}", alnum(8), alnum(3)), "");
    add("password_define", "define('DB_PASSWORD', '", alnum(12), "');");
    add("password_element", "<password>", alnum(12), "</password>");
    add("password_attribute", "<add key=\"ApiKey\" value=\"", alnum(32), "\" />");
    add("password_words", "Your temporary password is ", alnum(12), "");
    for word in [
        "数据库密码：",
        "パスワード: ",
        "비밀번호: ",
        "Пароль: ",
        "Mot de passe : ",
        "Contraseña: ",
    ] {
        add("password_abroad", word, alnum(12), "");
    }
    add("pgpass", "db1:5432:app:bob:", alnum(14), "");
    add("vault_unseal", "Unseal Key 1: ", alnum(44), "");
    add("ntlm_hash", "a:500:aad3b435b51404eeaad3b435b51404ee:", hex(32), ":::");
    for (before, behind) in [
        ("sshpass -p ", " ssh a@b"),
        ("mysql -uroot -p", " app"),
        ("curl -u admin:", " https://h/"),
        ("ldapsearch -D cn=a -w ", " -b dc=x"),
        ("redis-cli -h h -a ", " info"),
        ("openssl enc -d -k ", " -in x"),
        ("smbclient //h/s -U bob%", ""),
        ("xfreerdp /u:bob /p:", " /v:h"),
        ("sqlcmd -S db -U sa -P ", ""),
        ("mongosh -u admin -p ", " --host db"),
        ("docker login -u bot -p ", " r.example.com"),
        ("gpg --batch --passphrase ", " -c a"),
        ("htpasswd -b f bob ", ""),
        ("ALTER ROLE app WITH PASSWORD '", "';"),
    ] {
        add("argument", before, alnum(12), behind);
    }
    add("token_value", "TWILIO_AUTH_TOKEN=", hex(32), "");
    all
}

#[test]
fn every_family_is_found_on_a_row_of_its_own() {
    let samples = samples();
    for (family, before, secret, behind) in &samples {
        let row = format!("{before}{secret}{behind}");
        assert!(has_anchor(row.as_bytes(), 0).is_some(), "{family}: {row}");
        one(&row, secret);
        assert!(!redact(&row).contains(secret.as_str()), "{family}: {row}");
    }
    for family in &families::FAMILIES {
        assert!(
            samples.iter().any(|(name, ..)| *name == family.name),
            "{} has no sample",
            family.name
        );
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
    for first in [
        "mysql -p",
        "redis-cli -a ",
        "sqlcmd -P ",
        "docker login -p ",
        "mongosh -p ",
        "ldapsearch -w ",
    ] {
        one(&format!("{first}S3cr3tPw! -u me db1"), "S3cr3tPw!");
    }
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
        "bypass: enabled2",
        "compass: 270deg",
        "secret_name: prod/db-credentials-v2",
        "secretName: app-tls-2024",
        "password_hash_algorithm: argon2id",
        "passwordMinLength: 12chars",
        "pass_rate=98.7%",
        "credentialsProvider=org.apache.hadoop.security2",
        "sk-learn-pipeline-model-registry",
        "mysql -h db1.prod.internal -P3306 -uapp",
        "token_expires_in: 3600seconds",
        "signing_key_id=projects/p/locations/l/keyRings/k1",
        "docker run --name mongo -p 27017:27017 mongo",
        "docker run -d --name mysql -p3306:3306 mysql",
        "docker run -p 127.0.0.1:6379:6379 --name mongo -d -p 27017-27019:27017-27019 mongo",
        "nmap mongo -p 27017,27018",
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
