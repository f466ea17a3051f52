//! Arguments of `detect`, `analyze` and `train`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};

/// Arguments of `detect`.
#[derive(Debug, Args)]
pub(crate) struct DetectArgs {
    /// What is done.
    #[command(subcommand)]
    pub(crate) action: DetectAction,
}

/// What `detect` does.
#[derive(Debug, Subcommand)]
pub(crate) enum DetectAction {
    /// Score records, one JSON object a line: `id`, `text`, and `kind`, all strings; `kind` is
    /// `command` or the name of what a session showed. Writes `id`, `score`, `spans` of secrets as
    /// offsets in characters, and `rules`.
    Score {
        /// The records; without it, standard input.
        #[arg(value_hint = ValueHint::FilePath)]
        file: Option<PathBuf>,
    },
    /// Say why a command line gets the score it gets.
    Explain {
        /// The command line; several words are one line. Without it, standard input, line by line.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        line: Vec<String>,
    },
}

/// Arguments of `analyze`.
#[derive(Debug, Args)]
pub(crate) struct AnalyzeArgs {
    /// Listen here; port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:57575")]
    pub(crate) listen: std::net::SocketAddr,
    /// No more connections at a time than this.
    #[arg(long, value_name = "N", default_value_t = 256)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) connections: u32,
    /// What judges.
    #[arg(long, value_enum, value_name = "BACKEND", default_value_t = AnalyzeBackend::Local)]
    pub(crate) backend: AnalyzeBackend,
    /// Interface of the language model's service.
    #[arg(long, value_enum, value_name = "INTERFACE", default_value_t = LlmInterface::Anthropic)]
    pub(crate) interface: LlmInterface,
    /// Whole address of the language model's service, `https://HOST:PORT/PATH` or `http://…`.
    #[arg(long, value_name = "URL", required_if_eq("backend", "llm"), value_hint = ValueHint::Url)]
    pub(crate) llm_url: Option<String>,
    /// Trust the certificates in this file (PEM) with `https://`, in place of those this system
    /// trusts.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) llm_ca_file: Option<PathBuf>,
    /// Name of the language model.
    #[arg(long, value_name = "NAME", required_if_eq("backend", "llm"))]
    pub(crate) llm_model: Option<String>,
    /// Read the service's key from this file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "key_env")]
    pub(crate) key_file: Option<PathBuf>,
    /// Read the service's key from this environment variable.
    #[arg(long, value_name = "NAME")]
    pub(crate) key_env: Option<String>,
    /// Ask the language model no more often than this in an hour; what it said before costs
    /// nothing.
    #[arg(long, value_name = "N", default_value_t = 120)]
    pub(crate) budget: u32,
    /// Wait no longer than this for the language model, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=600))]
    pub(crate) llm_timeout: u64,
}

/// What judges for `analyze`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzeBackend {
    /// The rules and the model of this program
    Local,
    /// A language model behind an HTTP service
    Llm,
}

/// How the language model's service is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LlmInterface {
    /// Anthropic's Messages
    Anthropic,
    /// Chat completions as OpenAI and many local servers speak them
    Openai,
}

/// Arguments of `train`.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// Labelled records, one JSON object a line.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) data: PathBuf,
    /// Where the model is written.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) out: Option<PathBuf>,
    /// Write no model, but score each command by models that were not trained on its source, one
    /// JSON object a line.
    #[arg(long, conflicts_with = "out")]
    pub(crate) left_out: bool,
}
