//! Models made smaller: weights in eight bits, and `homer shrink`.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use homer::internals::{
    BiEncoder, Checkpoint, Config, CrossEncoder, Family, Head, Tokenizer, Values, Weights,
    encoder_specs, pooler_specs, save_bi_encoder, save_cross_encoder, tiny_config, tiny_vocab,
};
use homer::{Compute, Precision, Query};
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::{Value, json};

use crate::encoders as common;

const FAMILIES: [Family; 2] = [Family::Bert, Family::DistilBert];
const WORDS: [&str; 6] = ["the", "sea", "soup", "##s", "zeppelin", "ship"];
const TEXTS: [&str; 6] = [
    "The soup!",
    "Soups? A ship.",
    "What of the zeppelin, then?",
    "9 ships & 3 seas",
    "No.",
    "I have seen the sea, the ship and the soup.",
];

/// A random model whose layers do enough to be missed: fresh weights are too small for that.
struct Model {
    weights: Weights,
    tokenizer: Tokenizer,
    head: Vec<Values>,
}

impl Model {
    fn new(family: Family) -> Self {
        let vocab = tiny_vocab(&WORDS);
        let mut weights = Weights::random(&tiny_config(family, vocab.len()).unwrap(), 4);
        let mut head = Head::fresh(&weights.config, None, 9);
        for values in weights.values.iter_mut().chain(&mut head) {
            if let Values::Owned(values) = values
                && values.iter().any(|value| *value != 1.0)
            {
                values.iter_mut().for_each(|value| *value *= 10.0);
            }
        }
        Self {
            weights,
            tokenizer: Tokenizer::from_vocab(&vocab).unwrap(),
            head,
        }
    }

    fn save_bi(&self, folder: &Path, precision: Precision) {
        let pooler = &self.head[..pooler_specs(&self.weights.config).len()];
        let (weights, tokenizer) = (&self.weights, &self.tokenizer);
        save_bi_encoder(folder, weights, Some(pooler), tokenizer, 40, precision).unwrap();
    }

    fn save_cross(&self, folder: &Path, precision: Precision) {
        let (weights, tokenizer) = (&self.weights, &self.tokenizer);
        save_cross_encoder(folder, weights, &self.head, tokenizer, 40, precision).unwrap();
    }
}

fn read_weights(folder: &Path) -> Result<Weights, String> {
    let config = Config::read(folder).unwrap();
    let opened = Checkpoint::open(folder).map_err(|error| error.to_string())?;
    opened.encoder(&config).map_err(|error| error.to_string())
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The header of a safetensors file, and the bytes after it.
fn parts(path: &Path) -> (Value, Vec<u8>) {
    let bytes = fs::read(path).unwrap();
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let json = serde_json::from_slice(&bytes[8..header]).unwrap();
    (json, bytes[header..].to_vec())
}

fn write_parts(path: &Path, header: &Value, data: &[u8]) {
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    fs::write(path, [&length, header.as_bytes(), data].concat()).unwrap();
}

fn vectors(folder: &Path, compute: &Compute) -> Vec<f32> {
    let model = BiEncoder::load(folder, compute).unwrap();
    model.embed_replies(&TEXTS).unwrap().values
}

fn scores(folder: &Path, compute: &Compute) -> Vec<f32> {
    let model = CrossEncoder::load(folder, compute).unwrap();
    let query = Query {
        text: TEXTS[2],
        context: &[TEXTS[4].to_owned()],
    };
    model.score(query, &TEXTS).unwrap()
}

fn cosines(a: &[f32], b: &[f32]) -> Vec<f32> {
    let rows = a.chunks(32).zip(b.chunks(32));
    rows.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum())
        .collect()
}

#[test]
fn eight_bits_are_off_by_half_a_scale_at_most_and_vectors_by_nothing() {
    for family in FAMILIES {
        let model = Model::new(family);
        let home = tempfile::tempdir().unwrap();
        model.save_bi(home.path(), Precision::I8);
        let read = read_weights(home.path()).unwrap();
        let specs = encoder_specs(&model.weights.config);
        for ((spec, old), new) in specs.iter().zip(&model.weights.values).zip(&read.values) {
            let (old, new) = (old.to_f32(), new.to_f32());
            let &[_, columns] = spec.shape.as_slice() else {
                assert_eq!(old, new, "{}", spec.name);
                continue;
            };
            for (old, new) in old.chunks(columns).zip(new.chunks(columns)) {
                let scale = common::largest(old) / 127.0;
                let off = common::distance(old, new);
                assert!(off <= scale * 0.500_01, "{}: {off} {scale}", spec.name);
                assert!(off > 0.0, "{}: nothing was rounded", spec.name);
            }
        }
    }
}

