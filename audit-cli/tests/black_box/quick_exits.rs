//! The last bytes at the end of a child are where a recorder loses some.

use crate::chance::times;
use crate::on_every_engine;
use crate::sandbox::Sandbox;
use crate::terminal::Terminal;

on_every_engine![a_child_that_ends_at_once_loses_nothing];

fn a_child_that_ends_at_once_loses_nothing(engine: &str) {
    let sandbox = Sandbox::new();
    let count = times(40, 200);
    for n in 0..count {
        let word = format!("Bingo{n}");
        let args = ["run", "--engine", engine, "--", "printf", "%s\\n", &word];
        let (status, shown) = Terminal::start(sandbox.command(args)).finish();
        assert_eq!((status, shown), (0, format!("{word}\r\n")));
    }
    let ids = sandbox.sessions();
    assert_eq!(ids.len(), count);
    let mut recorded: Vec<_> = ids
        .iter()
        .map(|id| {
            let ran = sandbox.run(["export", id, "--format", "raw"]);
            assert_eq!(ran.status, 0, "{ran:?}");
            ran.text()
        })
        .collect();
    recorded.sort();
    let mut wanted: Vec<_> = (0..count).map(|n| format!("Bingo{n}\r\n")).collect();
    wanted.sort();
    assert_eq!(recorded, wanted);
    let verified = sandbox.run(["verify"]);
    assert_eq!(verified.status, 0, "{verified:?}");
}
