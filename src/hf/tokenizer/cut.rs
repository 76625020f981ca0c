//! A tokenizer with fewer tokens.
#![allow(
    clippy::indexing_slicing,
    reason = "keys of JSON objects that the tokenizer wrote itself"
)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::Tokenizer;
use crate::error::{Error, Result};

impl Tokenizer {
    /// Every token with its id, in the order of the ids.
    pub(crate) fn vocabulary(&self) -> BTreeMap<u32, String> {
        let vocabulary = self.inner.get_vocab(true).into_iter();
        vocabulary.map(|(token, id)| (id, token)).collect()
    }

    /// The ids of the special tokens, which are never read out of a text.
    pub(crate) fn special_ids(&self) -> BTreeSet<u32> {
        let added = self.inner.get_added_tokens_decoder().into_iter();
        added
            .filter(|(_, token)| token.special)
            .map(|(id, _)| id)
            .collect()
    }

    /// The same tokenizer with the tokens `kept` only; a token's new id is its place in `kept`.
    ///
    /// # Errors
    /// A special token that a sequence needs is not kept.
    pub(crate) fn cut(&self, kept: &[u32]) -> Result<Self> {
        let text = self.inner.to_string(false).map_err(refused)?;
        let mut json: Value = serde_json::from_str(&text).map_err(refused)?;
        let places: HashMap<u64, usize> = kept
            .iter()
            .enumerate()
            .map(|(place, &id)| (u64::from(id), place))
            .collect();
        let place = |id: &Value| id.as_u64().and_then(|id| places.get(&id).copied());

        if let Some(vocab) = json["model"]["vocab"].as_object_mut() {
            let mut tokens: Vec<(usize, &String)> = vocab
                .iter()
                .filter_map(|(token, id)| Some((place(id)?, token)))
                .collect();
            tokens.sort();
            let tokens = tokens.into_iter();
            *vocab = tokens
                .map(|(id, token)| (token.clone(), id.into()))
                .collect();
        }
        if let Some(added) = json["added_tokens"].as_array_mut() {
            added.retain(|token| place(&token["id"]).is_some());
            for token in added {
                token["id"] = place(&token["id"]).into();
            }
        }
        // `TemplateProcessing` names its tokens with a list of ids, `BertProcessing` with one.
        for tokens in ["special_tokens", "sep", "cls"] {
            if let Some(tokens) = json.pointer_mut(&format!("/post_processor/{tokens}")) {
                renumber(tokens, &place);
            }
        }

        let inner = json.to_string().parse().map_err(refused)?;
        let mut settings = self.settings.clone();
        // Not by index: that would add the key where there is none, and transformers fails on it.
        let decoder = settings.get_mut("added_tokens_decoder");
        if let Some(decoder) = decoder.and_then(Value::as_object_mut) {
            let new: Map<String, Value> = decoder
                .iter()
                .filter_map(|(id, token)| {
                    let place = places.get(&id.parse().ok()?)?;
                    Some((place.to_string(), token.clone()))
                })
                .collect();
            *decoder = new;
        }
        // tokenizer.json says it all; a vocab.txt beside it would only say it again.
        Self::new(inner, settings, None).map_err(Error::Misuse)
    }
}

/// Puts a place for every number in `value`: a post-processor has no others than ids there.
fn renumber(value: &mut Value, place: &impl Fn(&Value) -> Option<usize>) {
    match value {
        Value::Number(_) => *value = place(value).into(),
        Value::Array(values) => values.iter_mut().for_each(|value| renumber(value, place)),
        Value::Object(values) => values.values_mut().for_each(|value| renumber(value, place)),
        _ => {}
    }
}

fn refused(source: impl std::fmt::Display) -> Error {
    Error::Misuse(format!("the tokenizer cannot be cut: {source}"))
}
