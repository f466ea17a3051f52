//! Families of secrets: how each is spelt.

use super::entropy::{entropy, names_something_else, password_like, placeholder, token_like};

/// A family: what it is called, literals without which it cannot match (in any case
/// unless they have capitals; `?` is `_`, `-`, `.` or nothing), the expression, and which group of it is the secret.
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) anchors: &'static [&'static str],
    pub(super) pattern: &'static str,
    pub(super) group: usize,
    /// Whether what was found is one after all: the value, and what of the match stands before it.
    pub(super) check: fn(&str, &str) -> bool,
}

fn any(_: &str, _: &str) -> bool {
    true
}

fn real(value: &str, _: &str) -> bool {
    !placeholder(value)
}

/// As [`real`], for what stands behind an option that elsewhere names ports: `-p 8080:80`.
fn optional(value: &str, _: &str) -> bool {
    let ports = value.contains([':', ','])
        && value.bytes().all(|b| b.is_ascii_digit() || b":,.-/".contains(&b));
    !ports && !placeholder(value)
}

fn mixed(value: &str, _: &str) -> bool {
    !placeholder(value) && entropy(value) >= 3.0
}

fn coded(value: &str, before: &str) -> bool {
    mixed(value, before) && value.bytes().any(|b| b.is_ascii_digit())
}

fn password(value: &str, before: &str) -> bool {
    !names_something_else(before) && password_like(value)
}

fn told(value: &str, _: &str) -> bool {
    password_like(value)
}

fn token(value: &str, before: &str) -> bool {
    !names_something_else(before) && token_like(value)
}

fn header(value: &str, _: &str) -> bool {
    token_like(value)
}

const fn family(
    name: &'static str,
    anchors: &'static [&'static str],
    pattern: &'static str,
    group: usize,
    check: fn(&str, &str) -> bool,
) -> Family {
    Family { name, anchors, pattern, group, check }
}

