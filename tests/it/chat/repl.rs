//! A conversation.

use std::fs;

use crate::home::{stderr, stdout};
use crate::persona::{persona, question, reply};

#[test]
fn the_repl_answers_a_line_with_a_line_and_never_repeats_itself() {
    let home = persona();
    let input = format!(
        "{}\n\n{}\n:why\n:nonsense\n:quit\nNever read.\n",
        question(5),
        question(5)
    );
    let outcome = home
        .command(&["repl", "--no-rerank"])
        .write_stdin(input)
        .assert()
        .success();
    let answers = stdout(&outcome);
    let answers: Vec<&str> = answers.lines().collect();
    // An empty line has an empty answer.
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!((answers[0], answers[1]), (reply(5).as_str(), ""));
    assert_ne!(answers[2], reply(5));
    let notes = stderr(&outcome);
    assert!(
        notes.contains("cosine") && notes.contains("no command :nonsense"),
        "{notes}"
    );
    let folder = home.root().to_str().unwrap();
    assert!(
        notes.starts_with(&format!("Rufus from {folder} is listening.")),
        "{notes}"
    );
}

#[test]
fn the_repl_saves_what_was_said_and_overwrites_nothing() {
    let home = persona();
    let file = home.path("talk.txt");
    let input = format!("{}\n:save {}\n", question(5), file.display());
    home.replies(&["repl", "--no-rerank"], &input);
    let saved = format!("You: {}\nRufus: {}\n", question(5), reply(5));
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
    let again = home
        .command(&["repl", "--no-rerank"])
        .write_stdin(input)
        .assert()
        .success();
    assert!(stderr(&again).contains("exists already"));
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
}

#[test]
fn the_repl_ends_with_its_input_whatever_that_was() {
    let home = persona();
    assert_eq!(home.replies(&["repl", "--no-rerank"], ""), "");
    home.command(&["repl", "--no-rerank"])
        .write_stdin(b"Well?\n\xff\xfe?\n".as_slice())
        .assert()
        .code(1)
        .stderr(predicates::str::contains("line 2: not UTF-8"));
}
