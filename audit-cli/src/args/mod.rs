//! The command line: one definition for parsing, help, man pages and completions.

mod bench;
mod control;
mod detect;
mod reading;
mod refusal;
mod run;

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use bench::{BenchArgs, SeatArgs};
pub(crate) use control::{CtlAction, CtlArgs};
pub(crate) use detect::{
    AnalyzeArgs, AnalyzeBackend, DetectAction, DetectArgs, LlmInterface, TrainArgs,
};
pub(crate) use reading::{
    ExpireArgs, ExportArgs, ExportFormat, ImportArgs, ImportFormat, LsArgs, RecoverArgs,
    ReplayArgs, SearchArgs, ShowArgs, StateFilter, StreamChoice, VerifyArgs,
};
pub(crate) use refusal::answer;
pub(crate) use run::RunArgs;

/// Records and guards terminal sessions.
///
/// Runs a command in a terminal of its own, records what is typed and shown into a journal that
/// cannot be changed unnoticed, and stops a session when what happens in it looks dangerous.
#[derive(Debug, Parser)]
#[command(name = "auditty", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(arg_required_else_help = true, infer_subcommands = false)]
pub(crate) struct Cli {
    /// What is done.
    #[command(subcommand)]
    pub(crate) command: Verb,
    /// Options of every command.
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Options every command takes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Common {
    /// Read this configuration file after the system's and the user's.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Keep or find sessions in this directory instead of `journal.dir`.
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) journal: Option<PathBuf>,
    /// When to use colour.
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Run a command under audit.
    ///
    /// With a terminal on standard input the command gets a terminal of its own, and standard
    /// output and error stay apart where they are redirected. Without one it runs in pipe mode:
    /// data passes unchanged, in streams that stay apart. Everything it is given and shows goes
    /// into a journal.
    Run(RunArgs),
    /// List sessions, newest first.
    Ls(LsArgs),
    /// Show what is known about a session.
    Show(ShowArgs),
    /// Play the output of a session.
    Replay(ReplayArgs),
    /// Check that journals are whole and unchanged.
    Verify(VerifyArgs),
    /// Write a session in another format.
    Export(ExportArgs),
    /// Read a recording of another tool into a journal.
    Import(ImportArgs),
    /// Search the text of recorded sessions.
    Search(SearchArgs),
    /// Mend the torn tail of a session that was cut off.
    Recover(RecoverArgs),
    /// Remove sessions whose time is up, and say so in the host log.
    Expire(ExpireArgs),
    /// Watch and steer a running session.
    ///
    /// Orders go through the session's own socket, from its user or root. A process inside of a
    /// blocked session cannot decide its block. Every order is in the journal with the name of who
    /// gave it.
    Ctl(CtlArgs),
    /// Judge text by the rules and the model of the analysis.
    Detect(DetectArgs),
    /// Serve as the AI server that sessions ask, with the rules and the model of the analysis.
    Analyze(AnalyzeArgs),
    /// Train the analysis' model.
    Train(TrainArgs),
    /// List the engines.
    Engines,
    /// Measure the engines on this machine.
    Bench(BenchArgs),
    /// Run a program on the terminal of a measurement.
    #[command(hide = true)]
    BenchSeat(SeatArgs),
    /// Check whether this machine is fit for auditing.
    Doctor,
    /// Show and check the configuration.
    Config(ConfigArgs),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write all pages to a directory.
    Man {
        /// Where to write `auditty.1` and a page for each command.
        #[arg(value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
    },
    /// Write the generated reference pages, man pages and completions.
    #[command(hide = true)]
    Docgen {
        /// The directory that stands for the top of the repository.
        dir: PathBuf,
    },
}

/// Arguments of `config`.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// What is done with it.
    #[command(subcommand)]
    pub(crate) action: ConfigAction,
}

/// What can be done with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigAction {
    /// Print the settings in effect.
    Show {
        /// Say where each was made.
        #[arg(long)]
        origin: bool,
    },
    /// Check a file, or every layer in effect.
    Check {
        /// The file.
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Print a file with every key and its built-in value.
    Default,
}
