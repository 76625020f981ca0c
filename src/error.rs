//! What can go wrong, said so that a person knows what to do next.

use std::path::{Path, PathBuf};

/// The library's result.
pub type Result<T> = std::result::Result<T, Error>;

/// Every error says what is wrong, where, and, where we know it, what to do. The cause, if it has
/// one, is its source: print the chain.
#[derive(Debug, thiserror::Error)]
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
    #[error("{}{}: {what}\n  {help}", path.display(), row.map(|r| format!(", row {r}")).unwrap_or_default())]
    Data {
        /// The file.
        path: PathBuf,
        /// 1-based row in the file, the header counted, where there is one.
        row: Option<u64>,
        /// What is wrong.
        what: String,
        /// What to do about it.
        help: String,
    },
    /// A model folder, a checkpoint or an index cannot be used.
    #[error("{}: {what}", path.display())]
    Model {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong, and what to do.
        what: String,
    },
    /// What a command needs has not been made yet.
    #[error("there is no {what} in {}\n  make it with `{command}`", path.display())]
    NotMade {
        /// "bi-encoder", "index", "exchanges", …
        what: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// The command that makes it.
        command: &'static str,
    },
    /// Something trained stands where this would be written.
    #[error("{} exists already\n  {help}", path.display())]
    Exists {
        /// The folder.
        path: PathBuf,
        /// How to go on.
        help: String,
    },
    /// A setting that makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The hub could not give what was asked.
    #[error("{0}")]
    Hub(String),
    /// A chart could not be drawn.
    #[error("cannot draw {}: {what}", path.display())]
    Chart {
        /// The picture.
        path: PathBuf,
        /// The drawing library's own words.
        what: String,
    },
    /// Training left the numbers.
    #[error(
        "training diverged after step {step}: the loss or its gradient is no number any more\n  \
             what was saved before stands; train anew with `--force` and a smaller `--lr` (it was {lr}) or a longer `--warmup`"
    )]
    Diverged {
        /// Steps taken before.
        step: u64,
        /// The learning rate at its peak.
        lr: f64,
    },
    /// Ctrl-C.
    #[error("interrupted")]
    Interrupted {
        /// Whether there is a checkpoint of this run to go on from.
        saved: bool,
    },
    /// An error inside candle, with what was being done.
    #[error("a tensor operation failed")]
    Candle(#[from] candle_core::Error),
}

/// Adds the path and the action to an I/O result.
pub trait IoContext<T> {
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
