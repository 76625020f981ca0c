//! Text to tokens, as the models see it.
//!
//! Sequences are put together here, token by token, rather than by the tokenizer's own template:
//! what is dropped when a sequence is too long depends on which part of a conversation it is.

mod accept;
mod cut;
mod load;

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Value, json};

use crate::dialogue::Query;
use crate::error::{Error, IoContext, Remedy, Result, Setting};
use crate::files;
use crate::nn::packed::Tokens;

/// A query's tokens, and those of the turn before it where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryTokens {
    /// The turn to answer.
    pub text: Tokens,
    /// The turn before it.
    pub context: Option<Tokens>,
}

/// The tokenizer of a model folder.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// `[CLS]`, begins every sequence.
    cls: u32,
    /// `[SEP]`, ends every part of it.
    sep: u32,
    /// `[UNK]`, stands for what is in no vocabulary.
    unknown: u32,
    /// `tokenizer_config.json` as it was read, written back with the trained model.
    settings: Value,
    /// `vocab.txt` as it was read, where there was one.
    vocab: Option<String>,
}

/// The special tokens that every BERT vocabulary holds, with their names in Hugging Face's files.
const SPECIAL: [(&str, &str); 4] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
];

/// `[MASK]` is special too, but a model can do without.
const MASK: (&str, &str) = ("mask_token", "[MASK]");

impl Tokenizer {
    /// Number of entries in the vocabulary.
    pub fn entries(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// How many embeddings an encoder needs for it: one more than its largest id.
    pub fn ids(&self) -> usize {
        let vocabulary = self.inner.get_vocab(true);
        let largest = vocabulary.into_values().max();
        largest.map_or(0, |id| id as usize + 1)
    }

    /// Which share of the words' tokens of `texts` the vocabulary does not have, 0 to 1.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn unknown(&self, texts: &[&str]) -> Result<f64> {
        let counts = texts.par_iter().map(|text| -> Result<(usize, usize)> {
            let words = self.words(text)?;
            let unknown = words.iter().filter(|id| **id == self.unknown);
            Ok((unknown.count(), words.len()))
        });
        let add = |a: (usize, usize), b: (usize, usize)| Ok((a.0 + b.0, a.1 + b.1));
        let (unknown, all) = counts.try_reduce(|| (0, 0), add)?;
        Ok(unknown as f64 / all.max(1) as f64)
    }

    /// `[CLS] query [SEP]` and, of the newest turn before it that has words, `[CLS] turn [SEP]`,
    /// each at most `max` tokens; what is cut is cut from the beginning.
    ///
    /// # Errors
    /// `max` leaves no room for a token, or the tokenizer fails.
    pub fn query(&self, query: Query<'_>, max: usize) -> Result<QueryTokens> {
        let room = room(max, 2)?;
        let newest = |ids: &[u32]| self.assemble(last(ids, room), None);
        Ok(QueryTokens {
            text: newest(&self.words(query.text)?),
            context: self.before(query)?.map(|words| newest(&words)),
        })
    }

    /// `[CLS] text [SEP]`, at most `max` tokens; what is cut is cut from the end.
    ///
    /// # Errors
    /// As [`Tokenizer::query`].
    pub fn text(&self, text: &str, max: usize) -> Result<Tokens> {
        let room = room(max, 2)?;
        let ids = self.words(text)?;
        Ok(self.assemble(first(&ids, room), None))
    }

    /// `[CLS] turn before [SEP] query [SEP] reply [SEP]`, at most `max` tokens, types 0 and 1. When it is
    /// too long, the reply keeps its beginning, half of the room or all that the query leaves,
    /// and the query with its context keeps its newest tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::query`].
    pub fn pair(&self, query: Query<'_>, reply: &str, max: usize) -> Result<Tokens> {
        self.join(&self.turns(query)?, &self.words(reply)?, max)
    }

    /// [`Tokenizer::pair`] of a query's [`Tokenizer::turns`] and a reply's [`Tokenizer::words`],
    /// for those who read the same texts again and again.
    ///
    /// # Errors
    /// `max` leaves no room for a token.
    pub(crate) fn join(&self, turns: &[u32], reply: &[u32], max: usize) -> Result<Tokens> {
        let room = room(max, 3)?;
        let for_reply = room.saturating_sub(turns.len()).max(room / 2);
        let reply = first(reply, for_reply);
        let turns = newest(turns, room - reply.len(), self.sep);
        Ok(self.assemble(turns, Some(reply)))
    }

