//! The report as text: means, and under each the half-width of its interval.

use std::fmt;

use super::metrics::{Figures, METRICS, Metric};
use super::report::Evaluation;
use crate::stats::bootstrap::Estimate;

/// Characters of the longest repeated answer that is shown.
const SHOWN: usize = 48;
/// Width of a column of figures.
const COLUMN: usize = 8;
/// From this many queries on, an interval that excludes zero is worth a star.
pub(super) const FEW_QUERIES: usize = 20;

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.headline())?;
        let names = self.systems.iter().map(|row| row.name.chars().count());
        let width = names.max().unwrap_or(0).max(26);
        let all: Vec<&Metric> = METRICS.iter().collect();
        self.head(f, width, &all)?;
        for row in &self.systems {
            figures(f, width, &row.name, &row.figures, &all)?;
        }

        writeln!(
            f,
            "\n{:width$}{:>13}   most repeated",
            "answers", "distinct"
        )?;
        for row in &self.systems {
            let answers = &row.answers;
            let distinct = format!("{} {:3.0}%", answers.distinct, 100.0 * answers.share);
            let repeated = shortened(&answers.most_repeated);
            writeln!(
                f,
                "{:width$}{distinct:>13}   {}× {repeated}",
                row.name, answers.times
            )?;
        }

        let some: Vec<&Metric> = METRICS
            .iter()
            .filter(|metric| ["r1", "r5", "r10", "mrr", "ndcg10"].contains(&metric.key))
            .collect();
        if let Some(reranking) = &self.reranking {
            writeln!(
                f,
                "\nreranking the {} best of the bi-encoder",
                reranking.candidates
            )?;
            self.head(f, width, &some)?;
            figures(f, width, "before", &reranking.before, &some)?;
            figures(f, width, "after", &reranking.after, &some)?;
            let added = "with the true reply added";
            figures(f, width, added, &reranking.with_truth, &some)?;
        }

        if !self.comparisons.is_empty() {
            writeln!(
                f,
                "\ngains, query by query; * where the interval excludes zero"
            )?;
            self.head(f, width, &all)?;
        }
        for comparison in &self.comparisons {
            let name = |key| self.row(key).map_or(key, |row| row.name.as_str());
            writeln!(
                f,
                "{} → {}",
                name(comparison.before),
                name(comparison.after)
            )?;
            gains(f, width, &comparison.gain, &all, self.queries)?;
        }
        Ok(())
    }
}

impl Evaluation {
    fn headline(&self) -> String {
        let queries = if self.queries < self.available {
            format!("{} of {} queries", self.queries, self.available)
        } else {
            format!("{} queries", self.queries)
        };
        format!(
            "{}: {queries} from {}, {} distinct replies\n\
             tied candidates count as ahead on average; ± is half of the 95% interval\n",
            self.character, self.tested, self.pool
        )
    }

    /// Two lines: among how many candidates, and what is measured.
    fn head(&self, f: &mut fmt::Formatter<'_>, width: usize, metrics: &[&Metric]) -> fmt::Result {
        let among = |metric: &Metric| match metric.among {
            Some(size) => format!("of {size}"),
            None => format!("of {}", self.pool),
        };
        let mut groups = String::new();
        let mut names = String::new();
        let mut before = String::new();
        for metric in metrics {
            let group = among(metric);
            let shown = if group == before { "" } else { &group };
            groups += &format!("{shown:>COLUMN$}");
            names += &format!("{:>COLUMN$}", metric.name);
            before = group;
        }
        writeln!(f, "{:width$}{}", "", groups.trim_end())?;
        writeln!(f, "{:width$}{names}", "")
    }
}

/// A system's line, and the line of intervals under it.
fn figures(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    name: &str,
    figures: &Figures,
    metrics: &[&Metric],
) -> fmt::Result {
    write!(f, "{name:width$}")?;
    cells(f, figures, metrics, |one| share(one.mean))?;
    write!(f, "{:width$}", "")?;
    cells(f, figures, metrics, |one| {
        format!("±{}", share(one.half_width()))
    })
}

fn gains(
    f: &mut fmt::Formatter<'_>,
    width: usize,
    figures: &Figures,
    metrics: &[&Metric],
    queries: usize,
) -> fmt::Result {
    write!(f, "{:width$}", "")?;
    cells(f, figures, metrics, |one| {
        // The bootstrap of a handful of queries knows nothing of the others.
        let certain = one.excludes_zero() && queries >= FEW_QUERIES;
        let star = if certain { "*" } else { "" };
        let sign = if one.mean < 0.0 { '-' } else { '+' };
        format!("{star}{sign}{}", share(one.mean.abs()))
    })?;
    write!(f, "{:width$}", "")?;
    cells(f, figures, metrics, |one| {
        format!("±{}", share(one.half_width()))
    })
}

fn cells(
    f: &mut fmt::Formatter<'_>,
    figures: &Figures,
    metrics: &[&Metric],
    cell: impl Fn(Estimate) -> String,
) -> fmt::Result {
    let mut line = String::new();
    for wanted in metrics {
        let text = figures.get(wanted.key).map_or("–".into(), &cell);
        line += &format!("{text:>COLUMN$}");
    }
    writeln!(f, "{}", line.trim_end())
}

/// `.317`, as the field writes it.
pub(super) fn share(value: f64) -> String {
    let text = format!("{value:.3}");
    text.strip_prefix('0').map_or(text.clone(), str::to_owned)
}

fn shortened(text: &str) -> String {
    let text = text.replace(['\r', '\n'], " ");
    if text.chars().count() <= SHOWN {
        return text;
    }
    let kept: String = text.chars().take(SHOWN - 1).collect();
    format!("{}…", kept.trim_end())
}
