//! The faults that files have: what is said, what is mended, what is refused.

use predicates::prelude::*;
use predicates::str::contains;

use crate::home::Home;

/// One line, so that positions in it are columns.
#[test]
fn errors_stay_short() {
    let long = format!("[{{\"speaker\": \"{}\"", "x".repeat(800_000));
    let home = Home::with("a.json", long);
    let assert = home
        .prepare(&["a.json"])
        .code(1)
        .stderr(contains("a table in JSON"));
    assert!(assert.get_output().stderr.len() < 1000);
    let home = Home::with("a.csv", format!("{}\nx\n", "word ".repeat(100_000)));
    let assert = home.prepare(&["a.csv"]).code(1);
    assert!(assert.get_output().stderr.len() < 2000);
}

#[test]
fn what_looks_wrong_is_said() {
    let numbers: String = (0..30).map(|n| format!("Ada,{n}\nBo,{n}\n")).collect();
    let home = Home::with("a.csv", format!("speaker,amount\n{numbers}"));
    home.prepare(&["a.csv", "--text-column", "amount"])
        .success()
        .stdout(contains("replies are mere figures"));
    let same: String = (0..60)
        .map(|n| format!("Ada,Question number {n}?\nBo,Yes.\n"))
        .collect();
    let home = Home::with("a.csv", format!("speaker,text\n{same}"));
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains(
            "one reply comes again and again (60 times of 60): \"Yes.\"",
        ))
        .stdout(contains("it is all one scene"));
}

#[test]
fn a_quotation_mark_that_swallows_rows_is_an_error() {
    let home = Home::with(
        "a.csv",
        "who,line\nAda,\"Raining?\nBo,Only on us.\nAda,Hm.\nBo,So \"wet\".\nAda,Yes.\n",
    );
    home.prepare(&["a.csv"]).code(1).stderr(contains(
        "a.csv, row 2: a quotation mark is opened and not closed",
    ));
}

#[test]
fn placeholders_are_nobody_and_nothing() {
    let home = Home::with(
        "a.csv",
        "who,line\nAda,Tea?\nNaN,NULL\nBo,NA\nBo,Soup.\nNone,x\nAda,\\N\n",
    );
    home.prepare(&["a.csv", "--list-characters"])
        .success()
        .stdout(
            contains("Ada")
                .and(contains("Bo"))
                .and(contains("NaN").not())
                .and(contains("None").not()),
        );
    // The row of nothing ends the scene, as an empty one does.
    let home = Home::with("a.csv", "who,line\nAda,Tea?\nBo,NA\nBo,Soup.\nAda,\\N\n");
    home.prepare(&["a.csv", "--character", "Bo"]).success();
    assert_eq!(home.said(), ["Ada: Tea? → Soup."]);
}

#[test]
fn artefacts_of_formats_mean_nothing() {
    let text = "who,line\r\r\nAda,Tea?\r\r\nBo,Soup.\r\r\nAda,Why?\r\r\nBo,So.\r\r\n\x1a";
    let home = Home::with("a.csv", text);
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("scenes  1"));
    assert_eq!(home.said(), ["Ada: Tea? → Soup.", "Ada: Why? → So."]);
}

#[test]
fn what_can_be_read_is_not_refused() {
    let mut rows = String::from("who|line|note\n");
    for n in 0..300 {
        rows += &format!("Ada|Question {n}?|x\nBo|Answer {n}.\n");
    }
    rows = rows.replacen("Question 7?", "Question\n7?", 1);
    let home = Home::with("a.csv", rows);
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("exchanges  300"));
    let home = Home::with(
        "a.csv",
        "Ada,Tea or soup?\nBo,Soup it is.\nAda,Why not tea?\nBo,Because.\n",
    );
    home.prepare(&["a.csv", "--character", "Bo"])
        .success()
        .stdout(contains("there is no header"));
    assert_eq!(home.said().len(), 2);
    let home = Home::with(
        "a.csv",
        "question,answer,label\nTea?,Yes.,drinks\nRain?,No.,weather\n",
    );
    home.prepare(&["a.csv"])
        .success()
        .stdout(contains("exchanges  2").and(contains("--scene-column").not()));
}

#[test]
fn sound_text_stays_as_it_is() {
    let home = Home::with(
        "a.csv",
        "question,answer\nWhom?,Call (555) 010-1234.\nHow?,print(x)\nSum of 2*(3+4)?,[14]\nÄ… ja?,„Ä“ nein.\n",
    );
    home.prepare(&["a.csv"]).success();
    assert_eq!(
        home.said(),
        [
            ": Whom? → Call (555) 010-1234.",
            ": How? → print(x)",
            ": Sum of 2*(3+4)? → [14]",
            ": Ä… ja? → „Ä“ nein."
        ]
    );
}

#[test]
fn one_person_is_one_speaker() {
    let home = Home::with(
        "a.csv",
        "who,line\nADA (V.O.),One.\nZoe\u{308},Two.\nAda (cont'd),Three.\nZoë,Four.\n\u{200e}Ada,Five.\n\
         小明：,Six.\nİPEK,Seven.\n小明,Eight.\nipek,Nine.\nBob\x1b]0;x\x07,Ten.\n",
    );
    let assert = home.prepare(&["a.csv", "--list-characters"]).success();
    let out = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
    assert_eq!(out.lines().count(), 6, "{out}");
    assert!(!out.contains('\x1b') && !out.contains('\x07'), "{out:?}");
}

#[test]
fn a_language_that_the_encoder_cannot_read_is_named() {
    let rows: String = (0..40)
        .map(|n| format!("小明,你今天去哪里了{n}?\n小红,我昨天买了苹果{n}。\n"))
        .collect();
    let home = Home::with("a.csv", format!("who,line\n{rows}"));
    home.prepare(&["a.csv"]).success().stderr(
        contains("cannot read this language").and(contains("distilbert-base-multilingual-cased")),
    );
    let rows: String = (0..40)
        .map(|n| format!("Ada,Where did you go {n}?\nBo,To the sea, and back.\n"))
        .collect();
    let home = Home::with(
        "a.csv",
        format!("who,line\n{}", rows.replace("sea, and", "sea and")),
    );
    home.prepare(&["a.csv"])
        .success()
        .stderr(contains("cannot read").not());
}
