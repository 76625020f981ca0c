//! How a training went: loss of every batch, its running mean, loss and score on validation.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::run::MetricsRow;
use super::task::Validation;
use crate::chart::{
    self, Area, BLUE, GREEN, GRID, INK, LABEL, MUTED, ORANGE, Painted, TICK, TITLE, text,
};
use crate::error::Result;

/// A point: steps taken, and a value.
type Point = (f64, f64);

/// The four series of the picture; values that are no numbers are left out.
struct Series {
    training: Vec<Point>,
    mean: Vec<Point>,
    validation: Vec<Point>,
    score: Vec<Point>,
    best: Option<Point>,
}

impl Series {
    fn of(rows: &[MetricsRow]) -> Self {
        let points = |value: fn(&MetricsRow) -> Option<f64>| -> Vec<Point> {
            rows.iter()
                .filter_map(|row| Some((row.step as f64, value(row)?)))
                .filter(|point| point.1.is_finite())
                .collect()
        };
        let training = points(|row| row.loss);
        Self {
            mean: running_mean(&training),
            training,
            validation: points(|row| row.valid_loss),
            score: points(|row| row.valid_score),
            best: best(rows),
        }
    }
}

/// The mean of the points so far, at most a fifteenth of them, at least ten.
fn running_mean(points: &[Point]) -> Vec<Point> {
    let window = (points.len() / 15).max(10);
    (0..points.len())
        .map(|i| {
            let last = &points[(i + 1).saturating_sub(window)..=i];
            let sum: f64 = last.iter().map(|point| point.1).sum();
            (points[i].0, sum / last.len() as f64)
        })
        .collect()
}

/// Draws the metrics `rows` of the training called `name`, whose scores are `measure`, to `path`.
///
/// # Errors
/// The picture cannot be drawn or written.
pub(crate) fn draw(rows: &[MetricsRow], name: &str, measure: &str, path: &Path) -> Result<()> {
    let series = Series::of(rows);
    chart::draw(path, (1280, 800), |area| {
        let area = area.margin(24, 20, 24, 24);
        area.draw(&Text::new(
            format!("Training of the {name}"),
            (0, 0),
            text(TITLE, INK, true),
        ))?;
        legend(&area, measure)?;
        let (_, plot) = area.split_vertically(96);
        curves(&plot, &series, measure)
    })
}

/// What the colours mean, in one line above the plot: it hides no curve there.
fn legend(area: &Area<'_>, measure: &str) -> Painted {
    let score = format!("validation {measure} (right)");
    let entries = [
        ("training loss", BLUE.mix(0.3), 3),
        ("its running mean", BLUE.to_rgba(), 4),
        ("validation loss", ORANGE.to_rgba(), 4),
        (&score, GREEN.to_rgba(), 4),
    ];
    let style = text(LABEL, INK, false);
    let mut x = 0;
    for (label, colour, width) in entries {
        let line = [(x, 64), (x + 36, 64)];
        area.draw(&PathElement::new(line, colour.stroke_width(width)))?;
        let anchored = style.pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(label, (x + 46, 64), anchored))?;
        x += 46 + area.estimate_text_size(label, &style)?.0 as i32 + 44;
    }
    Ok(())
}

fn curves(plot: &Area<'_>, series: &Series, measure: &str) -> Painted {
    let last = [&series.training, &series.validation, &series.score]
        .iter()
        .filter_map(|points| points.last())
        .fold(1.0, |last: f64, point| last.max(point.0));
    let losses = loss_range(series);
    let scores = score_range(&series.score);
    let mut chart = ChartBuilder::on(plot)
        .x_label_area_size(62)
        .y_label_area_size(92)
        .right_y_label_area_size(92)
        .build_cartesian_2d(0.0..last, losses.0..losses.1)?
        .set_secondary_coord(0.0..last, scores.0..scores.1);
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(if last < 10.0 { last as usize + 1 } else { 10 })
        .y_labels(8)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|loss| decimals(*loss, losses.1 - losses.0))
        .label_style(text(TICK, INK, false))
        .axis_desc_style(text(LABEL, INK, false))
        .x_desc("steps")
        .y_desc("loss")
        .draw()?;
    chart
        .configure_secondary_axes()
        .axis_style(MUTED)
        .y_labels(6)
        .y_label_formatter(&|score| decimals(*score, scores.1 - scores.0))
        .label_style(text(TICK, GREEN, false))
        .axis_desc_style(text(LABEL, GREEN, false))
        .y_desc(measure)
        .draw()?;

    // A peak above the axis is cut, not drawn over the title.
    let cut = |points: &[Point]| -> Vec<Point> {
        let cut = points.iter().map(|point| (point.0, point.1.min(losses.1)));
        cut.collect()
    };
    chart.draw_series(LineSeries::new(
        cut(&series.training),
        BLUE.mix(0.3).stroke_width(2),
    ))?;
    chart.draw_series(LineSeries::new(cut(&series.mean), BLUE.stroke_width(4)))?;
    chart.draw_series(LineSeries::new(
        cut(&series.validation),
        ORANGE.stroke_width(4),
    ))?;
    chart.draw_series(dots(&cut(&series.validation), ORANGE))?;
    // One step alone makes no line.
    if series.training.len() == 1 {
        chart.draw_series(dots(&series.mean, BLUE))?;
    }
    chart.draw_secondary_series(LineSeries::new(series.score.clone(), GREEN.stroke_width(4)))?;
    chart.draw_secondary_series(dots(&series.score, GREEN))?;
    if let Some(best) = series.best {
        let right = best.0 > last / 2.0;
        let (side, gap) = if right {
            (HPos::Right, -14)
        } else {
            (HPos::Left, 14)
        };
        let style = text(LABEL, GREEN, true).pos(Pos::new(side, VPos::Bottom));
        chart.draw_secondary_series([EmptyElement::at(best)
            + Circle::new((0, 0), 9, GREEN.stroke_width(3))
            + Text::new(format!("best {:.3}", best.1), (gap, -10), style)])?;
    }
    Ok(())
}

