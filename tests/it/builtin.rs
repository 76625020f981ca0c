//! What comes with homer is in the program, and used until there is something of the user's own.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

use homer::internals::{BiEncoder, Family, Index, Said, tiny_encoder_folder};
use homer::{Compute, Folder, Persona, Query, builtin};

use crate::home::{Home, stderr, stdout};
use crate::persona::persona;

#[test]
fn the_program_alone_answers_and_says_who_does() {
    let home = Home::new();
    let program = home.path(&format!("homer{}", std::env::consts::EXE_SUFFIX));
    fs::copy(assert_cmd::cargo::cargo_bin!("homer"), &program).unwrap();
    fs::create_dir(home.path("work")).unwrap();
    let ask = |args: &[&str]| {
        let mut command = Command::new(&program);
        command.current_dir(home.path("work")).arg("ask").args(args);
        command.assert().success()
    };
    let line: Value = serde_json::from_str(&stdout(&ask(&["Hello!", "--json"]))).unwrap();
    assert_eq!(line["character"], "Homer");
    assert_eq!(line["built_in"], true);
    assert!(!line["answer"].as_str().unwrap().is_empty());
    let shown = stdout(&ask(&["Hello!", "--explain"]));
    assert!(shown.contains("\nHomer, the built-in persona\n"), "{shown}");
    // Standard error is no terminal here, so that nothing but the answer is said.
    assert_eq!(stderr(&ask(&["Hello!"])), "");
    let left = fs::read_dir(home.path("work")).unwrap().count();
    assert_eq!(left, 0, "talking leaves nothing behind");
}

#[test]
fn the_built_in_persona_greets_and_says_how_to_make_another() {
    let home = Home::new();
    let greeting = home.notes(&["repl"]);
    assert!(
        greeting.starts_with("Homer, the built-in persona,")
            && greeting.contains("homer prepare SCRIPT.csv"),
        "{greeting}"
    );
}

#[test]
fn a_persona_of_the_users_own_comes_first() {
    let home = persona();
    let line: Value = serde_json::from_str(&home.says(&["ask", "A boat?", "--json"])).unwrap();
    assert_eq!(line["character"], "Rufus");
    assert_eq!(line["built_in"], false);
    let greeting = home.notes(&["repl"]);
    assert!(
        greeting.starts_with("Rufus from ") && !greeting.contains("built-in"),
        "{greeting}"
    );
}

#[test]
fn half_a_persona_of_the_users_own_is_not_passed_over() {
    let home = Home::new();
    let model = home.path("runs/bi-encoder/model");
    fs::create_dir_all(&model).unwrap();
    tiny_encoder_folder(&model, Family::Bert, &[], 1).unwrap();
    let error = home.fails(&["ask", "A boat?"], 1);
    assert!(error.contains("homer build-index"), "{error}");
    // A folder that is not there is a slip of the pen.
    let error = home.fails(&["-C", "wrok", "ask", "A boat?"], 1);
    assert!(error.contains("wrok"), "{error}");
}

#[test]
fn what_is_in_the_program_is_what_lies_in_data() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let persona = data.join("persona");
    for (embedded, folder) in [
        (builtin::encoder(), data.join("encoder")),
        (builtin::reranker(), data.join("reranker")),
        (builtin::persona_index(), persona.join("index")),
    ] {
        let Folder::Embedded { files, .. } = embedded else {
            panic!("{embedded} is not in the program");
        };
        for (name, bytes) in files {
            assert!(fs::read(folder.join(name)).unwrap() == *bytes, "{name}");
        }
    }
    // Models read from there and from disk are the same.
    let embed = |folder: Folder| {
        let encoder = BiEncoder::load(folder, &Compute::Fast).unwrap();
        encoder.embed_replies(&["Is that a boat?"]).unwrap()
    };
    assert_eq!(
        embed(builtin::encoder()),
        embed(data.join("encoder").into())
    );
    assert!(!Index::open(builtin::persona_index()).unwrap().is_empty());
}

#[test]
fn the_built_in_persona_is_there_for_the_library_too() {
    let persona = Persona::built_in(&Compute::Fast, true).unwrap();
    let query = Query {
        context: &[],
        text: "Hello!",
    };
    assert!(persona.built_in && persona.folder.is_none());
    assert_eq!(
        persona.retrieve(query, &Said::default(), 3).unwrap().len(),
        3
    );
}

/// Forty scenes of a question and Rufus' answer.
fn script() -> String {
    let scene = |i| format!("Ada,Is that pie number {i}?\nRufus,My pie of {i} apples!\n,\n");
    let scenes: String = (0..40).map(scene).collect();
    format!("speaker,text\n{scenes}")
}

#[test]
fn the_sample_script_is_prepared_where_there_is_no_other() {
    let home = Home::new();
    let said = home.notes(&["prepare"]);
    assert!(
        said.contains("the sample script, ./data/sample_script.csv"),
        "{said}"
    );
    assert!(home.path("data/exchanges/train.jsonl").is_file());
    assert!(home.read("data/sample_script.csv") == builtin::sample_script());
    // Where the user has put another, that is meant.
    home.write("data/mine.csv", script());
    let said = home.notes(&["prepare", "--character", "Rufus"]);
    assert!(said.contains("mine.csv"), "{said}");
}

#[test]
fn training_starts_from_the_built_in_encoder() {
    let home = Home::with("data/play.csv", script());
    let help = home.says(&["train-bi", "--help"]);
    assert!(help.contains("[default: built-in]"), "{help}");
    home.homer(&["prepare", "--character", "Rufus"]).success();
    let said = home.notes(&["train-bi", "--steps", "2"]);
    assert!(
        said.contains("from built-in") && said.contains("--encoder distilbert-base-uncased"),
        "{said}"
    );
    let settings: Value = home.json("runs/bi-encoder/settings.json");
    assert_eq!(settings["settings"]["encoder"], "built-in");
    BiEncoder::load(home.path("runs/bi-encoder/model"), &Compute::Fast).unwrap();
}
