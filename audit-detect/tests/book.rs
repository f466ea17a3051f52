//! The rules that the book shows are rules: they load, and their examples hold.

use std::path::Path;

use audit_detect::rules::RuleFolder;

#[test]
fn rules_in_the_book_load_with_their_examples() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/src/detection.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown: Vec<&str> = blocks.filter(|block| block.contains("[[rule]]")).collect();
    assert!(shown.len() >= 2, "{} blocks of rules", shown.len());
    let folder = tempfile::tempdir().expect("a folder");
    for (number, rules) in shown.iter().enumerate() {
        std::fs::write(folder.path().join(format!("{number}.toml")), rules).expect("written");
    }
    if let Err(error) = RuleFolder::open(folder.path()) {
        panic!("{error}");
    }
}
