//! Finding the layers and merging them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::value::Value;
use toml::de::DeTable;

use super::error::ConfigError;
use super::file;
use super::keys::{KEYS, Preset, SECTIONS};
use super::kind::Kind;
use super::layer::{Entry, Layer, Place};
use super::typed::Config;

/// The system's configuration file.
const SYSTEM_FILE: &str = "/etc/auditty/auditty.toml";

/// What configuration depends on besides files: passed in, so that tests choose it.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    /// Whether the user is root.
    pub(crate) root: bool,
    /// The user's home directory.
    pub(crate) home: PathBuf,
    /// The environment.
    pub(crate) variables: BTreeMap<OsString, OsString>,
    /// The system's configuration file.
    pub(crate) system_file: PathBuf,
}

impl Surroundings {
    /// The surroundings of this process.
    pub(crate) fn of_process() -> Self {
        let uid = nix::unistd::Uid::effective();
        let variables: BTreeMap<_, _> = std::env::vars_os().collect();
        let from_system = || nix::unistd::User::from_uid(uid).ok().flatten().map(|u| u.dir);
        let home = variables.get("HOME".as_ref() as &std::ffi::OsStr).filter(|h| !h.is_empty());
        let home = home.map(PathBuf::from).or_else(from_system).unwrap_or_else(|| "/".into());
        Self { root: uid.is_root(), home, variables, system_file: SYSTEM_FILE.into() }
    }

    /// An environment variable, unless it is empty or not Unicode.
    pub(crate) fn variable(&self, name: &str) -> Option<&str> {
        let value = self.variables.get(std::ffi::OsStr::new(name))?;
        value.to_str().filter(|v| !v.is_empty())
    }

    /// The user's own configuration file.
    pub(crate) fn user_file(&self) -> PathBuf {
        let base = self.variable("XDG_CONFIG_HOME").map(PathBuf::from);
        let base = base.filter(|b| b.is_absolute()).unwrap_or_else(|| self.home.join(".config"));
        base.join("auditty/auditty.toml")
    }

    /// Where files about running sessions of this user stay between reboots.
    pub(crate) fn state_dir(&self) -> PathBuf {
        if self.root { "/var/lib/auditty".into() } else { self.home.join(".local/state/auditty") }
    }

    /// `path` with a leading `~` replaced by the home directory.
    pub(crate) fn expand(&self, path: &str) -> PathBuf {
        match path.strip_prefix('~') {
            Some("") => self.home.clone(),
            Some(rest) if rest.starts_with('/') => self.home.join(rest.trim_start_matches('/')),
            _ => PathBuf::from(path),
        }
    }
}

/// A configuration together with where each setting comes from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// The settings as they were written, one for each key that is set, in the table's order.
    pub(crate) entries: Vec<Entry>,
}

impl Loaded {
    /// Merges every layer: built-in, system, user, `explicit` (`--config`), environment, `flags`.
    ///
    /// # Errors
    /// The first setting that is wrong, or `explicit` cannot be read.
    pub(crate) fn new(
        around: &Surroundings,
        explicit: Option<&Path>,
        flags: Layer,
    ) -> Result<Self, ConfigError> {
        let mut layers = vec![built_in(around.root)];
        for path in [around.system_file.clone(), around.user_file()] {
            // A file that is not there is no layer; one that cannot be read is an error.
            if path.symlink_metadata().is_ok() {
                layers.push(file::read(&path)?);
            }
        }
        if let Some(path) = explicit {
            layers.push(file::read(path)?);
        }
        layers.push(environment(around)?);
        layers.push(flags);
        merge(around, layers)
    }

    /// The journal directory, if it is where it is by standing configuration and not by a flag or a
    /// variable.
    pub(crate) fn standing_journal(&self) -> Option<&Path> {
        let standing = matches!(
            self.place("journal", "dir"),
            Place::BuiltIn | Place::File(_) | Place::Line(..)
        );
        standing.then_some(&*self.config.journal.dir)
    }

    /// Where `section.name` was set.
    pub(crate) fn place(&self, section: &str, name: &str) -> Place {
        let entry = self.entries.iter().find(|e| e.key.section == section && e.key.name == name);
        entry.map_or(Place::BuiltIn, |e| e.place.clone())
    }
}

/// The built-in layer.
pub(crate) fn built_in(root: bool) -> Layer {
    let entries = KEYS.iter().filter_map(|key| {
        let value = match key.preset {
            Preset::Value(text) => parse_value(text)?,
            Preset::Path { user, root: path } => Value::from(if root { path } else { user }),
            Preset::Unset => return None,
        };
        Some(Entry { key, value, place: Place::BuiltIn })
    });
    Layer(entries.collect())
}

