//! Model folders as Hugging Face and sentence-transformers lay them out.
//!
//! A bi-encoder is loaded with `SentenceTransformer(folder)`, a cross-encoder with
//! `CrossEncoder(folder)`. Names of files and keys are the ones that old and new versions read.
//! Only what is stored in eight bits is for homer alone, and says so in `config.json`.
#![allow(
    clippy::indexing_slicing,
    reason = "keys of JSON objects: where there is none it is made, or read as null"
)]

use std::path::Path;

use serde_json::{Value, json};

use super::tensors::{Precision, write_safetensors};
use super::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::files::{self, Rights};
use crate::folder::Folder;
use crate::nn::config::{Config, Family};
use crate::nn::head::{head_specs, pooler_specs};
use crate::nn::weights::{Spec, Values, Weights, encoder_specs};

/// The key of `config.json` that says that the weights are stored as only homer reads them.
const STORED: &str = "homer_weights";

/// What a model folder says about how it is to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModelSettings {
    /// Longest sequence in tokens, where the folder says so.
    pub max_length: Option<usize>,
}

/// Writes a bi-encoder: the encoder, mean pooling, vectors of unit length. `pooler`, in the order
/// of [`pooler_specs`], plays no part in it but is kept for whoever goes on from the encoder.
/// A model folder that is there already is replaced, as a whole.
///
/// # Errors
/// The folder cannot be written, holds something else than a model, or a value does not fit in
/// the precision.
pub fn save_bi_encoder(
    folder: &Path,
    weights: &Weights,
    pooler: Option<&[Values]>,
    tokenizer: &Tokenizer,
    max_length: usize,
    precision: Precision,
) -> Result<()> {
    let config = &weights.config;
    let pooling = json!({
        "word_embedding_dimension": config.hidden,
        "pooling_mode_cls_token": false,
        "pooling_mode_mean_tokens": true,
        "pooling_mode_max_tokens": false,
        "pooling_mode_mean_sqrt_len_tokens": false,
    });
    let module = |idx: usize, path: &str, kind: &str| {
        json!({
            "idx": idx,
            "name": idx.to_string(),
            "path": path,
            "type": format!("sentence_transformers.models.{kind}"),
        })
    };
    let modules = [
        module(0, "", "Transformer"),
        module(1, "1_Pooling", "Pooling"),
        module(2, "2_Normalize", "Normalize"),
    ];
    let architecture = match config.family {
        Family::Bert => "BertModel",
        Family::DistilBert => "DistilBertModel",
    };
    let mut tensors = named(encoder_specs(config), &weights.values);
    tensors.extend(named(pooler_specs(config), pooler.unwrap_or_default()));
    replace_model(folder, |new| {
        write_tensors(new, "", tensors, precision)?;
        let described = describe(config, architecture, precision);
        files::write_json(&new.join("config.json"), &described)?;
        files::write_json(&new.join("modules.json"), &modules)?;
        files::write_json(&new.join("1_Pooling").join("config.json"), &pooling)?;
        files::write_json(
            &new.join("sentence_bert_config.json"),
            &json!({"max_seq_length": max_length, "do_lower_case": false}),
        )?;
        files::write_json(
            &new.join("config_sentence_transformers.json"),
            &json!({"prompts": {}, "default_prompt_name": null, "similarity_fn_name": "cosine"}),
        )?;
        tokenizer.save(new, max_length)
    })
}

