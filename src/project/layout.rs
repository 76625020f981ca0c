//! Where a persona's files are: every command finds what the one before it wrote.

use std::path::{Path, PathBuf};

use crate::corpus::dataset::{Dataset, POOL};
use crate::train::run::Run;

/// The folder that a persona lives in (`-C DIR`, else the working folder).
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// A project in `root`; nothing is read or made yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
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

    /// Whether a persona of its own was begun here: a bi-encoder, or an index.
    pub fn has_persona(&self) -> bool {
        self.bi_encoder().exists() || self.index().exists()
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
        self.cross_encoder().join("reranking.json")
    }

    /// The figures of a test; `name` is "eval", or tells another test apart.
    pub fn figures(&self, name: &str) -> PathBuf {
        self.runs().join(format!("{name}.json"))
    }

    /// The cross-encoder that `train-cross` keeps.
    pub fn cross_encoder_model(&self) -> PathBuf {
        Run::model_of(&self.cross_encoder())
    }

    /// What `build-index` writes.
    pub fn index(&self) -> PathBuf {
        self.runs().join("index")
    }
}
