//! What the runs came to, as a table or as JSON lines.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::json;

use super::{RELAY, Run};

/// Writes one run as one JSON object on a line.
///
/// # Errors
/// It cannot be written.
pub(super) fn json_line(out: &mut impl Write, run: &Run) -> io::Result<()> {
    let line = json!({
        "subject": run.subject,
        "round": run.round,
        "bytes": run.flow.bytes,
        "seconds": run.flow.span.as_secs_f64(),
        "cpu_seconds": run.flow.cost.cpu,
        "peak_rss_bytes": run.flow.cost.rss,
        "recorded_bytes": run.flow.recorded,
        "echo_micros": run.echo.0.iter().map(Duration::as_micros).collect::<Vec<_>>(),
    });
    writeln!(out, "{line}")
}

/// Writes the table: one line a subject.
///
/// # Errors
/// It cannot be written.
pub(super) fn table(out: &mut impl Write, names: &[&'static str], runs: &[Run]) -> io::Result<()> {
    let heads = [
        "engine",
        "MB/s",
        "x relay",
        "CPU x",
        "key p50",
        "over",
        "key p99",
        "RSS MB",
        "journal B/B",
    ];
    let mut rows = vec![heads.map(str::to_owned)];
    let relay_p50 = quantile(&keys_of(RELAY, runs), 0.5);
    for name in names {
        let own: Vec<&Run> = runs.iter().filter(|run| run.subject == *name).collect();
        let each = |figure: fn(&Run) -> f64| median(own.iter().map(|run| figure(run)).collect());
        let keys = keys_of(name, runs);
        let p50 = quantile(&keys, 0.5);
        let is_relay = *name == RELAY;
        let or_dash = |text: String| if is_relay { "-".to_owned() } else { text };
        rows.push([
            (*name).to_owned(),
            format!("{:.1}", each(speed)),
            or_dash(format!("{:.2}", over_relay(name, runs, speed))),
            or_dash(format!("{:.2}", over_relay(name, runs, |run| run.flow.cost.cpu))),
            format!("{p50:.0} us"),
            or_dash(format!("{:+.0} us", p50 - relay_p50)),
            format!("{:.0} us", quantile(&keys, 0.99)),
            format!("{:.1}", each(|run| to_f64(run.flow.cost.rss)) / 1e6),
            or_dash(format!("{:.3}", each(ratio_recorded))),
        ]);
    }
    write_rows(out, &rows)?;
    writeln!(out)?;
    writeln!(
        out,
        "MB/s of output from the first byte shown to the last; CPU and RSS of all processes of the"
    )?;
    writeln!(
        out,
        "session but the child's. Ratios are medians of the ratios within a round. Differences below"
    )?;
    writeln!(out, "a tenth are noise unless the machine is quiet.")
}

/// Columns as wide as what stands in them; the first to the left, the others to the right.
fn write_rows<const N: usize>(out: &mut impl Write, rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or(0);
    for row in rows {
        let cells = row.iter().enumerate().map(|(column, cell)| match column {
            0 => format!("{cell:<width$}", width = width(column)),
            _ => format!("{cell:>width$}", width = width(column)),
        });
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  "))?;
    }
    Ok(())
}

/// Megabytes of output a second.
fn speed(run: &Run) -> f64 {
    to_f64(run.flow.bytes) / 1e6 / run.flow.span.as_secs_f64().max(1e-9)
}

/// Bytes recorded for each byte shown.
fn ratio_recorded(run: &Run) -> f64 {
    run.flow.recorded.map_or(f64::NAN, to_f64) / to_f64(run.flow.bytes)
}

/// The median, over the rounds, of a figure over the relay's in the same round.
fn over_relay(name: &str, runs: &[Run], figure: fn(&Run) -> f64) -> f64 {
    let relay = |round| runs.iter().find(|run| run.subject == RELAY && run.round == round);
    let own = runs.iter().filter(|run| run.subject == name);
    median(own.filter_map(|run| Some(figure(run) / figure(relay(run.round)?))).collect())
}

/// How long keys took in all rounds of a subject, in microseconds.
fn keys_of(name: &str, runs: &[Run]) -> Vec<f64> {
    let own = runs.iter().filter(|run| run.subject == name);
    own.flat_map(|run| run.echo.0.iter().map(|span| span.as_secs_f64() * 1e6)).collect()
}

fn median(values: Vec<f64>) -> f64 {
    quantile(&values, 0.5)
}

/// The value below which a share of `values` lies; not a number of none.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the length"
    )]
    let index = (share * sorted.len() as f64) as usize;
    sorted.get(index.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
const fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::super::measure::{Echo, Flow};
    use super::super::procs::Cost;
    use super::*;

    fn run(subject: &'static str, round: u32, millis: u64) -> Run {
        let cost = Cost { cpu: 0.2, rss: 3_000_000 };
        let span = Duration::from_millis(millis);
        let recorded = (subject != RELAY).then_some(250_000);
        Run {
            subject,
            round,
            flow: Flow { bytes: 1_000_000, span, cost, recorded },
            echo: Echo(vec![Duration::from_micros(millis)]),
        }
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        // A round in which the whole machine was slow moves no ratio.
        let runs =
            [run(RELAY, 0, 100), run("poll", 0, 125), run(RELAY, 1, 1000), run("poll", 1, 1250)];
        assert!((over_relay("poll", &runs, speed) - 0.8).abs() < 1e-9);
        let mut text = Vec::new();
        table(&mut text, &[RELAY, "poll"], &runs).expect("memory takes it");
        let text = String::from_utf8(text).expect("text");
        let poll = text.lines().find(|line| line.starts_with("poll")).expect("a line");
        assert!(poll.contains("0.80") && poll.contains("0.250"), "{text}");
    }

    #[test]
    fn quantiles_of_few_values_are_values() {
        assert!((quantile(&[3.0, 1.0, 2.0], 0.5) - 2.0).abs() < 1e-9);
        assert!((quantile(&[3.0, 1.0, 2.0], 0.99) - 3.0).abs() < 1e-9);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