/// Writes a cross-encoder: the encoder, and its head in the order of [`head_specs`].
///
/// Left alone, sentence-transformers would put a sigmoid on the score of a model with one label;
/// the folder asks for none, so that `predict` gives the logits that homer gives.
///
/// # Errors
/// As [`save_bi_encoder`].
pub fn save_cross_encoder(
    folder: &Path,
    weights: &Weights,
    head: &[Values],
    tokenizer: &Tokenizer,
    max_length: usize,
    precision: Precision,
) -> Result<()> {
    let config = &weights.config;
    let (architecture, prefix) = match config.family {
        Family::Bert => ("BertForSequenceClassification", "bert."),
        Family::DistilBert => ("DistilBertForSequenceClassification", "distilbert."),
    };
    let mut described = describe(config, architecture, precision);
    described["id2label"] = json!({"0": "LABEL_0"});
    described["label2id"] = json!({"LABEL_0": 0});
    let none = "torch.nn.modules.linear.Identity";
    described["sentence_transformers"] = json!({"activation_fn": none});
    // The same for versions before 4.
    described["sbert_ce_default_activation_function"] = none.into();
    let mut tensors = named(encoder_specs(config), &weights.values);
    tensors.extend(named(head_specs(config), head));
    replace_model(folder, |new| {
        write_tensors(new, prefix, tensors, precision)?;
        files::write_json(&new.join("config.json"), &described)?;
        tokenizer.save(new, max_length)
    })
}

/// Reads what a model folder says about its use; a folder that says nothing is fine. Warns when
/// it was made for another pooling than the mean, which is the one that homer uses.
///
/// # Errors
/// A file is malformed.
pub fn model_settings(folder: impl Into<Folder>) -> Result<ModelSettings> {
    let folder = folder.into();
    let read = |name: &str| {
        if folder.has(name) {
            folder.json::<Value>(name)
        } else {
            Ok(Value::Null)
        }
    };
    let pooling = read("1_Pooling/config.json")?;
    let mean = match &pooling["pooling_mode"] {
        Value::Null => pooling["pooling_mode_mean_tokens"] != false,
        mode => mode == "mean",
    };
    if !mean {
        tracing::warn!("{folder} was made for another pooling than the mean, which homer uses");
    }
    // Where there is no limit, the tokenizer's is a number that no integer holds.
    let max_length = read("sentence_bert_config.json")?["max_seq_length"]
        .as_u64()
        .or(read("tokenizer_config.json")?["model_max_length"].as_u64())
        .map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    Ok(ModelSettings { max_length })
}

/// `config.json` for the architecture that is written.
fn describe(config: &Config, architecture: &str, precision: Precision) -> Value {
    let mut described = config.raw.clone();
    if let Some(keys) = described.as_object_mut() {
        // What said where the encoder came from, or what its former head was.
        for stale in [
            "_name_or_path",
            "dtype",
            "id2label",
            "label2id",
            "num_labels",
            "problem_type",
            "sentence_transformers",
            "sbert_ce_default_activation_function",
            STORED,
        ] {
            keys.shift_remove(stale);
        }
    }
    described["architectures"] = json!([architecture]);
    // What to compute in, whatever is stored: Python would take half precision from here and give
    // other numbers, more slowly.
    described["torch_dtype"] = "float32".into();
    if precision == Precision::I8 {
        described[STORED] = "int8".into();
    }
    described
}

/// Specs with their values.
fn named(specs: Vec<Spec>, values: &[Values]) -> Vec<(Spec, &Values)> {
    specs.into_iter().zip(values).collect()
}

/// Writes `model.safetensors`, every name but the classifiers' behind `prefix`.
fn write_tensors(
    folder: &Path,
    prefix: &str,
    tensors: Vec<(Spec, &Values)>,
    precision: Precision,
) -> Result<()> {
    let tensors: Vec<_> = tensors
        .into_iter()
        .map(|(spec, values)| {
            let name = match spec.name.as_str() {
                head if head.contains("classifier.") => spec.name,
                body => format!("{prefix}{body}"),
            };
            (name, spec.shape, values.to_f32())
        })
        .collect();
    write_safetensors(&folder.join("model.safetensors"), &tensors, precision)
}

/// Replaces a model folder as a whole, and nothing that is not one.
fn replace_model(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let occupied = std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if folder.is_file() || occupied && !folder.join("config.json").exists() {
        return Err(Error::Exists {
            path: folder.to_path_buf(),
            remedy: "it is not a model, so homer leaves it alone: move it away first".into(),
        });
    }
    files::replace_folder(folder, Rights::OPEN, fill)
}
