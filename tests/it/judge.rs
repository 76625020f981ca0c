//! `homer judge` and `homer eval --judged`, as a user meets them.

mod written;

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use homer::internals::{BiEncoder, CrossEncoder, Family, Head, tiny_encoder_folder};
use homer::{Compute, Precision};

/// Replies of the character.
const REPLIES: usize = 40;

fn reply(i: usize) -> String {
    let things = ["kettle", "window", "bicycle", "garden", "letter"];
    let places = ["at sea", "in the attic", "behind the shed", "on Tuesday"];
    let verbs = ["lost", "painted"];
    format!(
        "I {} the {} {}.",
        verbs[i % 2],
        things[i % 5],
        places[i / 10 % 4]
    )
}

fn query(i: usize) -> String {
    format!("What became of number {i}?")
}

/// homer in a folder of its own.
struct Home(TempDir);

impl Home {
    /// With a tiny persona: a bi-encoder, a cross-encoder in use, an index.
    fn persona() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let exchange = |i: usize| {
            let line = json!({
                "id": i, "scene": i, "reply": reply(i), "context": [],
                "query": {"speaker": "Ada", "text": query(i)},
                "close_replies": [], "good_replies": [], "bad_replies": [],
            });
            format!("{line}\n")
        };
        let pool = |i: usize| format!("{}\n", json!({"text": reply(i), "exchanges": [i]}));
        let settings = json!({
            "source": "play.csv", "character": "Rufus", "seed": 0, "context_turns": 1,
        });
        home.write("data/exchanges/settings.json", settings.to_string());
        let train: String = (0..REPLIES).map(exchange).collect();
        home.write("data/exchanges/train.jsonl", train);
        home.write("data/exchanges/valid.jsonl", "");
        home.write("data/exchanges/test.jsonl", "");
        let pool: String = (0..REPLIES).map(pool).collect();
        home.write("data/exchanges/pool.jsonl", pool);

        let model = home.path("runs/bi-encoder/model");
        fs::create_dir_all(&model).unwrap();
        tiny_encoder_folder(&model, Family::Bert, &[], 1).unwrap();
        let bi = BiEncoder::load(&model, &Compute::Fast).unwrap();
        let config = bi.encoder.config().clone();
        let head = Head::fresh(&config, None, 1);
        let cross = CrossEncoder {
            head: Head::new(&config, &head, &Compute::Fast.device()).unwrap(),
            encoder: bi.encoder,
            tokenizer: bi.tokenizer,
            max_length: 64,
        };
        let model = home.path("runs/cross-encoder/model");
        fs::create_dir_all(&model).unwrap();
        cross.save(&model, Precision::F32).unwrap();
        let verdict = json!({"rerank": true});
        home.write("runs/cross-encoder/reranking.json", verdict.to_string());
        home.says(&["build-index"]);
        home.write(
            "messages.txt",
            "Hello!\nWhere is the kettle?\n\nWhat became of number 7?\n",
        );
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn homer(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        let mut command: Command = assert_cmd::cargo::cargo_bin_cmd!("homer");
        let command = command.current_dir(self.0.path()).args(args);
        command.write_stdin("").assert()
    }

