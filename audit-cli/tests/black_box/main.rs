//! The promises of the product, kept by the binary as it is shipped: on real terminals, with real
//! programs, under every engine, and while somebody kills, fills or damages what it stands on.
//!
//! Feature `slow-tests` repeats what is left to chance often enough to trust it.

mod bad_input;
mod chance;
mod crash;
mod fidelity;
mod flood;
mod full_disk;
#[path = "../common/processes.rs"]
mod processes;
mod programs;
mod quick_exits;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod secrets;
mod stall;
mod tamper;
#[path = "../common/terminal.rs"]
mod terminal;
mod transparency;
mod undelivered;
mod workers;

/// One test for each engine, of a function that takes the engine's name.
macro_rules! on_every_engine {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[test]
            fn hybrid() { super::$name("hybrid"); }
            #[test]
            fn r#async() { super::$name("async"); }
            #[test]
            fn threaded() { super::$name("threaded"); }
            #[test]
            fn poll() { super::$name("poll"); }
            #[test]
            fn multiproc() { super::$name("multiproc"); }
        })*
    };
}
pub(crate) use on_every_engine;
