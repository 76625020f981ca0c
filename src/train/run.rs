//! The folder of one training: settings, metrics, loss curve, checkpoint, model, card.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::checkpoint;
use super::checkpoint::State;
use super::settings::Data;
use super::task::{Trainee, Validation};
use crate::error::{Error, IoContext, Remedy, Result};
use crate::files;

/// What to do about a training that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Refuse.
    Fresh,
    /// Go on with it, if it is not finished.
    Resume,
    /// Move it aside.
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
    title: String,
    metrics: File,
    rows: Vec<MetricsRow>,
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

impl Run {
    /// Whether a training may start in `folder`; changes nothing, so ask before long work.
    ///
    /// # Errors
    /// [`Error::Exists`] for what must not be overwritten unasked; with [`Start::Resume`], that
    /// there is nothing to go on with.
    pub(crate) fn check(folder: &Path, start: Start) -> Result<()> {
        let path = folder.to_path_buf();
        let begun = begun(folder);
        let done = Self::is_finished(folder);
        match start {
            Start::Fresh if done => Err(Error::Exists {
                path,
                remedy: Remedy::Restart,
            }),
            Start::Fresh if begun => Err(Error::Exists {
                path,
                remedy: Remedy::ResumeOrRestart,
            }),
            Start::Resume if done => Err(Error::Finished { path }),
            Start::Resume if !folder.join(SETTINGS).exists() => Err(Error::NoRun { path }),
            _ => Ok(()),
        }
    }

    /// Whether the training in `folder` ran to its end.
    pub(crate) fn is_finished(folder: &Path) -> bool {
        folder.join(DONE).exists()
    }

    /// Begins a run: writes its settings, and moves aside what was there, to `FOLDER.old`,
    /// `FOLDER.old-2` and so on. `title` heads its loss curve.
    ///
    /// # Errors
    /// As [`Run::check`], and any I/O error.
    pub fn create(
        folder: &Path,
        start: Start,
        title: &str,
        settings: &impl Serialize,
    ) -> Result<Self> {
        let lock = lock(folder)?;
        Self::check(folder, start)?;
        move_aside(folder)?;
        files::write_json(&folder.join(SETTINGS), settings)?;
        Self::open(folder, title, Vec::new(), lock)
    }

    /// Goes on with an unfinished run, of which [`Run::settings`] tells the settings.
    ///
    /// # Errors
    /// As [`Run::check`], and any I/O error.
    pub(crate) fn resume(folder: &Path, title: &str) -> Result<Self> {
        let lock = lock(folder)?;
        Self::check(folder, Start::Resume)?;
        let path = folder.join(METRICS);
        let rows = if path.exists() {
            // The last line may be half a line: only those that the checkpoint counts are kept.
            let text = fs::read_to_string(&path).at("read", &path)?;
            text.lines()
                .map_while(|line| serde_json::from_str(line).ok())
                .collect()
        } else {
            Vec::new()
        };
        Self::open(folder, title, rows, lock)
    }

    fn open(folder: &Path, title: &str, rows: Vec<MetricsRow>, lock: File) -> Result<Self> {
        Ok(Self {
            metrics: metrics(folder, &rows)?,
            _lock: lock,
            folder: folder.to_path_buf(),
            title: title.to_owned(),
            rows,
        })
    }

    /// The settings that a run was begun with.
    ///
    /// # Errors
    /// There is none, or they were written by another version of homer.
    pub(crate) fn settings<T: DeserializeOwned>(folder: &Path) -> Result<T> {
        files::read_json(&folder.join(SETTINGS))
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

    /// Puts the model where the checkpoint left it, drops later metrics, and tells the state; a
    /// run without a checkpoint begins at its beginning.
    ///
    /// # Errors
    /// The checkpoint is damaged, or is another model's.
    pub(crate) fn restore(&mut self, model: &mut dyn Trainee) -> Result<State> {
        let state = if checkpoint::exists(&self.checkpoint()) {
            checkpoint::restore(&self.checkpoint(), model)?
        } else {
            State::default()
        };
        self.rows.truncate(state.rows);
        self.metrics = metrics(&self.folder, &self.rows)?;
        Ok(state)
    }

    /// Writes a checkpoint; `state` learns how many metrics belong to it.
    ///
    /// # Errors
    /// A file cannot be written; the checkpoint before it then stands.
    pub(crate) fn save(&self, state: &mut State, model: &dyn Trainee) -> Result<()> {
        state.rows = self.rows.len();
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
        self.rows.push(row);
        Ok(())
    }

    /// Draws the loss curve, where homer can draw; `measure` is what scores are.
    ///
    /// # Errors
    /// The picture cannot be drawn or written.
    pub(crate) fn draw(&self, measure: &str) -> Result<()> {
        #[cfg(feature = "plots")]
        super::curve::draw(
            &self.rows,
            &self.title,
            measure,
            &Self::curve_of(&self.folder),
        )?;
        #[cfg(not(feature = "plots"))]
        let _ = (&self.title, measure);
        Ok(())
    }

    /// Marks the run as finished and writes its card; the checkpoint has served.
    ///
    /// # Errors
    /// A file cannot be written.
    pub(crate) fn finish(&self, outcome: &Outcome, card: &str) -> Result<()> {
        let path = Self::card_of(&self.folder);
        files::write_atomic(&path, |out| {
            out.write_all(card.as_bytes()).at("write", &path)
        })?;
        files::write_json(&self.folder.join(DONE), outcome)?;
        let checkpoint = self.checkpoint();
        if checkpoint.exists() {
            fs::remove_dir_all(&checkpoint).at("remove", &checkpoint)?;
        }
        Ok(())
    }
}

/// The metrics, opened for appending, with `rows` and nothing else in them.
fn metrics(folder: &Path, rows: &[MetricsRow]) -> Result<File> {
    let path = folder.join(METRICS);
    files::write_jsonl(&path, rows)?;
    let file = OpenOptions::new().append(true).open(&path);
    file.at("open", &path)
}

/// Reserves a run folder: the lock, a file beside it, is free again when this process ends.
///
/// # Errors
/// Another process trains there, or the file cannot be made.
fn lock(folder: &Path) -> Result<File> {
    let mut name = std::ffi::OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(".lock");
    let path = folder.with_file_name(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).at("create", parent)?;
    }
    let file = File::create(&path).at("create", &path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Busy {
            path: folder.to_path_buf(),
        }),
        Err(TryLockError::Error(source)) => Err(source).at("lock", &path),
    }
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
fn begun(folder: &Path) -> bool {
    Run::can_resume(folder) || Run::model_of(folder).exists()
}

/// Makes way for a new run: what was trained goes to the first free of `FOLDER.old`,
/// `FOLDER.old-2`, …; a folder in which nothing was trained is removed.
fn move_aside(folder: &Path) -> Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    if !begun(folder) && !Run::is_finished(folder) {
        return fs::remove_dir_all(folder).at("remove", folder);
    }
    let aside = |number: u32| {
        let mut name = folder.as_os_str().to_owned();
        match number {
            1 => name.push(".old"),
            _ => name.push(format!(".old-{number}")),
        }
        PathBuf::from(name)
    };
    let free = (1..).map(aside).find(|path| !path.exists());
    match free {
        Some(free) => fs::rename(folder, free).at("move aside", folder),
        None => Ok(()),
    }
}
