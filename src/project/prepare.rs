//! Prepares the dialogue of a project: a script's exchanges.

use super::Project;
use super::legible::note_illegible;
use crate::builtin::{self, SAMPLE_SCRIPT};
use crate::corpus::document::STDIN;
use crate::corpus::prepare::{self, Options};
use crate::corpus::report::Report;
use crate::error::Result;
use crate::text::printable::printable;
use crate::watch::Watch;

/// Reads a script and writes its exchanges, instead of those that were there.
///
/// # Errors
/// As [`prepare::prepare`].
pub fn prepare(project: &Project, options: &Options, watch: &mut dyn Watch) -> Result<Report> {
    for input in &options.inputs {
        let name = input.display().to_string();
        let name = if name == STDIN {
            "standard input"
        } else {
            &name
        };
        let sample = input.ends_with(SAMPLE_SCRIPT);
        let kind = if sample { "the sample script, " } else { "" };
        watch.note(&format!("reading {kind}{}", printable(name)));
    }
    let report = prepare::prepare(options, &project.exchanges(), watch)?;
    let replies: Vec<&str> = report.sample.iter().map(String::as_str).collect();
    note_illegible(&builtin::encoder(), "the built-in encoder", &replies, watch)?;
    Ok(report)
}
