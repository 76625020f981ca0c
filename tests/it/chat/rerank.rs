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
        let mut args = vec!["ask", "A hat?", "--json", "--explain", "--top-k", "20"];
        args.extend_from_slice(more);
        serde_json::from_str(&home.says(&args)).unwrap()
    };
    let replies = |line: &Value| -> Vec<String> {
        let candidates = line["candidates"].as_array().unwrap().iter();
        candidates
            .map(|c| c["reply"].as_str().unwrap().to_owned())
            .collect()
    };
    let context = ["The pie.".to_owned()];
    let retrieved = replies(&ask(&["--context", "The pie.", "--no-rerank"]));
    let query = Query {
        context: &context,
        text: "A hat?",
    };
    let texts: Vec<&str> = retrieved.iter().map(String::as_str).collect();
    let scores = cross.score(query, &texts).unwrap();
    let mut order: Vec<usize> = (0..20).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    assert!(!order.is_sorted(), "nothing to reorder");

    let line = ask(&["--context", "The pie."]);
    let expected: Vec<&str> = order.iter().map(|&i| texts[i]).collect();
    assert_eq!(replies(&line), expected);
    assert_eq!(line["answer"], expected[0]);
    for (candidate, &i) in line["candidates"].as_array().unwrap().iter().zip(&order) {
        assert_eq!(candidate["rank_before"], i);
        let score = candidate["rerank"].as_f64().unwrap();
        assert!((score - f64::from(scores[i])).abs() < 1e-5);
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
