//! A model made smaller by what is said in a project, or elsewhere.

use std::path::{Path, PathBuf};

use super::Project;
use crate::corpus::dataset::Dataset;
use crate::distill::shrink::{self, ShrinkOptions, Shrunk};
use crate::distill::texts;
use crate::error::{Error, Result};
use crate::nn::device::Compute;

/// Makes the model of a folder smaller, see [`shrink::shrink`], by the texts of `files`, or where
/// none is named by the exchanges of the project. Where the vocabulary stays, it can do without.
///
/// # Errors
/// A file cannot be read, or there are no exchanges to choose a vocabulary by; as [`shrink::shrink`].
pub fn shrink(
    project: &Project,
    model: &Path,
    out: &Path,
    files: &[PathBuf],
    options: &ShrinkOptions,
) -> Result<Shrunk> {
    let scenes = if files.is_empty() {
        match Dataset::load(&project.exchanges()) {
            Err(Error::NotMade { .. }) if options.vocabulary.is_none() => Vec::new(),
            dataset => texts::exchanged(&dataset?.exchanges()),
        }
    } else {
        let files = files.iter().map(|path| texts::read(path));
        files.collect::<Result<Vec<_>>>()?.concat()
    };
    shrink::shrink(model, out, &scenes, options, &Compute::Fast)
}
