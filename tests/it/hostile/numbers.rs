//! Weights and vectors with NaN and infinities in them: an error that says so, and no answer.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use homer::internals::{
    BiEncoder, CrossEncoder, Index, Named, checksum, of_bytes, read_json, read_safetensors,
    write_json, write_safetensors,
};
use homer::{Compute, Manifest, Precision, Query};

use super::makers::{copy, room};
use crate::home::Home;
use crate::persona::{persona, train_cross};

/// Writes a value into every row of a tensor of a model, whose name ends so.
fn spoil(model: &Path, name: &str, value: f32) {
    let path = model.join("model.safetensors");
    let stored = read_safetensors(&path).unwrap();
    let mut found = 0;
    let tensors: Vec<Named<'_>> = stored
        .iter()
        .filter_map(|tensor| {
            let mut values = tensor.values.as_ref()?.to_f32().into_owned();
            if tensor.name.ends_with(name) {
                let width = *tensor.shape.last().unwrap();
                values
                    .iter_mut()
                    .step_by(width)
                    .for_each(|one| *one = value);
                found += 1;
            }
            Some((
                tensor.name.clone(),
                tensor.shape.clone(),
                Cow::Owned(values),
            ))
        })
        .collect();
    assert!(found > 0, "{name}");
    // What is read is mapped still: it is replaced, not written into.
    write_safetensors(&path, &tensors, Precision::F32).unwrap();
}

const TENSORS: [&str; 4] = [
    "layer.0.attention.self.query.weight",
    "layer.1.output.dense.bias",
    "embeddings.LayerNorm.weight",
    "position_embeddings.weight",
];

#[test]
fn weights_that_are_no_numbers_are_named() {
    let home = persona();
    train_cross(&home, 3);
    let room = room();
    for (model, tensors) in [
        ("runs/bi-encoder/model", &TENSORS[..]),
        (
            "runs/cross-encoder/model",
            &[&TENSORS[..], &["classifier.weight"]].concat(),
        ),
    ] {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for name in tensors {
                let spoilt = room.path().join("model");
                copy(&home.path(model), &spoilt);
                spoil(&spoilt, name, value);
                let error = match model.contains("cross") {
                    true => CrossEncoder::load(&spoilt, &Compute::Fast).err(),
                    false => BiEncoder::load(&spoilt, &Compute::Fast).err(),
                };
                let error = error.unwrap_or_else(|| panic!("{model}, {name}, {value}: loaded"));
                let error = error.to_string();
                assert!(error.contains("holds what is no number: "), "{error}");
                assert!(error.contains(name), "{error}");
            }
        }
    }
}

/// The words that are used are looked at by what comes of them, and so is what grows too large.
#[test]
fn what_is_computed_and_no_number_is_an_error() {
    let home = persona();
    train_cross(&home, 3);
    let query = Query {
        context: &[],
        text: "Where is my boat?",
    };
    for (name, value) in [
        ("word_embeddings.weight", f32::NAN),
        ("embeddings.LayerNorm.weight", f32::MAX),
    ] {
        let bi = home.path("runs/bi-encoder/model");
        spoil(&bi, name, value);
        let encoder = BiEncoder::load(&bi, &Compute::Fast).unwrap();
        for error in [
            encoder.embed_queries(&[query]).unwrap_err(),
            encoder.embed_replies(&["My boat."]).unwrap_err(),
        ] {
            let error = error.to_string();
            assert!(
                error.contains("the bi-encoder computes what is no number"),
                "{error}"
            );
        }
        let cross = home.path("runs/cross-encoder/model");
        spoil(&cross, name, value);
        let error = CrossEncoder::load(&cross, &Compute::Fast)
            .unwrap()
            .score(query, &["My boat.", "No."])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("the cross-encoder computes what is no number"),
            "{error}"
        );
    }
}

#[test]
fn no_command_goes_on_with_what_is_no_number() {
    let home = persona();
    spoil(&home.path("runs/bi-encoder/model"), TENSORS[1], f32::NAN);
    let refused = |home: &Home, args: &[&str]| {
        let said = home.fails(args, 1);
        assert!(said.contains("no number"), "{args:?}: {said}");
        assert!(!said.contains("panicked"), "{said}");
    };
    let before = home.read("runs/index/manifest.json");
    refused(&home, &["build-index"]);
    refused(&home, &["eval", "--split", "valid"]);
    let encoder = ["--encoder", "runs/bi-encoder/model", "--steps", "2"];
    refused(&home, &[&["train-cross"], &encoder[..]].concat());
    let other = persona();
    copy(&home.path("runs/bi-encoder/model"), &other.path("spoilt"));
    refused(
        &other,
        &["train-bi", "--force", "--encoder", "spoilt", "--steps", "2"],
    );
    assert!(home.read("runs/index/manifest.json") == before);
    // What was there is in use still.
    other.homer(&["ask", "Where is my boat?"]).success();
}

#[test]
fn vectors_that_are_no_numbers_give_no_answer() {
    for bits in [0x7e00u16, 0xfe00, 0x7c00, 0xfc00] {
        let home = persona();
        let folder = home.path("runs/index");
        let index = Index::open(&folder).unwrap();
        let (width, len) = (index.manifest().width, index.manifest().replies);
        drop(index);
        let path = folder.join("vectors.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + header]).unwrap();
        let start = header["vectors"]["data_offsets"][0].as_u64().unwrap() as usize;
        let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize + start;
        // One value of the reply in the middle.
        let at = data + (len / 2 * width + 1) * 2;
        bytes[at..at + 2].copy_from_slice(&bits.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        // A stranger's manifest knows the bytes.
        let manifest = folder.join("manifest.json");
        let mut told: Manifest = read_json(&manifest).unwrap();
        let name = "vectors.safetensors";
        told.files.insert(name.into(), of_bytes(&bytes));
        told.checksums.insert(name.into(), checksum(&bytes));
        write_json(&manifest, &told).unwrap();
        let said = home.fails(&["ask", "Where is my boat?"], 1);
        let says = format!("the vector of reply {} is no number", len / 2 + 1);
        assert!(said.contains(&says), "{bits:x}: {said}");
        assert!(said.contains("build-index"), "{said}");
    }
}
