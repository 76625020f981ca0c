//! A tokenizer with fewer tokens.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value};

use super::Tokenizer;
use crate::error::{Error, Result};

impl Tokenizer {
    /// Every token with its id, in the order of the ids.
    pub fn vocabulary(&self) -> BTreeMap<u32, String> {
        let vocabulary = self.inner.get_vocab(true).into_iter();
        vocabulary.map(|(token, id)| (id, token)).collect()
    }

    /// The ids of the special tokens, which are never read out of a text.
    pub fn special_ids(&self) -> BTreeSet<u32> {
        let added = self.inner.get_added_tokens_decoder().into_iter();
        added
            .filter(|(_, token)| token.special)
            .map(|(id, _)| id)
            .collect()
    }

    /// The same tokenizer with the tokens `kept` only; a token's new id is its place in `kept`.
    ///
    /// # Errors
    /// It is no WordPiece tokenizer, or a special token that a sequence needs is not kept.
    pub fn cut(&self, kept: &[u32]) -> Result<Self> {
        let text = self.inner.to_string(false).map_err(refused)?;
        let mut json: Value = serde_json::from_str(&text).map_err(refused)?;
        if json["model"]["type"] != "WordPiece" {
            return Err(Error::Setting(format!(
                "homer cuts the vocabulary of WordPiece tokenizers, and this one is {}",
                json["model"]["type"]
            )));
        }
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
        let processor = &mut json["post_processor"];
        if let Some(special) = processor["special_tokens"].as_object_mut() {
            for token in special.values_mut() {
                for id in token["ids"].as_array_mut().into_iter().flatten() {
                    *id = place(id).into();
                }
            }
        }
        for role in ["sep", "cls"] {
            if let Some(id) = processor.get_mut(role).and_then(|token| token.get_mut(1)) {
                *id = place(id).into();
            }
        }

        let inner = json.to_string().parse().map_err(refused)?;
        let mut settings = self.settings.clone();
        if let Some(decoder) = settings["added_tokens_decoder"].as_object_mut() {
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
        Self::new(inner, settings, None).map_err(Error::Setting)
    }
}

fn refused(source: impl std::fmt::Display) -> Error {
    Error::Setting(format!("the tokenizer cannot be cut: {source}"))
}
