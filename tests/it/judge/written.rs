//! Lines that were written as answers.

use serde_json::{Value, json};

use super::{Home, REPLIES, candidates, query, reply};

#[test]
fn of_lines_that_were_written_as_answers_the_reranker_is_told_what_each_answers() {
    let home = Home::persona();
    home.says(&["judge", "messages.txt", "--out", "plain.jsonl"]);
    home.says(&["build-index", "--query-weight", "20", "--precision", "i8"]);
    // A cross-encoder of one's own is told only if it has learned to read that.
    home.says(&["judge", "messages.txt", "--out", "own.jsonl"]);
    let ranker = json!({
        "weights": [{"feature": "cross", "weight": 1.0, "low": 1.0, "high": 1.0}],
        "messages": 20, "told": true,
    });
    home.write("runs/cross-encoder/model/ranker.json", ranker.to_string());
    home.says(&["judge", "messages.txt", "--out", "told.jsonl"]);
    let answered = |one: &Value| one["answered"].as_str().map(str::to_owned);
    let untold = ["plain.jsonl", "own.jsonl"].map(|name| home.judged(name));
    for judged in untold.concat() {
        assert!(
            candidates(&judged)
                .iter()
                .all(|one| answered(one).is_none())
        );
    }
    let told = home.judged("told.jsonl");
    for one in told.iter().flat_map(candidates) {
        let number = (0..REPLIES).find(|&i| one["reply"] == reply(i)).unwrap();
        assert_eq!(answered(one).unwrap(), query(number));
    }
    // A reader is not: the sheet has the lines alone, and what he grades is what is learned from.
    home.says(&[
        "judge",
        "messages.txt",
        "--out",
        "told.jsonl",
        "--sheet",
        "sheet.txt",
    ]);
    assert!(!home.read("sheet.txt").contains(&query(3)));
    let graded: String = (0..told.len())
        .map(|message| {
            let grade = |place: usize| if place.is_multiple_of(2) { "2" } else { "0" };
            let places = 0..candidates(&told[message]).len();
            let grades: Vec<_> = places.map(grade).collect();
            format!("{}: {}\n", message + 1, grades.join(" "))
        })
        .collect();
    home.write("grades.txt", graded);
    home.says(&[
        "judge",
        "messages.txt",
        "--out",
        "told.jsonl",
        "--grades",
        "grades.txt",
    ]);
    let (table, _) = home.says(&["eval", "--judged", "told.jsonl"]);
    assert!(table.contains("cross-encoder"), "{table}");
    // As text the line and what it answers are read together, whichever way they come.
    let line = |told: bool| {
        let both = format!("{} | {}", query(3), reply(3));
        let candidate = match told {
            true => json!({"reply": reply(3), "answered": query(3), "grade": 2}),
            false => json!({"reply": both, "grade": 2}),
        };
        let other = json!({"reply": reply(4), "grade": 0});
        json!({"message": "Where is it?", "candidates": [other, candidate]}).to_string()
    };
    let figures = |told| {
        home.write("one.jsonl", line(told));
        home.says(&["eval", "--judged", "one.jsonl"]);
        let report: Value = serde_json::from_str(&home.read("runs/judged.json")).unwrap();
        let systems = report["sets"][0]["systems"].as_array().unwrap().clone();
        let cross = systems.into_iter().find(|one| one["key"] == "cross");
        cross.unwrap()["figures"].clone()
    };
    assert_eq!(figures(true), figures(false));
}