/// The layer of `AUDITTY_SECTION__KEY`. Other variables that start with `AUDITTY_` are not settings.
fn environment(around: &Surroundings) -> Result<Layer, ConfigError> {
    let mut layer = Layer::default();
    for (variable, value) in &around.variables {
        let Some(variable) = variable.to_str() else { continue };
        let Some(path) = variable.strip_prefix("AUDITTY_") else { continue };
        let Some((section, name)) = path.split_once("__") else { continue };
        let (section, name) = (section.to_lowercase(), name.to_lowercase());
        let place = Place::Variable(variable.to_owned());
        let known = SECTIONS.map(|(name, _)| name);
        if !known.contains(&section.as_str()) {
            return Err(ConfigError::new(place, format!("unknown section `{section}`"))
                .suggesting(&section, known)
                .allowing(known.join(", ")));
        }
        let key = file::find(&section, &name, &place)?;
        let Some(text) = value.to_str() else {
            return Err(ConfigError::new(place, "not UTF-8").allowing(key.kind.allowed()));
        };
        let parsed = if key.kind.is_text() { None } else { parse_value(text) };
        let value = parsed.unwrap_or_else(|| match key.kind {
            Kind::Path => Value::from(from_here(text)),
            _ => Value::from(text),
        });
        layer.0.push(file::checked(key, value, place)?);
    }
    Ok(layer)
}

fn merge(around: &Surroundings, layers: Vec<Layer>) -> Result<Loaded, ConfigError> {
    let mut figment = Figment::new();
    let mut last: BTreeMap<(&str, &str), Entry> = BTreeMap::new();
    for layer in layers {
        figment = figment.merge(&layer);
        last.extend(layer.0.into_iter().map(|e| ((e.key.section, e.key.name), e)));
    }
    let entries = KEYS.iter().filter_map(|k| last.remove(&(k.section, k.name))).collect::<Vec<_>>();
    let mut config: Config = figment.extract().map_err(|e| {
        ConfigError::new(Place::BuiltIn, format!("{}: {}", e.path.join("."), e.kind))
    })?;
    let journal = &mut config.journal;
    let set = [&mut config.logging.audit_log_path, &mut journal.dir, &mut journal.known_keys];
    let unset = [&mut journal.host_key, &mut config.detect.rules_dir];
    for path in set.into_iter().chain(unset.into_iter().flatten()) {
        *path = around.expand(&path.to_string_lossy());
    }
    Ok(Loaded { config, entries })
}

/// A path as a person names it on a command line: from the directory he is in.
pub(crate) fn from_here(path: &str) -> String {
    if path.is_empty() || path.starts_with('~') {
        return path.to_owned();
    }
    let absolute = std::path::absolute(path);
    absolute.map_or_else(|_| path.to_owned(), |p| p.to_string_lossy().into_owned())
}

