//! `homer prepare`, as a user meets it.

mod refused;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Stdio;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use homer::Exchange;
use homer::internals::{Data, Dataset};

use crate::home::Home;

fn prepare(home: &Home, arguments: &[&str]) -> Command {
    home.command(&[&["prepare"], arguments].concat())
}

fn prepared(home: &Home) -> Dataset {
    Dataset::load(&home.path("data/exchanges")).unwrap()
}

/// Every file of the dataset, by name.
fn written(home: &Home) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(home.path("data/exchanges")).unwrap();
    let file = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, fs::read(entry.path()).unwrap())
    };
    entries.map(file).collect()
}

const THINGS: [&str; 10] = [
    "kettle", "window", "bicycle", "garden", "letter", "thunder", "pudding", "lantern", "parrot",
    "ladder",
];

/// Forty scenes: Pip asks Mo about one thing, three times; Mo has the most lines.
fn script() -> String {
    let mut rows = String::from("Speaker,Line\n");
    for scene in 0..40 {
        let thing = THINGS[scene % THINGS.len()];
        rows += &format!("Mo,Scene {scene} begins.\n");
        for (place, verb) in ["lost", "painted", "sold"].iter().enumerate() {
            rows += &format!("Pip:,Who {verb} our {thing} number {scene}?\n");
            rows += &format!("mo,\"(sighs) Answer {scene}, part {place}: {thing}.\"\n");
            rows += "Mo,And so on.\n";
        }
        rows += "Pip,Fair enough.\n,\n";
    }
    rows
}

fn scenes(exchanges: &[Exchange]) -> BTreeSet<usize> {
    exchanges.iter().map(|exchange| exchange.scene).collect()
}

#[test]
fn a_script_becomes_a_dataset() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv"])
        .assert()
        .success()
        .stdout(contains("exchanges  120: 96 train, 12 valid, 12 test"))
        .stdout(contains("280      160      120  Mo"))
        .stderr(contains("reading play.csv"))
        .stderr(contains("homer train-bi"));

    let dataset = prepared(&home);
    assert_eq!(dataset.settings.character, "Mo");
    assert_eq!(dataset.settings.source, "play.csv");
    assert_eq!(dataset.settings.context_turns, 4);

    let second = &dataset.exchanges()[1];
    assert_eq!((second.id, second.scene), (1, 0));
    assert_eq!(second.query.speaker, "Pip");
    assert_eq!(second.query.text, "Who painted our kettle number 0?");
    assert_eq!(second.reply, "Answer 0, part 1: kettle. And so on.");
    let context: Vec<&str> = second
        .context
        .iter()
        .map(|turn| turn.text.as_str())
        .collect();
    assert_eq!(
        context,
        [
            "Scene 0 begins.",
            "Who lost our kettle number 0?",
            "Answer 0, part 0: kettle. And so on."
        ]
    );
    assert_eq!(second.companions(), ["Pip", "Mo"]);
    assert_eq!(second.close_replies.len(), 3);

    // Openers are in the pool, and answer nobody.
    let openers = dataset
        .pool
        .iter()
        .filter(|reply| reply.exchanges.is_empty());
    assert_eq!(openers.count(), 40);
    assert_eq!(dataset.pool.len(), 160);

    let files = written(&home);
    assert!(files["report.png"].starts_with(b"\x89PNG"));
    assert!(String::from_utf8_lossy(&files["report.txt"]).starts_with("Mo in play.csv"));
    serde_json::from_slice::<serde_json::Value>(&files["report.json"]).unwrap();
}

#[test]
fn training_reads_no_more_than_it_needs() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv"]).assert().success();
    let whole = prepared(&home);
    let lean = Dataset::load_lean(&home.path("data/exchanges")).unwrap();
    assert_eq!(Data::fingerprint(&lean), Data::fingerprint(&whole));
    assert!(
        whole
            .train
            .iter()
            .any(|exchange| exchange.context.len() > 1)
    );
    for (lean, whole) in lean.train.iter().zip(&whole.train) {
        assert_eq!(
            (&lean.query.text, &lean.reply),
            (&whole.query.text, &whole.reply)
        );
        assert_eq!(lean.scene, whole.scene);
        let newest = |exchange: &Exchange| exchange.context.last().map(|turn| turn.text.clone());
        assert!(lean.context.len() <= 1 && newest(lean) == newest(whole));
        assert!(lean.bad_replies.is_empty() && lean.good_replies.is_empty());
    }
    // Nobody repeats what was just said, so that the context of what is held out is needed.
    for (lean, whole) in lean.valid.iter().zip(&whole.valid) {
        assert_eq!(lean.context, whole.context);
    }
    assert_eq!(lean.pool, whole.pool);
}

