//! Several files as one script, and what becomes of it.

use predicates::prelude::*;
use predicates::str::contains;

use homer::internals::Dataset;

use crate::home::Home;

#[test]
fn files_folders_patterns_and_standard_input_are_one_script() {
    let home = Home::new();
    for n in [2, 10, 9] {
        home.write(
            &format!("show/e{n}.csv"),
            format!("who,line\nAda,Tea {n}?\nBo,Soup {n}.\n"),
        );
    }
    home.write("show/._e2.csv", "\u{0}\u{1}");
    home.write("show/.~lock.e2.csv#", ",x");
    let expected = [
        "Ada: Tea 2? → Soup 2.",
        "Ada: Tea 9? → Soup 9.",
        "Ada: Tea 10? → Soup 10.",
    ];
    for inputs in [
        &["show"][..],
        &["show/*.csv"],
        &["show/e2.csv", "show/e9.csv", "show/e10.csv"],
    ] {
        home.prepare(inputs)
            .success()
            .stdout(contains("scenes  3").and(contains("a table in 3 files, 6 lines, 2 people")));
        // Of two with as many lines it is the first by name.
        home.command(&["prepare", "--character", "Bo"])
            .args(inputs)
            .assert()
            .success();
        assert_eq!(home.said(), expected, "{inputs:?}");
    }
    home.command(&["prepare", "-", "--character", "Bo"])
        .write_stdin("who,line\nAda,Tea?\nBo,Soup.\n")
        .assert()
        .success()
        .stderr(contains("reading standard input"));
    assert_eq!(home.said(), ["Ada: Tea? → Soup."]);
    home.write("data/mine.csv", "who,line\nAda,Tea?\nBo,Yes.\nAda,Ah.\n");
    home.write("data/._mine.csv", "\u{0}");
    home.prepare(&[]).success().stderr(contains("mine.csv"));
    home.prepare(&["show/e2.csv", "--format", "klingon"])
        .code(2);
    home.prepare(&["show/e2.csv", "--format", "telegram"])
        .code(1)
        .stderr(contains("looks like a Telegram export"));
}

#[test]
fn everybodys_answers_are_exchanges() {
    let home = Home::with(
        "a.csv",
        "scene,speaker,text\n1,Ada,Tea?\n1,Bo,Soup.\n1,Ada,Two.\n2,Cy,Rain?\n2,Bo,No.\n",
    );
    home.prepare(&["a.csv", "--everyone", "--scene-column", "scene"])
        .success()
        .stdout(contains("everyone in a.csv").and(contains("exchanges  3:")));
    assert_eq!(
        home.said(),
        ["Ada: Tea? → Soup.", "Bo: Soup. → Two.", "Cy: Rain? → No."]
    );
    let dataset = Dataset::load(&home.path("data/exchanges")).unwrap();
    assert!(dataset.settings.everyone);
    let pairs = Home::with("p.csv", "query,reply,label\nTea?,Yes.,1\nMilk?,No.,0\n");
    pairs.prepare(&["p.csv"]).success();
    assert_eq!(pairs.said().len(), 1);
    pairs.prepare(&["p.csv", "--everyone"]).success();
    assert_eq!(pairs.said().len(), 2);
    assert_eq!(dataset.pool.len(), 5);
    home.prepare(&["a.csv", "--everyone", "--character", "Ada"])
        .code(2);
}

#[test]
fn a_long_scene_is_divided() {
    let rows: String = (0..400)
        .map(|n| format!("Ada,Question {n}?\nBo,Answer {n}.\n"))
        .collect();
    let home = Home::with("a.csv", format!("who,line\n{rows}"));
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("320 train, 35 valid, 35 test, 10 between"))
        .stderr(contains("too few").not());
    let dataset = Dataset::load(&home.path("data/exchanges")).unwrap();
    let seen: Vec<&str> = dataset.train.iter().map(|one| one.reply.as_str()).collect();
    for exchange in dataset.valid.iter().chain(&dataset.test) {
        let known = exchange
            .context
            .iter()
            .any(|turn| seen.contains(&turn.text.as_str()));
        assert!(!known, "{exchange:?}");
    }
}
