//! What comes with homer: found beside the program, used until there is something of the user's own.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use homer::builtin::Builtin;
use homer::chat::Persona;
use homer::error::{Remedy, Setting, Step};
use homer::hf::testing::tiny_encoder_folder;
use homer::nn::config::Family;
use homer::nn::device::Compute;
use homer::project::Project;
use homer::project::input::default_input;

/// The program in a place of its own, with a `data/` beside it, and a folder to work in.
struct Place(TempDir);

impl Place {
    /// Nothing in it but the program.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = Self(folder);
        for name in ["bin", "bin/data", "work"] {
            fs::create_dir(place.path(name)).unwrap();
        }
        let program = assert_cmd::cargo::cargo_bin!("homer");
        // A link costs nothing; where the folders are on different disks, it has to be a copy.
        if fs::hard_link(program, place.program()).is_err() {
            fs::copy(program, place.program()).unwrap();
        }
        place
    }

    /// With a tiny built-in persona, Rufus.
    fn with_persona() -> Self {
        let place = Self::new();
        place.make_persona("bin/data/persona", "Rufus");
        // What is needed to answer is what comes with homer.
        fs::remove_dir_all(place.path("bin/data/persona/data")).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self) -> PathBuf {
        self.path("bin")
            .join(format!("homer{}", std::env::consts::EXE_SUFFIX))
    }

    fn homer(&self, args: &[&str]) -> Command {
        let mut command = Command::new(self.program());
        command.current_dir(self.path("work")).args(args);
        command
    }

    /// A persona in the folder `name`, that says three lines.
    fn make_persona(&self, name: &str, character: &str) {
        let exchanges = self.path(name).join("data/exchanges");
        fs::create_dir_all(&exchanges).unwrap();
        let replies = ["My boat!", "My pie.", "No."].map(|what| format!("{character}: {what}"));
        let exchange = |(i, reply): (usize, &String)| {
            json!({
                "id": i, "scene": i, "reply": reply, "context": [],
                "query": {"speaker": "Ada", "text": format!("What about number {i}?")},
                "close_replies": [], "good_replies": [], "bad_replies": [],
            })
        };
        let lines = |values: Vec<Value>| values.iter().map(|v| format!("{v}\n")).collect();
        let write = |name: &str, text: String| fs::write(exchanges.join(name), text).unwrap();
        let settings = json!({
            "source": "play.csv", "character": character, "seed": 0, "context_turns": 2,
        });
        write("settings.json", settings.to_string());
        let all = || replies.iter().enumerate();
        write("train.jsonl", lines(all().map(exchange).collect()));
        write("valid.jsonl", String::new());
        write("test.jsonl", String::new());
        let pool = |(i, reply)| json!({"text": reply, "exchanges": [i]});
        write("pool.jsonl", lines(all().map(pool).collect()));
        encoder(&self.path(name).join("runs/bi-encoder/model"));
        let folder = self.path(name);
        self.homer(&["-C", folder.to_str().unwrap(), "build-index"])
            .assert()
            .success();
    }
}

fn encoder(folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    tiny_encoder_folder(folder, Family::Bert, &["boat", "pie"], 1).unwrap();
}

/// Forty scenes of a question and Rufus' answer.
fn script() -> String {
    let scene = |i| format!("Ada,Is that pie number {i}?\nRufus,My pie of {i} apples!\n,\n");
    let scenes: String = (0..40).map(scene).collect();
    format!("speaker,text\n{scenes}")
}

fn stdout(command: &mut Command) -> String {
    let outcome = command.write_stdin("").assert().success();
    String::from_utf8(outcome.get_output().stdout.clone()).unwrap()
}

fn stderr(command: &mut Command, input: &str, code: i32) -> String {
    let outcome = command.write_stdin(input).assert().code(code);
    String::from_utf8(outcome.get_output().stderr.clone()).unwrap()
}

