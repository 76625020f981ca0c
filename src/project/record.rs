//! Puts a test's figures where the models lie: into their cards, and into the index's manifest.

use std::fs;
use std::io::Write;

use super::Project;
use crate::error::{IoContext, Result};
use crate::eval::report::Evaluation;
use crate::train::run::Run;
use crate::{files, index};

/// The heading of the cards' section on tests, and that of the section after it.
const HEADING: &str = "## Test\n";
const NEXT: &str = "## Use\n";

/// Writes `report` into the cards of the project's models and the manifest of its index, in the
/// place of an earlier one. What is not there is left out.
///
/// # Errors
/// A file cannot be read or written.
pub(crate) fn record(project: &Project, report: &Evaluation) -> Result<()> {
    for run in [project.bi_encoder(), project.cross_encoder()] {
        let path = Run::card_of(&run);
        if path.is_file() {
            files::stays(&path)?;
            let card = fs::read_to_string(&path).at("read", &path)?;
            let card = with_section(&card, &section(report));
            files::write_atomic(&path, |out| {
                out.write_all(card.as_bytes()).at("write", &path)
            })?;
        }
    }
    index::manifest::note_evaluation(&project.index(), &summary(report))
}

fn section(report: &Evaluation) -> String {
    format!("{HEADING}\nBy `homer eval`.\n\n```text\n{report}```\n\n")
}

/// The card with the section before [`NEXT`], or at its end.
fn with_section(card: &str, section: &str) -> String {
    let at = |heading: &str| card.find(heading).unwrap_or(card.len());
    let next = at(NEXT);
    let begin = at(HEADING).min(next);
    let [before, after] = [card.get(..begin), card.get(next..)].map(Option::unwrap_or_default);
    let gap = if before.ends_with("\n\n") { "" } else { "\n" };
    format!("{before}{gap}{section}{after}")
}

/// What was tested, and the means of what `ask` does by default.
fn summary(report: &Evaluation) -> serde_json::Value {
    let figures = report.row("ask").map(|row| {
        let means = row.figures.iter();
        means
            .map(|(metric, estimate)| (metric.key, estimate.map(|one| one.mean)))
            .collect::<std::collections::BTreeMap<_, _>>()
    });
    serde_json::json!({
        "tested": report.tested,
        "queries": report.queries,
        "pool": report.pool,
        "ask": figures,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_put_before_the_next_one_and_replaced() {
        let card = "# Card\n\nText.\n\n## Use\n\nSo.\n";
        let once = with_section(card, "## Test\n\none\n\n");
        assert_eq!(once, "# Card\n\nText.\n\n## Test\n\none\n\n## Use\n\nSo.\n");
        let twice = with_section(&once, "## Test\n\ntwo\n\n");
        assert_eq!(twice, once.replace("one", "two"));
        assert_eq!(
            with_section("# Other\n", "## Test\n"),
            "# Other\n\n## Test\n"
        );
    }
}
