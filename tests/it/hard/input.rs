//! Input that never ends, and input that is none.

use super::*;
use crate::home::{stderr, stdout};

/// What reads questions from standard input.
const HEARERS: [&[&str]; 3] = [
    &["ask", "--no-rerank", "-"],
    &["ask", "--no-rerank", "--file", "-"],
    &["repl", "--no-rerank"],
];

#[test]
fn a_question_of_any_length_is_read_as_far_as_it_makes_sense() {
    let home = persona();
    // 20 MB
    let long = "Is boat 3 yours? ".repeat(1_200_000);
    for args in HEARERS {
        let outcome = home
            .command(args)
            .write_stdin(long.clone())
            .assert()
            .success();
        assert_eq!(stdout(&outcome).lines().count(), 1, "{args:?}");
        let said = stderr(&outcome);
        assert_eq!(
            said.matches("longer than 20000 characters").count(),
            1,
            "{args:?}: {said}"
        );
    }
    // As many lines, it is one question to `-` all the same.
    let outcome = home
        .command(&["ask", "--no-rerank", "-"])
        .write_stdin("Is boat 3 yours?\n".repeat(1_200_000))
        .assert()
        .success();
    assert_eq!(stdout(&outcome).lines().count(), 1);
    let said = stderr(&outcome);
    assert_eq!(said.matches("longer than 20000").count(), 1, "{said}");
    // Of several it is said once, and each is answered.
    let lines = format!("{long}\nAnd the soup?\n{long}\n");
    let outcome = home
        .command(&["ask", "--no-rerank", "--file", "-"])
        .write_stdin(lines)
        .assert()
        .success();
    assert_eq!(stdout(&outcome).lines().count(), 3);
    assert_eq!(stderr(&outcome).matches("longer than").count(), 1);
}

#[test]
fn what_is_no_text_ends_in_an_error() {
    let home = persona();
    let binary = [0u8, 159, 146, 150, 255, 254].repeat(500_000);
    for args in HEARERS {
        let outcome = home
            .command(args)
            .write_stdin(binary.clone())
            .assert()
            .code(1);
        let said = stderr(&outcome);
        assert!(said.contains("line 1: not UTF-8"), "{args:?}: {said}");
    }
}

#[test]
fn an_error_about_a_million_columns_is_short() {
    let names: Vec<String> = (0..200_000).map(|i| format!("column{i}")).collect();
    let home = Home::with("wide.csv", format!("{}\n", names.join(",")));
    let error = home.fails(&["prepare", "wide.csv"], 1);
    assert!(error.len() < 8_000, "{} bytes", error.len());
}