#[test]
fn scenes_are_whole_and_training_sees_nothing_held_out() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv"]).assert().success();
    let dataset = prepared(&home);
    let train = scenes(&dataset.train);
    assert!(train.is_disjoint(&scenes(&dataset.valid)));
    assert!(train.is_disjoint(&scenes(&dataset.test)));
    assert!(scenes(&dataset.valid).is_disjoint(&scenes(&dataset.test)));

    let learnt: BTreeSet<&str> = dataset.train.iter().map(|one| one.reply.as_str()).collect();
    for exchange in dataset.exchanges() {
        let thing = THINGS[exchange.scene % THINGS.len()];
        assert_eq!(exchange.good_replies.len(), 3);
        assert_eq!(exchange.bad_replies.len(), 5);
        for reply in exchange.good_replies.iter().chain(&exchange.bad_replies) {
            assert!(learnt.contains(reply.as_str()), "{reply} is held out");
            assert_ne!(*reply, exchange.reply);
        }
        for reply in &exchange.bad_replies {
            assert!(!exchange.good_replies.contains(reply));
            assert!(!reply.contains(thing), "{reply}: {exchange:?}");
        }
        // The queries most like this one are about the same thing.
        let mut best = exchange.good_replies.iter().take(2);
        assert!(best.all(|reply| reply.contains(thing)), "{exchange:?}");
    }
}

#[test]
fn the_seed_decides_every_byte() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv"]).assert().success();
    let first = written(&home);
    prepare(&home, &["play.csv"]).assert().success();
    assert_eq!(first, written(&home));
    prepare(&home, &["play.csv", "--seed", "7"])
        .assert()
        .success();
    assert_ne!(first["test.jsonl"], written(&home)["test.jsonl"]);
}

#[test]
fn a_contiguous_split_holds_out_the_end() {
    let home = Home::with("play.csv", script());
    prepare(
        &home,
        &[
            "play.csv",
            "--split",
            "contiguous",
            "--good",
            "1",
            "--bad",
            "0",
        ],
    )
    .args(["--context-turns", "1"])
    .assert()
    .success();
    let dataset = prepared(&home);
    assert_eq!(scenes(&dataset.test), (36..40).collect());
    assert_eq!(scenes(&dataset.valid), (32..36).collect());
    for exchange in dataset.exchanges() {
        assert_eq!(exchange.context.len(), 1);
        assert_eq!(exchange.good_replies.len(), 1);
        assert!(exchange.bad_replies.is_empty());
    }
}

#[test]
fn scene_columns_divide_a_script_without_empty_rows() {
    let rows: String = (0..20)
        .map(|n| format!("{},Pip,Question {n}?\n{},Mo,Answer {n}.\n", n / 2, n / 2))
        .collect();
    let home = Home::with(
        "play.tsv",
        format!("part,Name,Text\n{rows}").replace(',', "\t"),
    );
    prepare(
        &home,
        &["play.tsv", "--character", "MO", "--scene-column", "Part"],
    )
    .assert()
    .success();
    let exchanges: Vec<Exchange> = prepared(&home).exchanges().into_iter().cloned().collect();
    assert_eq!(scenes(&exchanges).len(), 10);

    // Without, it is all one scene: nothing can be held out, and that is said.
    prepare(&home, &["play.tsv", "--character", "mo"])
        .assert()
        .success()
        .stdout(
            contains("nothing is left for validation and test").and(contains("name the columns")),
        );
}

