//! Checkpoints: whatever is in the file is used, named as left out, or named as wrong.

use std::fs;
use std::path::{Path, PathBuf};

use homer::Precision;
use homer::internals::{
    Checkpoint, Config, Family, HeadKind, Named, Spec, Values, Weights, encoder_specs, head_specs,
    pooler_specs, tiny_config, tiny_encoder_folder, write_safetensors,
};
use serde_json::json;

type Tensor = Named<'static>;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// A tiny encoder's tensors, each filled by its place in the order, so that no two are alike.
fn tensors(config: &Config) -> Vec<Tensor> {
    encoder_specs(config)
        .into_iter()
        .enumerate()
        .map(|(i, spec)| tensor(&spec.name, &spec.shape, i as f32))
        .collect()
}

fn tensor(name: &str, shape: &[usize], value: f32) -> Tensor {
    let values = vec![value; shape.iter().product()];
    (name.to_owned(), shape.to_vec(), values.into())
}

fn rename(tensors: &mut [Tensor], change: impl Fn(&str) -> String) {
    for tensor in tensors {
        tensor.0 = change(&tensor.0);
    }
}

fn write(tensors: &[Tensor]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    write_safetensors(&path, tensors, Precision::F32).unwrap();
    folder
}

fn load(folder: &Path, config: &Config) -> Result<Weights, String> {
    Checkpoint::open(folder)
        .and_then(|checkpoint| checkpoint.encoder(config))
        .map_err(|error| error.to_string())
}

/// Every tensor got the values that were stored under its name.
fn assert_in_place(weights: &Weights) {
    for (i, values) in weights.values.iter().enumerate() {
        assert!(
            values.to_f32().iter().all(|&value| value == i as f32),
            "tensor {i}"
        );
    }
}

#[test]
fn names_with_and_without_prefix_old_and_new() {
    for (family, prefix) in [(Family::Bert, "bert."), (Family::DistilBert, "distilbert.")] {
        let config = tiny_config(family, 40).unwrap();
        let mut all = tensors(&config);
        assert_in_place(&load(write(&all).path(), &config).unwrap());
        rename(&mut all, |name| format!("{prefix}{name}"));
        assert_in_place(&load(write(&all).path(), &config).unwrap());
        rename(&mut all, |name| {
            let old = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            old.replace("LayerNorm.bias", "LayerNorm.beta")
        });
        assert_in_place(&load(write(&all).path(), &config).unwrap());
    }
}

#[test]
fn everything_wrong_is_named_at_once() {
    let config = tiny_config(Family::Bert, 40).unwrap();
    let mut all = tensors(&config);
    all.retain(|(name, ..)| {
        name != "embeddings.LayerNorm.bias" && name != "encoder.layer.1.output.dense.weight"
    });
    all.push(tensor("encoder.layer.2.output.dense.weight", &[2], 0.0));
    all.push(tensor("adapter.weight", &[2], 0.0));
    for tensor in &mut all {
        if tensor.0 == "encoder.layer.0.intermediate.dense.weight" {
            tensor.1 = vec![32, 64];
        }
    }
    let folder = write(&all);
    let error = load(folder.path(), &config).unwrap_err();
    for expected in [
        "model.safetensors",
        "missing: embeddings.LayerNorm.bias, encoder.layer.1.output.dense.weight\n",
        "encoder.layer.0.intermediate.dense.weight is [32, 64] and should be [64, 32]",
        "unexpected: adapter.weight, encoder.layer.2.output.dense.weight",
    ] {
        assert!(error.contains(expected), "{expected:?} is not in\n{error}");
    }
}

#[test]
fn a_model_of_the_other_family_is_refused() {
    let bert = tiny_config(Family::Bert, 40).unwrap();
    let distil = tiny_config(Family::DistilBert, 40).unwrap();
    let error = load(write(&tensors(&bert)).path(), &distil).unwrap_err();
    assert!(
        error.contains("transformer.layer.0.attention.q_lin.weight"),
        "{error}"
    );
    assert!(
        error.contains("embeddings.token_type_embeddings.weight"),
        "{error}"
    );
}

