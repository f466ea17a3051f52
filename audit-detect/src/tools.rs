//! What the command line tools call: scoring labelled records, explaining a line, training.

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use audit_core::{Moment, Monitor, Stream, Window};
use serde::{Deserialize, Serialize};

use crate::model::{self, Model};
use crate::shell::Variables;
use crate::{DetectError, Detector, LocalMonitor};

/// A record that shows a secret gets this score.
const SECRET_SHOWN: f32 = 0.9;

#[derive(Deserialize)]
struct Labelled {
    id: String,
    text: String,
    kind: String,
}

#[derive(Serialize)]
struct Predicted<'a> {
    id: &'a str,
    score: f64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    spans: Vec<(usize, usize)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rules: Vec<String>,
}

fn failed(operation: &str) -> impl FnOnce(std::io::Error) -> DetectError + '_ {
    move |source| DetectError::Io { operation: operation.to_owned(), source }
}

/// A score with four decimals: what `f32` says, without its tail.
fn rounded(score: f32) -> f64 {
    (f64::from(score) * 1e4).round() / 1e4
}

/// Scores labelled records (one JSON object a line: `id`, `text`, `kind`), writes one prediction a
/// line: `id`, `score`, `spans` of secrets as character offsets, `rules` that fired. Returns how
/// many records there were.
///
/// # Errors
/// A record cannot be read or a prediction not written.
pub fn score_jsonl(reader: impl BufRead, writer: impl Write) -> Result<usize, DetectError> {
    score_with(&Detector::embedded(), reader, writer)
}

/// As [`score_jsonl`], with rules and model of one's own.
///
/// # Errors
/// As [`score_jsonl`].
pub fn score_with(
    detector: &Detector,
    reader: impl BufRead,
    mut writer: impl Write,
) -> Result<usize, DetectError> {
    let mut count = 0;
    for (index, line) in reader.lines().enumerate() {
        let wrong = |reason: String| DetectError::Record { line: index + 1, reason };
        let line = line.map_err(|e| wrong(e.to_string()))?;
        if line.trim().is_empty() {
            continue;
        }
        let record: Labelled = serde_json::from_str(&line).map_err(|e| wrong(e.to_string()))?;
        let predicted = if record.kind == "command" {
            let found = detector.line(&record.text, &mut Variables::new(), false);
            let rules = found.findings.into_iter().map(|f| f.rule).collect();
            Predicted { id: &record.id, score: rounded(found.score), spans: Vec::new(), rules }
        } else {
            session(detector, &record).map_err(wrong)?
        };
        let text = serde_json::to_string(&predicted).map_err(|e| wrong(e.to_string()))?;
        writeln!(writer, "{text}").map_err(failed("writing predictions"))?;
        count += 1;
    }
    Ok(count)
}

/// A recorded session through the monitor, in chunks as a terminal would get them.
fn session<'a>(detector: &Detector, record: &'a Labelled) -> Result<Predicted<'a>, String> {
    let mut monitor = LocalMonitor::with_detector(detector.clone()).without_input();
    let mut predicted =
        Predicted { id: &record.id, score: 0.0, spans: Vec::new(), rules: Vec::new() };
    let mut shown = Vec::new();
    let mut offset = 0u64;
    for (index, chunk) in record.text.as_bytes().chunks(1024).enumerate() {
        let window = Window {
            id: index as u64 + 1,
            at: Moment::from_nanos(offset * 1_000_000),
            stream: Stream::Tty,
            offset,
            bytes: chunk.to_vec().into(),
        };
        offset += chunk.len() as u64;
        let verdict = monitor.inspect(&window).map_err(|e| e.to_string())?;
        predicted.score = predicted.score.max(rounded(verdict.score.value()));
        predicted.rules.extend(verdict.findings.into_iter().map(|f| f.rule));
        shown.extend(verdict.secrets);
    }
    let characters =
        |at: u64| record.text.char_indices().take_while(|(i, _)| (*i as u64) < at).count();
    for span in &shown {
        predicted.spans.push((characters(span.start), characters(span.end)));
    }
    if !shown.is_empty() {
        predicted.score = predicted.score.max(rounded(SECRET_SHOWN));
    }
    Ok(predicted)
}

