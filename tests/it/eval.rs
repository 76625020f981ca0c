//! `homer eval`, as a user meets it.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use homer::internals::{
    BiEncoder, CrossEncoder, Data, Dataset, Family, Head, LinearRanker, Values, head_specs,
    tiny_encoder_folder,
};
use homer::{Compute, Precision};

use crate::home::{Home, stderr, stdout};

/// A home with prepared dialogue: as many exchanges to test on, and a few to train on.
fn prepared(test: usize) -> Home {
    let home = Home::new();
    let lines = |numbers: std::ops::Range<usize>| -> String {
        numbers.map(|i| format!("{}\n", exchange(i))).collect()
    };
    let settings = json!({
        "source": "play.csv", "character": "Rufus", "seed": 0, "context_turns": 4,
    });
    home.write("data/exchanges/settings.json", settings.to_string());
    home.write("data/exchanges/train.jsonl", lines(0..10));
    home.write("data/exchanges/valid.jsonl", lines(10..40));
    home.write("data/exchanges/test.jsonl", lines(40..40 + test));
    let pool = |i: usize| json!({"text": reply(i), "exchanges": [i]});
    let pool = (40..40 + test).map(|i| format!("{}\n", pool(i)));
    home.write("data/exchanges/pool.jsonl", pool.collect::<String>());
    home
}

/// Writes what `train-bi` would, and the encoder that it started from.
fn train_bi(home: &Home) {
    for (folder, seed) in [("encoder", 1), ("runs/bi-encoder/model", 2)] {
        fs::create_dir_all(home.path(folder)).unwrap();
        tiny_encoder_folder(&home.path(folder), Family::Bert, &[], seed).unwrap();
    }
    let settings = json!({"settings": {"encoder": home.path("encoder")}});
    home.write("runs/bi-encoder/settings.json", settings.to_string());
}

/// Writes what `train-cross` would, with this verdict on reranking.
fn train_cross(home: &Home, settings: &Value) {
    let bi = BiEncoder::load(home.path("runs/bi-encoder/model"), &Compute::Fast).unwrap();
    let config = bi.encoder.config().clone();
    // A head that is not shy: a fresh one scores everything nearly alike.
    let values: Vec<Values> = head_specs(&config)
        .iter()
        .map(|spec| {
            // Small before the tanh, large behind it.
            let scale = if spec.shape[0] == 1 { 300.0 } else { 0.3 };
            let value = |i: usize| (((i * 37 + 11) % 101) as f32 / 101.0 - 0.5) * scale;
            Values::Owned((0..spec.shape.iter().product()).map(value).collect())
        })
        .collect();
    let model = CrossEncoder {
        head: Head::new(&config, &values, &Compute::Fast.device()).unwrap(),
        encoder: bi.encoder,
        tokenizer: bi.tokenizer,
        max_length: 64,
    };
    let folder = home.path("runs/cross-encoder/model");
    fs::create_dir_all(&folder).unwrap();
    model.save(&folder, Precision::F32).unwrap();
    LinearRanker::fused(20.0, 0.5).write(&folder).unwrap();
    home.write("runs/cross-encoder/reranking.json", settings.to_string());
}

/// What `eval --json` says.
fn measured(home: &Home, args: &[&str]) -> Value {
    let said = home.says(&[&["eval", "--json"], args].concat());
    serde_json::from_str(&said).unwrap()
}

const THINGS: [&str; 7] = [
    "kettle", "window", "bicycle", "garden", "letter", "thunder", "pudding",
];

fn reply(i: usize) -> String {
    format!("That {} is mine, all {i} of it.", THINGS[i % 7])
}

/// Query and reply share a word, and only every second query a second one.
fn exchange(i: usize) -> Value {
    let hint = if i.is_multiple_of(2) { i } else { 7000 };
    json!({
        "id": i, "scene": i, "reply": reply(i),
        "context": [{"speaker": "Ada", "text": "Listen."}],
        "query": {"speaker": "Ada", "text": format!("Who broke the {} {hint}?", THINGS[i % 7])},
        "close_replies": [], "good_replies": [], "bad_replies": [],
    })
}

