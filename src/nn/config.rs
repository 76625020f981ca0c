//! The architecture of an encoder, read from Hugging Face's `config.json`.

use serde_json::Value;

use crate::error::{Error, Remedy, Result};
use crate::folder::Folder;

/// The two families of checkpoints that homer reads; they differ in names and in two details.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// `BertModel`: token types, a pooler.
    Bert,
    /// `DistilBertModel`: neither.
    DistilBert,
}

/// What is larger is no encoder that homer reads, and would take memory before its weights are looked at:
/// about a hundred times what the largest of the two families has.
const MOST: Sizes = Sizes {
    vocab: 1 << 22,
    hidden: 1 << 14,
    layers: 256,
    intermediate: 1 << 17,
    positions: 1 << 20,
    type_vocab: 1 << 10,
};

/// The numbers that decide how large an encoder is.
struct Sizes {
    vocab: usize,
    hidden: usize,
    layers: usize,
    intermediate: usize,
    positions: usize,
    type_vocab: usize,
}

/// Sizes and settings of an encoder.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Which family's names the checkpoint uses.
    pub family: Family,
    /// Entries of the vocabulary.
    pub vocab: usize,
    /// Width of the hidden states.
    pub hidden: usize,
    /// Number of layers.
    pub layers: usize,
    /// Attention heads a layer; `hidden / heads` is a head's width.
    pub heads: usize,
    /// Width inside the feed-forward block.
    pub intermediate: usize,
    /// Longest sequence that has position embeddings.
    pub max_positions: usize,
    /// Number of token types; 0 where the family has none.
    pub type_vocab: usize,
    /// Epsilon of every layer norm.
    pub norm_epsilon: f64,
    /// Dropout on embeddings and on each block's output, in training.
    pub hidden_dropout: f64,
    /// Dropout on attention probabilities, in training.
    pub attention_dropout: f64,
    /// The file as it was read, written back with the trained model.
    pub raw: Value,
}

impl Config {
    /// Reads `config.json` of a model folder.
    ///
    /// # Errors
    /// The file is missing or malformed, the family is neither BERT nor DistilBERT, a size is
    /// missing, absurd, or contradicts another, or a setting asks for what homer does not compute
    /// (another activation than erf GELU, relative positions).
    pub fn read(folder: impl Into<Folder>) -> Result<Self> {
        let folder = folder.into();
        let raw: Value = folder.json("config.json")?;
        let path = folder.path("config.json");
        Self::from_json(raw).map_err(|what| Error::model(path, what, Remedy::None))
    }

    /// The same from parsed JSON; the error is what is wrong, without the path.
    ///
    /// # Errors
    /// As [`Config::read`].
    pub fn from_json(raw: Value) -> std::result::Result<Self, String> {
        let family = match raw["model_type"].as_str() {
            Some("bert") => Family::Bert,
            Some("distilbert") => Family::DistilBert,
            Some(other) => {
                return Err(format!(
                    "model_type is {other:?}; homer reads encoders of the families bert and distilbert"
                ));
            }
            None => return Err("no model_type in it: is this an encoder's config.json?".into()),
        };
        let size = |key: &str| {
            raw[key]
                .as_u64()
                .filter(|&n| n > 0)
                .map(|n| usize::try_from(n).unwrap_or(usize::MAX))
                .ok_or_else(|| format!("{key} is missing or not a positive number"))
        };
        let real = |key: &str, default: f64| raw[key].as_f64().unwrap_or(default);
        let setting = |key: &str| raw[key].as_str().unwrap_or_default().to_owned();

        let (activation, config) = match family {
            Family::Bert => (
                setting("hidden_act"),
                Self {
                    family,
                    vocab: size("vocab_size")?,
                    hidden: size("hidden_size")?,
                    layers: size("num_hidden_layers")?,
                    heads: size("num_attention_heads")?,
                    intermediate: size("intermediate_size")?,
                    max_positions: size("max_position_embeddings")?,
                    type_vocab: size("type_vocab_size").unwrap_or(2),
                    norm_epsilon: real("layer_norm_eps", 1e-12),
                    hidden_dropout: real("hidden_dropout_prob", 0.1),
                    attention_dropout: real("attention_probs_dropout_prob", 0.1),
                    raw: Value::Null,
                },
            ),
            Family::DistilBert => (
                setting("activation"),
                Self {
                    family,
                    vocab: size("vocab_size")?,
                    hidden: size("dim")?,
                    layers: size("n_layers")?,
                    heads: size("n_heads")?,
                    intermediate: size("hidden_dim")?,
                    max_positions: size("max_position_embeddings")?,
                    type_vocab: 0,
                    norm_epsilon: 1e-12,
                    hidden_dropout: real("dropout", 0.1),
                    attention_dropout: real("attention_dropout", 0.1),
                    raw: Value::Null,
                },
            ),
        };
        if !matches!(activation.as_str(), "" | "gelu") {
            return Err(format!(
                "its activation is {activation:?}; homer computes \"gelu\" (erf) only"
            ));
        }
        let positions = setting("position_embedding_type");
        if !matches!(positions.as_str(), "" | "absolute") {
            return Err(format!(
                "its position embeddings are {positions:?}; homer computes \"absolute\" only"
            ));
        }
        for (name, is, most) in [
            ("vocabulary", config.vocab, MOST.vocab),
            ("hidden size", config.hidden, MOST.hidden),
            ("number of layers", config.layers, MOST.layers),
            ("intermediate size", config.intermediate, MOST.intermediate),
            ("longest sequence", config.max_positions, MOST.positions),
            ("number of token types", config.type_vocab, MOST.type_vocab),
        ] {
            if is > most {
                return Err(format!(
                    "its {name} is {is}; homer reads encoders of up to {most}"
                ));
            }
        }
        if !(0.0..1.0).contains(&config.norm_epsilon) {
            let epsilon = config.norm_epsilon;
            return Err(format!(
                "its layer_norm_eps is {epsilon}, which is not in 0..1"
            ));
        }
        if config.hidden % config.heads != 0 {
            return Err(format!(
                "hidden size {} is not a multiple of {} heads",
                config.hidden, config.heads
            ));
        }
        for (name, p) in [
            ("hidden dropout", config.hidden_dropout),
            ("attention dropout", config.attention_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(format!("its {name} is {p}, which is not in 0..1"));
            }
        }
        Ok(Self { raw, ..config })
    }

    /// Width of one attention head.
    pub fn head_width(&self) -> usize {
        self.hidden / self.heads
    }
}