    /// Standard output and standard error of a command that succeeds.
    fn says(&self, args: &[&str]) -> (String, String) {
        let outcome = self.homer(args).success();
        let output = outcome.get_output();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&output.stdout), text(&output.stderr))
    }

    /// Standard error of a command that fails with `code`.
    fn fails(&self, args: &[&str], code: i32) -> String {
        let outcome = self.homer(args).code(code);
        assert!(outcome.get_output().stdout.is_empty());
        String::from_utf8(outcome.get_output().stderr.clone()).unwrap()
    }

    fn judged(&self, name: &str) -> Vec<Value> {
        let text = self.read(name);
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn candidates(judged: &Value) -> &Vec<Value> {
    judged["candidates"].as_array().unwrap()
}

#[test]
fn messages_become_a_sheet_the_sheet_grades_and_the_grades_figures() {
    let home = Home::persona();
    let (out, notes) = home.says(&["judge", "messages.txt"]);
    assert!(out.is_empty());
    // There is no terminal here: it says how else to grade.
    assert!(
        notes.contains("0 of 75 replies are graded") && notes.contains("--sheet FILE"),
        "{notes}"
    );
    let judged = home.judged("messages.judged.jsonl");
    let messages: Vec<&str> = judged
        .iter()
        .map(|one| one["message"].as_str().unwrap())
        .collect();
    assert_eq!(
        messages,
        ["Hello!", "Where is the kettle?", "What became of number 7?"]
    );
    for one in &judged {
        let mut replies: Vec<&str> = candidates(one)
            .iter()
            .map(|candidate| candidate["reply"].as_str().unwrap())
            .collect();
        replies.sort_unstable();
        replies.dedup();
        assert_eq!(replies.len(), 25);
        assert!(
            candidates(one)
                .iter()
                .all(|candidate| candidate.get("grade").is_none())
        );
    }
    // Whoever shares words with a query that was answered, or with a reply, is among them.
    let has = |message: usize, text: &str| {
        candidates(&judged[message])
            .iter()
            .any(|one| one["reply"] == text)
    };
    assert!(has(2, &reply(7)));

    let (_, notes) = home.says(&["judge", "messages.txt", "--sheet", "sheet.txt"]);
    assert!(notes.contains("sheet.txt"), "{notes}");
    let sheet = home.read("sheet.txt");
    assert!(sheet.contains("## 2: Where is the kettle?\n1. "), "{sheet}");
    let lines = candidates(&judged[0]).iter().enumerate();
    let lines: Vec<String> = lines
        .map(|(i, one)| format!("{}. {}\n", i + 1, one["reply"].as_str().unwrap()))
        .collect();
    assert!(
        sheet.contains(&format!("\n## 1: Hello!\n{}\n## 2", lines.concat())),
        "{sheet}"
    );

    // By somebody who likes the seventh line of everything.
    let line = |number: usize| {
        let grades: Vec<&str> = (0..25).map(|i| if i == 6 { "2" } else { "0" }).collect();
        format!("{number}: {}\n", grades.join(" "))
    };
    home.write("grades.txt", (1..3).map(line).collect::<String>());
    let (_, notes) = home.says(&["judge", "messages.txt", "--grades", "grades.txt"]);
    assert!(
        notes.contains("grades of 2 messages") && notes.contains("50 of 75"),
        "{notes}"
    );
    assert!(
        notes.contains("homer eval --judged messages.judged.jsonl"),
        "{notes}"
    );
    let judged = home.judged("messages.judged.jsonl");
    assert_eq!(candidates(&judged[1])[6]["grade"], 2);
    assert_eq!(candidates(&judged[0])[0]["grade"], 0);
    assert!(candidates(&judged[2])[6].get("grade").is_none());

    let (table, notes) = home.says(&["eval", "--judged", "messages.judged.jsonl"]);
    assert!(
        notes.contains("1 messages of messages have no graded candidate"),
        "{notes}"
    );
    assert!(
        table.contains("messages: 2 messages, 25.0 candidates each"),
        "{table}"
    );
    let report: Value = serde_json::from_str(&home.read("runs/judged.json")).unwrap();
    let rows = report["sets"][0]["systems"].as_array().unwrap();
    let keys: Vec<&str> = rows
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "chance",
            "bm25",
            "query",
            "bi",
            "retrieval",
            "cross",
            "ranked",
            "ask",
            "answers",
            "best"
        ]
    );
    let good = |key: &str| {
        let row = rows.iter().find(|row| row["key"] == key).unwrap();
        row["figures"]["good_at_1"]["mean"].as_f64().unwrap()
    };
    assert!((good("chance") - 1.0 / 25.0).abs() < 1e-9);
    assert_eq!(good("best"), 1.0);
    // The cross-encoder with its weights is what decides in `ask`.
    assert_eq!(good("ask"), good("ranked"));
}

#[test]
fn the_file_is_gone_on_with_and_never_mixed_up() {
    let home = Home::persona();
    let args = ["judge", "messages.txt", "--no-grade", "--top-k", "5"];
    home.says(&args);
    let before = home.read("messages.judged.jsonl");
    // Nothing is asked anew: another size changes nothing now.
    home.says(&["judge", "messages.txt", "--no-grade"]);
    assert_eq!(home.read("messages.judged.jsonl"), before);
    home.says(&[
        "judge",
        "messages.txt",
        "--no-grade",
        "--top-k",
        "5",
        "--out",
        "again.jsonl",
    ]);
    assert_eq!(home.read("again.jsonl"), before);
    let seeded = [
        "judge",
        "messages.txt",
        "--no-grade",
        "--top-k",
        "5",
        "--seed",
        "7",
        "--out",
        "other.jsonl",
    ];
    home.says(&seeded);
    assert_ne!(home.read("other.jsonl"), before);

    home.write("messages.txt", "Hello!\nGood night.\n");
    let refused = home.fails(&["judge", "messages.txt"], 1);
    assert!(
        refused.contains("messages.judged.jsonl") && refused.contains("another file"),
        "{refused}"
    );
    assert_eq!(home.read("messages.judged.jsonl"), before);
}

