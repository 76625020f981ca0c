//! Where a persona's files are: every command finds what the one before it wrote.

use std::path::{Path, PathBuf};

use crate::corpus::dataset::{Dataset, POOL};
use crate::error::Result;
use crate::files::{self, Rights};
use crate::hf::checkpoint::SAFETENSORS;
use crate::index::MANIFEST;
use crate::store::Place;
use crate::train::run::{Run, VERDICT};

/// The folder that a persona lives in (`-C DIR`, else the working folder).
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
    /// Where its replies are, if somebody has said so.
    pub(super) place: Option<Place>,
    /// What its persona is called in a store, if somebody has said so.
    pub(super) called: Option<String>,
}

impl Project {
    /// A project in `root`; nothing is read or made yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            place: None,
            called: None,
        }
    }

    /// The same with its replies in `place`, where its persona is `called` so; else what was said before holds:
    /// the place where they were put last, and the name of the character.
    #[must_use]
    pub fn with_replies(self, place: Option<Place>, called: Option<String>) -> Self {
        Self {
            place: place.or(self.place),
            called: called.or(self.called),
            ..self
        }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The user's scripts.
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// What `prepare` writes: exchanges, pool, report.
    pub fn exchanges(&self) -> PathBuf {
        self.data().join("exchanges")
    }

    /// Every distinct reply of the character, as `prepare` writes it.
    pub(crate) fn pool(&self) -> PathBuf {
        self.exchanges().join(POOL)
    }

    /// What training writes.
    pub fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// What people thought of answers, as `serve` keeps it.
    pub fn feedback(&self) -> PathBuf {
        self.runs().join("feedback.jsonl")
    }

    /// Whether `prepare` has left its exchanges here.
    pub fn is_prepared(&self) -> bool {
        Dataset::is_there(&self.exchanges())
    }

    /// Whether a persona of its own was begun here: a bi-encoder, an index, or replies in a store.
    ///
    /// # Errors
    /// There is something in its place that cannot be looked at: no other persona answers for it.
    pub fn has_persona(&self) -> Result<bool> {
        files::is_there(&self.bi_encoder_model().join(SAFETENSORS))?;
        files::is_there(&self.index().join(MANIFEST))?;
        let stored = match &self.place {
            Some(place) => !matches!(place, Place::Local),
            None => files::is_there(&self.store_setting())?,
        };
        Ok(stored || files::is_there(&self.bi_encoder())? || files::is_there(&self.index())?)
    }

    /// Who may read what the persona says: whoever could read the script.
    pub(super) fn replies_rights(&self) -> Rights {
        let manifest = self.index().join(MANIFEST);
        Rights::of(manifest.exists().then_some(manifest))
    }

    /// Removes what commands that died left unfinished here.
    pub fn sweep(&self) {
        let inside = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            folders.map(|entry| entry.path()).collect::<Vec<_>>()
        };
        let runs = inside(&self.runs());
        let inner: Vec<PathBuf> = runs.iter().flat_map(|run| inside(run)).collect();
        let all = [self.data(), self.exchanges(), self.runs()];
        for folder in all.iter().chain(&runs).chain(&inner) {
            files::sweep(folder);
        }
    }

    /// The run of `train-bi`.
    pub fn bi_encoder(&self) -> PathBuf {
        self.runs().join("bi-encoder")
    }

    /// The bi-encoder that `train-bi` keeps.
    pub fn bi_encoder_model(&self) -> PathBuf {
        Run::model_of(&self.bi_encoder())
    }

    /// The run of `train-cross`.
    pub fn cross_encoder(&self) -> PathBuf {
        self.runs().join("cross-encoder")
    }

    /// What validation says about the cross-encoder.
    pub fn verdict(&self) -> PathBuf {
        self.cross_encoder().join(VERDICT)
    }

    /// The figures of a test; `name` is "eval", or tells another test apart.
    pub fn figures(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.json"))
    }

    /// The cross-encoder that `train-cross` keeps.
    pub fn cross_encoder_model(&self) -> PathBuf {
        Run::model_of(&self.cross_encoder())
    }

    /// Which store the replies were put into, as `build-index` keeps it.
    pub(crate) fn store_setting(&self) -> PathBuf {
        self.runs().join("store.json")
    }

    /// What `build-index` writes.
    pub fn index(&self) -> PathBuf {
        self.runs().join("index")
    }
}