    /// [`Tokenizer::query`] of many, in their order, on all cores.
    ///
    /// # Errors
    /// As [`Tokenizer::query`].
    pub(crate) fn queries(&self, queries: &[Query<'_>], max: usize) -> Result<Vec<QueryTokens>> {
        let tokens = queries.par_iter().map(|&query| self.query(query, max));
        tokens.collect()
    }

    /// [`Tokenizer::text`] of many, in their order, on all cores.
    ///
    /// # Errors
    /// As [`Tokenizer::text`].
    pub fn texts(&self, texts: &[&str], max: usize) -> Result<Vec<Tokens>> {
        texts.par_iter().map(|text| self.text(text, max)).collect()
    }

    /// [`Tokenizer::pair`] of many, in their order, on all cores.
    ///
    /// # Errors
    /// As [`Tokenizer::pair`].
    pub(crate) fn pairs(&self, pairs: &[(Query<'_>, &str)], max: usize) -> Result<Vec<Tokens>> {
        let tokens = pairs
            .par_iter()
            .map(|&(query, reply)| self.pair(query, reply, max));
        tokens.collect()
    }

    /// Writes the tokenizer's files to a model folder, for a model that reads at most
    /// `max_length` tokens.
    ///
    /// # Errors
    /// A file cannot be written.
    #[allow(
        clippy::indexing_slicing,
        reason = "keys of JSON objects: where there is none it is made, or read as null"
    )]
    pub fn save(&self, folder: &Path, max_length: usize) -> Result<()> {
        let path = folder.join("tokenizer.json");
        let text = self
            .inner
            .to_string(true)
            .map_err(|source| wrong(&path, source.to_string()))?;
        write_text(path, &text)?;

        let mut special = json!({});
        for (key, name) in SPECIAL.into_iter().chain([MASK]) {
            if self.inner.token_to_id(name).is_some() {
                special[key] = name.into();
            }
        }
        let mut settings = self.settings.clone();
        if settings["tokenizer_class"].as_str().is_none() {
            settings["tokenizer_class"] = "BertTokenizer".into();
        }
        settings["model_max_length"] = max_length.into();
        if let (Some(settings), Some(special)) = (settings.as_object_mut(), special.as_object()) {
            settings.shift_remove("name_or_path");
            for (key, name) in special {
                settings.entry(key).or_insert(name.clone());
            }
        }
        files::write_json(&folder.join("tokenizer_config.json"), &settings)?;
        files::write_json(&folder.join("special_tokens_map.json"), &special)?;
        match &self.vocab {
            Some(vocab) => write_text(folder.join("vocab.txt"), vocab),
            None => Ok(()),
        }
    }

    /// The ids of a text's words, with no special token.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub fn words(&self, text: &str) -> Result<Vec<u32>> {
        self.inner
            .encode_fast(text, false)
            .map(|encoding| encoding.get_ids().to_vec())
            .map_err(|source| Error::Misuse(format!("cannot tokenize {text:?}: {source}")))
    }

    /// The ids of the newest turn before the query that has words, if there is one, `[SEP]`, and the
    /// query.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub(crate) fn turns(&self, query: Query<'_>) -> Result<Vec<u32>> {
        let mut ids = self.before(query)?.unwrap_or_default();
        if !ids.is_empty() {
            ids.push(self.sep);
        }
        ids.extend(self.words(query.text)?);
        Ok(ids)
    }

    /// The ids of the newest turn before the query that has words. Older turns are not read: they
    /// cost as much time and tell nothing.
    fn before(&self, query: Query<'_>) -> Result<Option<Vec<u32>>> {
        let mut before = query.context.iter().rev().map(|turn| self.words(turn));
        let turn = before.find(|words| !words.as_ref().is_ok_and(Vec::is_empty));
        turn.transpose()
    }

    /// `[CLS] first [SEP]`, and of segment 1 `second [SEP]`.
    fn assemble(&self, first: &[u32], second: Option<&[u32]>) -> Tokens {
        let mut ids = vec![self.cls];
        ids.extend_from_slice(first);
        ids.push(self.sep);
        let mut types = vec![0; ids.len()];
        if let Some(second) = second {
            ids.extend_from_slice(second);
            ids.push(self.sep);
            types.resize(ids.len(), 1);
        }
        Tokens { ids, types }
    }
}

/// The first `room` tokens.
fn first(ids: &[u32], room: usize) -> &[u32] {
    ids.get(..room).unwrap_or(ids)
}

/// The last `room` tokens.
fn last(ids: &[u32], room: usize) -> &[u32] {
    ids.get(ids.len().saturating_sub(room)..).unwrap_or(ids)
}

/// The last `room` tokens, less a separator that would come first.
fn newest(ids: &[u32], room: usize, sep: u32) -> &[u32] {
    match last(ids, room) {
        [first, rest @ ..] if *first == sep => rest,
        kept => kept,
    }
}

/// Tokens left beside `special` ones.
fn room(max: usize, special: usize) -> Result<usize> {
    max.checked_sub(special).filter(|&n| n > 0).ok_or_else(|| {
        Error::setting(
            format!("a longest sequence of {max} tokens leaves no room for text"),
            Remedy::choose_like(Setting::MaxLength, format!("{}", special + 1)),
        )
    })
}

fn wrong(path: &Path, what: impl Into<String>) -> Error {
    Error::model(path, what, Remedy::None)
}

fn write_text(path: PathBuf, text: &str) -> Result<()> {
    use std::io::Write;
    files::write_atomic(&path, |out| {
        out.write_all(text.as_bytes()).at("write", &path)
    })
}
