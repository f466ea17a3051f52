//! What every command has at hand: the common options, the surroundings, the configuration.

use std::path::PathBuf;

use figment::value::Value;

use crate::args::{ColorChoice, Common};
use crate::config::{ConfigError, Layer, Loaded, Place, Surroundings, flag, from_here};

/// What every command has at hand.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Options of every command.
    pub(crate) common: Common,
    /// The environment, the home directory, who the user is.
    pub(crate) around: Surroundings,
}

impl Context {
    /// The context of this process.
    pub(crate) fn of_process(common: Common) -> Self {
        Self { common, around: Surroundings::of_process() }
    }

    /// The configuration with the common options as its last layer.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub(crate) fn load(&self) -> Result<Loaded, ConfigError> {
        self.load_with(Layer::default())
    }

    /// The configuration with `flags` and the common options as its last layer.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub(crate) fn load_with(&self, mut flags: Layer) -> Result<Loaded, ConfigError> {
        if let Some(dir) = &self.common.journal {
            let place = Place::Flag("--journal");
            let value = Value::from(from_here(&dir.to_string_lossy()));
            flags.0.push(flag("journal", "dir", value, place)?);
        }
        Loaded::new(&self.around, self.common.config.as_deref(), flags)
    }

    /// The directory sessions are kept in.
    ///
    /// # Errors
    /// The first setting that is wrong.
    pub(crate) fn journal_dir(&self) -> Result<PathBuf, ConfigError> {
        Ok(self.load()?.config.journal.dir)
    }

    /// Whether what is printed to standard output may be coloured.
    pub(crate) fn colour(&self) -> bool {
        use std::io::IsTerminal as _;
        match self.common.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => {
                self.around.variable("NO_COLOR").is_none()
                    && self.around.variable("TERM") != Some("dumb")
                    && std::io::stdout().is_terminal()
            }
        }
    }
}
