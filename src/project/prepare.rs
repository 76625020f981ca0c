//! Prepares the dialogue of a project: a script's exchanges.

use super::Project;
use crate::corpus::prepare::{self, Options};
use crate::corpus::report::Report;
use crate::error::Result;
use crate::watch::Watch;

/// Reads a script and writes its exchanges, instead of those that were there.
///
/// # Errors
/// As [`prepare::prepare`].
pub fn prepare(project: &Project, options: &Options, watch: &mut dyn Watch) -> Result<Report> {
    watch.note(&format!("reading {}", options.input.display()));
    prepare::prepare(options, &project.exchanges())
}