#[test]
fn known_heads_are_left_out_and_said_so() {
    let config = tiny_config(Family::Bert, 40).unwrap();
    let mut all = tensors(&config);
    rename(&mut all, |name| format!("bert.{name}"));
    for name in [
        "bert.pooler.dense.weight",
        "bert.pooler.dense.bias",
        "bert.embeddings.position_ids",
        "cls.predictions.bias",
        "cls.predictions.transform.LayerNorm.gamma",
        "cls.seq_relationship.weight",
        "vocab_projector.bias",
        "qa_outputs.weight",
        "classifier.bias",
        "pre_classifier.bias",
    ] {
        all.push(tensor(name, &[2], 0.0));
    }
    let folder = write(&all);
    assert_in_place(&load(folder.path(), &config).unwrap());
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    assert_eq!(
        checkpoint.left_out(&[]).unwrap(),
        "3 tensors of the masked-language-model head, 1 tensor of the next-sentence head, \
         1 tensor of the question-answering head, 2 tensors of the classifier, \
         2 tensors of the pooler"
    );
    let rest = checkpoint.left_out(&[
        HeadKind::MaskedLanguage,
        HeadKind::NextSentence,
        HeadKind::QuestionAnswering,
        HeadKind::Pooler,
    ]);
    assert_eq!(rest.unwrap(), "2 tensors of the classifier");
    let bare = Checkpoint::open(write(&tensors(&config)).path()).unwrap();
    assert_eq!(bare.left_out(&[]), None);
}

#[test]
fn a_head_is_there_whole_or_not_at_all() {
    for (family, name) in [
        (Family::Bert, "bert_pairs"),
        (Family::DistilBert, "distilbert_pairs"),
    ] {
        let config = Config::read(fixture(name)).unwrap();
        let checkpoint = Checkpoint::open(fixture(name)).unwrap();
        assert_eq!(config.family, family);
        checkpoint.encoder(&config).unwrap();
        let head = checkpoint.named(&head_specs(&config)).unwrap().unwrap();
        assert_eq!(head.len(), 4);
        assert!(
            head.iter()
                .all(|values| values.to_f32().iter().any(|&v| v != 0.0))
        );
    }
    let config = tiny_config(Family::Bert, 40).unwrap();
    let mut all = tensors(&config);
    let open = |all: &[Tensor]| Checkpoint::open(write(all).path()).unwrap();
    assert!(open(&all).named(&head_specs(&config)).unwrap().is_none());
    all.push(tensor("pooler.dense.weight", &[32, 32], 0.0));
    all.push(tensor("classifier.weight", &[3, 32], 0.0));
    let error = open(&all)
        .named(&head_specs(&config))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("missing: pooler.dense.bias, classifier.bias"),
        "{error}"
    );
    assert!(
        error.contains("classifier.weight is [3, 32] and should be [1, 32]"),
        "{error}"
    );
}

#[test]
fn pytorchs_own_file_holds_the_same() {
    let config = Config::read(fixture("bert")).unwrap();
    let bin = Checkpoint::open(fixture("bert_bin")).unwrap();
    let safe = Checkpoint::open(fixture("bert")).unwrap();
    let weights = |checkpoint: &Checkpoint| checkpoint.encoder(&config).unwrap();
    for (a, b) in weights(&bin).values.iter().zip(&weights(&safe).values) {
        assert_eq!(a.to_f32(), b.to_f32());
    }
    let specs = pooler_specs(&config);
    let pooler = |checkpoint: &Checkpoint| {
        checkpoint.named(&specs).unwrap().unwrap()[0]
            .to_f32()
            .into_owned()
    };
    assert_eq!(pooler(&bin), pooler(&safe));
}

#[test]
fn shards_are_read_together() {
    let config = tiny_config(Family::Bert, 40).unwrap();
    let all = tensors(&config);
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = all.split_at(7);
    let mut map = serde_json::Map::new();
    for (name, part) in [
        ("model-1.safetensors", first),
        ("model-2.safetensors", second),
    ] {
        write_safetensors(&folder.path().join(name), part, Precision::F32).unwrap();
        for tensor in part {
            map.insert(tensor.0.clone(), name.into());
        }
    }
    let index = folder.path().join("model.safetensors.index.json");
    fs::write(&index, json!({"weight_map": map}).to_string()).unwrap();
    assert_in_place(&load(folder.path(), &config).unwrap());
    fs::remove_file(folder.path().join("model-2.safetensors")).unwrap();
    let error = load(folder.path(), &config).unwrap_err();
    assert!(error.contains("model-2.safetensors"), "{error}");
    fs::write(&index, r#"{"weight_map": {"a": "../model.safetensors"}}"#).unwrap();
    let error = load(folder.path(), &config).unwrap_err();
    assert!(
        error.contains("is not the name of a file beside it"),
        "{error}"
    );
}

/// A safetensors file by hand, to say what homer's own writer never would.
fn by_hand(path: &Path, header: &str, bytes: &[u8]) {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header.as_bytes());
    file.extend_from_slice(bytes);
    fs::write(path, file).unwrap();
}

