//! The index: made anew, out of date, damaged.

use std::fs;

use serde_json::Value;

use super::INDEX;
use crate::home::{Home, stderr, stdout};
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
fn what_is_built_again_has_the_bytes_of_what_is_built_at_once() {
    for trained in [true, false] {
        let home = |replies: &[usize]| {
            let home = Home::new();
            if trained {
                train(&home, 1);
            }
            let mut said = String::new();
            for &replies in replies {
                prepare(&home, replies);
                said = home.notes(&["build-index"]);
            }
            (home, said)
        };
        let (again, said) = home(&[REPLIES - 20, REPLIES]);
        assert!(
            said.contains("60 replies: 20 new, 40 as they were, 0 gone"),
            "{said}"
        );
        let (anew, said) = home(&[REPLIES]);
        assert!(!said.contains("new,"), "{said}");
        for name in INDEX {
            let read = |home: &Home| fs::read(home.path("runs/index").join(name)).unwrap();
            assert!(read(&again) == read(&anew), "{name}, trained: {trained}");
        }
    }
}

#[test]
fn an_episode_that_is_taken_out_is_said_no_more() {
    let home = persona();
    let ask = |i: usize| home.says(&["ask", "--no-rerank", &question(i)]);
    assert_eq!(ask(59), format!("{}\n", reply(59)));
    prepare(&home, REPLIES - 4);
    let said = home.notes(&["build-index", "--query-weight", "0"]);
    assert!(
        said.contains("56 replies: 0 new, 56 as they were, 4 gone"),
        "{said}"
    );
    let left: Vec<String> = (0..REPLIES - 4).map(reply).collect();
    assert!(left.contains(&ask(59).trim_end().to_owned()));
    assert_eq!(ask(30), format!("{}\n", reply(30)));
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
