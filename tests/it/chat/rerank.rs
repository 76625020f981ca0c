//! What the cross-encoder has to say in an answer.

use std::fs;

use serde_json::Value;

use homer::Query;
use homer::internals::{Family, tiny_encoder_folder};

use crate::home::{stderr, stdout};
use crate::persona::{persona, train_cross};

#[test]
fn the_cross_encoder_on_disk_puts_what_was_retrieved_in_order() {
    let home = persona();
    let cross = train_cross(&home, 5);
    let ask = |more: &[&str]| -> Value {
        let mut args = vec![
            "ask",
            "A hat?",
            "--json",
            "--explain",
            "--context",
            "The pie.",
        ];
        args.extend_from_slice(more);
        serde_json::from_str(&home.says(&args)).unwrap()
    };
    // All that are retrieved for the twenty that are read.
    let retrieved = ask(&["--no-rerank", "--top-k", "240"]);
    let retrieved = retrieved["candidates"].as_array().unwrap().iter();
    let texts: Vec<&str> = retrieved.map(|c| c["reply"].as_str().unwrap()).collect();
    let context = ["The pie.".to_owned()];
    let query = Query {
        context: &context,
        text: "A hat?",
    };
    let scores = cross.score(query, &texts).unwrap();

    let line = ask(&["--top-k", "20"]);
    let candidates = line["candidates"].as_array().unwrap();
    assert_eq!(candidates.len(), 20);
    assert_eq!(line["answer"], candidates[0]["reply"]);
    let before = candidates.iter().map(|one| one["rank_before"].as_u64());
    let before: Vec<usize> = before.map(|rank| rank.unwrap() as usize).collect();
    assert!(!before.is_sorted(), "nothing was reordered");
    assert!(
        before.iter().max() >= Some(&20),
        "nothing from below was read"
    );
    assert!(before.is_sorted_by(|&a, &b| scores[a] >= scores[b]));
    for (candidate, &rank) in candidates.iter().zip(&before) {
        assert_eq!(candidate["reply"], texts[rank]);
        let score = candidate["rerank"].as_f64().unwrap();
        assert!((score - f64::from(scores[rank])).abs() < 1e-5);
    }
    let table = home.says(&["ask", "A hat?", "--explain"]);
    assert!(table.contains("logit"), "{table}");
}

#[test]
fn a_cross_encoder_that_nobody_judged_is_left_out_and_said_so() {
    let home = persona();
    let general = home.says(&["ask", "A hat?", "--explain"]);
    train_cross(&home, 5);
    assert_ne!(home.says(&["ask", "A hat?", "--explain"]), general);
    let verdict = home.path("runs/cross-encoder/reranking.json");
    // As a crash between the training and its verdict leaves it, and as training another bi-encoder
    // since then does.
    for judged in ["{}", "{\"rerank\": true, \"bi_encoder\": \"another\"}"] {
        fs::write(&verdict, judged).unwrap();
        let outcome = home.homer(&["ask", "A hat?", "--explain"]).success();
        assert_eq!(stdout(&outcome), general, "{judged}");
        assert!(
            stderr(&outcome).contains("train-cross --resume"),
            "{judged}"
        );
    }
}

#[test]
fn a_cross_encoder_without_its_head_is_refused_and_not_made_up() {
    let home = persona();
    let model = home.path("runs/cross-encoder/model");
    fs::create_dir_all(&model).unwrap();
    tiny_encoder_folder(&model, Family::Bert, &["boat"], 3).unwrap();
    let verdict = home.path("runs/cross-encoder/reranking.json");
    fs::write(verdict, "{\"rerank\": true}").unwrap();
    assert!(home.fails(&["ask", "Well?"], 1).contains("no head"));
    home.homer(&["ask", "Well?", "--no-rerank"]).success();
}