/// Writes why a command line gets the score it gets.
///
/// # Errors
/// The text cannot be written.
pub fn explain(command: &str, writer: impl Write) -> Result<(), DetectError> {
    explain_with(&Detector::embedded(), command, writer)
}

/// As [`explain`], with rules and model of one's own.
///
/// # Errors
/// As [`explain`].
pub fn explain_with(
    detector: &Detector,
    command: &str,
    mut writer: impl Write,
) -> Result<(), DetectError> {
    let found = detector.line(command, &mut Variables::new(), false);
    let mut text = format!(
        "score    {:.2} (rules {:.2}, model {:.2})\n",
        found.score, found.rule, found.chance
    );
    text.push_str(&format!("resolved {}\n", found.resolved.line));
    for decoded in &found.resolved.decoded {
        text.push_str(&format!("decoded  {}\n", decoded.replace('\n', " \\n ")));
    }
    for fact in &found.resolved.facts {
        text.push_str(&format!("noticed  {}\n", fact.trim_start_matches('@')));
    }
    for finding in &found.findings {
        text.push_str(&format!(
            "{:.2}     {} {} ({}{}{})\n         {}\n",
            finding.score.value(),
            finding.rule,
            finding.title,
            finding.category,
            if finding.mitre.is_empty() { "" } else { ", " },
            finding.mitre.join(", "),
            finding.excerpt
        ));
    }
    writer.write_all(text.as_bytes()).map_err(failed("writing the explanation"))
}

/// Trains a model on labelled records and writes it to `out`, and to `report` how models do on
/// sources they were not trained on. The same data gives the same file.
///
/// # Errors
/// The data cannot be read, or a file not written.
pub fn train_file(data: &Path, out: &Path, mut report: impl Write) -> Result<(), DetectError> {
    let file = std::fs::File::open(data).map_err(failed("opening the data"))?;
    let examples = model::read_examples(std::io::BufReader::new(file))?;
    let trained = model::train(&examples);
    std::fs::write(out, trained.model.bytes()).map_err(failed("writing the model"))?;
    let mut text = String::from("each source left out of training in turn:\n");
    for (source, (count, hostile, chance)) in &trained.report.sources {
        text.push_str(&format!(
            "  {source:28} {count:6} records, {hostile:5} hostile, mean chance {chance:.3}\n"
        ));
    }
    text.push_str(&format!(
        "average precision over records left out: {:.3}\n",
        trained.report.average_precision
    ));
    report.write_all(text.as_bytes()).map_err(failed("writing the report"))
}

/// Scores commands with chances from models that were not trained on their source: the figure to
/// judge a detector by. Records other than commands are passed over.
///
/// # Errors
/// As [`score_jsonl`].
pub fn score_left_out(data: &Path, mut writer: impl Write) -> Result<usize, DetectError> {
    let file = std::fs::File::open(data).map_err(failed("opening the data"))?;
    let examples = model::read_examples(std::io::BufReader::new(file))?;
    let left_out = model::train(&examples).report.left_out;
    let detector = Detector { model: Some(Arc::new(Model::blank())), ..Detector::embedded() };
    let mut count = 0;
    for example in examples.iter().filter(|e| e.kind == "command") {
        let rule = detector.line(&example.text, &mut Variables::new(), false).rule;
        let chance = left_out.get(&example.id).copied().unwrap_or_default();
        let score = rounded(crate::detector::combine(rule, chance));
        let rules = vec![format!("rule {rule:.3}"), format!("chance {chance:.4}")];
        let predicted = Predicted { id: &example.id, score, spans: Vec::new(), rules };
        let text = serde_json::to_string(&predicted)
            .map_err(|e| DetectError::Record { line: count + 1, reason: e.to_string() })?;
        writeln!(writer, "{text}").map_err(failed("writing predictions"))?;
        count += 1;
    }
    Ok(count)
}