/// `text` as a TOML value; `None` when it is not one.
fn parse_value(text: &str) -> Option<Value> {
    let document = format!("v = {text}");
    let table = DeTable::parse(&document).ok()?;
    let values = table.get_ref();
    // Text with newlines could hold further keys.
    (values.len() == 1).then(|| values.get("v").map(|v| file::convert(v.get_ref())))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    struct Fixture {
        dir: tempfile::TempDir,
        around: Surroundings,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let config = dir.path().join("config");
            let variables = [("XDG_CONFIG_HOME".into(), config.into())].into();
            let around = Surroundings {
                root: false,
                home: "/home/ada".into(),
                variables,
                system_file: dir.path().join("system.toml"),
            };
            Self { dir, around }
        }

        fn write(&self, name: &str, text: &str) -> PathBuf {
            let path = self.dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        fn load(&self, explicit: Option<&Path>) -> Result<Loaded, ConfigError> {
            Loaded::new(&self.around, explicit, Layer::default())
        }
    }

    #[test]
    fn each_layer_wins_over_the_one_before() {
        let mut fixture = Fixture::new();
        let threads = |fixture: &Fixture, explicit: Option<&Path>| {
            let loaded = fixture.load(explicit).unwrap();
            (loaded.config.ai.thread_pool_size, loaded.place("ai", "thread_pool_size").to_string())
        };
        assert_eq!(threads(&fixture, None), (2, "built-in".into()));
        let text = |n: u32| format!("[ai]\nthread_pool_size = {n}\n");
        let system = fixture.write("system.toml", &text(3));
        assert_eq!(threads(&fixture, None), (3, format!("{}:2", system.display())));
        let user = fixture.write("config/auditty/auditty.toml", &text(4));
        assert_eq!(threads(&fixture, None), (4, format!("{}:2", user.display())));
        let explicit = fixture.write("explicit.toml", &text(5));
        let place = format!("{}:2", explicit.display());
        assert_eq!(threads(&fixture, Some(&explicit)), (5, place));
        let name = "AUDITTY_AI__THREAD_POOL_SIZE";
        fixture.around.variables.insert(name.into(), "6".into());
        assert_eq!(threads(&fixture, Some(&explicit)), (6, name.into()));
    }

    #[test]
    fn what_is_built_in_is_what_the_policy_says() {
        let config = Fixture::new().load(None).unwrap().config;
        let policy = config.policy(false, audit_core::Language::English);
        let mut expected = audit_core::Policy::default();
        expected.recording.flush_interval = std::time::Duration::from_millis(100);
        expected.ending.session_timeout = Some(std::time::Duration::from_secs(3600));
        assert_eq!(policy, expected);
        assert_eq!(config.journal.dir, Path::new("/home/ada/.local/state/auditty/sessions"));
    }

    #[test]
    fn root_keeps_sessions_where_the_system_does() {
        let mut fixture = Fixture::new();
        fixture.around.root = true;
        let config = fixture.load(None).unwrap().config;
        assert_eq!(config.journal.dir, Path::new("/var/lib/auditty/sessions"));
        assert_eq!(config.logging.audit_log_path, Path::new("/var/log/auditty/audit.log"));
    }

    #[test]
    fn every_built_in_value_is_accepted_by_its_key() {
        for root in [false, true] {
            for entry in built_in(root).0 {
                assert_eq!(entry.key.kind.check(&entry.value), Ok(()), "{}", entry.key.path());
            }
        }
        let set = built_in(false).0.len();
        let unset = KEYS.iter().filter(|k| matches!(k.preset, Preset::Unset)).count();
        assert_eq!(set + unset, KEYS.len());
    }

    #[test]
    fn text_with_a_line_feed_sets_one_value_only() {
        assert!(parse_value("1\nw = 2").is_none());
        assert!(parse_value("[1, 2]").is_some());
    }

    #[test]
    fn a_timeout_of_zero_is_none() {
        let mut fixture = Fixture::new();
        for none in ["0", "off", "\"off\""] {
            fixture.around.variables.insert("AUDITTY_AUDIT__SESSION_TIMEOUT".into(), none.into());
            let config = fixture.load(None).unwrap().config;
            let policy = config.policy(false, audit_core::Language::English);
            assert_eq!(policy.ending.session_timeout, None, "{none}");
        }
    }

    #[test]
    fn output_is_held_for_a_while_or_not_at_all() {
        for (text, millis) in [("\"off\"", 0), ("0", 0), ("\"50ms\"", 50), ("2", 2000)] {
            let fixture = Fixture::new();
            fixture.write("system.toml", &format!("[blocking]\nhold_output = {text}\n"));
            let policy =
                fixture.load(None).unwrap().config.policy(false, audit_core::Language::English);
            let expected = std::time::Duration::from_millis(millis);
            assert_eq!(policy.blocking.hold_output, expected, "{text}");
        }
    }

    #[test]
    fn a_duration_that_must_be_is_not_off() {
        let fixture = Fixture::new();
        fixture.write("system.toml", "[journal]\nflush_interval = \"off\"\n");
        let error = fixture.load(None).unwrap_err().to_string();
        assert!(error.contains("system.toml:2: journal.flush_interval"), "{error}");
        assert!(!error.contains("\"off\","), "{error}");
    }

    #[test]
    fn text_in_another_encoding_is_told_with_its_line() {
        let fixture = Fixture::new();
        let path = fixture.dir.path().join("system.toml");
        fs::write(&path, b"# caf\xc3\xa9\n[audit]\nlanguage = \"caf\xe9\"\n").unwrap();
        let error = fixture.load(None).unwrap_err().to_string();
        let place = path.display();
        assert_eq!(error, format!("{place}:3: byte 0xe9 is not UTF-8; allowed: UTF-8 text"));
    }

    #[test]
    fn a_misspelt_word_is_answered_with_the_nearest() {
        let fixture = Fixture::new();
        fixture.write("system.toml", "[audit]\nimplementation = \"hybird\"\n");
        let error = fixture.load(None).unwrap_err().to_string();
        let wanted = "is not accepted (did you mean `hybrid`?); allowed: hybrid, async";
        assert!(error.contains(wanted), "{error}");
    }
}
