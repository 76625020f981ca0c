//! One question, one answer.

use std::fs;

use serde_json::{Value, json};

use crate::home::{Home, stderr, stdout};
use crate::persona::{index, persona, prepare, question, reply, train};

#[test]
fn the_answer_is_the_reply_whose_vector_is_nearest() {
    let home = persona();
    // Without context a query is embedded as a reply is, so a reply's own text finds it.
    for i in [0, 17, 59] {
        assert_eq!(
            home.says(&["ask", "--no-rerank", &question(i)]),
            format!("{}\n", reply(i))
        );
    }
    let line: Value =
        serde_json::from_str(&home.says(&["ask", "--no-rerank", "--json", &question(17)])).unwrap();
    assert_eq!(line["question"], question(17));
    assert_eq!(line["answer"], reply(17));
    assert!((line["chosen"]["retrieval"].as_f64().unwrap() - 1.0).abs() < 1e-2);
    assert_eq!(line["chosen"]["rerank"], Value::Null);
    let origin = &line["chosen"]["origin"];
    assert_eq!(origin["exchange"], 17);
    assert_eq!(origin["query"]["text"], "What about number 17?");
    assert_eq!(origin["context"], json!(["Ada: Listen."]));
    assert_eq!(line["chosen"]["exchanges"], json!([17]));
    assert_eq!(line["character"], "Rufus");
    assert_eq!(line["folder"], home.root().to_str().unwrap());
    assert_eq!(line.get("candidates"), None);
}

#[test]
fn context_is_part_of_the_question() {
    let home = persona();
    let score = |args: &[&str]| {
        let line: Value = serde_json::from_str(&home.says(args)).unwrap();
        line["chosen"]["retrieval"].as_f64().unwrap()
    };
    let alone = score(&["ask", "--no-rerank", "--json", "The hat?"]);
    let ab = [
        "ask",
        "--no-rerank",
        "--json",
        "The hat?",
        "--context",
        "A boat.",
        "--context",
        "Pie!",
    ];
    let ba = [
        "ask",
        "--no-rerank",
        "--json",
        "The hat?",
        "--context",
        "Pie!",
        "--context",
        "A boat.",
    ];
    assert_ne!(alone, score(&ab));
    assert_ne!(score(&ab), score(&ba));
    // Training saw two turns before a query: what was said before them is not minded.
    let mut older = ab.to_vec();
    older.splice(3..3, ["--context", "Moose. Kettle!"]);
    assert_eq!(score(&ab), score(&older));
}

#[test]
fn explain_shows_the_best_candidates_and_their_exchanges() {
    let home = persona();
    let shown = home.says(&["ask", "--no-rerank", "--explain", &question(4)]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], reply(4));
    assert_eq!(lines.len(), 14, "{shown}");
    let folder = home.root().to_str().unwrap();
    assert_eq!(lines[2], format!("Rufus from {folder}"));
    assert!(lines[4].starts_with("* 1"), "{shown}");
    assert!(lines[4].contains("#4 Ada: What about number 4?"), "{shown}");

    let args = [
        "ask",
        "--no-rerank",
        "--explain",
        "--json",
        "--top-k",
        "5",
        "A hat?",
    ];
    let line: Value = serde_json::from_str(&home.says(&args)).unwrap();
    let candidates = line["candidates"].as_array().unwrap();
    let scores: Vec<f64> = candidates
        .iter()
        .map(|c| c["score"].as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 5);
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn questions_come_from_standard_input_and_from_files() {
    let home = persona();
    let answer = format!("{}\n", reply(8));
    assert_eq!(
        home.replies(
            &["ask", "--no-rerank", "-"],
            &format!("  {}\n", question(8))
        ),
        answer
    );

    let file = home.path("questions.txt");
    let file_name = file.to_str().unwrap();
    let questions = format!("\u{feff}{}\r\n\n{}", question(8), question(3));
    fs::write(&file, &questions).unwrap();
    let answers = format!("{}\n\n{}\n", reply(8), reply(3));
    assert_eq!(
        home.says(&["ask", "--no-rerank", "--file", file_name]),
        answers
    );
    assert_eq!(
        home.replies(&["ask", "--no-rerank", "--file", "-"], &questions),
        answers
    );

    let json = home.says(&["ask", "--no-rerank", "--file", file_name, "--json"]);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["answer"], reply(8));
    assert_eq!(lines[1]["answer"], Value::Null);
    assert_eq!(lines[2]["answer"], reply(3));

    fs::write(&file, b"Fine.\nBad: \xff\n").unwrap();
    // What was read before is answered: a file may be as long as it likes.
    home.homer(&["ask", "--no-rerank", "--file", file_name])
        .code(1)
        .stdout(predicates::str::is_match("^[^\n]+\n$").unwrap())
        .stderr(predicates::str::contains("line 2: not UTF-8"));
}

#[test]
fn a_seed_decides_what_is_drawn() {
    let home = persona();
    let drawn = |seed: &str| {
        home.says(&[
            "ask",
            "--no-rerank",
            "A hat?",
            "--temperature",
            "2",
            "--seed",
            seed,
        ])
    };
    let all: Vec<String> = ["1", "2", "3", "4", "5", "6"].map(drawn).into();
    assert_eq!(drawn("3"), all[2]);
    assert!(all.iter().any(|answer| *answer != all[0]), "{all:?}");
}

#[test]
fn under_the_least_score_there_is_no_answer() {
    let home = persona();
    let strict = [
        "ask",
        "--no-rerank",
        "Quite another thing?",
        "--min-score",
        "1",
    ];
    // No words are put into the character's mouth.
    let outcome = home.homer(&strict).success();
    assert_eq!(stdout(&outcome), "\n");
    assert!(stderr(&outcome).contains("--min-score"));
    let json = home.says(&[
        "ask",
        "--no-rerank",
        "Quite another thing?",
        "--min-score",
        "1",
        "--json",
    ]);
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&line["answer"], &line["chosen"]),
        (&Value::Null, &Value::Null)
    );
    // Validation was large enough to calibrate on, and a perfect match passes any threshold.
    assert_eq!(
        home.says(&["ask", "--no-rerank", &question(2), "--min-score", "auto"]),
        format!("{}\n", reply(2))
    );

    let small = Home::new();
    prepare(&small, 5);
    train(&small, 1);
    index(&small);
    let error = small.fails(&["ask", "--no-rerank", "Well?", "--min-score", "auto"], 1);
    assert!(error.contains("too few validation exchanges"), "{error}");
}
