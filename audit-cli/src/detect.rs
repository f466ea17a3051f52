//! `auditty detect`, `auditty analyze` and `auditty train`: the analysis without a session.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use audit_core::{
    Monitor, MonitorError, Part, PartError, Request, Ruling, SessionSpec, Verdict, Window,
};
use audit_detect::analyse::{
    Backend, Interface, LlmBackend, LlmSettings, LocalBackend, Server, ServerSettings, Thrifty,
};
use audit_detect::model::Model;
use audit_detect::rules::RuleFolder;
use audit_detect::{Detector, Settings};
use serde_json::json;

use crate::args::{AnalyzeArgs, AnalyzeBackend, DetectAction, LlmInterface, TrainArgs};
use crate::config::{Config, ConfigError};
use crate::context::Context;
use crate::failure::{self, Failure};

/// The monitor a configuration asks for; `None` when all analysis is switched off.
pub(crate) fn part(config: &Config) -> Option<Part> {
    let analyser = config.ai.enabled.then(|| {
        json!({
            "url": config.ai.server_url,
            "ca_file": config.ai.ca_file,
            "timeout": config.ai.analysis_timeout.0.as_secs_f64(),
            "questions_per_minute": config.ai.questions_per_minute,
            "cwd": std::env::current_dir().ok().and_then(|dir| dir.into_os_string().into_string().ok()),
        })
    });
    let settings = json!({
        "rules_dir": config.detect.rules_dir,
        "model": config.detect.model,
        "secret_score": config.detect.secret_score,
        "analyser": analyser,
    });
    config.detect.enabled.then(|| Part::new(audit_detect::NAME, settings))
}

/// Builds the monitor of a session. Compiling the rules takes longer than starting a command, so
/// the monitor's own thread does it when there is something to judge; what somebody set, which may
/// be wrong, is read before anything runs.
///
/// # Errors
/// The rules or the server that are set cannot be used.
pub(crate) fn monitor(spec: &SessionSpec) -> Result<Box<dyn Monitor>, PartError> {
    let part = spec.monitor.as_ref();
    let settings: Settings = part.map_or_else(|| Ok(Settings::default()), Part::settings)?;
    if settings.rules_dir.is_some() || settings.model.is_some() || settings.analyser.is_some() {
        return audit_detect::monitor(spec);
    }
    Ok(Box::new(Late { spec: spec.clone(), built: None }))
}

/// A monitor that is built when it is first asked.
struct Late {
    spec: SessionSpec,
    built: Option<Box<dyn Monitor>>,
}

impl Late {
    fn built(&mut self) -> Result<&mut Box<dyn Monitor>, MonitorError> {
        let monitor = match self.built.take() {
            Some(monitor) => monitor,
            None => audit_detect::monitor(&self.spec)
                .map_err(|error| MonitorError { reason: error.to_string() })?,
        };
        Ok(self.built.insert(monitor))
    }
}

impl Monitor for Late {
    fn inspect(&mut self, window: &Window) -> Result<Verdict, MonitorError> {
        self.built()?.inspect(window)
    }

    fn judge(&mut self, request: &Request) -> Result<Ruling, MonitorError> {
        self.built()?.judge(request)
    }
}

/// Carries out `auditty detect`.
///
/// # Errors
/// The configuration or a record is wrong, or nobody reads what is found.
pub(crate) fn detect(context: &Context, action: &DetectAction) -> anyhow::Result<u8> {
    let mut out = BufWriter::new(io::stdout().lock());
    match action {
        DetectAction::Score { file } => {
            let detector = detector(&context.load()?.config)?;
            match file {
                Some(path) => {
                    let file = File::open(path);
                    let file = file.with_context(|| format!("open {}", path.display()))?;
                    audit_detect::score_with(&detector, BufReader::new(file), &mut out)?;
                }
                None => {
                    audit_detect::score_with(&detector, io::stdin().lock(), &mut out)?;
                }
            }
        }
        DetectAction::Explain { line } => {
            let detector = detector(&context.load()?.config)?;
            if line.is_empty() {
                for line in io::stdin().lock().lines() {
                    audit_detect::explain_with(&detector, &line?, &mut out)?;
                }
            } else {
                audit_detect::explain_with(&detector, &line.join(" "), &mut out)?;
            }
        }
    }
    out.flush()?;
    Ok(0)
}

