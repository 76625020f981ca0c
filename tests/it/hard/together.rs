//! Several at once.

use std::process::Output;

use super::*;

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn fifty_ask_while_the_index_is_built_anew() {
    let home = persona();
    let pool = text(&home.read("data/exchanges/pool.jsonl"));
    let asking: Vec<Child> = (0..50)
        .map(|i| {
            // Every fifth time another index takes the place of the one before.
            if i % 5 == 0 {
                let weight = format!("0.{i}");
                home.homer(&["build-index", "--query-weight", &weight])
                    .success();
            }
            let question = format!("And the soup {i}?");
            let mut ask = home.process(&["ask", "--no-rerank", &question]);
            ask.stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            ask.spawn().unwrap()
        })
        .collect();
    for one in asking {
        let Output {
            status,
            stdout,
            stderr,
        } = one.wait_with_output().unwrap();
        let [answer, said] = [text(&stdout), text(&stderr)];
        assert!(status.success(), "{said}");
        assert!(
            pool.contains(&format!("{:?}", answer.trim_end())),
            "{answer}"
        );
    }
}

#[test]
fn one_builds_and_the_others_are_told() {
    let home = persona();
    let lock = fs::File::create(home.path("runs/.index.lock")).unwrap();
    lock.lock().unwrap();
    let error = home.fails(&["build-index"], 1);
    assert!(
        error.contains("another build writes to") && error.contains("wait for it"),
        "{error}"
    );
    // Its figures are of an index that is about to be replaced.
    home.homer(&["eval", "--queries", "4"]).success();
    drop(lock);
    home.homer(&["build-index"]).success();
}

#[test]
fn one_trains_and_the_others_wait_or_do_something_else() {
    let home = persona();
    fs::remove_dir_all(home.path("runs/bi-encoder")).unwrap();
    let mut training = Running::start(&home, &train_bi("20000"));
    training.wait_for("step     0/");
    for also in [&[][..], &["--force"]] {
        let error = home.fails(&[&train_bi("2")[..], also].concat(), 1);
        assert!(
            error.contains("another training writes to") || error.contains("exists already"),
            "{error}"
        );
    }
    let error = home.fails(&["train-bi", "--resume"], 1);
    assert!(error.contains("another training writes to"), "{error}");
    // What it learns from is its own by now.
    home.homer(&["prepare", "--character", "Bob", "two.csv"])
        .success();
    training.child.kill().unwrap();
    training.child.wait().unwrap();
    // The lock of the dead holds nobody up, but other exchanges cannot be gone on with.
    assert!(home.path("runs/.bi-encoder.lock").is_file());
    let error = home.fails(&["train-bi", "--resume"], 1);
    assert!(
        error.contains("the exchanges have changed") && error.contains("--force"),
        "{error}"
    );
    home.homer(&[&train_bi("2")[..], &["--force"]].concat())
        .success();
}
