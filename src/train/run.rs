//! The folder of one training: settings, metrics, loss curve, checkpoint, model, card.
//!
//! A training in the place of another is written beside it, see [`super::succession`].

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checkpoint;
use super::checkpoint::State;
use super::feedback::FEEDBACK;
use super::settings::Data;
use super::succession::{self, beside, lock};
use super::task::{Trainee, Validation};
use crate::error::{Error, IoContext, Remedy, Result};
use crate::files::disk::{self, Handle};
use crate::files::{self, Rights};

/// What to do about a training that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Refuse.
    Fresh,
    /// Go on with it, if it is not finished.
    Resume,
    /// Train another beside it, which takes its place when it is finished.
    Force,
}

/// A row of `metrics.jsonl`: a training step, or a validation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsRow {
    /// Steps taken.
    pub step: u64,
    /// Passes over the data.
    pub epoch: f64,
    /// The batch's training loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// Its learning rate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lr: Option<f64>,
    /// The gradients' norm, before clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grad_norm: Option<f64>,
    /// Examples a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples_per_second: Option<f64>,
    /// Loss on the validation exchanges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_loss: Option<f64>,
    /// Score on the validation exchanges, see [`Validation::score`].
    #[serde(default, alias = "valid_mrr", skip_serializing_if = "Option::is_none")]
    pub valid_score: Option<f64>,
}

/// How a training ended: what `done.json` holds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Steps taken.
    pub steps: u64,
    /// Steps that were planned.
    pub planned: u64,
    /// Before the first step.
    pub baseline: Validation,
    /// The model that was kept.
    pub best: Validation,
    /// The step that it was kept after.
    pub best_step: u64,
    /// Seconds, over all sessions.
    pub seconds: f64,
}

/// A run that can be written to.
pub struct Run {
    folder: PathBuf,
    /// Where it is to be when it is finished.
    place: PathBuf,
    title: String,
    metrics: Handle,
    /// The rows of the metrics; `None` for a row that cannot be read.
    rows: Vec<Option<MetricsRow>>,
    /// Held while the run is written to: nobody else may.
    _lock: File,
}

const SETTINGS: &str = "settings.json";
const METRICS: &str = "metrics.jsonl";
const DONE: &str = "done.json";
const MODEL: &str = "model";
const CHECKPOINT: &str = "checkpoint";
const CARD: &str = "README.md";
const CURVE: &str = "loss.png";
/// The judged messages that a run learns from: the user's files may go on growing.
pub(super) const JUDGED: &str = "judged.jsonl";
/// What validation says about a cross-encoder.
pub(crate) const VERDICT: &str = "reranking.json";

/// All that homer writes into the folder of a run, the settings first: without them it is none.
pub(super) const OWN: [&str; 11] = [
    SETTINGS,
    DONE,
    METRICS,
    MODEL,
    CHECKPOINT,
    CARD,
    CURVE,
    JUDGED,
    FEEDBACK,
    VERDICT,
    succession::REPLACED,
];

impl Run {
    /// Whether a training may start in `place`, and the folder that it then writes to; changes nothing, so ask
    /// before long work.
    ///
    /// # Errors
    /// [`Error::Exists`] for what must not be overwritten unasked, and for what homer did not write; with
    /// [`Start::Resume`], that there is nothing to go on with, or that it cannot be gone on with.
    pub(crate) fn check(place: &Path, start: Start) -> Result<PathBuf> {
        if place.is_file() {
            files::check_own(place, &OWN)?;
        }
        let path = place.to_path_buf();
        let next = beside(place);
        let is_run = |folder: &Path| files::is_there(&folder.join(SETTINGS));
        let (done, begun, retrained) = (Self::is_finished(place), begun(place)?, is_run(&next)?);
        match start {
            Start::Fresh if done && !retrained => Err(Error::Exists {
                path,
                remedy: Remedy::Restart,
            }),
            Start::Fresh if done || begun || retrained => Err(Error::Exists {
                path: if retrained { next } else { path },
                remedy: Remedy::ResumeOrRestart,
            }),
            Start::Resume => {
                let folder = if retrained { next } else { path };
                if Self::is_finished(&folder) {
                    return Err(Error::Finished { path: folder });
                }
                if !is_run(&folder)? {
                    return Err(Error::NoRun { path: folder });
                }
                if Self::model_of(&folder).exists() && !Self::can_resume(&folder) {
                    let what = "the checkpoint is gone, though a model was kept: there is nothing to go on from";
                    let at = folder.join(CHECKPOINT);
                    return Err(Error::model(at, what, Remedy::Restart));
                }
                Ok(folder)
            }
            Start::Fresh | Start::Force => {
                let folder = if done || begun { next } else { path };
                files::check_own(&folder, &OWN)?;
                Ok(folder)
            }
        }
    }

