//! `homer distill`, as a user meets it, and the promise that its encoders keep.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;
use serde_json::Value;

use homer::distill::{StudentSettings, distill};
use homer::internals::{
    BiEncoder, Family, Tokenizer, Values, Weights, encoder_specs, save_bi_encoder, tiny_config,
    tiny_vocab,
};
use homer::{CommonSettings, Compute, Error, Precision, Remedy, Start, Unit, Watch};

use crate::home::Home;

const WORDS: [&str; 6] = ["the", "sea", "soup", "##s", "zeppelin", "ship"];

/// A random encoder whose layers do enough to be missed: fresh weights are too small for that.
fn write_large(folder: &Path, family: Family) {
    let vocab = tiny_vocab(&WORDS);
    let mut weights = Weights::random(&tiny_config(family, vocab.len()).unwrap(), 4);
    let specs = encoder_specs(&weights.config);
    for (spec, values) in specs.iter().zip(&mut weights.values) {
        if spec.decays
            && let Values::Owned(values) = values
        {
            values.iter_mut().for_each(|value| *value *= 10.0);
        }
    }
    let tokenizer = Tokenizer::from_vocab(&vocab).unwrap();
    save_bi_encoder(folder, &weights, None, &tokenizer, 64, Precision::F32).unwrap();
}

/// A folder with a large encoder in `large` and a script.
fn with_large(family: Family) -> Home {
    let home = Home::new();
    fs::create_dir(home.path("large")).unwrap();
    write_large(&home.path("large"), family);
    let mut script = String::from("speaker,line\n");
    for i in 0..12 {
        let soup = ["The soup!", "Soup, soups?", "A ship. The sea."][i % 3];
        script.push_str(&format!(
            "Ada,What of day {i}?\nBo,\"{soup} Day {i}.\"\n,\n"
        ));
    }
    home.write("script.csv", script);
    home
}

fn distilling(home: &Home, arguments: &[&str]) -> Command {
    home.command(&[&["distill"], arguments].concat())
}

const SMALL: [&str; 14] = [
    "script.csv",
    "--encoder",
    "large",
    "--layers",
    "1",
    "--vocabulary",
    "113",
    "--max-length",
    "32",
    "--epochs",
    "2",
    "--lr",
    "0.003",
    "--out",
];

fn settings(home: &Home, vocabulary: usize, epochs: u64) -> StudentSettings {
    StudentSettings {
        encoder: home.path("large").display().to_string(),
        texts: vec![home.path("script.csv")],
        layers: 1,
        vocabulary,
        intermediate: Some(48),
        common: CommonSettings {
            epochs,
            batch_size: 8,
            max_length: 32,
            lr: 3e-3,
            seed: 1,
            ..StudentSettings::default().common
        },
    }
}

fn load(folder: &Path) -> BiEncoder {
    BiEncoder::load(folder, &Compute::Fast).unwrap()
}

/// Counts the texts that were embedded.
#[derive(Default)]
struct Ear {
    embedding: bool,
    embedded: u64,
}

impl Watch for Ear {
    fn stage(&mut self, what: &str, _: u64, _: Unit) {
        self.embedding = what == "embedding";
    }

    fn advance(&mut self, done: u64) {
        if self.embedding {
            assert!(done > self.embedded);
            self.embedded = done;
        }
    }
}

#[test]
fn a_student_gets_closer_to_its_teacher() {
    for family in [Family::Bert, Family::DistilBert] {
        let home = with_large(family);
        let teacher = load(&home.path("large"));
        let mut ear = Ear::default();
        let out = home.path("small");
        let report = distill(&settings(&home, 113, 12), &out, Start::Fresh, &mut ear).unwrap();
        let student = load(&out);
        assert_eq!(ear.embedded, report.texts.iter().sum::<usize>() as u64);
        let [before, after] = [report.outcome.baseline, report.outcome.best].map(|one| one.score);
        assert!(after > before + 0.1 && after > 0.8, "{before} {after}");
        assert_eq!(report.layers, [1]);
        assert_eq!(report.coverage, 1.0);
        assert_eq!(student.encoder.config().vocab, 113);

        // What the report says is true of texts read from scratch.
        let line = ["The soup of day 3?"];
        let ours = student.embed_replies(&line).unwrap();
        let theirs = teacher.embed_replies(&line).unwrap();
        let cosine: f32 = ours
            .values
            .iter()
            .zip(&theirs.values)
            .map(|(a, b)| a * b)
            .sum();
        assert!(cosine > 0.8, "{cosine}");
    }
}

/// Stops after some steps.
struct Stop(u64, bool);

impl Watch for Stop {
    fn stage(&mut self, what: &str, _: u64, _: Unit) {
        self.1 = what == "training";
    }

    fn advance(&mut self, done: u64) {
        if self.1 {
            self.0 = self.0.saturating_sub(u64::from(done > 0));
        }
    }

    fn stop(&self) -> bool {
        self.0 == 0
    }
}