/// The keys of the systems that were measured.
fn systems(report: &Value) -> Vec<&str> {
    let rows = report["systems"].as_array().unwrap();
    rows.iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect()
}

fn row<'a>(report: &'a Value, key: &str) -> &'a Value {
    let rows = report["systems"].as_array().unwrap();
    rows.iter().find(|row| row["key"] == key).unwrap()
}

fn mean(report: &Value, key: &str, metric: &str) -> f64 {
    row(report, key)["figures"][metric]["mean"]
        .as_f64()
        .unwrap()
}

#[test]
fn nothing_prepared_and_wrong_usage() {
    let home = Home::new();
    assert!(home.fails(&["eval"], 1).contains("homer prepare"));
    assert!(
        home.fails(&["eval", "--queries", "0"], 2)
            .contains("--queries")
    );
    home.fails(&["eval", "--test", "a.csv", "--split", "valid"], 2);
    home.fails(&["eval", "--character", "Ada"], 2);
    let missing = home.fails(&["eval", "--test", "nowhere.csv"], 1);
    assert!(missing.contains("nowhere.csv"), "{missing}");
    let missing = home.fails(&["eval", "--test", "nowhere.jsonl"], 1);
    assert!(missing.contains("nowhere.jsonl"), "{missing}");
    assert!(!home.path("runs").exists());
}

#[test]
fn without_a_model_there_are_the_systems_that_need_none() {
    let home = prepared(140);
    let outcome = home.homer(&["eval"]).success();
    let (table, notes) = (stdout(&outcome), stderr(&outcome));
    assert!(notes.contains("there is no bi-encoder"), "{notes}");
    for system in ["chance", "TF-IDF", "BM25"] {
        assert!(table.contains(system), "{table}");
    }
    assert!(
        table.contains("140 queries from the test part of play.csv"),
        "{table}"
    );
    assert!(
        table.lines().all(|line| line.chars().count() <= 110),
        "{table}"
    );

    let report: Value =
        serde_json::from_slice(&fs::read(home.path("runs/eval.json")).unwrap()).unwrap();
    assert_eq!(
        systems(&report),
        ["chance", "tfidf", "bm25", "bi", "cross", "ask"]
    );
    assert_eq!(report["pool"], 140);
    assert!((mean(&report, "chance", "r1_of_20") - 0.05).abs() < 1e-9);
    assert!((mean(&report, "chance", "r1_of_100") - 0.01).abs() < 1e-9);
    assert!((mean(&report, "chance", "r10") - 10.0 / 140.0).abs() < 1e-9);
    // Half of the queries name the number, the others are one of twenty that name the thing.
    for system in ["tfidf", "bm25"] {
        let found = mean(&report, system, "r1");
        assert!((found - 0.525).abs() < 1e-3, "{system}: {found}");
        let estimate = &row(&report, system)["figures"]["r1"];
        let (low, high) = (estimate["low"].as_f64(), estimate["high"].as_f64());
        assert!(low.unwrap() < found && found < high.unwrap());
    }
    let picture = fs::read(home.path("runs/eval.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG"));

    let answers = fs::read_to_string(home.path("runs/eval-answers.jsonl")).unwrap();
    let first: Value = serde_json::from_str(answers.lines().next().unwrap()).unwrap();
    assert_eq!(answers.lines().count(), 140);
    assert_eq!(first["reply"], reply(40));
    assert_eq!(first["systems"]["bm25"]["answer"], reply(40));
    assert_eq!(first["systems"]["bm25"]["rank"], 1.0);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let home = prepared(60);
    let first = home.says(&["eval", "--json"]);
    assert_eq!(home.says(&["eval", "--json"]), first);
    assert_ne!(home.says(&["eval", "--json", "--seed", "7"]), first);
}

#[test]
fn a_pool_that_is_too_small_leaves_out_what_needs_more() {
    let home = prepared(12);
    let report = measured(&home, &[]);
    assert!(row(&report, "bm25")["figures"]["r1_of_20"].is_null());
    assert!(mean(&report, "bm25", "r10") > 0.5);
    assert!(home.says(&["eval"]).contains('–'));
    let empty = prepared(0);
    assert!(empty.fails(&["eval"], 1).contains("--test"));
    assert_eq!(measured(&empty, &["--split", "valid"])["queries"], 30);
}

