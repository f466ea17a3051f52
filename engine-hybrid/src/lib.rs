//! The `hybrid` engine, the default: the tokio loop of `engine-async`, with the journal on a
//! thread of its own, judgement on a rayon pool, and the control link on a thread of its own.
//!
//! The loop does nothing but forward; hashing, compression and analysis run beside it.

mod lanes;

use audit_core::{Engine, EngineEntry, EngineError, EngineSettings};
use engine_async::AsyncEngine;

pub use lanes::HybridLanes;

/// The engine's line in the table of engines.
pub const ENTRY: EngineEntry = EngineEntry {
    name: "hybrid",
    aliases: &[],
    purpose: "tokio loop, journal thread, rayon judgement (default): heavy output, costly analysis",
    build,
};

fn build(settings: &EngineSettings) -> Result<Box<dyn Engine>, EngineError> {
    Ok(Box::new(AsyncEngine::new(ENTRY.name, HybridLanes::new(settings.monitor_threads))))
}
