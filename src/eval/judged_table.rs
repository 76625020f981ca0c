//! The report on judged messages as text: a line a system, with its difference to the baseline.

use std::fmt;

use super::judged::{Report, Row, Table};
use super::table::{FEW_QUERIES, share};
use crate::stats::bootstrap::Estimate;

/// Width of a figure with its interval.
const COLUMN: usize = 13;
const NAMES: [&str; 3] = ["good@1", "passable@1", "nDCG@10"];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "± is half of the 95% interval; * where the interval of a difference excludes zero"
        )?;
        let names = self.sets.iter().flat_map(|set| &set.systems);
        let width = names.map(|row| row.name.chars().count()).max().unwrap_or(0);
        for set in &self.sets {
            self.table(f, set, width)?;
        }
        Ok(())
    }
}

impl Report {
    fn table(&self, f: &mut fmt::Formatter<'_>, set: &Table, width: usize) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        writeln!(
            f,
            "\n{}: {} message{}, {:.1} candidates each",
            set.name,
            set.messages,
            plural(set.messages),
            set.candidates as f64 / set.messages.max(1) as f64
        )?;
        let baseline = set
            .systems
            .iter()
            .find(|row| Some(row.key) == self.baseline);
        let heads: String = NAMES
            .iter()
            .map(|name| format!("{name:>COLUMN$}"))
            .collect();
        let compared = baseline.map_or(String::new(), |baseline| {
            let all = 3 * COLUMN;
            format!("{:>all$}", format!("difference to {}", baseline.name))
        });
        writeln!(f, "{:width$}{heads}{compared}", "")?;
        for row in &set.systems {
            writeln!(
                f,
                "{:width$}{}",
                row.name,
                cells(row, set.messages).trim_end()
            )?;
        }
        Ok(())
    }
}

/// The figures of a system, its differences, and a word on what was not graded.
fn cells(row: &Row, messages: usize) -> String {
    let figure = |one: Estimate| format!("{} ±{}", share(one.mean), share(one.half_width()));
    let difference = |one: Estimate| {
        // The bootstrap of a handful of messages knows nothing of the others.
        let certain = one.excludes_zero() && messages >= FEW_QUERIES;
        let star = if certain { "*" } else { "" };
        let sign = if one.mean < 0.0 { '-' } else { '+' };
        format!(
            "{star}{sign}{} ±{}",
            share(one.mean.abs()),
            share(one.half_width())
        )
    };
    let mut line = String::new();
    for one in row.figures.all() {
        line += &format!("{:>COLUMN$}", figure(one));
    }
    match row.gain {
        Some(gain) => {
            for one in gain.all() {
                line += &format!("{:>COLUMN$}", difference(one));
            }
        }
        None => line += &" ".repeat(3 * COLUMN),
    }
    if row.ungraded > 0.0 {
        line += &format!("  {:.0} first ones ungraded", row.ungraded.ceil());
    }
    line
}