    /// Whether the training in `folder` ran to its end.
    pub(crate) fn is_finished(folder: &Path) -> bool {
        folder.join(DONE).exists()
    }

    /// Begins a run that is to be at `place`: writes its settings. What a run that was begun and trained nothing
    /// left is removed. `title` heads its loss curve.
    ///
    /// # Errors
    /// As [`Run::check`], and any I/O error.
    pub fn create(
        place: &Path,
        start: Start,
        title: &str,
        settings: &impl Serialize,
    ) -> Result<Self> {
        let lock = lock(place)?;
        let folder = Self::check(place, start)?;
        succession::clear(&folder, &OWN)?;
        files::write_json(&folder.join(SETTINGS), settings)?;
        Self::open(&folder, place, title, Vec::new(), lock)
    }

    /// Goes on with an unfinished run, of which [`Run::settings`] tells the settings.
    ///
    /// # Errors
    /// As [`Run::check`], and any I/O error.
    pub(crate) fn resume(place: &Path, title: &str) -> Result<Self> {
        let lock = lock(place)?;
        let folder = Self::check(place, Start::Resume)?;
        let path = folder.join(METRICS);
        let bytes = match files::is_there(&path)? {
            true => {
                files::is_plain(&path)?;
                fs::read(&path).at("read", &path)?
            }
            false => Vec::new(),
        };
        // The last line may be half a line: only those that the checkpoint counts are kept.
        let lines = bytes.split(|&byte| byte == b'\n');
        let rows = lines.map(|line| serde_json::from_slice(line).ok());
        Self::open(&folder, place, title, rows.collect(), lock)
    }

    fn open(
        folder: &Path,
        place: &Path,
        title: &str,
        rows: Vec<Option<MetricsRow>>,
        lock: File,
    ) -> Result<Self> {
        for name in OWN {
            files::stays(&folder.join(name))?;
        }
        Ok(Self {
            metrics: metrics(folder, rows.iter().flatten())?,
            _lock: lock,
            folder: folder.to_path_buf(),
            place: place.to_path_buf(),
            title: title.to_owned(),
            rows,
        })
    }

    /// The settings that a run was begun with.
    ///
    /// # Errors
    /// There is none, or they were written by another version of homer.
    pub(crate) fn settings<T: DeserializeOwned>(folder: &Path) -> Result<T> {
        checkpoint::or_restart(files::read_json(&folder.join(SETTINGS)))
    }

    /// The folder itself.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a run keeps its best model.
    pub fn model_of(folder: &Path) -> PathBuf {
        folder.join(MODEL)
    }

    /// The model card of a run.
    pub(crate) fn card_of(folder: &Path) -> PathBuf {
        folder.join(CARD)
    }

    /// The loss curve of a run.
    pub fn curve_of(folder: &Path) -> PathBuf {
        folder.join(CURVE)
    }

    /// How a run ended; `None` where it did not, or does not say.
    pub(crate) fn outcome(folder: &Path) -> Option<Outcome> {
        files::read_json(&folder.join(DONE)).ok()
    }

    /// Whether there is a checkpoint to go on from.
    pub(crate) fn can_resume(folder: &Path) -> bool {
        checkpoint::exists(&folder.join(CHECKPOINT))
    }

    fn checkpoint(&self) -> PathBuf {
        self.folder.join(CHECKPOINT)
    }

    /// Finishes what a training that is to be at `place` was about to do when it was killed.
    ///
    /// # Errors
    /// [`Error::Busy`]; any I/O error.
    pub(crate) fn settle(place: &Path) -> Result<()> {
        succession::settle(&files::through(place)?)
    }

    /// Whether a training beside the one at `place` was begun, which is to take its place.
    pub fn is_retrained(place: &Path) -> bool {
        beside(place).join(SETTINGS).exists()
    }

