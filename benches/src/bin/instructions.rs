//! Turns the session core so and so often and does nothing else, to be run under callgrind by
//! `cargo xtask instructions`: `instructions CASE TIMES`.

use std::process::ExitCode;

use benches::{Turned, colour, keys, logs};
use bytes::Bytes;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let (case, times) = (words.next(), words.next().and_then(|n| n.parse::<u32>().ok()));
    let mut turned = Turned::new();
    match (case.as_deref(), times) {
        (Some("logs"), Some(times)) => show(&mut turned, logs(), times),
        (Some("colour"), Some(times)) => show(&mut turned, colour(), times),
        (Some("key"), Some(times)) => {
            let line = keys().iter().cycle();
            line.take(times as usize).for_each(|key| turned.type_key(*key));
        }
        _ => {
            eprintln!("usage: instructions logs|colour|key TIMES");
            return ExitCode::from(2);
        }
    }
    println!("{} records", turned.records());
    ExitCode::SUCCESS
}

fn show(turned: &mut Turned, bytes: Vec<u8>, times: u32) {
    let bytes = Bytes::from(bytes);
    for _ in 0..times {
        turned.show(&bytes);
    }
}
