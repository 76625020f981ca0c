//! What is answered from a store, beside what the index answers.

use serde_json::Value;

use super::harness::Database;
use crate::home::Home;
use crate::persona::{index, persona, persona_of, prepare, prepare_as, question, reply, train};

/// The answers to a hundred questions, each with all that was considered.
fn answers(home: &Home, more: &[&str]) -> Vec<Value> {
    let asked: String = (0..100).map(|i| format!("{}\n", ask(i))).collect();
    home.write("asked.txt", asked);
    let args = [
        "ask",
        "--file",
        "asked.txt",
        "--json",
        "--explain",
        "--no-rerank",
    ];
    let said = home.says(&[&args[..], more].concat());
    let answers = said.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().remove("store");
        line
    });
    answers.collect()
}

/// Builds the index, and puts its replies into the database.
fn put(home: &Home, database: &Database) {
    let build = [
        "build-index",
        "--query-weight",
        "0",
        "--store",
        &database.url,
    ];
    home.homer(&build).success();
}

fn ask(i: usize) -> String {
    match i % 3 {
        0 => question(i % 60),
        1 => format!(
            "What about number {i}, and a {}?",
            ["boat", "pie", "hat"][i / 3 % 3]
        ),
        _ => format!(
            "Who {} it {i} times?",
            ["lost", "ate", "painted"][i / 3 % 3]
        ),
    }
}

#[test]
fn a_hundred_answers_are_those_of_the_index_to_the_bit() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    // With what was asked in the vectors, so that they are no unit vectors.
    home.homer(&["build-index"]).success();
    let here = answers(&home, &[]);
    let said = home.notes(&["build-index", "--store", &database.url]);
    assert!(said.contains("has the replies of Rufus"), "{said}");
    let there = answers(&home, &["--store", &database.url]);
    assert_eq!(here.len(), 100);
    assert!(here[0]["candidates"].as_array().unwrap().len() > 20);
    assert_eq!(here, there);
    // The least score that validation found is there as well.
    let least = |more: &[&str]| answers(&home, &[&["--min-score", "auto"], more].concat());
    let here = least(&["--store", "local"]);
    assert_eq!(here, least(&["--store", &database.url]));
    assert!(here.iter().any(|answer| answer["answer"].is_null()));
}

#[test]
fn where_replies_were_put_last_is_where_they_are_looked_for() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    put(&home, &database);
    let from = |args: &[&str]| {
        let said = home.says(&[&["ask", "--json", "--no-rerank", "A boat?"], args].concat());
        let said: Value = serde_json::from_str(&said).unwrap();
        said["store"].as_str().map(str::to_owned)
    };
    assert_eq!(from(&[]).as_deref(), Some(&*database.url));
    assert_eq!(from(&["--store", "local"]), None);
    assert!(home.says(&["status"]).contains(&database.url));
    // Where nobody but the folder says so, it is told.
    let ask = ["ask", "--no-rerank", "A boat?"];
    let told = home.notes(&ask);
    assert!(
        told.contains(&database.url) && told.contains("store.json says"),
        "{told}"
    );
    let told = home.notes(&[&ask[..], &["--store", &database.url]].concat());
    assert!(!told.contains("store.json"), "{told}");
    // Nothing has changed, so that nothing is sent.
    let said = home.notes(&["build-index", "--query-weight", "0"]);
    assert!(said.contains("has these replies of Rufus"), "{said}");
    let builds = database
        .connect()
        .number("SELECT last_value FROM homer.builds");
    assert_eq!(builds, 1);
    home.homer(&["build-index", "--store", "local"]).success();
    assert_eq!(from(&[]), None);
    assert!(!home.path("runs/store.json").exists());
    let said = home.command(&["ask", "--json", "--no-rerank", "A boat?"]);
    let mut said = said;
    said.env("HOMER_STORE", &database.url);
    let said = crate::home::stdout(&said.write_stdin("").assert().success());
    assert!(said.contains(&database.url), "{said}");
}