#[test]
fn a_model_in_eight_bits_answers_as_it_did_in_a_quarter_of_the_room() {
    for family in FAMILIES {
        let model = Model::new(family);
        let home = tempfile::tempdir().unwrap();
        let folder = |name: &str| home.path().join(name);
        model.save_bi(&folder("f32"), Precision::F32);
        model.save_bi(&folder("i8"), Precision::I8);
        let size = |name: &str| {
            let file = folder(name).join("model.safetensors");
            fs::metadata(file).unwrap().len() as f64
        };
        // These matrices are so small that scales, vectors and names count.
        assert!(size("i8") / size("f32") < 0.45);

        let plain = common::plain(candle_core::DType::F32);
        let full = vectors(&folder("f32"), &Compute::Fast);
        let small = vectors(&folder("i8"), &Compute::Fast);
        assert_ne!(full, small);
        for cosine in cosines(&full, &small) {
            assert!(cosine > 0.99, "{cosine}");
        }
        // Computed in eight bits, where the processor can, or in floats.
        for cosine in cosines(&vectors(&folder("i8"), &plain), &small) {
            assert!(cosine > 0.998, "{cosine}");
        }

        model.save_cross(&folder("cross-f32"), Precision::F32);
        model.save_cross(&folder("cross-i8"), Precision::I8);
        let full = scores(&folder("cross-f32"), &Compute::Fast);
        let small = scores(&folder("cross-i8"), &Compute::Fast);
        let off = common::distance(&full, &small);
        let most = full.iter().fold(f32::MIN, |a, &b| a.max(b));
        let range = most - full.iter().fold(f32::MAX, |a, &b| a.min(b));
        assert!(off > 0.0 && off < range * 0.1, "{off} of {range}");
        let off = common::distance(&small, &scores(&folder("cross-i8"), &plain));
        assert!(off < range * 0.03, "{off} of {range}");
    }
}

#[test]
fn a_folder_says_that_its_weights_are_for_homer_alone() {
    let home = tempfile::tempdir().unwrap();
    let (small, full) = (home.path().join("i8"), home.path().join("f32"));
    Model::new(Family::Bert).save_bi(&small, Precision::I8);
    assert_eq!(
        read_json(&small.join("config.json"))["homer_weights"],
        "int8"
    );
    // With "pt", transformers would take the whole numbers for the weights.
    let (header, _) = parts(&small.join("model.safetensors"));
    assert_eq!(header["__metadata__"]["format"], "homer-int8");

    let model = BiEncoder::load(&small, &Compute::Fast).unwrap();
    model.save(&full, Precision::F32).unwrap();
    let config = read_json(&full.join("config.json"));
    assert_eq!(config.get("homer_weights"), None);
    let (header, _) = parts(&full.join("model.safetensors"));
    assert_eq!(header["__metadata__"]["format"], "pt");
    let compute = common::plain(candle_core::DType::F32);
    assert_eq!(vectors(&small, &compute), vectors(&full, &compute));
}

