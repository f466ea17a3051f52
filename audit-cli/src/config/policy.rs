//! From settings to the core's types.

use std::path::Path;

use audit_core::{
    Blocking, Ending, EngineSettings, Language, Policy, Recording, Score, Secrets, Winsize,
};

use audit_journal::JournalSettings;

use super::load::Surroundings;
use super::typed::{Config, ShellCommand};

impl Config {
    /// How a session of this configuration behaves.
    pub(crate) fn policy(&self, quiet: bool, language: Language) -> Policy {
        let base = Policy::default();
        let timeout = self.audit.session_timeout.0;
        Policy {
            recording: Recording {
                flush_interval: self.journal.flush_interval.0,
                sync_interval: self.journal.sync_interval.0,
                strict: self.journal.strict,
                on_failure: self.journal.on_failure,
                spill_limit: usize::try_from(self.journal.spill_limit.0).unwrap_or(usize::MAX),
                input: self.journal.record_input,
                ..base.recording
            },
            blocking: Blocking {
                enabled: self.blocking.enable_emergency_block,
                threshold: Score::new(self.ai.threat_threshold).unwrap_or(base.blocking.threshold),
                approval_timeout: self.blocking.approval_timeout.0,
                on_timeout: self.blocking.on_timeout,
                self_approval: self.blocking.self_approval,
                analysis_timeout: self.ai.analysis_timeout.0,
                on_stall: self.blocking.on_stall,
                hold_output: self.blocking.hold_output.0,
            },
            secrets: Secrets {
                mask_input: self.secrets.mask_input,
                echo_window: self.secrets.echo_window.0,
                prompt_patterns: self.secrets.prompt_patterns.clone(),
                exact_length: self.secrets.exact_length,
            },
            ending: Ending {
                session_timeout: (!timeout.is_zero()).then_some(timeout),
                ..base.ending
            },
            language,
            quiet,
        }
    }

    /// Settings of the journals below `root`.
    pub(crate) fn journal_settings(&self, root: &Path) -> JournalSettings {
        let mut settings = JournalSettings::new(root);
        settings.segment_size = self.journal.segment_size.0;
        settings.write_strict = self.journal.strict;
        settings.host_key = self.journal.host_key.clone();
        settings
    }

    /// Settings of the engine; `worker` starts a worker process.
    pub(crate) fn engine_settings(&self, worker: Vec<std::ffi::OsString>) -> EngineSettings {
        EngineSettings { monitor_threads: self.ai.thread_pool_size, worker }
    }

    /// The size of a terminal that has none to copy from.
    pub(crate) const fn winsize(&self) -> Winsize {
        Winsize::new(self.pty.terminal_size[0], self.pty.terminal_size[1])
    }

    /// The language users are told things in.
    pub(crate) fn language(&self, around: &Surroundings) -> Language {
        let locale = || {
            let names = ["LC_ALL", "LC_MESSAGES", "LANG"];
            names.into_iter().find_map(|n| around.variable(n)).unwrap_or_default()
        };
        match self.audit.language.as_str() {
            "auto" => Language::from_locale(locale()),
            name => Language::from_locale(name),
        }
    }

    /// The program that runs when no command is given, and its arguments.
    pub(crate) fn shell(&self, around: &Surroundings) -> (String, Vec<String>) {
        match &self.pty.shell_command {
            Some(ShellCommand::Program(program)) => {
                (around.expand(program).to_string_lossy().into_owned(), Vec::new())
            }
            Some(ShellCommand::Words(words)) => {
                let mut words = words.iter().cloned();
                (words.next().unwrap_or_default(), words.collect())
            }
            None => (around.variable("SHELL").unwrap_or("/bin/sh").to_owned(), Vec::new()),
        }
    }
}
