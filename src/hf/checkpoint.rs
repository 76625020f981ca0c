//! The weights of a model folder, matched strictly: nothing is made up where a tensor is missing,
//! and nothing that homer does not know is passed over in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::difference;
use super::pickle::read_pickle;
use super::tensors::{Stored, parse_safetensors};
use crate::error::{Error, Remedy, Result};
use crate::folder::{self, Folder};
use crate::nn::config::{Config, Family};
use crate::nn::weights::{Spec, Values, Weights, encoder_specs};
use crate::text::printable::printable;

/// The tensors of a model folder, by name.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    path: PathBuf,
    /// What stands before the encoder's names: `bert.`, `distilbert.` or nothing.
    prefix: &'static str,
    tensors: BTreeMap<String, Stored>,
}

/// What else checkpoints of the two families hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeadKind {
    /// Predicts masked words, in pretraining.
    MaskedLanguage,
    /// Predicts whether a sentence follows another, in pretraining.
    NextSentence,
    /// Marks an answer in a text.
    QuestionAnswering,
    /// Classifies or scores a text or a pair.
    Classifier,
    /// Maps the first token's state, between encoder and classifier.
    Pooler,
}

impl HeadKind {
    /// The head that a name, without the encoder's prefix, belongs to.
    fn of(name: &str) -> Option<Self> {
        let belongs = |stems: &[&str]| stems.iter().any(|stem| name.starts_with(stem));
        if belongs(&["cls.seq_relationship."]) {
            Some(Self::NextSentence)
        } else if belongs(&["cls.", "vocab_"]) {
            Some(Self::MaskedLanguage)
        } else if belongs(&["qa_outputs."]) {
            Some(Self::QuestionAnswering)
        } else if belongs(&["classifier.", "pre_classifier."]) {
            Some(Self::Classifier)
        } else if belongs(&["pooler."]) {
            Some(Self::Pooler)
        } else {
            None
        }
    }
}

impl fmt::Display for HeadKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::MaskedLanguage => "the masked-language-model head",
            Self::NextSentence => "the next-sentence head",
            Self::QuestionAnswering => "the question-answering head",
            Self::Classifier => "the classifier",
            Self::Pooler => "the pooler",
        })
    }
}

/// What the families put before the encoder's names when a head stands beside it.
const PREFIXES: [&str; 2] = ["bert.", "distilbert."];

/// Weight files of a model folder, the first that is there is read.
pub(crate) const SAFETENSORS: &str = "model.safetensors";
const SHARDS: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";

/// The name of the file that a model folder's weights are read from, if it has one.
pub(crate) fn weights_name(folder: &Folder) -> Option<&'static str> {
    let names = [SAFETENSORS, SHARDS, PICKLE];
    names.into_iter().find(|name| folder.has(name))
}

/// Bytes of a model folder's weights; of sharded ones, their list's.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn weights_bytes(folder: &Folder) -> Result<u64> {
    match weights_name(folder) {
        Some(file) => Ok(folder.map(file)?.len() as u64),
        None => Ok(0),
    }
}

/// The file that the weights of a model folder on disk are read from, if it has one.
pub(crate) fn weights_file(folder: &Path) -> Option<PathBuf> {
    weights_name(&folder.into()).map(|name| folder.join(name))
}

#[derive(Deserialize)]
struct Shards {
    weight_map: BTreeMap<String, String>,
}

impl Checkpoint {
    /// Opens the weights of a model folder: `model.safetensors`, in one file or in shards, else
    /// `pytorch_model.bin`.
    ///
    /// # Errors
    /// There are none, or a file is damaged, with its name.
    pub fn open(folder: impl Into<Folder>) -> Result<Self> {
        let folder = &folder.into();
        let Some(name) = weights_name(folder) else {
            return Err(Error::model(
                folder.to_path_buf(),
                format!("no weights in it: no {SAFETENSORS} and no {PICKLE}"),
                Remedy::None,
            ));
        };
        let path = folder.path(name);
        let stored = match name {
            SHARDS => read_shards(folder)?,
            PICKLE => read_pickle(&path)?,
            _ => parse_safetensors(&folder.map(name)?, &path)?,
        };
        let tensors: BTreeMap<_, _> = stored
            .into_iter()
            .map(|tensor| (modern(&tensor.name), tensor))
            .collect();
        let prefix = PREFIXES
            .into_iter()
            .find(|prefix| {
                tensors
                    .keys()
                    .any(|name| name.starts_with(&format!("{prefix}embeddings.")))
            })
            .unwrap_or("");
        Ok(Self {
            path,
            prefix,
            tensors,
        })
    }

    /// The same with what the file `name` of `folder` holds beside it added, see [`difference`](super::difference).
    ///
    /// # Errors
    /// It is damaged, or of another model.
    pub(crate) fn with_difference(mut self, folder: &Folder, name: &str) -> Result<Self> {
        let path = folder.path(name);
        let difference = parse_safetensors(&folder.map(name)?, &path)?;
        difference::add(&mut self.tensors, difference)
            .map_err(|what| Error::model(path, printable(&what), Remedy::None))?;
        Ok(self)
    }

