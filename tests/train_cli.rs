//! `train-bi` and `train-cross` as a user meets them.

use std::path::Path;

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

use homer::hf::testing::tiny_encoder_folder;
use homer::nn::config::Family;

/// Homer in `folder`, with no terminal and no hub.
fn homer(folder: &Path) -> Command {
    let mut command = Command::cargo_bin("homer").unwrap();
    command.arg("-C").arg(folder);
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder);
    command
}

/// A prepared script of 30 scenes and a tiny encoder.
fn prepared() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let encoder = folder.path().join("encoder");
    tiny_encoder_folder(&encoder, Family::Bert, &["boat", "soup"], 1).unwrap();
    let mut script = String::from("speaker,text\n");
    for scene in 0..30 {
        script += &format!("Ann,Is boat {scene} yours?\nBob,No; it sank on day {scene}.\n");
        script += &format!("Ann,And the soup {scene}?\nBob,Cold since {scene} o'clock.\n,\n");
    }
    let csv = folder.path().join("script.csv");
    std::fs::write(&csv, script).unwrap();
    homer(folder.path())
        .args(["prepare", "--character", "Bob"])
        .arg(&csv)
        .assert()
        .success();
    (folder, encoder.display().to_string())
}

#[test]
fn both_trainings_run_find_each_other_and_protect_what_they_made() {
    let (folder, encoder) = prepared();
    let root = folder.path();
    let bi = [
        "train-bi",
        "--encoder",
        &encoder,
        "--steps",
        "4",
        "--batch-size",
        "8",
    ];
    homer(root)
        .args(["train-cross"])
        .assert()
        .code(1)
        .stderr(contains(" train-bi`"));
    homer(root)
        .args(bi)
        .assert()
        .success()
        .stdout("")
        .stderr(contains("exchanges of Bob"))
        .stderr(contains("step     0/4").and(contains("step     4/4")))
        .stderr(contains("before").and(contains("next: homer")));
    homer(root)
        .args([
            "train-cross",
            "--steps",
            "3",
            "--batch-size",
            "4",
            "--negatives",
            "2",
        ])
        .assert()
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
                root.join("runs").join(run).join(file).is_file(),
                "{run}/{file}"
            );
        }
    }
    homer(root)
        .args(bi)
        .assert()
        .code(1)
        .stderr(contains("--force"));
    homer(root).args(bi).arg("--force").assert().success();
    assert!(root.join("runs/bi-encoder.old/done.json").is_file());
    homer(root).arg("build-index").assert().success();
    let asked = homer(root)
        .args(["ask", "Is the boat yours?"])
        .assert()
        .success();
    let answer = String::from_utf8(asked.get_output().stdout.clone()).unwrap();
    let pool = std::fs::read_to_string(root.join("data/exchanges/pool.jsonl")).unwrap();
    let said = format!("{:?}", answer.trim_end());
    assert!(pool.contains(&said), "{said} is no line of the character's");
}

#[test]
fn wrong_usage_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    for wrong in [
        &["train-bi", "--lr", "0"][..],
        &["train-bi", "--batch-size", "1"],
        &["train-bi", "--warmup", "1"],
        &["train-bi", "--epochs", "0"],
        &["train-bi", "--resume", "--lr", "1e-4"],
        &["train-cross", "--resume", "--force"],
        &["train-cross", "--negatives", "0"],
    ] {
        homer(folder.path()).args(wrong).assert().code(2);
    }
    homer(folder.path())
        .args(["train-bi", "--encoder", "encoder"])
        .assert()
        .code(1)
        .stderr(contains(" prepare SCRIPT.csv`"));
}
