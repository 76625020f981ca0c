//! What a script is made of: who speaks, and how long queries and replies are.

use std::path::Path;

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::report::{Report, ScriptFigures, thousands};
use crate::chart::{
    self, Area, BLUE, GRID, INK, LABEL, MUTED, ORANGE, PALE, Painted, TICK, TITLE, text,
};
use crate::error::Result;

/// Lighter than the line that is drawn over it; not translucent, so that no grid shows through.
const BARS: RGBColor = RGBColor(0x5f, 0x9a, 0xcc);

/// Draws the speakers' and the lengths' distribution of `report` to `path`.
///
/// # Errors
/// The picture cannot be drawn or written.
pub(crate) fn draw(report: &Report, path: &Path) -> Result<()> {
    match &report.script {
        Some(script) => chart::draw(path, (1680, 840), |area| {
            let (left, right) = area.split_horizontally(800);
            speakers(&left, script, &report.character)?;
            lengths(&right, report)
        }),
        None => chart::draw(path, (960, 840), |area| lengths(area, report)),
    }
}

/// A horizontal bar for each of the most frequent speakers, the character's in colour.
fn speakers(area: &Area<'_>, script: &ScriptFigures, character: &str) -> Painted {
    let area = area.margin(24, 24, 24, 12);
    title(
        &area,
        "Lines per speaker",
        &format!(
            "{} lines, {} speakers in {} scenes",
            thousands(script.lines),
            thousands(script.speakers),
            thousands(script.scenes)
        ),
    )?;
    let shown = &script.most_frequent;
    let most = shown.iter().map(|speaker| speaker.lines).max().unwrap_or(1);
    let (width, height) = area.dim_in_pixel();
    let (names, numbers, top) = (270, 80, 96);
    let row = (height as i32 - top - 12) / shown.len().max(1) as i32;
    let row = row.min(64);
    let bar = (row * 2 / 3).max(1);
    let longest = width as i32 - names - numbers;
    for (place, speaker) in shown.iter().enumerate() {
        let own = speaker.name == character;
        let middle = top + row * place as i32 + row / 2;
        let end = names + (longest as f64 * speaker.lines as f64 / most as f64) as i32;
        let colour = if own { BLUE } else { PALE };
        area.draw(&Rectangle::new(
            [(names, middle - bar / 2), (end, middle + bar / 2)],
            colour.filled(),
        ))?;
        area.draw(&Text::new(
            shortened(&speaker.name),
            (names - 12, middle),
            text(TICK, INK, own).pos(Pos::new(HPos::Right, VPos::Center)),
        ))?;
        area.draw(&Text::new(
            thousands(speaker.lines),
            (end + 10, middle),
            text(TICK, MUTED, own).pos(Pos::new(HPos::Left, VPos::Center)),
        ))?;
    }
    Ok(())
}

/// The share of replies (bars) and of queries (line) of each length.
fn lengths(area: &Area<'_>, report: &Report) -> Painted {
    let area = area.margin(24, 24, 24, 24);
    title(
        &area,
        "Words per query and reply",
        &format!(
            "{} exchanges; half of the replies have at most {} words",
            thousands(report.exchanges),
            report.reply_words.median
        ),
    )?;
    let (replies, queries) = (&report.reply_words, &report.query_words);
    // The few longest would squeeze all others into a corner.
    let last = (replies.p95.max(queries.p95) * 5 / 4).max(8);
    let share = |histogram: &[usize], words: usize| {
        let count = histogram.get(words).copied().unwrap_or_default();
        100.0 * count as f64 / report.exchanges.max(1) as f64
    };
    let highest = (0..=last)
        .map(|words| share(&replies.histogram, words).max(share(&queries.histogram, words)))
        .fold(1.0, f64::max);

    let (_, plot) = area.split_vertically(84);
    let mut chart = ChartBuilder::on(&plot)
        .x_label_area_size(64)
        .y_label_area_size(84)
        .build_cartesian_2d(0.5..last as f64 + 0.5, 0.0..highest * 1.08)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(MUTED)
        .x_labels(12)
        .y_labels(8)
        .x_label_formatter(&|words| format!("{words:.0}"))
        .y_label_formatter(&|percent| format!("{percent:.0} %"))
        .label_style(text(TICK, INK, false))
        .axis_desc_style(text(LABEL, INK, false))
        .x_desc("words")
        .y_desc("share of all")
        .draw()?;
    chart
        .draw_series((1..=last).map(|words| {
            let at = words as f64;
            Rectangle::new(
                [
                    (at - 0.4, 0.0),
                    (at + 0.4, share(&replies.histogram, words)),
                ],
                BARS.filled(),
            )
        }))?
        .label(summary("replies", replies.mean, replies.max))
        .legend(|(x, y)| Rectangle::new([(x, y - 7), (x + 26, y + 7)], BARS.filled()));
    chart
        .draw_series(LineSeries::new(
            (1..=last).map(|words| (words as f64, share(&queries.histogram, words))),
            ORANGE.stroke_width(3),
        ))?
        .label(summary("queries", queries.mean, queries.max))
        .legend(|(x, y)| PathElement::new([(x, y), (x + 26, y)], ORANGE.stroke_width(3)));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .margin(12)
        .legend_area_size(36)
        .background_style(WHITE.filled())
        .border_style(GRID)
        .label_font(text(LABEL, INK, false))
        .draw()?;
    Ok(())
}

fn summary(what: &str, mean: f64, max: usize) -> String {
    format!("{what}: {mean:.1} on average, longest {max}")
}

fn title(area: &Area<'_>, title: &str, subtitle: &str) -> Painted {
    area.draw(&Text::new(title.to_owned(), (0, 0), text(TITLE, INK, true)))?;
    let style = text(TICK, MUTED, false);
    area.draw(&Text::new(subtitle.to_owned(), (0, 44), style))?;
    Ok(())
}

/// A name that fits beside its bar.
fn shortened(name: &str) -> String {
    const FITS: usize = 24;
    if name.chars().count() <= FITS {
        return name.to_owned();
    }
    let kept: String = name.chars().take(FITS - 1).collect();
    format!("{}…", kept.trim_end())
}
