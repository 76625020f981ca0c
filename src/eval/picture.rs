//! How the systems compare: a bar each, with its interval.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::metrics::{METRICS, Metric};
use super::report::{Evaluation, SystemRow};
use crate::chart::{self, Area, BLUE, GRID, INK, LABEL, MUTED, PALE, Painted, TICK, TITLE, text};
use crate::error::Result;
use crate::stats::bootstrap::Estimate;

/// What is drawn, by key; what the pool is too small for is left out.
const DRAWN: [&str; 3] = ["r1_of_20", "r10", "mrr"];
/// Systems that need no training stay in the background.
const BACKGROUND: [&str; 5] = ["chance", "tfidf", "bm25", "untuned_query", "untuned"];

/// Width of the names, of a panel, and heights of the head and of a row, in pixels.
const NAMES: u32 = 340;
const PANEL: u32 = 400;
const HEAD: u32 = 170;
const ROW: u32 = 58;
const MARGIN: u32 = 28;

/// Draws a row for each system and a panel for each of three measures to `path`.
///
/// # Errors
/// The picture cannot be drawn or written.
pub(crate) fn draw(report: &Evaluation, path: &Path) -> Result<()> {
    let metrics: Vec<&Metric> = METRICS
        .iter()
        .filter(|metric| DRAWN.contains(&metric.key))
        .filter(|metric| values(report, metric).next().is_some())
        .collect();
    let width = 2 * MARGIN + NAMES + PANEL * metrics.len() as u32;
    let height = 2 * MARGIN + HEAD + ROW * report.systems.len() as u32;
    chart::draw(path, (width, height), |area| {
        let area = area.margin(MARGIN, MARGIN, MARGIN, MARGIN);
        let title = format!("{}: is the true reply found?", report.character);
        area.draw(&Text::new(title, (0, 0), text(TITLE, INK, true)))?;
        let subtitle = format!(
            "{} queries; whiskers are 95% bootstrap intervals; ties never help",
            report.queries
        );
        area.draw(&Text::new(subtitle, (0, 44), text(TICK, MUTED, false)))?;
        for (row, system) in report.systems.iter().enumerate() {
            area.draw(&Text::new(
                system.name.clone(),
                (NAMES as i32 - 16, middle(row)),
                text(TICK, INK, system.key == "ask").pos(Pos::new(HPos::Right, VPos::Center)),
            ))?;
        }
        for (place, metric) in metrics.iter().enumerate() {
            panel(&area, report, metric, (NAMES + PANEL * place as u32) as i32)?;
        }
        Ok(())
    })
}

/// The estimates of a measure, with their systems.
fn values<'a>(
    report: &'a Evaluation,
    metric: &'a Metric,
) -> impl Iterator<Item = (usize, &'a SystemRow, Estimate)> {
    let rows = report.systems.iter().enumerate();
    rows.filter_map(|(place, row)| Some((place, row, row.figures.get(metric.key)?)))
}

/// The height at which a system's bar lies.
fn middle(row: usize) -> i32 {
    (HEAD + ROW * row as u32 + ROW / 2) as i32
}

fn panel(area: &Area<'_>, report: &Evaluation, metric: &Metric, left: i32) -> Painted {
    let among = metric.among.unwrap_or(report.pool);
    area.draw(&Text::new(
        format!("{} of {among}", metric.name),
        (left, HEAD as i32 - 74),
        text(LABEL, INK, true),
    ))?;
    let highest = values(report, metric).map(|(_, _, one)| one.high);
    let highest = highest.fold(0.02, f64::max);
    let step = step(highest);
    // Room for the number beside the longest whisker.
    let pixels = f64::from(PANEL) - 100.0;
    let at = |value: f64| left + (pixels * value / highest) as i32;
    let bottom = middle(report.systems.len()) - ROW as i32 / 2;
    for tick in 0.. {
        let value = f64::from(tick) * step;
        if value > highest {
            break;
        }
        let line = [(at(value), HEAD as i32 - 8), (at(value), bottom)];
        area.draw(&PathElement::new(line, GRID))?;
        area.draw(&Text::new(
            format!("{value:.2}"),
            (at(value), HEAD as i32 - 12),
            text(TICK, MUTED, false).pos(Pos::new(HPos::Center, VPos::Bottom)),
        ))?;
    }
    for (row, system, one) in values(report, metric) {
        let (y, own) = (middle(row), system.key == "ask");
        let colour = if BACKGROUND.contains(&system.key) {
            PALE
        } else {
            BLUE
        };
        let bar = [(left, y - 15), (at(one.mean), y + 15)];
        area.draw(&Rectangle::new(bar, colour.filled()))?;
        let whisker = INK.stroke_width(2);
        let ends = (at(one.low), at(one.high));
        area.draw(&PathElement::new([(ends.0, y), (ends.1, y)], whisker))?;
        for end in [ends.0, ends.1] {
            area.draw(&PathElement::new([(end, y - 6), (end, y + 6)], whisker))?;
        }
        area.draw(&Text::new(
            format!("{:.3}", one.mean),
            (ends.1 + 10, y),
            text(TICK, if own { INK } else { MUTED }, own).pos(Pos::new(HPos::Left, VPos::Center)),
        ))?;
    }
    Ok(())
}

/// A round distance between grid lines: two to five of them.
fn step(highest: f64) -> f64 {
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
        .into_iter()
        .find(|step| highest / step <= 5.0)
        .unwrap_or(0.5)
}
