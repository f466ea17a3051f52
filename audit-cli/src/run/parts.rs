//! The engines and parts this program knows. Worker processes build the same tables.

use audit_core::{Registry, Toolkit};

use crate::control;

/// Name of the journal in the toolkit.
pub(super) const JOURNAL: &str = "journal";

/// The engines.
pub(crate) fn registry() -> Registry {
    Registry::new([
        engine_hybrid::ENTRY,
        engine_async::ENTRY,
        engine_threaded::ENTRY,
        engine_poll::ENTRY,
        engine_multiproc::ENTRY,
    ])
}

/// Recorders, monitors and controllers by name.
pub(crate) fn toolkit() -> Toolkit {
    Toolkit::new()
        .with_recorder(JOURNAL, audit_journal::recorder)
        .with_monitor(audit_detect::NAME, crate::detect::monitor)
        .with_controller(control::LOCAL, control::local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_knows_exactly_the_engines_there_are() {
        let registry = registry();
        let entries = registry.entries().iter();
        let names: Vec<_> =
            entries.flat_map(|e| std::iter::once(&e.name).chain(e.aliases)).copied().collect();
        assert_eq!(names, crate::config::engine_names().collect::<Vec<_>>());
    }
}