#[test]
fn the_built_in_persona_answers_and_says_that_it_is_it() {
    let place = Place::with_persona();
    let mut ask = place.homer(&["ask", "A boat?", "--json"]);
    let line: Value = serde_json::from_str(&stdout(&mut ask)).unwrap();
    assert_eq!(line["character"], "Rufus");
    assert_eq!(line["built_in"], true);
    assert!(line["answer"].as_str().unwrap().starts_with("Rufus: "));

    let shown = stdout(&mut place.homer(&["ask", "A boat?", "--explain"]));
    assert!(shown.contains("\nRufus, the built-in persona\n"), "{shown}");

    // Standard error is no terminal here, so that nothing but the answer is said.
    assert_eq!(stderr(&mut place.homer(&["ask", "A boat?"]), "", 0), "");
    let greeting = stderr(&mut place.homer(&["repl"]), "A boat?\n", 0);
    assert!(
        greeting.starts_with("Rufus, the built-in persona,")
            && greeting.contains("homer prepare SCRIPT.csv"),
        "{greeting}"
    );
    let left = fs::read_dir(place.path("work")).unwrap().count();
    assert_eq!(left, 0, "talking leaves nothing behind");
}

#[test]
fn a_persona_of_the_users_own_comes_first() {
    let place = Place::with_persona();
    place.make_persona("work", "Mabel");
    let mut ask = place.homer(&["ask", "A boat?", "--json"]);
    let line: Value = serde_json::from_str(&stdout(&mut ask)).unwrap();
    assert_eq!(line["character"], "Mabel");
    assert_eq!(line["built_in"], false);
    let greeting = stderr(&mut place.homer(&["repl"]), "", 0);
    assert!(
        greeting.starts_with("Mabel from ") && !greeting.contains("built-in"),
        "{greeting}"
    );
}

#[test]
fn half_a_persona_of_the_users_own_is_not_passed_over() {
    let place = Place::with_persona();
    encoder(&place.path("work/runs/bi-encoder/model"));
    let error = stderr(&mut place.homer(&["ask", "A boat?"]), "", 1);
    assert!(error.contains("homer build-index"), "{error}");
    // A folder that is not there is a slip of the pen.
    let error = stderr(&mut place.homer(&["-C", "wrok", "ask", "A boat?"]), "", 1);
    assert!(error.contains("wrok"), "{error}");
}

#[test]
fn without_a_built_in_persona_the_first_command_is_named() {
    let place = Place::new();
    let nothing = Builtin::at([place.path("bin/data")]);
    assert!(nothing.persona().is_none() && nothing.encoder().is_none());
    let project = Project::new(place.path("work"));
    let Err(error) = Persona::find(&project, &nothing, &Compute::Fast, true) else {
        panic!("a persona out of nothing");
    };
    assert_eq!(error.remedy(), Remedy::Make(Step::TrainBi));
}

#[test]
fn the_sample_script_is_prepared_where_there_is_no_other() {
    let place = Place::new();
    let project = Project::new(place.path("work"));
    let builtin = Builtin::at([place.path("bin/data"), place.path("elsewhere")]);
    let error = default_input(&project, &builtin).unwrap_err();
    assert_eq!(error.remedy(), Remedy::choose([Setting::Script]));

    let sample = place.path("bin/data/sample_script.csv");
    fs::write(&sample, script()).unwrap();
    assert_eq!(default_input(&project, &builtin).unwrap(), sample);
    let said = stderr(
        &mut place.homer(&["prepare", "--character", "Rufus"]),
        "",
        0,
    );
    assert!(
        said.contains("the sample script, ") && said.contains("bin/data/sample_script.csv"),
        "{said}"
    );
    assert!(place.path("work/data/exchanges/train.jsonl").is_file());

    let own = place.path("work/data/mine.csv");
    fs::write(&own, "speaker,text\n").unwrap();
    assert_eq!(default_input(&project, &builtin).unwrap(), own);
}

#[test]
fn training_starts_from_the_built_in_encoder() {
    let place = Place::new();
    encoder(&place.path("bin/data/encoder"));
    let help = stdout(&mut place.homer(&["train-bi", "--help"]));
    assert!(help.contains("[default: built-in]"), "{help}");

    fs::create_dir(place.path("work/data")).unwrap();
    fs::write(place.path("work/data/play.csv"), script()).unwrap();
    place
        .homer(&["prepare", "--character", "Rufus"])
        .assert()
        .success();
    let said = stderr(&mut place.homer(&["train-bi", "--steps", "2"]), "", 0);
    assert!(
        said.contains("from built-in") && said.contains("--encoder distilbert-base-uncased"),
        "{said}"
    );
    let settings = fs::read_to_string(place.path("work/runs/bi-encoder/settings.json")).unwrap();
    let settings: Value = serde_json::from_str(&settings).unwrap();
    assert_eq!(settings["settings"]["encoder"], "built-in");
}
