//! Arguments of `bench` and of what it starts.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::config::parse_size;

/// Arguments of `bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Which engines: `all`, or names separated by commas.
    #[arg(long, value_name = "LIST", default_value = "all")]
    pub(crate) engines: String,
    /// How often everything is run; ratios are medians over the rounds.
    #[arg(long, value_name = "N", default_value = "5")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How much output is pushed through each session, from `64KiB` to `1GiB`.
    #[arg(long, value_name = "SIZE", default_value = "16MiB", value_parser = size)]
    pub(crate) size: usize,
    /// How many keys are typed in each session.
    #[arg(long, value_name = "N", default_value = "200")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) keys: u32,
    /// Where the journals are kept while it runs; they are removed afterwards.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) dir: Option<PathBuf>,
    /// One JSON object a line, one line a run.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Arguments of the hidden `bench-seat`.
#[derive(Debug, Args)]
pub(crate) struct SeatArgs {
    /// Relay between the terminal and a child instead of becoming the program.
    #[arg(long)]
    pub(crate) relay: bool,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

fn size(text: &str) -> Result<usize, String> {
    let size = parse_size(text).and_then(|bytes| usize::try_from(bytes).ok());
    size.filter(|bytes| (64 << 10..=1 << 30).contains(bytes))
        .ok_or_else(|| "expected a size from 64KiB to 1GiB".to_owned())
}