#[test]
fn a_distillation_that_was_stopped_goes_on_to_the_same_bytes() {
    let home = with_large(Family::Bert);
    let settings = settings(&home, 113, 3);
    let [whole, broken] = ["whole", "broken"].map(|name| home.path(name));
    distill(&settings, &whole, Start::Fresh, &mut ()).unwrap();
    let stopped = distill(&settings, &broken, Start::Fresh, &mut Stop(2, false));
    assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
    assert!(!broken.exists() && home.path("broken.run/loss.png").is_file());
    let again = distill(&settings, &broken, Start::Fresh, &mut ()).unwrap_err();
    assert_eq!(again.remedy(), Remedy::ResumeOrRestart);
    // What is given does not count: the run goes on as it was begun.
    distill(&StudentSettings::default(), &broken, Start::Resume, &mut ()).unwrap();
    let weights = |folder: &Path| fs::read(folder.join("model.safetensors")).unwrap();
    assert!(weights(&whole) == weights(&broken));
    assert!(home.path("broken.run/done.json").is_file());
    assert!(!home.path("broken.run/checkpoint").exists());
}

#[test]
fn keeping_everything_keeps_the_embeddings() {
    let home = with_large(Family::Bert);
    let all = StudentSettings {
        layers: 2,
        intermediate: None,
        ..settings(&home, 10_000, 1)
    };
    let report = distill(&all, &home.path("small"), Start::Fresh, &mut ()).unwrap();
    assert!(report.outcome.baseline.score > 0.999_99, "{report:?}");
}

#[test]
fn the_command_writes_a_model_folder_that_says_what_it_is() {
    let home = with_large(Family::Bert);
    distilling(&home, &SMALL)
        .arg("small")
        .assert()
        .success()
        .stdout("")
        .stderr(
            contains("113 of")
                .and(contains("100.0%"))
                .and(contains("kept layer 2 of the 2"))
                .and(contains("before training"))
                .and(contains("next: homer train-bi --encoder small")),
        );
    let json = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(home.path("small").join(name)).unwrap()).unwrap()
    };
    let config = json("config.json");
    assert_eq!(config["vocab_size"], 113);
    assert_eq!(config["num_hidden_layers"], 1);
    assert_eq!(config["max_position_embeddings"], 32);
    assert_eq!(json("sentence_bert_config.json")["max_seq_length"], 32);
    let tokenizer = json("tokenizer.json");
    assert_eq!(tokenizer["model"]["vocab"].as_object().unwrap().len(), 113);
    assert_eq!(tokenizer["normalizer"]["lowercase"], true);
    assert!(!home.path("small/vocab.txt").exists());
    // transformers takes a key that is there for a table of tokens.
    let settings = json("tokenizer_config.json");
    assert_eq!(settings.get("added_tokens_decoder"), None);
    for (name, id) in [("sep", 3), ("cls", 2)] {
        let token = format!("[{}]", name.to_uppercase());
        assert_eq!(tokenizer["model"]["vocab"][&token], id);
        assert_eq!(
            tokenizer["post_processor"][name],
            serde_json::json!([token, id])
        );
    }

    let student = load(&home.path("small"));
    let unknown = student.tokenizer.text("A ZEPPELIN, ¿no?", 32).unwrap();
    assert!(
        unknown.ids.len() > 10,
        "a word that was cut is read in pieces: {unknown:?}"
    );
    assert!(unknown.ids.iter().all(|&id| id < 113));
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let home = with_large(Family::Bert);
    let weights = |out: &str, seed: &str| {
        let seed = ["--seed", seed];
        distilling(&home, &SMALL)
            .arg(out)
            .args(seed)
            .assert()
            .success();
        fs::read(home.path(out).join("model.safetensors")).unwrap()
    };
    let first = weights("first", "7");
    assert!(first == weights("second", "7"));
    assert!(first != weights("third", "8"));
}

#[test]
fn what_cannot_be_done_is_said_before_anything_is_written() {
    let home = with_large(Family::Bert);
    fs::write(home.path("line.txt"), "Alone.\n").unwrap();

    let run = |text: &str, layers: &str, vocabulary: &str, length: &str| {
        let mut command = distilling(&home, &[text, "--encoder", "large", "--out", "small"]);
        command.args([
            "--layers",
            layers,
            "--vocabulary",
            vocabulary,
            "--max-length",
            length,
        ]);
        command.assert().code(1)
    };
    run("nothing.txt", "1", "113", "32").stderr(contains("nothing.txt"));
    run("script.csv", "3", "113", "32").stderr(contains("has 2 layers"));
    run("script.csv", "1", "20", "32").stderr(contains("a vocabulary of 20 is too small"));
    run("script.csv", "1", "113", "65").stderr(contains("more than the encoder reads: 64"));
    run("line.txt", "1", "113", "32").stderr(contains("1 distinct lines are too few"));
    assert!(!home.path("small").exists());

    fs::create_dir(home.path("small")).unwrap();
    run("script.csv", "1", "113", "32").stderr(contains("exists already"));
    distilling(&home, &["--out", "x", "--encoder", "large"])
        .assert()
        .code(2);
}
