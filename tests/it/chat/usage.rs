//! Commands that cannot be done, and those that only tell about others.

use std::fs;

use serde_json::{Value, json};

use crate::home::Home;
use crate::persona::{REPLIES, index, prepare, train, train_cross};

#[test]
fn status_says_what_is_there_and_what_comes_next() {
    let home = Home::new();
    let status = || -> Value { serde_json::from_str(&home.says(&["status", "--json"])).unwrap() };
    let next = |command: &str| {
        let said = status()["next"].as_str().unwrap().to_owned();
        assert!(
            said.starts_with("homer ") && said.ends_with(command),
            "{said}"
        );
        assert!(home.says(&["status"]).ends_with(&format!("next: {said}\n")));
    };
    next(" prepare SCRIPT.csv");
    assert!(status()["dialogue"].is_null() && status()["index"].is_null());
    prepare(&home, REPLIES);
    next(" build-index");
    assert_eq!(
        status()["dialogue"]["exchanges"],
        json!([REPLIES - 24, 24, 0])
    );
    train(&home, 1);
    next(" build-index");
    train_cross(&home, 2);
    next(" build-index");
    assert_eq!(status()["reranks"], true);
    index(&home);
    next("?\"");
    assert_eq!(status()["index"]["replies"], REPLIES);
    // Another bi-encoder makes the index old, and another dialogue everything.
    train(&home, 2);
    next(" build-index");
    assert!(home.says(&["status"]).contains("out of date"));
    let settings = json!({"data": {
        "source": "other.csv", "character": "Rufus", "train": 9, "valid": 9, "fingerprint": "x",
    }});
    home.write("runs/bi-encoder/settings.json", settings.to_string());
    home.write("runs/bi-encoder/done.json", "{}");
    next(" train-bi --force");
    assert_eq!(status()["bi_encoder"]["source"], "other.csv");
    assert_eq!(status()["bi_encoder"]["current"], false);
}

#[test]
fn the_command_that_is_missing_is_named() {
    let home = Home::new();
    assert!(home.fails(&["build-index"], 1).contains(" prepare"));
    prepare(&home, 3);
    // A persona was begun, so that no other answers.
    fs::create_dir_all(home.path("runs/index")).unwrap();
    assert!(home.fails(&["ask", "Well?"], 1).contains(" build-index"));
    assert!(home.fails(&["repl"], 1).contains(" build-index"));
    train(&home, 1);
    assert!(home.fails(&["ask", "Well?"], 1).contains(" build-index"));
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_wrong() {
    let home = Home::new();
    assert!(home.fails(&["ask", ""], 2).contains("empty"));
    assert!(home.fails(&["ask", " \t\n"], 2).contains("empty"));
    assert!(home.fails(&["ask", "-"], 2).contains("empty"));
    assert!(home.fails(&["ask"], 2).contains("QUESTION"));
    assert!(
        home.fails(&["ask", "Eh?", "--file", "x"], 2)
            .contains("--file")
    );
    assert!(
        home.fails(&["ask", "Eh?", "--top-k", "0"], 2)
            .contains("--top-k")
    );
    assert!(
        home.fails(&["ask", "Eh?", "--temperature=-1"], 2)
            .contains("0 or more")
    );
    assert!(
        home.fails(&["ask", "Eh?", "--temperature", "NaN"], 2)
            .contains("0 or more")
    );
    assert!(
        home.fails(&["ask", "Eh?", "--min-score", "7"], 2)
            .contains("auto")
    );
    assert!(home.fails(&["completions", "cmd.exe"], 2).contains("zsh"));
    assert!(home.fails(&["man", "dance"], 2).contains("dance"));
    assert!(
        home.fails(&["ask", "--file", "no-such-file"], 1)
            .contains("no-such-file")
    );
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn a_gpu_is_never_silently_a_cpu() {
    let home = Home::new();
    for args in [
        ["build-index", "--gpu"].as_slice(),
        &["ask", "Eh?", "--gpu"],
        &["repl", "--gpu"],
    ] {
        assert!(home.fails(args, 1).contains("benches/gpu/build.sh"));
    }
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            home.says(&["completions", shell]).contains("build-index"),
            "{shell}"
        );
    }
    assert!(home.says(&["man"]).contains(".TH homer 1"));
    assert!(home.says(&["man", "ask"]).contains("explain"));
}

#[test]
fn advice_can_be_copied_and_a_folder_that_is_missing_is_named() {
    let home = Home::new();
    let place = home.path("two words");
    let says = |args: &[&str]| {
        let at = [&["-C", place.to_str().unwrap()], args].concat();
        home.fails(&at, 1)
    };
    assert!(says(&["ask", "Well?"]).contains("is not there"));
    fs::create_dir_all(place.join("runs/index")).unwrap();
    let advice = format!("`homer -C '{}' build-index`", place.display());
    let error = says(&["ask", "Well?"]);
    assert!(error.contains(&advice), "{error}");
    fs::remove_dir_all(&place).unwrap();
    fs::write(&place, "").unwrap();
    assert!(says(&["prepare"]).contains("not a folder"));
}