#[test]
fn fewer_queries_are_drawn_from_all_and_ranked_among_all() {
    let home = prepared(60);
    let report = measured(&home, &["--queries", "25"]);
    assert_eq!(report["queries"], 25);
    assert_eq!(report["available"], 60);
    assert_eq!(report["pool"], 60);
}

#[test]
fn the_trained_models_stand_beside_what_they_come_from() {
    let home = prepared(40);
    train_bi(&home);
    let report = measured(&home, &[]);
    assert_eq!(
        systems(&report),
        [
            "chance",
            "tfidf",
            "bm25",
            "untuned_query",
            "untuned",
            "bi",
            "cross",
            "ask"
        ]
    );
    assert_ne!(
        row(&report, "bi")["figures"],
        row(&report, "untuned")["figures"]
    );

    fs::remove_dir_all(home.path("encoder")).unwrap();
    let report = measured(&home, &[]);
    assert!(!systems(&report).contains(&"untuned"));
    assert!(report["notes"].to_string().contains("not here"));

    home.write("runs/bi-encoder/model/model.safetensors", "not this");
    let error = home.fails(&["eval"], 1);
    assert!(error.contains("model.safetensors"), "{error}");
}

#[test]
fn ask_is_measured_as_it_answers_by_default() {
    let home = prepared(28);
    train_bi(&home);

    // The general reranker decides, and what did not help is measured beside it.
    train_cross(&home, &json!({"rerank": false}));
    let report = measured(&home, &[]);
    assert!(systems(&report).contains(&"own_cross"));
    let general = row(&report, "ask")["figures"].clone();
    assert_ne!(general, row(&report, "own_cross")["figures"]);

    train_cross(&home, &json!({"rerank": true}));
    let report = measured(&home, &[]);
    assert!(!systems(&report).contains(&"own_cross"));
    let reranked = &row(&report, "ask")["figures"];
    assert_ne!(&general, reranked);
    assert_ne!(&row(&report, "cross")["figures"], reranked);
    assert_eq!(&report["reranking"]["after"], reranked);

    // Every reply of this pool is a candidate, so that adding the true one changes nothing.
    let reranking = &report["reranking"];
    assert_eq!(reranking["candidates"], 50);
    assert_eq!(reranking["with_truth"], reranking["after"]);
    assert_eq!(report["comparisons"][2]["after"], "ask");

    // The pool is what the index holds, so that `ask` itself must give the same answers, both stages
    // weighted alike.
    home.says(&["build-index", "--query-weight", "0"]);
    let answers = fs::read_to_string(home.path("runs/eval-answers.jsonl")).unwrap();
    for line in answers.lines().step_by(9) {
        let case: Value = serde_json::from_str(line).unwrap();
        let query = case["query"].as_str().unwrap();
        let answer = home.says(&["ask", query, "--context", "Listen.", "--explain", "--json"]);
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let candidates = answer["candidates"].as_array().unwrap();
        let score = |reply: &Value| {
            let candidate = candidates.iter().find(|one| one["reply"] == *reply);
            candidate.unwrap()["score"].as_f64().unwrap()
        };
        // Batches of other sizes round otherwise, so that equals may change places.
        let behind = score(&answer["answer"]) - score(&case["systems"]["ask"]["answer"]);
        assert!(behind < 5e-3, "{behind}: {case}");
        let worst = score(&candidates[candidates.len() - 1]["reply"]);
        assert!(score(&answer["answer"]) - worst > 0.1, "{worst}");
    }
}