    /// The encoder's weights, every one of them.
    ///
    /// # Errors
    /// Tensors are missing, have another shape than `config` asks for, or belong to nothing that
    /// homer knows: one error names them.
    pub fn encoder(&self, config: &Config) -> Result<Weights> {
        let specs = encoder_specs(config);
        let mut wrong = Wrong::default();
        let mut values = Vec::with_capacity(specs.len());
        let mut known = BTreeSet::new();
        for spec in &specs {
            let name = format!("{}{}", self.prefix, spec.name);
            values.extend(wrong.take(self.tensors.get(&name), spec, &name));
            known.insert(name);
        }
        for (name, tensor) in &self.tensors {
            let buffer = tensor.values.is_none() || name.ends_with("position_ids");
            if !known.contains(name) && !buffer && HeadKind::of(bare(name)).is_none() {
                wrong.unexpected.push(name.clone());
            }
        }
        if wrong.any() {
            let family = match config.family {
                Family::Bert => "bert",
                Family::DistilBert => "distilbert",
            };
            return Err(self.error(format!(
                "does not hold the encoder that config.json describes ({family}, {} layers, hidden size {}){wrong}",
                config.layers, config.hidden
            )));
        }
        Ok(Weights {
            config: config.clone(),
            values,
        })
    }

    /// The tensors of a head, in the order of `specs`, under their names with or without the
    /// encoder's prefix; `None` when there is not one of them.
    ///
    /// # Errors
    /// Only some are there, or a shape is another: the error names them.
    pub fn named(&self, specs: &[Spec]) -> Result<Option<Vec<Values>>> {
        let mut wrong = Wrong::default();
        let mut values = Vec::with_capacity(specs.len());
        for spec in specs {
            let prefixed = format!("{}{}", self.prefix, spec.name);
            let tensor = self.tensors.get(&spec.name);
            let tensor = tensor.or_else(|| self.tensors.get(&prefixed));
            values.extend(wrong.take(tensor, spec, &spec.name));
        }
        if values.is_empty() && wrong.shapes.is_empty() {
            return Ok(None);
        }
        if wrong.any() {
            return Err(self.error(format!(
                "holds a head, but not the one that is needed{wrong}"
            )));
        }
        Ok(Some(values))
    }

    /// Whether it holds a tensor of such a head.
    pub(crate) fn has(&self, head: HeadKind) -> bool {
        let mut names = self.tensors.keys();
        names.any(|name| HeadKind::of(bare(name)) == Some(head))
    }

    /// Says in one line what in the file was not used, heads other than `used`; `None` when
    /// that is nothing. For instance "5 tensors of the masked-language-model head".
    pub fn left_out(&self, used: &[HeadKind]) -> Option<String> {
        let mut counts = BTreeMap::new();
        for name in self.tensors.keys() {
            if let Some(head) = HeadKind::of(bare(name)).filter(|head| !used.contains(head)) {
                *counts.entry(head).or_insert(0) += 1;
            }
        }
        let parts: Vec<_> = counts
            .into_iter()
            .map(|(head, count)| {
                let plural = if count == 1 { "" } else { "s" };
                format!("{count} tensor{plural} of {head}")
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    fn error(&self, what: String) -> Error {
        Error::model(&self.path, what, Remedy::None)
    }
}

/// What the name of the word embeddings ends with.
const WORDS: &str = "word_embeddings.weight";

/// Tensors of one kind that an error names, at most.
const NAMED: usize = 20;

/// What does not match.
#[derive(Default)]
struct Wrong {
    missing: Vec<String>,
    shapes: Vec<String>,
    unexpected: Vec<String>,
    /// Those that hold what is no number.
    nan: Vec<String>,
}

impl Wrong {
    /// The values of a tensor that is as `spec` says; what is wrong with it is noted.
    fn take(&mut self, tensor: Option<&Stored>, spec: &Spec, name: &str) -> Option<Values> {
        match tensor.and_then(|tensor| tensor.values.as_ref().map(|values| (tensor, values))) {
            None => self.missing.push(name.to_owned()),
            Some((tensor, _)) if tensor.shape != spec.shape => self.shapes.push(format!(
                "{name} is {:?} and should be {:?}",
                tensor.shape, spec.shape
            )),
            Some((_, values)) => {
                // The rows of the one large table are looked at by what comes out of the encoder, if they are
                // used at all: all of it need not be in memory.
                if !spec.name.ends_with(WORDS) && !values.are_numbers() {
                    self.nan.push(name.to_owned());
                }
                return Some(values.clone());
            }
        }
        None
    }

    fn any(&self) -> bool {
        let all = [&self.missing, &self.shapes, &self.unexpected, &self.nan];
        all.into_iter().any(|names| !names.is_empty())
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, names) in [
            ("missing", &self.missing),
            ("of another shape", &self.shapes),
            ("unexpected", &self.unexpected),
            ("holds what is no number", &self.nan),
        ] {
            if names.is_empty() {
                continue;
            }
            let first = names.iter().take(NAMED).map(|name| printable(name));
            write!(out, "\n  {what}: {}", first.collect::<Vec<_>>().join(", "))?;
            if let Some(more @ 1..) = names.len().checked_sub(NAMED) {
                write!(out, ", and {more} more")?;
            }
        }
        Ok(())
    }
}

/// A name without the encoder's prefix.
fn bare(name: &str) -> &str {
    PREFIXES
        .into_iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name)
}

/// Layer norms were called gamma and beta once, as in the first BERT checkpoints.
fn modern(name: &str) -> String {
    match name.rsplit_once('.') {
        Some((stem, "gamma")) => format!("{stem}.weight"),
        Some((stem, "beta")) => format!("{stem}.bias"),
        _ => name.to_owned(),
    }
}

/// The tensors of all files that a shard index names.
fn read_shards(folder: &Folder) -> Result<Vec<Stored>> {
    let shards: Shards = folder.json(SHARDS)?;
    let names: BTreeSet<_> = shards.weight_map.into_values().collect();
    let mut tensors = Vec::new();
    for name in names {
        if !folder::is_file_name(&name) {
            return Err(Error::model(
                folder.path(SHARDS),
                format!("{name:?} is not the name of a file beside it"),
                Remedy::None,
            ));
        }
        tensors.extend(parse_safetensors(&folder.map(&name)?, &folder.path(&name))?);
    }
    Ok(tensors)
}
