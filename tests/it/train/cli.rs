//! `train-bi` and `train-cross` as a user meets them.

use predicates::prelude::*;
use predicates::str::contains;

use homer::internals::{Family, tiny_encoder_folder};

use crate::home::Home;

/// A prepared script of 30 scenes and a tiny encoder, in the folder `encoder`.
fn prepared() -> Home {
    let home = Home::new();
    tiny_encoder_folder(&home.path("encoder"), Family::Bert, &["boat", "soup"], 1).unwrap();
    let mut script = String::from("speaker,text\n");
    for scene in 0..30 {
        script += &format!("Ann,Is boat {scene} yours?\nBob,No; it sank on day {scene}.\n");
        script += &format!("Ann,And the soup {scene}?\nBob,Cold since {scene} o'clock.\n,\n");
    }
    home.write("script.csv", script);
    home.homer(&["prepare", "--character", "Bob", "script.csv"])
        .success();
    home
}

#[test]
fn both_trainings_run_find_each_other_and_protect_what_they_made() {
    let home = prepared();
    let bi = [
        "train-bi",
        "--encoder",
        "encoder",
        "--steps",
        "4",
        "--batch-size",
        "8",
    ];
    home.homer(&bi)
        .success()
        .stdout("")
        .stderr(contains("exchanges of Bob"))
        .stderr(contains("step     0/4").and(contains("step     4/4")))
        .stderr(contains("before").and(contains("next: homer")));
    home.homer(&[
        "train-cross",
        "--encoder",
        "runs/bi-encoder/model",
        "--steps",
        "3",
        "--batch-size",
        "4",
        "--negatives",
        "2",
    ])
    .success()
    .stderr(contains("head is new"));
    for run in ["bi-encoder", "cross-encoder"] {
        for file in [
            "settings.json",
            "metrics.jsonl",
            "loss.png",
            "README.md",
            "done.json",
        ] {
            assert!(
                home.path("runs").join(run).join(file).is_file(),
                "{run}/{file}"
            );
        }
    }
    home.homer(&bi).code(1).stderr(contains("--force"));
    home.homer(&[&bi[..], &["--force"]].concat()).success();
    assert!(home.path("runs/bi-encoder.old/done.json").is_file());
    home.homer(&["build-index"]).success();
    let asked = home.homer(&["ask", "Is the boat yours?"]).success();
    let answer = String::from_utf8(asked.get_output().stdout.clone()).unwrap();
    let pool = std::fs::read_to_string(home.path("data/exchanges/pool.jsonl")).unwrap();
    let said = format!("{:?}", answer.trim_end());
    assert!(pool.contains(&said), "{said} is no line of the character's");
}

#[test]
fn wrong_usage_is_said_so() {
    let home = Home::new();
    for wrong in [
        &["train-bi", "--lr", "0"][..],
        &["train-bi", "--batch-size", "1"],
        &["train-bi", "--warmup", "1"],
        &["train-bi", "--epochs", "0"],
        &["train-bi", "--resume", "--lr", "1e-4"],
        &["train-cross", "--resume", "--force"],
        &["train-cross", "--negatives", "0"],
    ] {
        home.homer(wrong).code(2);
    }
    home.homer(&["train-bi", "--encoder", "encoder"])
        .code(1)
        .stderr(contains(" prepare SCRIPT.csv`"));
}

#[test]
fn thumbs_are_learned_from_where_there_are_any() {
    let home = prepared();
    let bi = |steps: &str| {
        let args = ["train-bi", "--encoder", "encoder", "--steps", steps];
        home.homer(&[&args[..], &["--batch-size", "8", "--feedback"]].concat())
    };
    bi("1")
        .code(1)
        .stderr(contains("nobody has said yet").and(contains("feedback.jsonl")));
    let line = |query: &str, reply: &str, verdict: &str| {
        format!(
            r#"{{"query":"{query}","context":[],"reply":"{reply}","verdict":"{verdict}","persona":"bob"}}"#
        )
    };
    let lines = [
        line("Boat?", "No; it sank on day 3.", "up"),
        line("Boat?", "Cold since 4 o'clock.", "down"),
        line("Soup?", "No; it sank on day 9.", "down"),
    ];
    home.write("runs/feedback.jsonl", lines.join("\n"));
    let said = contains("1 answers that were liked and 2 that were not, to 2 messages; 1 of these");
    bi("2").success().stderr(said.clone());
    home.homer(&[
        "train-cross",
        "--encoder",
        "encoder",
        "--steps",
        "2",
        "--feedback",
    ])
    .success()
    .stderr(said);
}