#[test]
fn every_float_type_is_read_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let specs = [Spec::new("classifier.bias", &[2])];
    let wanted = [1.5f32, -0.25];
    let bytes = |dtype: &str| -> Vec<u8> {
        wanted
            .iter()
            .flat_map(|&value| match dtype {
                "F64" => f64::from(value).to_le_bytes().to_vec(),
                "F32" => value.to_le_bytes().to_vec(),
                "F16" => half::f16::from_f32(value).to_le_bytes().to_vec(),
                _ => half::bf16::from_f32(value).to_le_bytes().to_vec(),
            })
            .collect()
    };
    for dtype in ["F64", "F32", "F16", "BF16"] {
        let data = bytes(dtype);
        let header = json!({"classifier.bias": {"dtype": dtype, "shape": [2], "data_offsets": [0, data.len()]}});
        // One space more each time: values start at every alignment.
        for spaces in 0..8 {
            by_hand(&path, &format!("{header}{}", " ".repeat(spaces)), &data);
            let checkpoint = Checkpoint::open(folder.path()).unwrap();
            let values = checkpoint.named(&specs).unwrap().unwrap();
            assert_eq!(*values[0].to_f32(), wanted, "{dtype} after {spaces} spaces");
        }
    }
    let header = json!({"x": {"dtype": "F8_E4M3", "shape": [2], "data_offsets": [0, 2]}});
    by_hand(&path, &header.to_string(), &[0, 0]);
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("x is stored as F8_E4M3"), "{error}");
}

#[test]
fn f32_is_read_in_place() {
    let folder = tempfile::tempdir().unwrap();
    tiny_encoder_folder(folder.path(), Family::Bert, &[], 3).unwrap();
    let config = Config::read(folder.path()).unwrap();
    let weights = load(folder.path(), &config).unwrap();
    let mapped = |values: &Values| matches!(values, Values::Mapped { .. });
    assert!(weights.values.iter().all(mapped));
}

#[test]
fn damage_is_an_error_and_never_a_panic() {
    let config = tiny_config(Family::Bert, 40).unwrap();
    let folder = write(&tensors(&config));
    let path = folder.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in (0..200).chain((200..whole.len()).step_by(997)) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = load(folder.path(), &config).unwrap_err();
        assert!(
            error.contains("model.safetensors: damaged or incomplete"),
            "{error}"
        );
    }
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(13) {
        let mut bad = whole.clone();
        bad[at] ^= 0x15;
        fs::write(&path, &bad).unwrap();
        let _ = load(folder.path(), &config);
    }
    fs::write(&path, [0xff; 64]).unwrap();
    load(folder.path(), &config).unwrap_err();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let whole = fs::read(fixture("bert_bin/pytorch_model.bin")).unwrap();
    for length in (0..whole.len()).step_by(499) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = load(folder.path(), &config).unwrap_err();
        assert!(error.contains("pytorch_model.bin: damaged"), "{error}");
    }
    for at in (0..whole.len()).step_by(97) {
        let mut bad = whole.clone();
        bad[at] ^= 0x15;
        fs::write(&path, &bad).unwrap();
        let _ = load(folder.path(), &config);
    }
}

#[test]
fn a_folder_without_weights_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let error = Checkpoint::open(folder.path()).unwrap_err().to_string();
    assert!(
        error.contains("no model.safetensors and no pytorch_model.bin"),
        "{error}"
    );
}

#[test]
fn the_same_tensors_are_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny_config(Family::Bert, 40).unwrap();
    let mut all = tensors(&config);
    let bytes = |all: &[Tensor]| {
        let path = folder.path().join("model.safetensors");
        write_safetensors(&path, all, Precision::F32).unwrap();
        fs::read(path).unwrap()
    };
    let forward = bytes(&all);
    all.reverse();
    assert_eq!(bytes(&all), forward);
}

#[test]
fn half_precision_keeps_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let specs = [Spec::new("classifier.bias", &[3])];
    let stored = |values: &'static [f32]| {
        let tensor: Tensor = ("classifier.bias".into(), vec![3], values.into());
        write_safetensors(&path, &[tensor], Precision::F16)
    };
    stored(&[0.1, -2.0, 65504.0]).unwrap();
    let checkpoint = Checkpoint::open(folder.path()).unwrap();
    let read = checkpoint.named(&specs).unwrap().unwrap()[0]
        .to_f32()
        .into_owned();
    assert!((read[0] - 0.1).abs() < 1e-4);
    assert_eq!(read[1..], [-2.0, 65504.0]);
    let error = stored(&[0.0, 0.0, 70000.0]).unwrap_err().to_string();
    assert!(error.contains("classifier.bias holds 70000"), "{error}");
    // What was there is still there.
    assert!(Checkpoint::open(folder.path()).is_ok());
}
