//! What can go wrong, said so that a person knows what to do next.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

use std::path::{Path, PathBuf};

pub use crate::remedy::{Remedy, Setting, Step};

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error says what is wrong and where; [`Error::remedy`] is what to do about it, where that is
/// known. The cause, if it has one, is its source: print the chain.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused a file.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried: "read", "write", "create", …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// The user's data cannot be used as it is.
    #[error("{}{}: {what}", path.display(), row.map(|r| format!(", row {r}")).unwrap_or_default())]
    Data {
        /// The file.
        path: PathBuf,
        /// 1-based row in the file, the header counted, where there is one.
        row: Option<u64>,
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: Remedy,
    },
    /// A model folder, a checkpoint or an index cannot be used.
    #[error("{}: {what}", path.display())]
    Model {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong.
        what: String,
        /// What to do about it.
        remedy: Remedy,
    },
    /// What is needed has not been made yet.
    #[error("there is no {what} in {}", path.display())]
    NotMade {
        /// "bi-encoder", "index", "prepared dialogue", …
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// What makes it, or goes on making it.
        remedy: Remedy,
    },
    /// Something stands where this would be written.
    #[error("{} exists already", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// How to go on.
        remedy: Remedy,
    },
    /// A choice that makes no sense.
    #[error("{what}")]
    Setting {
        /// What is wrong with it.
        what: String,
        /// What to choose instead.
        remedy: Remedy,
    },
    /// Too few exchanges, replies or texts for what was asked.
    #[error("{what}")]
    TooFew {
        /// How many there are, and for what they are too few.
        what: String,
        /// What to do about it.
        remedy: Remedy,
    },
    /// There is no training to go on with.
    #[error("there is no run to resume in {}", path.display())]
    NoRun {
        /// The run's folder.
        path: PathBuf,
    },
    /// The training is finished: there is nothing to go on with.
    #[error("the run in {} is finished: there is nothing to resume", path.display())]
    Finished {
        /// The run's folder.
        path: PathBuf,
    },
    /// Somebody else writes to the same folder.
    #[error("another {what} writes to {}", path.display())]
    Busy {
        /// What else it is.
        what: &'static str,
        /// The folder.
        path: PathBuf,
    },
    /// A training was begun with other exchanges than it is to go on with.
    #[error("the exchanges have changed since this run was begun: it cannot be resumed")]
    OtherExchanges,
    /// No GPU can be computed on.
    #[error("{what}")]
    Gpu {
        /// Why.
        what: String,
        /// What to do about it.
        remedy: Remedy,
    },
    /// An encoder could not be had.
    #[error("{what}")]
    Hub {
        /// Which, what was tried, and why it failed.
        what: String,
        /// How to go on.
        remedy: Remedy,
    },
    /// A store of replies beyond this machine could not be used.
    #[error("{place}: {what}")]
    Store {
        /// Its address, without a password.
        place: String,
        /// What was tried, and why it failed.
        what: String,
        /// How to go on.
        remedy: Remedy,
    },
    /// A chart could not be drawn.
    #[error("cannot draw {}: {what}", path.display())]
    Chart {
        /// The picture.
        path: PathBuf,
        /// The drawing library's own words.
        what: String,
    },
    /// Training left the numbers. What was saved before stands.
    #[error(
        "training diverged after step {step}, at a learning rate of {lr}: the loss or its gradient is \
         no number any more"
    )]
    Diverged {
        /// Steps taken before.
        step: u64,
        /// The learning rate at its peak.
        lr: f64,
    },
    /// A model computes what is no number.
    #[error(
        "the {model} computes what is no number: its weights are damaged, or its training has failed"
    )]
    NoNumber {
        /// "bi-encoder", "cross-encoder".
        model: &'static str,
    },
    /// The work was told to stop, see [`crate::watch::Watch::stop`].
    #[error("interrupted")]
    Interrupted {
        /// Whether there is a checkpoint of this run to go on from.
        saved: bool,
    },
    /// The library was called in a way that cannot work: a programmer's error.
    #[error("{0}")]
    Misuse(String),
    /// A tensor operation failed.
    #[error("a tensor operation failed")]
    Tensor(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// What to do about it, where that is known.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Data { remedy, .. }
            | Self::Model { remedy, .. }
            | Self::NotMade { remedy, .. }
            | Self::Exists { remedy, .. }
            | Self::Setting { remedy, .. }
            | Self::TooFew { remedy, .. }
            | Self::Gpu { remedy, .. }
            | Self::Hub { remedy, .. }
            | Self::Store { remedy, .. } => remedy.clone(),
            Self::NoRun { .. } => Remedy::Begin,
            Self::Busy { .. } => "wait for it, or stop it first".into(),
            Self::NoNumber { .. } => {
                "train it anew, or copy it again from where it came from".into()
            }
            Self::OtherExchanges | Self::Finished { .. } => Remedy::Restart,
            Self::Diverged { .. } => Remedy::Either(vec![
                Remedy::Change(Setting::LearningRate, "a smaller"),
                Remedy::Change(Setting::Warmup, "a longer"),
            ]),
            Self::Io { .. }
            | Self::Chart { .. }
            | Self::Interrupted { .. }
            | Self::Misuse(_)
            | Self::Tensor(_) => Remedy::None,
        }
    }

    /// A choice that makes no sense, and what to choose instead.
    pub(crate) fn setting(what: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self::Setting {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// Too few of something, and what to do about it.
    pub(crate) fn too_few(what: impl Into<String>, remedy: impl Into<Remedy>) -> Self {
        Self::TooFew {
            what: what.into(),
            remedy: remedy.into(),
        }
    }

    /// What is wrong with a model's file or folder, and what to do about it.
    pub(crate) fn model(
        path: impl AsRef<Path>,
        what: impl Into<String>,
        remedy: impl Into<Remedy>,
    ) -> Self {
        Self::Model {
            path: path.as_ref().to_path_buf(),
            what: what.into(),
            remedy: remedy.into(),
        }
    }
}

#[doc(hidden)]
impl From<candle_core::Error> for Error {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(Box::new(error))
    }
}

/// Adds the path and the action to an I/O result.
pub(crate) trait IoContext<T> {
    /// `action` is a verb that fits "cannot … PATH".
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T> IoContext<T> for std::io::Result<T> {
    fn at(self, action: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|source| Error::Io {
            action,
            path: path.as_ref().to_path_buf(),
            source,
        })
    }
}