#[test]
fn ready_pairs_are_split_in_file_order() {
    let mut rows = String::from(",A,Q,Context,len_Context,label\n");
    for n in 0..30 {
        rows += &format!("{n},Reply {n},Query {n}?,Before {n}. Query {n}?,2.0,1.0\n");
        rows += &format!("{n},Not mine {n},Query {n}?,Query {n}?,1.0,0.0\n");
    }
    rows += "30,,Query?,Query?,1.0,1.0\n";
    let home = Home::with("pairs.csv", rows);
    prepare(&home, &["pairs.csv"])
        .assert()
        .success()
        .stdout(contains("30 labelled as somebody else's"))
        .stdout(contains("1 without a query or a reply"))
        .stdout(contains("exchanges  30: 24 train, 3 valid, 3 test"));
    let dataset = prepared(&home);
    assert_eq!(dataset.settings.character, "the character");
    assert_eq!(dataset.test[0].reply, "Reply 27");
    assert_eq!(dataset.train[3].context[0].text, "Before 3.");
    assert_eq!(dataset.pool.len(), 30);
    assert!(
        dataset
            .pool
            .iter()
            .all(|reply| !reply.text.contains("Not mine"))
    );

    prepare(&home, &["pairs.csv", "--context-turns", "0"])
        .assert()
        .success();
    assert!(prepared(&home).train[3].context.is_empty());

    prepare(&home, &["pairs.csv", "--character", "Mo"])
        .assert()
        .success();
    assert_eq!(prepared(&home).settings.character, "Mo");
    prepare(&home, &["pairs.csv", "--split", "scene"])
        .assert()
        .code(1)
        .stderr(contains("split contiguously"));
    prepare(&home, &["pairs.csv", "--list-characters"])
        .assert()
        .code(1)
        .stderr(contains("do not say who speaks"));
}

#[test]
fn columns_can_be_named() {
    let home = Home::with(
        "faq.csv",
        "asked;said\nTea?;Yes.\nMilk?;No.\nCake?;Later.\n",
    );
    prepare(
        &home,
        &[
            "faq.csv",
            "--query-column",
            "asked",
            "--reply-column",
            "SAID",
        ],
    )
    .assert()
    .success()
    .stdout(contains("exchanges  3: "));
    assert_eq!(prepared(&home).exchanges()[2].reply, "Later.");
}

#[test]
fn encodings_are_read_and_garbled_text_is_repaired() {
    let home = Home::with("old.csv", b"who,line\nPip,Caf\xe9?\nMo,Na\xefve.\n");
    prepare(
        &home,
        &["old.csv", "--character", "Mo", "--encoding", "windows-1252"],
    )
    .assert()
    .success();
    assert_eq!(prepared(&home).train[0].query.text, "Café?");
    home.write(
        "garbled.csv",
        "\u{feff}who,line\nPip,Wellâ€¦?\nMo,Itâ€™s fine.\n",
    );
    prepare(&home, &["garbled.csv", "--character", "Mo"])
        .assert()
        .success()
        .stdout(contains("repaired  2 garbled characters"));
    let dataset = prepared(&home);
    assert_eq!(dataset.train[0].query.text, "Well…?");
    assert_eq!(dataset.train[0].reply, "It’s fine.");
}

#[test]
fn without_an_input_the_script_in_data_is_taken() {
    let home = Home::new();
    home.write("data/sample_script.csv", script());
    prepare(&home, &[]).assert().success().stderr(contains(
        "reading the sample script, ./data/sample_script.csv",
    ));
    home.write(
        "data/mine.TSV",
        script().replace(",\n", "\t\n").replace(',', "\t"),
    );
    prepare(&home, &[])
        .assert()
        .success()
        .stderr(contains("mine.TSV"));
    home.write("data/yours.csv", script());
    prepare(&home, &[]).assert().code(1).stderr(
        contains("mine.TSV")
            .and(contains("yours.csv"))
            .and(contains("say which")),
    );
}

#[test]
fn another_folder_can_be_worked_in() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv", "-C", "personas/mo"])
        .assert()
        .success();
    assert!(
        home.path("personas/mo/data/exchanges/train.jsonl")
            .is_file()
    );
    assert!(!home.path("data").exists());
}

#[test]
fn characters_are_listed_and_nothing_is_written() {
    let home = Home::with("play.csv", script());
    prepare(&home, &["play.csv", "--list-characters"])
        .assert()
        .success()
        .stdout(predicate::eq(
            "   lines    turns  answers  speaker\n     280      160      120  Mo\n     160      160      160  Pip\n",
        ));
    assert!(!home.path("data").exists());
}

#[test]
fn a_closed_pipe_is_no_error() {
    let home = Home::with("play.csv", script());
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_homer"))
        .args(["prepare", "play.csv", "--list-characters"])
        .current_dir(home.root())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}