fn dots(points: &[Point], colour: RGBColor) -> Vec<Circle<Point, i32>> {
    let dot = |point: &Point| Circle::new(*point, 5, colour.filled());
    points.iter().map(dot).collect()
}

/// The validation that was kept: the best after the start, which is the untrained model.
fn best(rows: &[MetricsRow]) -> Option<Point> {
    let validation = |row: &MetricsRow| {
        let (loss, score) = (row.valid_loss?, row.valid_score?);
        (row.step > 0).then_some((row.step, Validation { loss, score }))
    };
    let (step, best) = rows
        .iter()
        .filter_map(validation)
        .reduce(|best, one| if one.1.beats(&best.1) { one } else { best })?;
    Some((step as f64, best.score))
}

/// The losses shown: all of the means and of validation, and nearly all single batches.
fn loss_range(series: &Series) -> (f64, f64) {
    let mut batches: Vec<f64> = series.training.iter().map(|point| point.1).collect();
    batches.sort_by(f64::total_cmp);
    let most = batches.len().saturating_sub(1) * 99 / 100;
    let shown = series.mean.iter().chain(&series.validation).map(|p| p.1);
    let shown = shown.chain(batches.get(..=most).unwrap_or_default().iter().copied());
    let (low, high) = extent(shown).unwrap_or((0.0, 1.0));
    let room = (high - low).max(high.abs() * 0.05).max(1e-3);
    // A loss that comes near zero is seen against zero.
    let low = if low < room { 0.0 } else { low - 0.08 * room };
    (low, high + 0.06 * room)
}

/// The scores shown, with room around them and never so little that noise looks like news.
fn score_range(scores: &[Point]) -> (f64, f64) {
    let (low, high) = extent(scores.iter().map(|point| point.1)).unwrap_or((0.0, 1.0));
    let room = (high - low).max(0.05);
    ((low - 0.2 * room).max(0.0), high + 0.25 * room)
}

fn extent(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |extent, value| {
        let (low, high) = extent.unwrap_or((value, value));
        Some((value.min(low), value.max(high)))
    })
}

/// A number with as many decimals as an axis of that length needs.
fn decimals(value: f64, length: f64) -> String {
    let digits = if length >= 8.0 {
        0
    } else if length >= 0.8 {
        1
    } else if length >= 0.08 {
        2
    } else {
        3
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: u64, loss: f64) -> MetricsRow {
        MetricsRow {
            step,
            loss: Some(loss),
            ..MetricsRow::default()
        }
    }

    fn validation(step: u64, loss: f64, score: f64) -> MetricsRow {
        MetricsRow {
            step,
            valid_loss: Some(loss),
            valid_score: Some(score),
            ..MetricsRow::default()
        }
    }

    #[test]
    fn any_number_of_points_is_drawn() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("loss.png");
        let cases: [Vec<MetricsRow>; 6] = [
            vec![],
            vec![validation(0, 3.0, 0.1)],
            vec![validation(0, 3.0, 0.1), step(1, 2.0)],
            vec![
                validation(0, 0.0, 0.0),
                step(1, 0.0),
                validation(1, 0.0, 0.0),
            ],
            vec![
                step(1, f64::NAN),
                step(2, f64::INFINITY),
                validation(2, f64::NAN, 1.0),
            ],
            vec![step(1, 1e9), step(2, 1e-9), validation(2, 1.0, 1.0)],
        ];
        for rows in cases {
            draw(&rows, "bi-encoder", "MRR", &path).unwrap();
            assert!(std::fs::metadata(&path).unwrap().len() > 5000);
        }
    }

    #[test]
    fn ranges_hold_what_matters() {
        let mut rows: Vec<MetricsRow> = (1..=200).map(|i| step(i, 2.0 + 1.0 / i as f64)).collect();
        rows[100].loss = Some(500.0);
        rows.push(validation(200, 2.5, 0.4));
        let series = Series::of(&rows);
        assert_eq!(series.mean.len(), 200);
        let (low, high) = loss_range(&series);
        assert!(low < 2.0 && high > 3.0 && high < 60.0, "{low} {high}");
        let (low, high) = score_range(&series.score);
        assert!(low < 0.4 && high > 0.4);
        // The untrained model is never kept, and of equal scores the lower loss is.
        let rows = [(0, 1.0, 0.9), (5, 2.0, 0.3), (9, 1.5, 0.3)];
        let rows = rows.map(|(step, loss, score)| validation(step, loss, score));
        assert_eq!(best(&rows), Some((9.0, 0.3)));
    }

    #[test]
    fn a_running_mean_looks_back_only() {
        let points: Vec<Point> = (0..40).map(|i| (f64::from(i), f64::from(i % 2))).collect();
        let mean = running_mean(&points);
        assert_eq!(mean[0], (0.0, 0.0));
        assert_eq!(mean[1], (1.0, 0.5));
        assert_eq!(mean[39], (39.0, 0.5));
    }
}
