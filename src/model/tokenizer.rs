//! Text to tokens, as the models see it.

use std::path::Path;

use super::packed::Tokens;
use crate::error::Result;

/// A query with the turns before it, as text.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Turns before the query, oldest first.
    pub context: &'a [String],
    /// The turn to answer.
    pub text: &'a str,
}

/// The tokenizer of a model folder.
pub struct Tokenizer {}

impl Tokenizer {
    /// Reads `tokenizer.json`, else builds a WordPiece tokenizer from `vocab.txt`.
    pub fn load(_folder: &Path) -> Result<Self> {
        todo!()
    }

    /// `[CLS] context… query [SEP]`, at most `max` tokens; what is cut is cut from the oldest end.
    pub fn query(&self, _query: Query<'_>, _max: usize) -> Result<Tokens> {
        todo!()
    }

    /// `[CLS] text [SEP]`, at most `max` tokens; what is cut is cut from the end.
    pub fn text(&self, _text: &str, _max: usize) -> Result<Tokens> {
        todo!()
    }

    /// `[CLS] context… query [SEP] reply [SEP]`, at most `max` tokens, types 0 and 1.
    pub fn pair(&self, _query: Query<'_>, _reply: &str, _max: usize) -> Result<Tokens> {
        todo!()
    }

    /// Copies the tokenizer's files to another model folder.
    pub fn save(&self, _folder: &Path) -> Result<()> {
        todo!()
    }
}