/// All families except private keys, most telling first.
pub(super) const FAMILIES: [Family; 41] = [
    family(
        "aws_access_key",
        &["AKIA", "ASIA", "ABIA", "ACCA"],
        r"\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b",
        1,
        mixed,
    ),
    family(
        "aws_secret",
        &["aws"],
        r#"(?i)aws\w{0,20}[_.-]?(?:secret|sk)\w{0,20}[_.-]?(?:key)?\w*["']?\s*[:=]+>?\s*["']?([A-Za-z0-9/+=]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        1,
        mixed,
    ),
    family(
        "aws_secret",
        &["secretaccesskey", "secretkey", "secret_key", "secret_access"],
        r#"(?i)secret_?(?:access)?_?key["']?\s*[:=]+\s*["']?([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)"#,
        1,
        mixed,
    ),
    family(
        "aws_session",
        &["session_token", "sessiontoken"],
        r#"(?i)session_?token["']?\s*[:=]\s*["']?([A-Za-z0-9/+=]{64,})"#,
        1,
        mixed,
    ),
    family(
        "github",
        &["ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"],
        r"\b((?:gh[pousr]_[A-Za-z0-9]{30,})|github_pat_[A-Za-z0-9_]{22,})",
        1,
        mixed,
    ),
    family(
        "gitlab",
        &[
            "glpat-", "gldt-", "glrt-", "glptt-", "glsoat-", "glcbt-", "glagent-", "gloas-",
            "glft-", "glimt-",
        ],
        r"\b(gl(?:pat|dt|rt|ptt|soat|cbt|agent|oas|ft|imt)-[A-Za-z0-9_=-]{16,80})",
        1,
        mixed,
    ),
    family(
        "slack",
        &["xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-", "xoxe", "xapp-", "hooks.slack.com"],
        r"\b(xox[abeprs](?:\.xox[bp])?-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{20,})",
        1,
        real,
    ),
    family(
        "slack_hook",
        &["hooks.slack.com"],
        r"(https://hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{20,})",
        1,
        any,
    ),
    family(
        "discord_hook",
        &["discord"],
        r"(https://discord(?:app)?\.com/api/webhooks/\d{10,22}/[\w-]{30,})",
        1,
        any,
    ),
    family(
        "stripe",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "whsec_", "pk_live_"],
        r"\b((?:[sr]k_(?:live|test|prod)_|whsec_)[A-Za-z0-9+/=]{10,})",
        1,
        real,
    ),
    family(
        "ai",
        &["sk-", "sk_"],
        r"\b(sk-(?:(?:proj|ant-(?:api\d+|admin\d+)|ant|svcacct|admin|or-v1)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{20,})|sk_[a-f0-9]{48})",
        1,
        coded,
    ),
    family(
        "huggingface",
        &["hf_", "api_org_"],
        r"\b((?:hf_|api_org_)[A-Za-z0-9]{30,48})",
        1,
        mixed,
    ),
    family("npm", &["npm_"], r"\b(npm_[A-Za-z0-9]{36})", 1, mixed),
    family(
        "npmrc",
        &["_auth", "_password"],
        r#"(?i)(?:^|[:\s])_(?:authToken|auth|password)\s*=\s*["']?([A-Za-z0-9+/=_.-]{12,})"#,
        1,
        real,
    ),
    family("pypi", &["pypi-"], r"\b(pypi-[A-Za-z0-9_-]{32,})", 1, real),
    family("google_api", &["AIza"], r"\b(AIza[A-Za-z0-9_-]{33,39})", 1, mixed),
    family(
        "google_oauth",
        &["GOCSPX-", "ya29.", "1//0"],
        r"\b(GOCSPX-[A-Za-z0-9_-]{20,40}|ya29\.[A-Za-z0-9_-]{20,}|1//0[A-Za-z0-9_-]{30,})",
        1,
        real,
    ),
    family(
        "digitalocean",
        &["dop_v1_", "doo_v1_", "dor_v1_"],
        r"\b(do[opr]_v1_[a-f0-9]{64})",
        1,
        any,
    ),
    family("vault", &["hvs.", "hvb.", "hvr."], r"\b(hv[sbr]\.[A-Za-z0-9_-]{20,})", 1, real),
    family(
        "prefixed",
        &[
            "dapi",
            "shpat_",
            "shpss_",
            "shpca_",
            "SG.",
            "key-",
            "lin_api_",
            "pul-",
            "nvapi-",
            "r8_",
            "ATATT3",
            "ATCTT3",
            "sntrys_",
            "sntryu_",
            "dt0c01.",
            "glc_",
            "glsa_",
            "ntn_",
            "secret_",
            "figd_",
            "pscale_",
            "dp.pt.",
            "ops_ey",
            "sbp_",
            "FlyV1 ",
            "rnd_",
            "pat-",
            "EAAC",
            "sq0",
            "dckr_pat_",
            "HRKU-",
            "AGE-SECRET-KEY-",
            "rubygems_",
            "lsv2_",
            "tvly-",
            "xai-",
            "gsk_",
            "pplx-",
            "fo1_",
            "EAAA",
            "atlasv1",
        ],
        r"\b(dapi[a-f0-9]{32}(?:-\d)?|shp(?:at|ss|ca|pa)_[a-fA-F0-9]{32}|SG\.[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{30,64}|key-[a-f0-9]{32}|lin_api_[A-Za-z0-9]{40}|pul-[a-f0-9]{40}|nvapi-[A-Za-z0-9_-]{40,90}|r8_[A-Za-z0-9]{30,45}|AT[AC]TT3[A-Za-z0-9_=-]{40,}|sntry[su]_[A-Za-z0-9+/=_-]{40,}|dt0c01\.[A-Z0-9]{24}\.[A-Z0-9]{64}|gl(?:c|sa)_[A-Za-z0-9+/=_]{32,}|ntn_[A-Za-z0-9]{40,60}|secret_[A-Za-z0-9]{43}|figd_[A-Za-z0-9_-]{36,50}|pscale_(?:tkn|pw|oauth)_[A-Za-z0-9_=.-]{32,64}|dp\.(?:pt|st|ct)\.[A-Za-z0-9._-]{40,60}|ops_eyJ[A-Za-z0-9+/=_-]{100,}|sbp_[a-f0-9]{40}|FlyV1 [A-Za-z0-9+/=,_-]{40,}|fo1_[A-Za-z0-9_-]{40,60}|rnd_[A-Za-z0-9]{28,36}|pat-[a-z]{2}\d-[a-f0-9-]{36}|EAAC[A-Za-z0-9]{80,}|sq0(?:atp|csp)-[A-Za-z0-9_-]{22,43}|dckr_pat_[A-Za-z0-9_-]{24,40}|HRKU-[A-Za-z0-9_-]{36,70}|AGE-SECRET-KEY-1[A-Z0-9]{58}|rubygems_[a-f0-9]{48}|lsv2_(?:pt|sk)_[a-f0-9]{32}_[a-f0-9]{10}|tvly-[A-Za-z0-9-]{28,48}|xai-[A-Za-z0-9]{60,90}|gsk_[A-Za-z0-9]{48,56}|pplx-[A-Za-z0-9]{40,60}|EAAA[A-Za-z0-9_-]{58,}|[A-Za-z0-9]{14}\.atlasv1\.[A-Za-z0-9_=-]{60,70})",
        1,
        real,
    ),
    family("telegram", &[":AA"], r"\b(\d{7,10}:AA[A-Za-z0-9_-]{32,35})\b", 1, any),
    family(
        "jwt",
        &["eyJ"],
        r"\b(ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}(?:\.[A-Za-z0-9_/+-]{10,}={0,2})?)",
        1,
        any,
    ),
    family(
        "password_hash",
        &[
            "$6$", "$5$", "$1$", "$y$", "$gy$", "$7$", "$2a$", "$2b$", "$2y$", "$apr1$", "$argon2",
            "$pbkdf2", "$scrypt", "{SSHA", "{SHA",
        ],
        r"(\$(?:(?:1|5|6|apr1)\$(?:rounds=\d+\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{20,90}|(?:y|gy|7)\$[./A-Za-z0-9$]{20,}|2[abxy]\$\d\d\$[./A-Za-z0-9]{53}|argon2(?:id|i|d)\$[^\s:'\x22]{30,}|pbkdf2[\w-]*\$[^\s:'\x22]{20,})|\{S?SHA\d*\}[A-Za-z0-9+/=]{20,})",
        1,
        any,
    ),
    family(
        "uri_password",
        &["://"],
        r#"(\b[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s/:@"'<>]*:[^\s/@"'<>$*{][^\s@"'<>]{2,}@[^\s"'<>`,;)\]]+)"#,
        1,
        any,
    ),
    family(
        "authorization",
        &["authorization", "api?key", "x-auth-token", "private-token", "x-vault-token"],
        r#"(?i)(?:authorization|x-api-key|x-auth-token|private-token|x-vault-token|apikey|api-key)["']?\s*[:=]\s*["']?(?:[A-Za-z][\w-]{1,20}\s+)?([A-Za-z0-9._~+/=:-]{12,})"#,
        1,
        mixed,
    ),
    family(
        "bearer",
        &["bearer ", "basic "],
        r#"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{16,})"#,
        1,
        header,
    ),
    family(
        "azure_key",
        &["accountkey", "sharedaccesskey", "sig=", "endpoint=sb"],
        r"(?i)(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/=]{40,})",
        1,
        any,
    ),
    family("sas", &["sig="], r"(?i)[?&;]sig=([A-Za-z0-9%+/=]{40,})", 1, any),
    family("docker_auth", &["\"auth\""], r#""auth"\s*:\s*"([A-Za-z0-9+/=]{12,})""#, 1, any),
    family(
        "netrc",
        &["machine ", "login "],
        r"(?i)\b(?:machine\s+\S+|default)\s+login\s+\S+\s+password\s+(\S{4,})",
        1,
        real,
    ),
    family(
        "password_value",
        &["pass", "pwd", "secret", "_pw", "psk=", "psk:", "psk\"", "psk'", "psk ", "psk_", "psk-"],
        r#"(?:(?:^|[^A-Za-z])(?i:passwor[dt]|passwd|passphrase|passcode|pass|pwd|secret|pw|psk)|[a-z0-9](?:Password|Passwd|Passphrase|Pass|Pwd|Secret|PASSWORD|PASSWD|PASSPHRASE|PASS|PWD|SECRET)|[A-Z0-9](?:PASSWORD|PASSWD|PASS|PWD))[\w.-]{0,24}["']?\s{0,3}(?:=>|:=|[:=])\s{0,3}["']?([^\s"',;<>`|]{5,})"#,
        1,
        password,
    ),
    family(
        "password_define",
        &["passw", "passphrase", "secret", "_key", "_salt", "token", "apikey"],
        r#"(?i)["'][\w.-]*(?:passw(?:or)?d|passphrase|secret|_key|_salt|token|api-?key)["']\s*(?:,|\s+value\s*=)\s*["']([^"']{5,})["']"#,
        1,
        password,
    ),
    family(
        "password_element",
        &["password>", "passwd>", "pwd>", "secret>", "passphrase>", "apikey>", "token>"],
        r#"(?i)<(?:\w+:)?\w*(?:password|passwd|pwd|secret|passphrase|api-?key|token)>([^<\s]{5,})</"#,
        1,
        told,
    ),
    family(
        "password_attribute",
        &["apikey", "password", "secret", "token"],
        r#"(?i)(?:key|name)\s*=\s*["'][\w.:-]*(?:api-?key|password|secret|token)["']\s+value\s*=\s*["']([^"']{5,})["']"#,
        1,
        told,
    ),
    family(
        "password_words",
        &["passw", "passphrase", "passcode", "pwd"],
        r#"(?i)\b(?:(?:password|passphrase|pwd|passwd)\s+(?:is|was|set to|has been set to)\s*:?|(?:password|passphrase|passcode)\s+(?:for|of)\s+[^\s:]{1,60}\s*:|(?:temporary|initial|generated|new|root|admin|default|one-time)\s+(?:password|passphrase)[^:=\n]{0,40}(?:is|:|=))\s*["'`]?([^\s"',;<>`]{5,})"#,
        1,
        told,
    ),
    family(
        "password_abroad",
        &[
            "密码",
            "密碼",
            "口令",
            "パスワード",
            "暗証番号",
            "비밀번호",
            "пароль",
            "Пароль",
            "passwort",
            "kennwort",
            "mot de passe",
            "contrase",
            "senha",
            "wachtwoord",
            "hasł",
            "senord",
        ],
        r#"(?:密码|密碼|口令|パスワード|暗証番号|비밀번호|пароль|Пароль|(?i:passwort|kennwort|mot de passe|senha|wachtwoord)|(?i:contrase)(?:ñ|Ñ)(?i:a)|(?i:has)(?:ł|Ł)(?i:o)|(?i:l)(?:ö|Ö)(?i:senord))[^\s:=]{0,24}\s{0,3}(?::|：|=|は|为|是)\s{0,3}(?:["']|「|“)?([^\s"',;<>`|]{5,})"#,
        1,
        told,
    ),
    family(
        "pgpass",
        &[":5432:", ":5433:", ":6432:", ":*:"],
        r"^[\w.*/-]+:(?:\d{2,5}|\*):[\w*.-]+:[\w.*-]+:(\S{4,})$",
        1,
        real,
    ),
    family(
        "vault_unseal",
        &["unseal key", "recovery key"],
        r"(?i)(?:unseal|recovery) key \d+:\s*([A-Za-z0-9+/=]{40,})",
        1,
        any,
    ),
    family(
        "ntlm_hash",
        &[":aad3b435", ":31d6cfe0"],
        r"(?i):\d+:[a-f0-9]{32}:([a-f0-9]{32}):::",
        1,
        any,
    ),
    family(
        "argument",
        &[
            "-pass",
            "--token",
            "--secret",
            "--api",
            "--access",
            "--auth",
            "--client",
            "--requirepass",
            "--pwd",
            "sshpass",
            "mysql",
            "curl",
            "ldap",
            "redis-cli",
            "openssl",
            "smbclient",
            "smbmap",
            "smbget",
            "rpcclient",
            "freerdp",
            "rdesktop",
            "sqlcmd",
            "mongo",
            "docker",
            "podman",
            "zip ",
            "7z a ",
            "7z u ",
            "7z x ",
            "7z e ",
            "7z t ",
            "7z l ",
            "7za ",
            "7zr ",
            "htpasswd",
            "identified by",
            "password '",
            "sqlplus",
            "ipmitool",
            "net rpc",
            "winexe",
        ],
        r#"(?:--(?i:(?:http-)?password|passwd|passphrase|pass|pwd|token|secret|api-?key|secret-key|access-token|auth-token|client-secret|requirepass)[= ]["']?([^\s"'$<>`*|-][^\s"'<>`|]{3,})|sshpass\s+-p\s*["']?([^\s"'$<>`*]{3,})|mysql(?:dump|admin|sh|import)?\s(?:[^|;]*?\s)?-p([^\s"'$<>`|;-][^\s"'<>`|;]{3,})|curl\s[^|;]*?(?:-u|--user)\s*["']?[^\s:"'$]{1,60}:([^\s"'$<>`]{3,})|ldap(?:search|add|modify|whoami|passwd|delete)\s(?:[^|;]*?\s)?-w\s*["']?([^\s"'$<>`]{3,})|redis-cli\s(?:[^|;]*?\s)?-a\s*["']?([^\s"'$<>`]{3,})|(?i:identified\s+by|with\s+password|user\s+\S+\s+password|set\s+password)\s*=?\s*["']([^"']{3,})["']|openssl\s[^|;]*?(?:pass:|\s-k\s+)([^\s"'$<>`]{3,})|(?:smbclient|rpcclient|net rpc|winexe|smbmap|smbget)\s[^|;]*?-U\s*["']?[^\s%"']{1,60}%([^\s"'$<>`]{3,})|(?:xfreerdp|wlfreerdp|rdesktop)\s[^|;]*?(?:/p:|\s-p\s*)["']?([^\s"'$<>`-][^\s"'$<>`]{2,})|(?:sqlcmd|ipmitool)\s(?:[^|;]*?\s)?-P\s*["']?([^\s"'$<>`-][^\s"'$<>`]{2,})|mongo(?:sh|dump|restore|export|import)?\s(?:[^|;]*?\s)?-p\s*["']?([^\s"'$<>`-][^\s"'$<>`]{2,})|(?:docker|podman)\s+login\s(?:[^|;]*?\s)?-p\s*["']?([^\s"'$<>`-][^\s"'$<>`]{2,})|\bzip\s[^|;]*?-P\s*["']?([^\s"'$<>`-][^\s"'$<>`]{2,})|\b7z[ar]?\s[auxetl]\s[^|;]*?-p([^\s"'$<>`]{4,})|htpasswd\s+-\w*b\w*\s+\S+\s+\S+\s+["']?([^\s"'$<>`]{3,})|sqlplus\s+\w+/([^\s@"'$]{3,})@)"#,
        0,
        optional,
    ),
    family(
        "token_value",
        &[
            "token",
            "secret",
            "credential",
            "api?key",
            "app?key",
            "access?key",
            "auth?key",
            "private?key",
            "encryption?key",
            "signing?key",
            "webhook?key",
            "license?key",
            "account?key",
            "storage?key",
            "master?key",
            "shared?key",
            "deploy?key",
            "service?key",
        ],
        r#"(?i)(?:token|api[_.-]?key|apikey|app[_.-]?key|secret|access[_.-]?key|auth[_.-]?key|private[_.-]?key|client[_.-]?secret|credential|encryption[_.-]?key|signing[_.-]?key|webhook[_.-]?key|license[_.-]?key|account[_.-]?key|storage[_.-]?key|master[_.-]?key|shared[_.-]?key|deploy[_.-]?key|service[_.-]?key)[\w.-]{0,24}["']?\s{0,3}(?:=>|:=|[:=])\s{0,3}["']?([A-Za-z0-9_./+=~-]{16,})"#,
        1,
        token,
    ),
];

/// How a private key starts.
pub(super) const KEY_START: &str = r"-----BEGIN (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----";
/// How a private key ends.
pub(super) const KEY_END: &str = r"-----END (?:[A-Z0-9]+ ){0,4}PRIVATE KEY(?: BLOCK)?-----";