#[test]
fn bad_files_are_named_with_the_row() {
    let home = Home::persona();
    home.write("empty.txt", "\n");
    assert!(
        home.fails(&["judge", "empty.txt"], 1)
            .contains("no message")
    );
    assert!(
        home.fails(&["judge", "nowhere.txt"], 1)
            .contains("nowhere.txt")
    );
    assert!(
        home.fails(&["judge", "messages.txt", "--top-k", "0"], 2)
            .contains("--top-k")
    );
    home.says(&["judge", "messages.txt", "--no-grade", "--top-k", "3"]);
    home.write("grades.txt", "1: 0 0 0\n2: 0 0\n");
    let refused = home.fails(&["judge", "messages.txt", "--grades", "grades.txt"], 1);
    assert!(
        refused.contains("grades.txt, row 2") && refused.contains("2 grades"),
        "{refused}"
    );
    let ungraded = home.fails(&["eval", "--judged", "messages.judged.jsonl"], 1);
    assert!(ungraded.contains("nothing in it is graded"), "{ungraded}");

    let good = json!({"message": "Well?", "candidates": [{"reply": "Hm.", "grade": 1}]});
    let bad = json!({"message": "Well?", "candidates": [{"reply": "Hm.", "grade": 3}]});
    home.write("bad.jsonl", format!("{good}\n{bad}\n"));
    let refused = home.fails(&["eval", "--judged", "bad.jsonl"], 1);
    assert!(
        refused.contains("bad.jsonl, row 2") && refused.contains("0, 1 or 2"),
        "{refused}"
    );
    home.write("a/ada.jsonl", format!("{good}\n"));
    home.write("b/ada.jsonl", format!("{good}\n"));
    let refused = home.fails(&["eval", "--judged", "a/ada.jsonl", "b/ada.jsonl"], 1);
    assert!(refused.contains("two files are called ada"), "{refused}");
    home.fails(&["eval", "--judged", "a/ada.jsonl", "--split", "valid"], 2);
    assert!(!home.path("runs/judged.json").exists());
}

#[test]
fn other_characters_sets_are_measured_without_what_only_an_index_knows() {
    let home = Home::persona();
    let message = |i: usize| {
        let line = json!({"message": format!("Where is number {i}?"), "candidates": [
            {"reply": format!("Number {i}?"), "score": 0.9, "grade": 0},
            {"reply": "On the shelf, as ever.", "score": 0.5, "grade": 2},
            {"reply": "Hi, Ada.", "score": 0.4, "grade": 1},
        ]});
        format!("{line}\n")
    };
    let lines: String = (0..30).map(message).collect();
    home.write("ada.jsonl", &lines);
    home.write("bob.jsonl", &lines);
    let (out, notes) = home.says(&["eval", "--json", "--judged", "ada.jsonl", "bob.jsonl"]);
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        report,
        serde_json::from_str::<Value>(&home.read("runs/judged.json")).unwrap()
    );
    let all = &report["sets"][2];
    assert_eq!(
        (&all["name"], &all["messages"]),
        (&json!("all"), &json!(60))
    );
    let rows = all["systems"].as_array().unwrap();
    let keys: Vec<&str> = rows
        .iter()
        .map(|row| row["key"].as_str().unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "chance",
            "bm25",
            "bi",
            "retrieval",
            "cross",
            "ranked",
            "features",
            "ask",
            "best"
        ]
    );
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).unwrap();
    assert_eq!(row("retrieval")["figures"]["good_at_1"]["mean"], 0.0);
    assert_eq!(row("features")["figures"]["good_at_1"]["mean"], 1.0);
    assert_eq!(row("features")["gain"]["good_at_1"]["low"], 1.0);
    assert_eq!(report["baseline"], "retrieval");
    assert!(!notes.contains("several files"), "{notes}");
}