/// Carries out `auditty analyze`: serves until a signal ends it.
///
/// # Errors
/// The configuration is wrong, or the address cannot be listened on.
pub(crate) fn analyze(context: &Context, args: &AnalyzeArgs) -> anyhow::Result<u8> {
    let backend: Arc<dyn Backend> = match args.backend {
        AnalyzeBackend::Local => Arc::new(LocalBackend::new(detector(&context.load()?.config)?)),
        AnalyzeBackend::Llm => Arc::new(Thrifty::new(llm(args)?, usize::try_from(args.budget)?)),
    };
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("listen on {}", args.listen))?;
    let address = listener.local_addr()?;
    let settings = ServerSettings {
        connections: usize::try_from(args.connections)?,
        ..ServerSettings::default()
    };
    let server = Server::new(listener, backend, settings);
    writeln!(io::stdout(), "listening on ws://{address}/ai")?;
    server.run();
    Ok(0)
}

/// The language model `analyze` was told of.
fn llm(args: &AnalyzeArgs) -> anyhow::Result<LlmBackend> {
    let key = match (&args.key_file, &args.key_env) {
        (Some(path), _) => {
            let key = std::fs::read_to_string(path)
                .with_context(|| format!("read the key in {}", path.display()))?;
            Some(key.trim().to_owned())
        }
        (None, Some(name)) => Some(
            std::env::var(name)
                .map_err(|_| Failure::usage(format!("--key-env: {name} is not set")))?,
        ),
        (None, None) => None,
    };
    let settings = LlmSettings {
        interface: match args.interface {
            LlmInterface::Anthropic => Interface::Anthropic,
            LlmInterface::Openai => Interface::OpenAi,
        },
        url: args.llm_url.clone().unwrap_or_default(),
        model: args.llm_model.clone().unwrap_or_default(),
        key,
        ca_file: args.llm_ca_file.clone(),
        timeout: Duration::from_secs(args.llm_timeout),
    };
    LlmBackend::new(settings).map_err(|error| Failure::usage(error.to_string()).into())
}

/// Carries out `auditty train`.
///
/// # Errors
/// The records cannot be read or the model cannot be written.
pub(crate) fn train(args: &TrainArgs) -> anyhow::Result<u8> {
    let mut out = BufWriter::new(io::stdout().lock());
    match &args.out {
        Some(path) => audit_detect::train_file(&args.data, path, &mut out)?,
        None if args.left_out => {
            audit_detect::score_left_out(&args.data, &mut out)?;
        }
        None => return Err(Failure::usage("say where the model goes: --out FILE").into()),
    }
    out.flush()?;
    Ok(0)
}

/// Reads the rules and the model that the configuration names, if it names any. Returns how many
/// rules there are then.
///
/// # Errors
/// They cannot be used; the configuration is wrong.
pub(crate) fn check(config: &Config) -> anyhow::Result<Option<usize>> {
    if !config.detect.enabled
        || (config.detect.rules_dir.is_none() && config.detect.model.is_none())
    {
        return Ok(None);
    }
    match detector(config) {
        Ok(detector) => Ok(Some(detector.rules().len())),
        Err(error) => Err(Failure::new(ConfigError::STATUS, failure::line(&error)).into()),
    }
}

/// The rules and the model of the configuration.
fn detector(config: &Config) -> anyhow::Result<Detector> {
    let mut detector = Detector::embedded();
    if let Some(dir) = &config.detect.rules_dir {
        detector.rules = Some(Arc::clone(RuleFolder::open(dir)?.rules()));
    }
    if let Some(path) = &config.detect.model {
        detector.model = Some(Arc::new(Model::open(path)?));
    }
    Ok(detector)
}