    /// Puts the model where the checkpoint left it, drops later metrics, and tells the state and how many
    /// earlier metrics are lost; a run without a checkpoint begins at its beginning.
    ///
    /// # Errors
    /// The checkpoint is damaged, or is another model's.
    pub(crate) fn restore(&mut self, model: &mut dyn Trainee) -> Result<(State, usize)> {
        let state = if checkpoint::exists(&self.checkpoint()) {
            checkpoint::restore(&self.checkpoint(), model)?
        } else {
            State::default()
        };
        self.rows.truncate(state.rows);
        self.rows.retain(Option::is_some);
        self.metrics = metrics(&self.folder, self.rows.iter().flatten())?;
        let lost = state.rows.saturating_sub(self.rows.len());
        Ok((state, lost))
    }

    /// Writes a checkpoint; `state` learns how many metrics belong to it.
    ///
    /// # Errors
    /// A file cannot be written; the checkpoint before it then stands.
    pub(crate) fn save(&self, state: &mut State, model: &dyn Trainee) -> Result<()> {
        state.rows = self.rows.len();
        let path = self.folder.join(METRICS);
        self.metrics.sync().at("write", &path)?;
        checkpoint::write(&self.checkpoint(), state, model)
    }

    /// Appends a row to the metrics.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn log(&mut self, row: MetricsRow) -> Result<()> {
        let path = self.folder.join(METRICS);
        let mut line = serde_json::to_string(&row)
            .map_err(std::io::Error::from)
            .at("write", &path)?;
        line.push('\n');
        self.metrics.write_all(line.as_bytes()).at("write", &path)?;
        self.rows.push(Some(row));
        Ok(())
    }

    /// Draws the loss curve, where homer can draw; `measure` is what scores are.
    ///
    /// # Errors
    /// The picture cannot be drawn or written.
    pub(crate) fn draw(&self, measure: &str) -> Result<()> {
        #[cfg(feature = "plots")]
        {
            let rows: Vec<MetricsRow> = self.rows.iter().flatten().copied().collect();
            let picture = Self::curve_of(&self.folder);
            super::curve::draw(&rows, &self.title, measure, &picture)?;
        }
        #[cfg(not(feature = "plots"))]
        let _ = (&self.title, measure);
        Ok(())
    }

    /// Marks the run as finished, writes its card and puts it in its place; the checkpoint has served. A run
    /// that was there is kept beside it, until another takes this one's place.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(&self, outcome: &Outcome, card: &str) -> Result<()> {
        let path = Self::card_of(&self.folder);
        files::write_atomic(&path, |out| {
            out.write_all(card.as_bytes()).at("write", &path)
        })?;
        files::write_json(&self.folder.join(DONE), outcome)?;
        Self::drop_checkpoint(&self.folder)?;
        match self.folder == self.place {
            true => Ok(()),
            false => succession::take_place(&self.folder, &self.place),
        }
    }

    /// Removes the checkpoint of a run that is finished.
    pub(super) fn drop_checkpoint(folder: &Path) -> Result<()> {
        let checkpoint = folder.join(CHECKPOINT);
        match checkpoint.exists() {
            true => disk::remove_folder(&checkpoint).at("remove", &checkpoint),
            false => Ok(()),
        }
    }
}

/// The metrics, opened for appending, with `rows` and nothing else in them.
fn metrics<'a>(folder: &Path, rows: impl IntoIterator<Item = &'a MetricsRow>) -> Result<Handle> {
    let path = folder.join(METRICS);
    files::write_jsonl(&path, Rights::OPEN, rows)?;
    Handle::append(&path).at("open", &path)
}

/// Whether the training in a run folder is not finished, though it has kept a model.
pub(crate) fn is_unfinished(folder: &Path) -> bool {
    folder.join(SETTINGS).exists() && Run::model_of(folder).exists() && !Run::is_finished(folder)
}

/// What the run in `folder` was trained on, if its settings are there and say so.
pub(crate) fn trained_on(folder: &Path) -> Option<Data> {
    #[derive(Deserialize)]
    struct Begun {
        data: Data,
    }
    let begun: Result<Begun> = files::read_json(&folder.join(SETTINGS));
    begun.ok().map(|begun| begun.data)
}

/// Whether a folder holds anything that was trained.
fn begun(folder: &Path) -> Result<bool> {
    Ok(Run::can_resume(folder) || files::is_there(&Run::model_of(folder))?)
}
