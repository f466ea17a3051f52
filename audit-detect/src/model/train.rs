//! Training: logistic regression by AdaGrad, the same result on every run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;

use serde::Deserialize;

use super::kin::{self, Trace};
use super::{Model, SIZE, features, sigmoid};
use crate::DetectError;
use crate::shell::{Variables, resolve};

/// Passes over the data.
const PASSES: usize = 8;
const RATE: f32 = 0.7;
const SHRINK: f32 = 2e-6;

/// A labelled command line.
#[derive(Clone, Debug, Deserialize)]
pub struct Example {
    /// Name of the record.
    pub id: String,
    /// The command line.
    pub text: String,
    /// `command` or `session_output`; only commands are learnt from.
    pub kind: String,
    /// `benign` or `malicious`.
    pub label: String,
    /// Where it comes from: sources are left out one at a time.
    pub source: String,
}

impl Example {
    /// Whether it is part of an attack.
    pub fn malicious(&self) -> bool {
        self.label == "malicious"
    }
}

/// How a model does on sources it was not trained on.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// For each source: records, how many are part of an attack, and the mean chance given them.
    pub sources: BTreeMap<String, (usize, usize, f32)>,
    /// The chance each record was given by a model trained without its source.
    pub left_out: BTreeMap<String, f32>,
    /// Area under the precision-recall curve over all records left out, `0.0..=1.0`.
    pub average_precision: f32,
}

/// A model and its report.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The model, trained on everything.
    pub model: Model,
    /// How models do that were trained without a source.
    pub report: Report,
}

/// Reads examples, one JSON object a line.
///
/// # Errors
/// A line cannot be read or is no example.
pub fn read_examples(reader: impl BufRead) -> Result<Vec<Example>, DetectError> {
    let mut examples = Vec::new();
    for (index, line) in reader.lines().enumerate() {
        let wrong = |reason: String| DetectError::Record { line: index + 1, reason };
        let line = line.map_err(|e| wrong(e.to_string()))?;
        if !line.trim().is_empty() {
            examples.push(serde_json::from_str(&line).map_err(|e| wrong(e.to_string()))?);
        }
    }
    Ok(examples)
}

/// Trains a model. The same examples give the same model, to the byte.
pub fn train(examples: &[Example]) -> Trained {
    let rows: Vec<Row> = examples.iter().filter(|e| e.kind == "command").map(Row::new).collect();
    let mut names: Vec<&str> = rows.iter().map(|r| r.source.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let mut margins = vec![0f32; rows.len()];
    if names.len() > 1 {
        let traces: Vec<(&Trace, &str)> =
            rows.iter().map(|r| (&r.trace, r.source.as_str())).collect();
        let kin = kin::sources(&traces);
        for name in &names {
            let strange =
                |(row, kin): &(&Row, &BTreeSet<&str>)| row.source != *name && !kin.contains(name);
            let kept: Vec<&Row> = rows.iter().zip(&kin).filter(strange).map(|(r, _)| r).collect();
            let weights = fit(&kept);
            for (row, margin) in rows.iter().zip(&mut margins).filter(|(r, _)| r.source == *name) {
                *margin = weights.margin(row);
            }
        }
    }
    let (slope, offset) = calibrate(&rows, &margins);
    let mut model = fit(&rows.iter().collect::<Vec<_>>()).quantised();
    (model.slope, model.offset) = (slope, offset);

    let mut report = Report::default();
    let mut ranked = Vec::new();
    for (row, margin) in rows.iter().zip(&margins) {
        let chance = sigmoid(slope * margin + offset);
        report.left_out.insert(row.id.clone(), chance);
        let entry = report.sources.entry(row.source.clone()).or_default();
        entry.0 += 1;
        entry.1 += usize::from(row.malicious);
        entry.2 += chance;
        ranked.push((chance, row.malicious));
    }
    for entry in report.sources.values_mut() {
        entry.2 /= entry.0.max(1) as f32;
    }
    report.average_precision = average_precision(&mut ranked);
    Trained { model, report }
}

struct Row {
    id: String,
    source: String,
    malicious: bool,
    features: Vec<u16>,
    trace: Trace,
}

impl Row {
    fn new(example: &Example) -> Self {
        let resolved = resolve(&example.text, &mut Variables::new());
        Self {
            id: example.id.clone(),
            source: example.source.clone(),
            malicious: example.malicious(),
            features: features::of(&resolved),
            trace: Trace::new(&resolved, example.malicious()),
        }
    }
}

struct Weights {
    values: Vec<f32>,
    bias: f32,
}

impl Weights {
    fn margin(&self, row: &Row) -> f32 {
        let sum: f32 = row.features.iter().map(|f| self.values[usize::from(*f)]).sum();
        sum / (row.features.len().max(1) as f32).sqrt() + self.bias
    }

    fn quantised(&self) -> Model {
        let largest = self.values.iter().fold(0f32, |m, w| m.max(w.abs())).max(1e-6);
        // a few large weights are cut so that the many small ones keep their shape
        let scale = largest * 0.5 / 127.0;
        let weights: Vec<i8> =
            self.values.iter().map(|w| (w / scale).round().clamp(-127.0, 127.0) as i8).collect();
        Model { weights: weights.into(), scale, bias: self.bias, slope: 1.0, offset: 0.0 }
    }
}

fn fit(rows: &[&Row]) -> Weights {
    let mut weights = Weights { values: vec![0.0; SIZE], bias: 0.0 };
    let mut squares = vec![1e-3f32; SIZE];
    let mut bias_square = 1e-3f32;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut random = 0x2545_f491_4f6c_dd1du64;
    for _ in 0..PASSES {
        for at in (1..order.len()).rev() {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            order.swap(at, (random % (at as u64 + 1)) as usize);
        }
        for index in &order {
            let row = rows[*index];
            let target = if row.malicious { 1.0 } else { 0.0 };
            let error = sigmoid(weights.margin(row)) - target;
            let step = error / (row.features.len().max(1) as f32).sqrt();
            for feature in &row.features {
                let at = usize::from(*feature);
                let gradient = step + SHRINK * weights.values[at];
                squares[at] += gradient * gradient;
                weights.values[at] -= RATE * gradient / squares[at].sqrt();
            }
            bias_square += error * error;
            weights.bias -= RATE * 0.1 * error / bias_square.sqrt();
        }
    }
    weights
}

/// Platt's calibration on records left out.
fn calibrate(rows: &[Row], margins: &[f32]) -> (f32, f32) {
    let (mut slope, mut offset) = (1f32, 0f32);
    if margins.iter().all(|m| *m == 0.0) {
        return (slope, offset);
    }
    let count = rows.len().max(1) as f32;
    for _ in 0..400 {
        let (mut by_slope, mut by_offset) = (0f32, 0f32);
        for (row, margin) in rows.iter().zip(margins) {
            let target = if row.malicious { 1.0 } else { 0.0 };
            let error = sigmoid(slope * margin + offset) - target;
            by_slope += error * margin;
            by_offset += error;
        }
        slope -= 0.5 * by_slope / count;
        offset -= 2.0 * by_offset / count;
    }
    (slope.clamp(0.05, 10.0), offset)
}

fn average_precision(ranked: &mut [(f32, bool)]) -> f32 {
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    let total = ranked.iter().filter(|r| r.1).count() as f32;
    let (mut hits, mut sum) = (0f32, 0f32);
    for (index, (_, malicious)) in ranked.iter().enumerate() {
        if *malicious {
            hits += 1.0;
            sum += hits / (index as f32 + 1.0);
        }
    }
    if total > 0.0 { sum / total } else { 0.0 }
}
