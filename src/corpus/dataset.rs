//! What `prepare` writes and everything else reads: exchanges and the pool of replies.

use std::collections::HashMap;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::columns::{Columns, Named};
use super::formats::Format;
use super::split::Split;
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Step};
use crate::files;
use crate::folder::Folder;

/// Seconds of silence after which a chat's next message begins a scene, unless the user says otherwise.
pub(crate) const GAP: u64 = 3600;

/// What the character is called where everybody is one.
pub(crate) const EVERYONE: &str = "everyone";

/// A distinct reply of the character: what the index holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The text.
    pub text: String,
    /// The exchanges that it answers, by id; empty for a line that answers nobody.
    pub exchanges: Vec<usize>,
}

/// The distinct texts, in order, with the exchanges that each answers.
pub(super) fn pool<'a>(texts: impl IntoIterator<Item = (&'a str, Option<usize>)>) -> Vec<Reply> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut replies: Vec<Reply> = Vec::new();
    for (text, exchange) in texts {
        let place = *places.entry(text).or_insert_with(|| {
            replies.push(Reply {
                text: text.to_owned(),
                exchanges: Vec::new(),
            });
            replies.len() - 1
        });
        if let Some(reply) = replies.get_mut(place) {
            reply.exchanges.extend(exchange);
        }
    }
    replies
}

/// How the dataset was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetSettings {
    /// The file that was read, as given.
    pub source: String,
    /// The character; of [`EVERYONE`], the whole cast.
    pub character: String,
    /// Whether the replies are everybody's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub everyone: bool,
    /// The seed of the split and of the bad replies.
    pub seed: u64,
    /// The columns that were read.
    #[serde(default)]
    pub columns: Option<Columns>,
    /// The columns that the user named: they hold for other files of this kind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub named: Named,
    /// The format that the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Seconds of silence after which a chat's next message begins a scene.
    #[serde(default = "usual_gap")]
    pub gap: u64,
    /// The encoding that the user named; without, UTF-8 or what the byte order mark says.
    #[serde(default)]
    pub encoding: Option<String>,
    /// Turns before the query that are kept, at most.
    #[serde(default)]
    pub context_turns: usize,
    /// Good replies an exchange, at most.
    #[serde(default)]
    pub good: usize,
    /// Bad replies an exchange, at most.
    #[serde(default)]
    pub bad: usize,
    /// How exchanges were divided.
    #[serde(default)]
    pub split: Split,
}

/// Of datasets that do not say it.
fn usual_gap() -> u64 {
    GAP
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// What `prepare` writes, read back.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// How it was made.
    pub settings: DatasetSettings,
    /// For training.
    pub train: Vec<Exchange>,
    /// For choosing.
    pub valid: Vec<Exchange>,
    /// For reporting, once.
    pub test: Vec<Exchange>,
    /// Every distinct reply of the character, in the order of the source.
    pub pool: Vec<Reply>,
}

/// How the dataset was made.
pub(crate) const SETTINGS: &str = "settings.json";
/// Exchanges for training, a line each.
pub(crate) const TRAIN: &str = "train.jsonl";
/// Exchanges for choosing.
pub(crate) const VALID: &str = "valid.jsonl";
/// Exchanges for reporting.
pub(crate) const TEST: &str = "test.jsonl";
/// Every distinct reply.
pub(crate) const POOL: &str = "pool.jsonl";
/// What is told about it: as data, as text, as a picture.
pub(super) const REPORTS: [&str; 3] = ["report.json", "report.txt", "report.png"];

/// A file of the folder, a value a line, of which `keep` keeps what is needed.
fn part<T: DeserializeOwned>(folder: &Path, name: &str, keep: impl Fn(T) -> T) -> Result<Vec<T>> {
    let path = folder.join(name);
    files::is_plain(&path)?;
    files::read_lines(&path, keep)
}

impl Dataset {
    /// Whether there is a dataset in `folder`.
    pub(crate) fn is_there(folder: &Path) -> bool {
        folder.join(SETTINGS).is_file()
    }

    /// Reads the folder that `prepare` wrote.
    ///
    /// # Errors
    /// [`Error::NotMade`] where there is none; a malformed file, with its line.
    pub fn load(folder: &Path) -> Result<Self> {
        let whole = |exchange| exchange;
        Folder::from(folder).steadily(SETTINGS, || Self::load_once(folder, whole, whole))
    }

    /// The same as far as training reads it, see [`Exchange::lean`]: a third of the memory. What is held out
    /// keeps its whole context, for nobody repeats what was just said.
    ///
    /// # Errors
    /// As [`Dataset::load`].
    pub fn load_lean(folder: &Path) -> Result<Self> {
        Folder::from(folder).steadily(SETTINGS, || {
            Self::load_once(folder, Exchange::lean, Exchange::without_others)
        })
    }

    fn load_once(
        folder: &Path,
        train: impl Fn(Exchange) -> Exchange,
        held_out: impl Fn(Exchange) -> Exchange,
    ) -> Result<Self> {
        if !files::is_there(&folder.join(SETTINGS))? {
            return Err(Error::NotMade {
                what: "prepared dialogue",
                path: folder.to_path_buf(),
                remedy: Remedy::Make(Step::Prepare),
            });
        }
        Ok(Self {
            settings: files::read_json(&folder.join(SETTINGS))?,
            train: part(folder, TRAIN, train)?,
            valid: part(folder, VALID, &held_out)?,
            test: part(folder, TEST, &held_out)?,
            pool: part(folder, POOL, |reply| reply)?,
        })
    }

    /// Every exchange, in the order of the source.
    pub fn exchanges(&self) -> Vec<&Exchange> {
        let mut all: Vec<&Exchange> = self
            .train
            .iter()
            .chain(&self.valid)
            .chain(&self.test)
            .collect();
        all.sort_by_key(|exchange| exchange.id);
        all
    }
}