#[test]
fn a_file_of_its_own_is_tested_on() {
    let home = prepared(40);
    let pairs: String = (5..45)
        .map(|i| {
            let query = exchange(i)["query"]["text"].as_str().unwrap().to_owned();
            format!("{query},\"{}\",1\n", reply(i))
        })
        .collect();
    home.write(
        "more.csv",
        format!("query,reply,label\n{pairs}Who?,Not he.,0\n"),
    );
    let report = measured(&home, &["--test", "more.csv"]);
    assert_eq!(report["queries"], 40);
    assert_eq!(report["tested"], "more.csv");
    let notes = report["notes"].to_string();
    assert!(
        notes.contains("5 of 40 exchanges are in the training part"),
        "{notes}"
    );

    let lines = fs::read(home.path("data/exchanges/valid.jsonl")).unwrap();
    home.write("valid.jsonl", lines);
    assert_eq!(measured(&home, &["--test", "valid.jsonl"])["queries"], 30);
    // The ordinary test's figures are not overwritten by these.
    assert!(home.path("runs/eval-of-valid.json").is_file());
    assert!(!home.path("runs/eval.json").exists());

    let turns: String = (0..30)
        .map(|i| {
            format!(
                "Ada,Who broke the {i}?\nRufus,\"{}\"\nBo,{i} days ago.\n",
                reply(i)
            )
        })
        .collect();
    home.write("play.csv", format!("speaker,line\n{turns}"));
    let report = measured(&home, &["--test", "play.csv"]);
    assert_eq!(
        (&report["character"], &report["queries"]),
        (&json!("Rufus"), &json!(30))
    );
    let report = measured(&home, &["--test", "play.csv", "--character", "bo"]);
    assert_eq!(report["character"], "Bo");

    home.write("odd.csv", "a column,another\n1,2\n");
    assert!(
        home.fails(&["eval", "--test", "odd.csv"], 1)
            .contains("odd.csv")
    );
}

#[test]
fn models_of_another_dialogue_are_noted_and_get_no_card() {
    let home = prepared(30);
    train_bi(&home);
    home.write("runs/bi-encoder/README.md", "# A card\n");
    let dataset = Dataset::load(&home.path("data/exchanges")).unwrap();
    let begun = |fingerprint: &str| {
        let encoder = home.path("encoder");
        let data = json!({
            "source": "a.csv", "character": "Rufus", "train": 9, "valid": 9, "fingerprint": fingerprint,
        });
        let settings = json!({"settings": {"encoder": encoder}, "data": data});
        home.write("runs/bi-encoder/settings.json", settings.to_string());
        measured(&home, &[])["notes"].to_string()
    };
    assert!(begun("another").contains("trained on other exchanges"));
    let card = || fs::read_to_string(home.path("runs/bi-encoder/README.md")).unwrap();
    assert!(!card().contains("## Test"));
    assert!(!begun(&Data::fingerprint(&dataset)).contains("other exchanges"));
    assert!(card().contains("## Test"));
}

#[test]
fn the_picture_goes_where_it_is_wanted() {
    let home = prepared(30);
    home.says(&["eval", "--png", "pictures/compared.png"]);
    assert!(Path::new(&home.path("pictures/compared.png")).is_file());
    assert!(!home.path("runs/eval.png").exists());
}

#[test]
fn the_figures_stand_in_the_card_and_in_the_index_which_answers_as_before() {
    let home = prepared(30);
    train_bi(&home);
    home.write("runs/bi-encoder/README.md", "# A card\n\n## Use\n\nSo.\n");
    home.says(&["build-index"]);
    let before = home.says(&["ask", "Where is the boat?"]);
    for args in [&["eval", "--split", "valid"][..], &["eval"], &["eval"]] {
        home.says(args);
    }
    let card = fs::read_to_string(home.path("runs/bi-encoder/README.md")).unwrap();
    assert_eq!(card.matches("## Test").count(), 1, "{card}");
    assert!(card.contains("30 queries from the test part"), "{card}");
    assert!(card.ends_with("## Use\n\nSo.\n"), "{card}");
    let manifest = fs::read(home.path("runs/index/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    let report = measured(&home, &[]);
    assert_eq!(
        manifest["evaluation"]["ask"]["mrr"].as_f64().unwrap(),
        mean(&report, "ask", "mrr")
    );
    assert_eq!(home.says(&["ask", "Where is the boat?"]), before);
}
