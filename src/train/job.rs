//! A training that is to be begun, or gone on with.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::run::{Run, Start};
use super::settings::{CommonSettings, Data, Resolved};
use super::succession::settle;
use crate::error::Result;
use crate::files;
use crate::watch::Watch;

/// A training in its folder, with its settings.
#[derive(Debug)]
pub struct Training<S> {
    /// The folder that it writes to.
    pub folder: PathBuf,
    /// The folder that it is to be in when it is finished.
    place: PathBuf,
    /// What is done about a run that is there.
    pub start: Start,
    /// The settings: those of the run that is gone on with, else those given.
    pub settings: S,
    /// What the run was begun with, where it is gone on with.
    resumed: Option<Resolved<S>>,
}

impl<S: Clone + Serialize + DeserializeOwned> Training<S> {
    /// Makes sure that a training may start that is to be in `folder`, changes nothing but what a training that
    /// was killed left to be done, and takes its settings.
    ///
    /// # Errors
    /// As [`Run::check`]; the settings of the run that is there cannot be read.
    pub fn begin(folder: &Path, start: Start, given: &S) -> Result<Self> {
        let place = files::through(folder)?;
        settle(&place)?;
        let folder = Run::check(&place, start)?;
        let resumed: Option<Resolved<S>> = match start {
            Start::Resume => Some(Run::settings(&folder)?),
            Start::Fresh | Start::Force => None,
        };
        let settings = resumed.as_ref().map_or(given, |run| &run.settings);
        Ok(Self {
            folder,
            place,
            start,
            settings: settings.clone(),
            resumed,
        })
    }

    /// Whether it goes on with a run.
    pub(crate) fn resumes(&self) -> bool {
        self.resumed.is_some()
    }

    /// The model folder to go on from: the best model so far, whose weights the checkpoint then
    /// replaces. `None` where none was kept yet: it is the encoder again.
    pub fn kept(&self) -> Option<PathBuf> {
        let model = Run::model_of(&self.folder);
        (self.resumes() && model.join("config.json").exists()).then_some(model)
    }

    /// Every number that decides the training, whose epochs see `examples`.
    ///
    /// # Errors
    /// A setting makes no sense, or the data are others than the run was begun with.
    pub(crate) fn resolve(
        &self,
        common: &CommonSettings,
        data: Data,
        examples: usize,
    ) -> Result<Resolved<S>> {
        match &self.resumed {
            Some(resolved) => {
                resolved.check(common)?;
                resolved.check_data(&data)?;
                Ok(resolved.clone())
            }
            None => Resolved::new(self.settings.clone(), common, data, examples),
        }
    }

    /// Opens the run to be written to; `name` heads its loss curve.
    ///
    /// # Errors
    /// As [`Run::create`] and [`Run::resume`].
    pub(crate) fn run(&self, name: &str, resolved: &Resolved<S>) -> Result<Run> {
        match self.start {
            Start::Resume => Run::resume(&self.place, name),
            start => Run::create(&self.place, start, name, resolved),
        }
    }

    /// Says, where the training ended too early, what answers meanwhile.
    pub fn note_kept(&self, watch: &mut dyn Watch) {
        if self.folder != self.place && Run::is_retrained(&self.place) {
            watch.note(&format!(
                "the run in {} is untouched, and in use until the one in {} is finished",
                self.place.display(),
                self.folder.display()
            ));
        }
    }
}
