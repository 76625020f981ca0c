//! Tiny models made on the spot, for tests.

use std::path::Path;

use serde_json::{Value, json};

use super::tensors::{Precision, write_safetensors};
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::files;
use crate::nn::config::{Config, Family};
use crate::nn::weights::{Weights, encoder_specs};

/// Writes a complete model folder with random weights: hidden 32, 2 layers of 4 heads,
/// intermediate 64, 64 positions. Its vocabulary is the special tokens, letters, digits and
/// punctuation, so that any ASCII text can be tokenized, and `words` whole.
///
/// # Errors
/// A file cannot be written.
pub fn tiny_encoder_folder(folder: &Path, family: Family, words: &[&str], seed: u64) -> Result<()> {
    let vocab = tiny_vocab(words);
    let config = tiny_config(family, vocab.len())?;
    let weights = Weights::random(&config, seed);
    let tensors: Vec<_> = encoder_specs(&config)
        .into_iter()
        .zip(&weights.values)
        .map(|(spec, values)| (spec.name, spec.shape, values.to_f32()))
        .collect();
    write_safetensors(&folder.join("model.safetensors"), &tensors, Precision::F32)?;
    files::write_json(&folder.join("config.json"), &config.raw)?;
    Tokenizer::from_vocab(&vocab)?.save(folder, config.max_positions)
}

/// Special tokens, every printable ASCII character alone and as the rest of a word, and `words`.
pub fn tiny_vocab(words: &[&str]) -> Vec<String> {
    let characters = (b'!'..=b'~')
        .map(char::from)
        .filter(|character| !character.is_ascii_uppercase());
    let mut vocab: Vec<String> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        .map(String::from)
        .into();
    for character in characters {
        vocab.push(character.to_string());
        if character.is_ascii_alphanumeric() {
            vocab.push(format!("##{character}"));
        }
    }
    for word in words {
        if !vocab.iter().any(|known| known == word) {
            vocab.push((*word).to_owned());
        }
    }
    vocab
}

/// The architecture of [`tiny_encoder_folder`], for a vocabulary of that many entries.
///
/// # Errors
/// There is no entry.
pub fn tiny_config(family: Family, vocab: usize) -> Result<Config> {
    let raw: Value = match family {
        Family::Bert => json!({
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": vocab,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 64,
            "hidden_act": "gelu",
            "max_position_embeddings": 64,
            "type_vocab_size": 2,
            "layer_norm_eps": 1e-12,
            "hidden_dropout_prob": 0.1,
            "attention_probs_dropout_prob": 0.1,
            "pad_token_id": 0,
        }),
        Family::DistilBert => json!({
            "architectures": ["DistilBertModel"],
            "model_type": "distilbert",
            "vocab_size": vocab,
            "dim": 32,
            "n_layers": 2,
            "n_heads": 4,
            "hidden_dim": 64,
            "activation": "gelu",
            "max_position_embeddings": 64,
            "dropout": 0.1,
            "attention_dropout": 0.1,
            "pad_token_id": 0,
        }),
    };
    Config::from_json(raw).map_err(Error::Misuse)
}
