//! The index: made anew, out of date, damaged.

use std::fs;

use serde_json::Value;

use super::INDEX;
use crate::home::{stderr, stdout};
use crate::persona::{REPLIES, index, persona, prepare, question, reply, train};

#[test]
fn an_index_of_another_bi_encoder_is_refused_until_it_is_built_again() {
    let home = persona();
    train(&home, 2);
    let error = home.fails(&["ask", "--no-rerank", "Well?"], 1);
    assert!(
        error.contains("another bi-encoder") && error.contains(" build-index`"),
        "{error}"
    );
    index(&home);
    assert_eq!(
        home.says(&["ask", "--no-rerank", &question(30)]),
        format!("{}\n", reply(30))
    );
}

#[test]
fn dialogue_that_is_newer_than_the_index_is_said_and_no_obstacle() {
    let home = persona();
    prepare(&home, REPLIES - 1);
    let outcome = home.homer(&["ask", "--no-rerank", &question(1)]).success();
    let said = stderr(&outcome);
    assert!(
        said.contains("prepared anew") && said.contains("Rufus") && said.contains("build-index"),
        "{said}"
    );
    assert_eq!(stdout(&outcome), format!("{}\n", reply(1)));
}

#[test]
fn a_damaged_index_is_an_error_that_says_what_to_do() {
    let home = persona();
    for name in INDEX {
        index(&home);
        let file = home.path("runs/index").join(name);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let error = home.fails(&["ask", "--no-rerank", "Well?"], 1);
        assert!(
            error.contains(name) && error.contains(" build-index`"),
            "{error}"
        );
    }
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let home = persona();
    let read = || INDEX.map(|name| fs::read(home.path("runs/index").join(name)).unwrap());
    let before = read();
    index(&home);
    assert!(before == read());
}

#[test]
fn by_default_the_queries_that_a_reply_answered_count() {
    let home = persona();
    let vectors = || fs::read(home.path("runs/index/vectors.safetensors")).unwrap();
    let alone = vectors();
    home.homer(&["build-index"]).success();
    assert_ne!(vectors(), alone);
    let error = home.fails(&["build-index", "--query-weight=-1"], 1);
    assert!(error.contains("not negative"), "{error}");
    let manifest = fs::read(home.path("runs/index/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["query_weight"], 1.0);
}
