//! Prepares the dialogue of a project: a script's exchanges.

use super::Project;
use crate::builtin::SAMPLE_SCRIPT;
use crate::corpus::prepare::{self, Options};
use crate::corpus::report::Report;
use crate::error::Result;
use crate::watch::Watch;

/// Reads a script and writes its exchanges, instead of those that were there.
///
/// # Errors
/// As [`prepare::prepare`].
pub fn prepare(project: &Project, options: &Options, watch: &mut dyn Watch) -> Result<Report> {
    let sample = options.input.ends_with(SAMPLE_SCRIPT);
    let kind = if sample { "the sample script, " } else { "" };
    watch.note(&format!("reading {kind}{}", options.input.display()));
    prepare::prepare(options, &project.exchanges())
}