#[test]
fn a_scale_that_is_missing_or_misshapen_is_named() {
    let home = tempfile::tempdir().unwrap();
    Model::new(Family::Bert).save_bi(home.path(), Precision::I8);
    let path = home.path().join("model.safetensors");
    let (header, data) = parts(&path);
    let name = "encoder.layer.0.output.dense.weight";
    let scale = format!("{name}.scale");
    let error = |change: &dyn Fn(&mut Value, &mut Vec<u8>)| {
        let (mut header, mut data) = (header.clone(), data.clone());
        change(&mut header, &mut data);
        write_parts(&path, &header, &data);
        read_weights(home.path()).unwrap_err()
    };
    let missing = error(&|header, _| {
        let tensors = header.as_object_mut().unwrap();
        let tensor = tensors.remove(&scale).unwrap();
        tensors.insert("pooler.other".into(), tensor);
    });
    assert!(
        missing.contains(&scale) && missing.contains("missing"),
        "{missing}"
    );
    let misshapen = error(&|header, _| header[&scale]["shape"] = json!([16, 2]));
    assert!(misshapen.contains(&format!("{scale} is F32 [16, 2] and should be F32 [32]")));
    let halves = error(&|header, _| {
        header[&scale]["dtype"] = "F16".into();
        header[&scale]["shape"] = json!([64]);
    });
    assert!(
        halves.contains(&format!("{scale} is F16 [64] and should be F32 [32]")),
        "{halves}"
    );
    let infinite = error(&|header, data| {
        let start = header[&scale]["data_offsets"][0].as_u64().unwrap() as usize;
        data[start..start + 4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    });
    assert!(infinite.contains(&format!("{scale} holds what is no number")));
    let flat = error(&|header, _| header[name]["shape"] = json!([32 * 64]));
    assert!(flat.contains(&format!("{name} is I8 [2048]")), "{flat}");
    let turned = error(&|header, _| {
        header[name]["shape"] = json!([64, 32]);
    });
    assert!(turned.contains(&format!("{scale} is F32 [32]")), "{turned}");
}

#[test]
fn a_damaged_file_is_an_error_and_never_a_panic() {
    let home = tempfile::tempdir().unwrap();
    Model::new(Family::Bert).save_bi(home.path(), Precision::I8);
    let path = home.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(499) {
        fs::write(&path, &whole[..length]).unwrap();
        read_weights(home.path()).unwrap_err();
    }
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    for at in (0..header).step_by(7) {
        for flip in [0x01, 0x15] {
            let mut bad = whole.clone();
            bad[at] ^= flip;
            fs::write(&path, &bad).unwrap();
            let _ = read_weights(home.path());
        }
    }
}

/// `homer shrink` in a folder.
fn shrink(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_homer"));
    command
        .current_dir(folder)
        .arg("shrink")
        .args(arguments.split(' '));
    command
}

#[test]
fn a_bi_encoder_keeps_what_the_texts_use() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    Model::new(Family::Bert).save_bi(&path("large"), Precision::F32);
    fs::write(path("texts.txt"), TEXTS.join("\n")).unwrap();
    shrink(
        home.path(),
        "large --out small --vocabulary 113 --texts texts.txt",
    )
    .assert()
    .success()
    .stdout("")
    .stderr(
        contains("113 of 114 tokens")
            .and(contains("64 of 64 positions"))
            .and(contains("cosine to the model as it was, on 6 texts")),
    );
    let config = read_json(&path("small/config.json"));
    assert_eq!(config["vocab_size"], 113);
    assert_eq!(config["homer_weights"], "int8");
    assert!(path("small/modules.json").exists());

    let model = BiEncoder::load(path("small"), &Compute::Fast).unwrap();
    assert!(model.pooler.is_some());
    let rare = model.tokenizer.text("zeppelin", 40).unwrap();
    assert_eq!(rare.ids.len(), 2 + "zeppelin".len());
    let full = vectors(&path("large"), &Compute::Fast);
    let small = vectors(&path("small"), &Compute::Fast);
    for (text, cosine) in TEXTS.iter().zip(cosines(&full, &small)) {
        assert!(
            text.contains("zeppelin") || cosine > 0.99,
            "{text} {cosine}"
        );
    }

    let before = fs::read(path("small/model.safetensors")).unwrap();
    let fails = |arguments: &str, says: &str| {
        let mut command = shrink(home.path(), arguments);
        command.assert().code(1).stderr(contains(says));
    };
    fails("large --out small --texts texts.txt", "exists already");
    assert_eq!(before, fs::read(path("small/model.safetensors")).unwrap());
    fails(
        "large --out other --vocabulary 20 --texts texts.txt",
        "a vocabulary of 20 is too small",
    );
    fails("nowhere --out other --texts texts.txt", "nowhere");
    fails(
        "large --out other --vocabulary 113",
        "there is no prepared dialogue",
    );
    assert!(!path("other").exists());

    // Texts choose tokens: where all are kept, none is needed.
    let says = contains("114 of 114 tokens").and(contains("not compared"));
    let mut command = shrink(home.path(), "large --out other");
    command.assert().success().stderr(says);
    let other = vectors(&path("other"), &Compute::Fast);
    assert!(cosines(&full, &other).iter().all(|cosine| *cosine > 0.99));
}

#[test]
fn a_cross_encoder_keeps_its_head() {
    let home = tempfile::tempdir().unwrap();
    let path = |name: &str| home.path().join(name);
    Model::new(Family::DistilBert).save_cross(&path("large"), Precision::F32);
    let exchanges = home.path().join("show/data/exchanges");
    fs::create_dir_all(&exchanges).unwrap();
    let settings = json!({"source": "script.csv", "character": "Bo", "seed": 1});
    fs::write(exchanges.join("settings.json"), settings.to_string()).unwrap();
    let lines: String = TEXTS
        .windows(2)
        .enumerate()
        .map(|(id, turns)| {
            let exchange = json!({
                "id": id, "scene": id, "context": [], "query": {"text": turns[0]},
                "reply": turns[1], "close_replies": [], "good_replies": [], "bad_replies": [],
            });
            format!("{exchange}\n")
        })
        .collect();
    fs::write(exchanges.join("train.jsonl"), lines).unwrap();
    for empty in ["valid", "test", "pool"] {
        fs::write(exchanges.join(format!("{empty}.jsonl")), "").unwrap();
    }

    let says = contains("114 of 114 tokens").and(contains("scores of 5 pairs moved by"));
    let mut command = shrink(home.path(), "large --out small -C show");
    command.assert().success().stderr(says);
    let full = scores(&path("large"), &Compute::Fast);
    let small = scores(&path("small"), &Compute::Fast);
    let off = common::distance(&full, &small);
    assert!(off > 0.0 && off < 0.1 * common::largest(&full), "{off}");

    // Where no token is dropped and no bit, nothing changes.
    let whole = "large --out whole --precision f32 -C show";
    let mut command = shrink(home.path(), whole);
    let says = contains("moved by 0.000 on average and 0.000 at the most");
    command.assert().success().stderr(says);
    assert_eq!(full, scores(&path("whole"), &Compute::Fast));
}
