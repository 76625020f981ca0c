//! Where a training runs, where it writes, and who hears of it.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run::{Run, Start};
use super::settings::{Common, Resolved};
use super::trainer::Observer;
use crate::corpus::dataset::Dataset;
use crate::error::Result;
use crate::nn::device::Compute;

/// The surroundings of a training.
pub struct Job<'a> {
    /// The run folder.
    pub folder: &'a Path,
    /// What to do about a run that is there.
    pub start: Start,
    /// Where to compute.
    pub compute: &'a Compute,
    /// Hears how it goes.
    pub observer: &'a mut dyn Observer,
    /// Set to stop after the current step.
    pub interrupt: &'a AtomicBool,
}

impl Job<'_> {
    /// The settings of a new run, or those of the one that is resumed.
    ///
    /// # Errors
    /// A setting makes no sense, there is too little data, or other data than the run was begun
    /// with.
    pub(super) fn resolve<S: Clone + Serialize + DeserializeOwned>(
        &self,
        settings: &S,
        common: &Common,
        dataset: &Dataset,
    ) -> Result<Resolved<S>> {
        Run::check(self.folder, self.start)?;
        if self.start == Start::Resume {
            let resolved: Resolved<S> = Run::settings(self.folder)?;
            resolved.check_data(dataset)?;
            return Ok(resolved);
        }
        Resolved::new(settings.clone(), common, dataset)
    }
}

/// The model folder to go on from when a run is resumed: the best model so far, whose weights the
/// checkpoint then replaces. `None` where none was kept yet: it is the encoder again.
pub fn kept(folder: &Path, start: Start) -> Option<PathBuf> {
    let model = folder.join("model");
    (start == Start::Resume && model.join("config.json").exists()).then_some(model)
}
