//! The size of the terminal follows the user's.

use audit_core::{Action, Body, Winsize};

use super::scenarios;
use crate::scene::Stage;

scenarios![
    a_new_size_reaches_the_child,
    a_size_that_is_no_new_one_is_not_recorded,
    after_a_storm_of_sizes_the_last_one_wins,
    the_terminal_s_own_size_is_taken_over,
    a_terminal_that_changes_its_size_tells_the_child,
];

const SHOWS_SIZE: &str = "trap 'echo \"now $(stty size)\"' WINCH; echo \"at first $(stty size)\"; \
     until [ -e end ]; do sleep 0.02; done; echo \"at last $(stty size)\"";

fn a_new_size_reaches_the_child(stage: &Stage) {
    let mut live = stage.sh(SHOWS_SIZE).play();
    live.expect("at first 24 80");
    live.order(Action::Resize(Winsize::new(33, 111)));
    live.expect("now 33 111");
    std::fs::write(live.files().dir().join("end"), "").expect("the directory takes files");
    live.expect("at last 33 111");
    let ended = live.end();
    assert_eq!(ended.journal.sizes(), [Winsize::new(24, 80), Winsize::new(33, 111)]);
    assert!(matches!(ended.journal.records()[0].body, Body::Resize(_)), "the size comes first");
}

fn a_size_that_is_no_new_one_is_not_recorded(stage: &Stage) {
    let mut live = stage.sh("echo ready; read -r word; echo \"got $word\"").play();
    live.expect("ready");
    for id in 1..=3 {
        live.files().order_by_link(id, Action::Resize(Winsize::new(24, 80)));
        assert_eq!(live.files().await_answer(id), Ok(()));
    }
    live.send("on\r");
    let ended = live.end();
    assert_eq!(ended.journal.sizes(), [Winsize::new(24, 80)]);
}

fn after_a_storm_of_sizes_the_last_one_wins(stage: &Stage) {
    let mut live = stage.sh(SHOWS_SIZE).play();
    live.expect("at first 24 80");
    let storm: Vec<_> = (1..=200).map(|n| Winsize::new(20 + n % 50, 60 + n)).collect();
    for size in &storm {
        live.order(Action::Resize(*size));
    }
    live.expect("now 20 260");
    std::fs::write(live.files().dir().join("end"), "").expect("the directory takes files");
    live.expect("at last 20 260");
    let ended = live.end();
    // Every change is recorded once, none is invented.
    assert_eq!(ended.journal.sizes()[1..], storm);
    ended.check_screen();
}

fn the_terminal_s_own_size_is_taken_over(stage: &Stage) {
    let scene = stage.sh("stty size; read -r word");
    let mut owned = scene.play_owned_as(r#"stty rows 42 cols 99; "$0" conformance-session "$1""#);
    owned.expect("42 99");
    owned.send("on\r");
    owned.end();
}

fn a_terminal_that_changes_its_size_tells_the_child(stage: &Stage) {
    let mut owned = stage.sh(SHOWS_SIZE).play_owned();
    owned.expect("at first 24 80");
    owned.resize(Winsize::new(33, 111));
    owned.expect("now 33 111");
    for n in 1..=200_u16 {
        owned.resize(Winsize::new(20 + n % 50, 60 + n));
    }
    owned.expect("now 20 260");
    std::fs::write(owned.files().dir().join("end"), "").expect("the directory takes files");
    owned.expect("at last 20 260");
    let ended = owned.end();
    let sizes = ended.journal.sizes();
    assert_eq!(sizes[..2], [Winsize::new(24, 80), Winsize::new(33, 111)]);
    assert_eq!(sizes.last(), Some(&Winsize::new(20, 260)));
    assert!(sizes.windows(2).all(|pair| pair[0] != pair[1]), "one record a change: {sizes:?}");
    ended.check_screen();
}