#[test]
fn each_persona_of_a_database_answers_under_its_name() {
    let Some(database) = Database::new() else {
        return;
    };
    let (rufus, ada) = (persona(), persona_of("Ada"));
    prepare_as(&ada, "Ada", 30, |i| reply(i).replace("I ", "We "));
    for home in [&rufus, &ada] {
        home.homer(&[
            "build-index",
            "--query-weight",
            "0",
            "--store",
            &database.url,
        ])
        .success();
    }
    let says = |home: &Home, more: &[&str]| {
        home.says(&[&["ask", "--no-rerank", &question(7)], more].concat())
    };
    assert_eq!(says(&rufus, &[]), format!("{}\n", reply(7)));
    assert!(says(&ada, &[]).starts_with("We "));
    assert!(says(&rufus, &["--persona", "Ada"]).starts_with("We "));

    // Who has the model alone can ask: a folder is needed for nothing else.
    let reader = Home::new();
    train(&reader, 1);
    let asks = ["ask", "--no-rerank", "--store", &database.url, "A boat?"];
    let error = reader.fails(&asks, 1);
    assert!(
        error.contains("2 personas: Ada, Rufus") && error.contains("--persona"),
        "{error}"
    );
    let error = reader.fails(&[&asks[..], &["--persona", "Moe"]].concat(), 1);
    assert!(
        error.contains("no persona Moe") && error.contains("Ada, Rufus"),
        "{error}"
    );
    reader
        .homer(&[&asks[..], &["--persona", "Ada"]].concat())
        .success();
    let connection = database.connect();
    connection.run("DELETE FROM homer.personas WHERE name = 'Ada'");
    assert!(!reader.says(&asks).starts_with("We "));
}

#[test]
fn nobody_replaces_what_another_folder_has_put_there_unasked() {
    let Some(database) = Database::new() else {
        return;
    };
    let (one, other) = (persona(), persona());
    prepare(&other, 30);
    let build = ["build-index", "--store", &database.url];
    one.homer(&build).success();
    let error = other.fails(&build, 1);
    assert!(
        error.contains("another folder") && error.contains("--take-over"),
        "{error}"
    );
    let rows = || {
        database
            .connect()
            .number("SELECT replies FROM homer.personas WHERE name = 'Rufus'")
    };
    assert_eq!(rows(), 60);
    other
        .homer(&[&build[..], &["--persona", "Rufus II"]].concat())
        .success();
    assert_eq!(rows(), 60);
    other
        .homer(&[&build[..], &["--persona", "Rufus", "--take-over"]].concat())
        .success();
    assert_eq!(rows(), 30);
}

#[test]
fn replies_of_another_bi_encoder_are_refused() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    home.homer(&["build-index", "--store", &database.url])
        .success();
    train(&home, 2);
    let error = home.fails(&["ask", "--no-rerank", "Well?"], 1);
    assert!(
        error.contains(&database.url)
            && error.contains("another bi-encoder")
            && error.contains("build-index`"),
        "{error}"
    );
    index(&home);
    home.homer(&["ask", "--no-rerank", "Well?"]).success();
}

#[test]
fn whoever_asks_in_other_ways_is_answered_from_there_too() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    put(&home, &database);
    // That nothing here answers.
    std::fs::remove_dir_all(home.path("runs/index")).unwrap();
    let talk = home.replies(&["repl", "--no-rerank"], &format!("{}\n", question(3)));
    assert!(talk.contains(&reply(3)), "{talk}");
    home.write("messages.txt", "A boat?\nA pie?\n");
    home.homer(&["judge", "messages.txt", "--no-grade"])
        .success();
    let judged = String::from_utf8(home.read("messages.judged.jsonl")).unwrap();
    assert_eq!(judged.lines().count(), 2);
    let graded = judged.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        for (place, one) in line["candidates"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .enumerate()
        {
            one["grade"] = (place % 3).into();
        }
        format!("{line}\n")
    });
    home.write("graded.jsonl", graded.collect::<String>());
    let figures = home.homer(&["eval", "--judged", "graded.jsonl"]).success();
    let said = crate::home::stderr(&figures);
    assert!(!said.contains("left out"), "{said}");
}
