//! The back end that needs nobody else: rules and model.

use super::{Backend, Judgement};
use crate::Detector;
use crate::link::Analyze;
use crate::shell::Variables;

/// Judges with the rules and the model of this program.
#[derive(Clone, Debug, Default)]
pub struct LocalBackend {
    detector: Detector,
}

impl LocalBackend {
    /// A back end with these rules and this model.
    pub fn new(detector: Detector) -> Self {
        Self { detector }
    }
}

impl Backend for LocalBackend {
    fn judge(&self, question: &Analyze) -> Result<Judgement, String> {
        let found = self.detector.line(&question.text, &mut Variables::new(), false);
        let worst = found.findings.first();
        Ok(Judgement {
            score: found.score,
            label: worst.map_or_else(String::new, |f| f.category.clone()),
            rationale_code: worst.map_or_else(String::new, |f| f.rule.clone()),
            model: "rules".into(),
        })
    }
}
