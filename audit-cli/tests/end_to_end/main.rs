//! The binary from outside: real shells, real terminals, TOML, exit statuses, signals.

mod analyser;
mod bad_input;
mod config;
mod control;
mod evasion;
mod exit_status;
mod keeping;
mod pages;
mod pipes;
#[path = "../common/processes.rs"]
mod processes;
mod reading;
mod replay;
#[path = "../common/sandbox.rs"]
mod sandbox;
mod secrets;
mod shown_secrets;
mod signals;
#[path = "../common/terminal.rs"]
mod terminal;
mod threats;
