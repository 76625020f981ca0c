//! Building an index and talking, through the command line.

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};
use tempfile::TempDir;

use homer::dialogue::Query;
use homer::hf::checkpoint::Precision;
use homer::hf::testing::tiny_encoder_folder;
use homer::model::bi_encoder::BiEncoder;
use homer::model::cross_encoder::CrossEncoder;
use homer::nn::config::Family;
use homer::nn::device::Compute;
use homer::nn::head::Head;

/// homer in a folder of its own.
struct Dir(TempDir);

impl Dir {
    fn empty() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With prepared dialogue, a tiny bi-encoder and the index of its vectors.
    fn persona() -> Self {
        let dir = Self::empty();
        dir.prepare(REPLIES);
        dir.train(1);
        dir.index();
        dir
    }

    /// Builds the index of what the replies say, whatever they answered.
    fn index(&self) {
        self.homer(&["build-index", "--query-weight", "0"])
            .success();
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("homer");
        command.arg("-C").arg(self.path()).args(args);
        command
    }

    fn homer(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        self.command(args).assert()
    }

    /// Standard output of a command that succeeds.
    fn says(&self, args: &[&str]) -> String {
        text(&self.homer(args).success().get_output().stdout)
    }

    /// Standard output, given standard input.
    fn replies(&self, args: &[&str], input: &str) -> String {
        let outcome = self.command(args).write_stdin(input).assert().success();
        text(&outcome.get_output().stdout)
    }

    /// Standard error of a command that fails with `code`.
    fn fails(&self, args: &[&str], code: i32) -> String {
        let outcome = self.command(args).write_stdin("").assert().code(code);
        assert!(outcome.get_output().stdout.is_empty());
        text(&outcome.get_output().stderr)
    }

    /// Writes what `prepare` would: reply `i` answers query `i`; the last 24 are for validation.
    fn prepare(&self, replies: usize) {
        let folder = self.path().join("data/exchanges");
        fs::create_dir_all(&folder).unwrap();
        let exchange = |i: usize| {
            json!({
                "id": i, "scene": i / 4, "reply": reply(i),
                "context": [{"speaker": "Ada", "text": "Listen."}],
                "query": {"speaker": "Ada", "text": format!("What about number {i}?")},
                "close_replies": [], "good_replies": [], "bad_replies": [],
            })
        };
        let lines = |values: &mut dyn Iterator<Item = Value>| -> String {
            values.map(|value| format!("{value}\n")).collect()
        };
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        let settings = json!({
            "source": "play.csv", "character": "Rufus", "seed": 0, "context_turns": 2,
        });
        write("settings.json", settings.to_string());
        let valid = replies.saturating_sub(24);
        write("train.jsonl", lines(&mut (0..valid).map(exchange)));
        write("valid.jsonl", lines(&mut (valid..replies).map(exchange)));
        write("test.jsonl", String::new());
        let pool = |i: usize| json!({"text": reply(i), "exchanges": [i]});
        write("pool.jsonl", lines(&mut (0..replies).map(pool)));
    }

    /// Writes what `train-cross` would, and gives the model.
    fn train_cross(&self, seed: u64) -> CrossEncoder {
        let body = BiEncoder::load(&self.path().join("runs/bi-encoder/model"), &Compute::Fast);
        let body = body.unwrap();
        let config = body.encoder.config().clone();
        let head = Head::fresh(&config, None, seed);
        let cross = CrossEncoder {
            head: Head::new(&config, &head, &Compute::Fast.device()).unwrap(),
            encoder: body.encoder,
            tokenizer: body.tokenizer,
            max_length: body.max_length,
        };
        let model = self.path().join("runs/cross-encoder/model");
        fs::create_dir_all(&model).unwrap();
        cross.save(&model, Precision::F32).unwrap();
        let verdict = self.path().join("runs/cross-encoder/reranking.json");
        fs::write(verdict, "{\"rerank\": true}").unwrap();
        cross
    }

    /// Writes what `train-bi` would.
    fn train(&self, seed: u64) {
        let model = self.path().join("runs/bi-encoder/model");
        fs::create_dir_all(&model).unwrap();
        tiny_encoder_folder(&model, Family::Bert, &["boat", "pie", "hat"], seed).unwrap();
    }
}

const REPLIES: usize = 60;

/// The files of an index.
const INDEX: [&str; 3] = ["vectors.safetensors", "replies.csv", "manifest.json"];

/// What reply `i` is the nearest answer to: itself, but for an accent that the tokenizer takes off.
/// Nobody is answered with the very words that they said.
fn question(i: usize) -> String {
    reply(i).replace(" my ", " mý ")
}

/// Lines that no two of are alike.
fn reply(i: usize) -> String {
    let things = ["boat", "pie", "hat", "moose", "kettle"];
    let verbs = ["lost", "ate", "painted"];
    let places = ["at sea", "in the attic", "behind the shed", "on Tuesday"];
    format!(
        "I {} my {} {}.",
        verbs[i % 3],
        things[i % 5],
        places[i / 15 % 4]
    )
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn status_says_what_is_there_and_what_comes_next() {
    let dir = Dir::empty();
    let status = || -> Value { serde_json::from_str(&dir.says(&["status", "--json"])).unwrap() };
    let next = |command: &str| {
        let said = status()["next"].as_str().unwrap().to_owned();
        assert!(
            said.starts_with("homer -C ") && said.ends_with(command),
            "{said}"
        );
        assert!(dir.says(&["status"]).ends_with(&format!("next: {said}\n")));
    };
    next(" prepare SCRIPT.csv");
    assert!(status()["dialogue"].is_null() && status()["index"].is_null());
    dir.prepare(REPLIES);
    next(" train-bi");
    assert_eq!(
        status()["dialogue"]["exchanges"],
        json!([REPLIES - 24, 24, 0])
    );
    dir.train(1);
    next(" train-cross");
    dir.train_cross(2);
    next(" build-index");
    assert_eq!(status()["reranks"], true);
    dir.index();
    next("?\"");
    assert_eq!(status()["index"]["replies"], REPLIES);
    // Another bi-encoder makes the index old, and another dialogue everything.
    dir.train(2);
    next(" build-index");
    assert!(dir.says(&["status"]).contains("out of date"));
    let settings = json!({"data": {
        "source": "other.csv", "character": "Rufus", "train": 9, "valid": 9, "fingerprint": "x",
    }});
    let run = dir.path().join("runs/bi-encoder");
    fs::write(run.join("settings.json"), settings.to_string()).unwrap();
    fs::write(run.join("done.json"), "{}").unwrap();
    next(" train-bi --force");
    assert_eq!(status()["bi_encoder"]["source"], "other.csv");
    assert_eq!(status()["bi_encoder"]["current"], false);
}

#[test]
fn the_command_that_is_missing_is_named() {
    let dir = Dir::empty();
    assert!(dir.fails(&["build-index"], 1).contains(" prepare"));
    dir.prepare(3);
    assert!(dir.fails(&["build-index"], 1).contains(" train-bi"));
    // The training was begun, so that no other persona answers.
    fs::create_dir_all(dir.path().join("runs/bi-encoder")).unwrap();
    assert!(dir.fails(&["ask", "Well?"], 1).contains(" train-bi"));
    assert!(dir.fails(&["repl"], 1).contains(" train-bi"));
    dir.train(1);
    assert!(dir.fails(&["ask", "Well?"], 1).contains(" build-index"));
}

#[test]
fn wrong_usage_is_exit_code_2_and_says_what_is_wrong() {
    let dir = Dir::empty();
    assert!(dir.fails(&["ask", ""], 2).contains("empty"));
    assert!(dir.fails(&["ask", " \t\n"], 2).contains("empty"));
    assert!(dir.fails(&["ask", "-"], 2).contains("empty"));
    assert!(dir.fails(&["ask"], 2).contains("QUESTION"));
    assert!(
        dir.fails(&["ask", "Eh?", "--file", "x"], 2)
            .contains("--file")
    );
    assert!(
        dir.fails(&["ask", "Eh?", "--top-k", "0"], 2)
            .contains("--top-k")
    );
    assert!(
        dir.fails(&["ask", "Eh?", "--temperature=-1"], 2)
            .contains("0 or more")
    );
    assert!(
        dir.fails(&["ask", "Eh?", "--temperature", "NaN"], 2)
            .contains("0 or more")
    );
    assert!(
        dir.fails(&["ask", "Eh?", "--min-score", "7"], 2)
            .contains("auto")
    );
    assert!(dir.fails(&["completions", "cmd.exe"], 2).contains("zsh"));
    assert!(dir.fails(&["man", "dance"], 2).contains("dance"));
    assert!(
        dir.fails(&["ask", "--file", "no-such-file"], 1)
            .contains("no-such-file")
    );
}

#[cfg(not(any(feature = "cuda", feature = "metal")))]
#[test]
fn a_gpu_is_never_silently_a_cpu() {
    let dir = Dir::empty();
    for args in [
        ["build-index", "--gpu"].as_slice(),
        &["ask", "Eh?", "--gpu"],
        &["repl", "--gpu"],
    ] {
        assert!(dir.fails(args, 1).contains("--features cuda"));
    }
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let dir = Dir::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(
            dir.says(&["completions", shell]).contains("build-index"),
            "{shell}"
        );
    }
    assert!(dir.says(&["man"]).contains(".TH homer 1"));
    assert!(dir.says(&["man", "ask"]).contains("explain"));
}

#[test]
fn the_answer_is_the_reply_whose_vector_is_nearest() {
    let dir = Dir::persona();
    // Without context a query is embedded as a reply is, so a reply's own text finds it.
    for i in [0, 17, 59] {
        assert_eq!(dir.says(&["ask", &question(i)]), format!("{}\n", reply(i)));
    }
    let line: Value = serde_json::from_str(&dir.says(&["ask", "--json", &question(17)])).unwrap();
    assert_eq!(line["question"], question(17));
    assert_eq!(line["answer"], reply(17));
    assert!((line["chosen"]["retrieval"].as_f64().unwrap() - 1.0).abs() < 1e-2);
    assert_eq!(line["chosen"]["rerank"], Value::Null);
    let origin = &line["chosen"]["origin"];
    assert_eq!(origin["exchange"], 17);
    assert_eq!(origin["query"]["text"], "What about number 17?");
    assert_eq!(origin["context"], json!(["Ada: Listen."]));
    assert_eq!(line["chosen"]["exchanges"], json!([17]));
    assert_eq!(line["character"], "Rufus");
    assert_eq!(line["folder"], dir.path().to_str().unwrap());
    assert_eq!(line.get("candidates"), None);
}

#[test]
fn context_is_part_of_the_question() {
    let dir = Dir::persona();
    let score = |args: &[&str]| {
        let line: Value = serde_json::from_str(&dir.says(args)).unwrap();
        line["chosen"]["retrieval"].as_f64().unwrap()
    };
    let alone = score(&["ask", "--json", "The hat?"]);
    let ab = [
        "ask",
        "--json",
        "The hat?",
        "--context",
        "A boat.",
        "--context",
        "Pie!",
    ];
    let ba = [
        "ask",
        "--json",
        "The hat?",
        "--context",
        "Pie!",
        "--context",
        "A boat.",
    ];
    assert_ne!(alone, score(&ab));
    assert_ne!(score(&ab), score(&ba));
    // Training saw two turns before a query: what was said before them is not minded.
    let mut older = ab.to_vec();
    older.splice(3..3, ["--context", "Moose. Kettle!"]);
    assert_eq!(score(&ab), score(&older));
}

#[test]
fn explain_shows_the_best_candidates_and_their_exchanges() {
    let dir = Dir::persona();
    let shown = dir.says(&["ask", "--explain", &question(4)]);
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines[0], reply(4));
    assert_eq!(lines.len(), 14, "{shown}");
    let folder = dir.path().to_str().unwrap();
    assert_eq!(lines[2], format!("Rufus from {folder}"));
    assert!(lines[4].starts_with("* 1"), "{shown}");
    assert!(lines[4].contains("#4 Ada: What about number 4?"), "{shown}");

    let args = ["ask", "--explain", "--json", "--top-k", "5", "A hat?"];
    let line: Value = serde_json::from_str(&dir.says(&args)).unwrap();
    let candidates = line["candidates"].as_array().unwrap();
    let scores: Vec<f64> = candidates
        .iter()
        .map(|c| c["score"].as_f64().unwrap())
        .collect();
    assert_eq!(scores.len(), 5);
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
}

#[test]
fn the_cross_encoder_on_disk_puts_what_was_retrieved_in_order() {
    let dir = Dir::persona();
    let cross = dir.train_cross(5);
    let ask = |more: &[&str]| -> Value {
        let mut args = vec!["ask", "A hat?", "--json", "--explain", "--top-k", "20"];
        args.extend_from_slice(more);
        serde_json::from_str(&dir.says(&args)).unwrap()
    };
    let replies = |line: &Value| -> Vec<String> {
        let candidates = line["candidates"].as_array().unwrap().iter();
        candidates
            .map(|c| c["reply"].as_str().unwrap().to_owned())
            .collect()
    };
    let context = ["The pie.".to_owned()];
    let retrieved = replies(&ask(&["--context", "The pie.", "--no-rerank"]));
    let query = Query {
        context: &context,
        text: "A hat?",
    };
    let texts: Vec<&str> = retrieved.iter().map(String::as_str).collect();
    let scores = cross.score(query, &texts).unwrap();
    let mut order: Vec<usize> = (0..20).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    assert!(!order.is_sorted(), "nothing to reorder");

    let line = ask(&["--context", "The pie."]);
    let expected: Vec<&str> = order.iter().map(|&i| texts[i]).collect();
    assert_eq!(replies(&line), expected);
    assert_eq!(line["answer"], expected[0]);
    for (candidate, &i) in line["candidates"].as_array().unwrap().iter().zip(&order) {
        assert_eq!(candidate["rank_before"], i);
        let score = candidate["rerank"].as_f64().unwrap();
        assert!((score - f64::from(scores[i])).abs() < 1e-5);
    }
    let table = dir.says(&["ask", "A hat?", "--explain"]);
    assert!(table.contains("logit"), "{table}");
}

#[test]
fn a_cross_encoder_that_nobody_judged_is_left_out_and_said_so() {
    let dir = Dir::persona();
    dir.train_cross(5);
    let table = dir.says(&["ask", "A hat?", "--explain"]);
    assert!(table.contains("logit"), "{table}");
    let verdict = dir.path().join("runs/cross-encoder/reranking.json");
    // As a crash between the training and its verdict leaves it, and as training another bi-encoder
    // since then does.
    for judged in ["{}", "{\"rerank\": true, \"bi_encoder\": \"another\"}"] {
        fs::write(&verdict, judged).unwrap();
        let outcome = dir.homer(&["ask", "A hat?", "--explain"]).success();
        let output = outcome.get_output();
        assert!(!text(&output.stdout).contains("logit"), "{judged}");
        assert!(
            text(&output.stderr).contains("train-cross --resume"),
            "{judged}"
        );
    }
}

#[test]
fn advice_can_be_copied_and_a_folder_that_is_missing_is_named() {
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("two words");
    let says = |args: &[&str]| {
        let mut command: Command = assert_cmd::cargo::cargo_bin_cmd!("homer");
        let outcome = command.arg("-C").arg(&place).args(args).assert().code(1);
        text(&outcome.get_output().stderr)
    };
    assert!(says(&["ask", "Well?"]).contains("is not there"));
    fs::create_dir_all(place.join("runs/bi-encoder")).unwrap();
    let advice = format!("`homer -C '{}' train-bi`", place.display());
    let error = says(&["ask", "Well?"]);
    assert!(error.contains(&advice), "{error}");
    fs::remove_dir_all(&place).unwrap();
    fs::write(&place, "").unwrap();
    assert!(says(&["prepare"]).contains("not a folder"));
}

#[test]
fn a_cross_encoder_without_its_head_is_refused_and_not_made_up() {
    let dir = Dir::persona();
    let model = dir.path().join("runs/cross-encoder/model");
    fs::create_dir_all(&model).unwrap();
    tiny_encoder_folder(&model, Family::Bert, &["boat"], 3).unwrap();
    let verdict = dir.path().join("runs/cross-encoder/reranking.json");
    fs::write(verdict, "{\"rerank\": true}").unwrap();
    assert!(dir.fails(&["ask", "Well?"], 1).contains("no head"));
    dir.homer(&["ask", "Well?", "--no-rerank"]).success();
}

#[test]
fn questions_come_from_standard_input_and_from_files() {
    let dir = Dir::persona();
    let answer = format!("{}\n", reply(8));
    assert_eq!(
        dir.replies(&["ask", "-"], &format!("  {}\n", question(8))),
        answer
    );

    let file = dir.path().join("questions.txt");
    let file_name = file.to_str().unwrap();
    let questions = format!("\u{feff}{}\r\n\n{}", question(8), question(3));
    fs::write(&file, &questions).unwrap();
    let answers = format!("{}\n\n{}\n", reply(8), reply(3));
    assert_eq!(dir.says(&["ask", "--file", file_name]), answers);
    assert_eq!(dir.replies(&["ask", "--file", "-"], &questions), answers);

    let json = dir.says(&["ask", "--file", file_name, "--json"]);
    let lines: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["answer"], reply(8));
    assert_eq!(lines[1]["answer"], Value::Null);
    assert_eq!(lines[2]["answer"], reply(3));

    fs::write(&file, b"Fine.\nBad: \xff\n").unwrap();
    let error = dir.fails(&["ask", "--file", file_name], 1);
    assert!(error.contains("line 2: not UTF-8"), "{error}");
}

#[test]
fn a_seed_decides_what_is_drawn() {
    let dir = Dir::persona();
    let drawn = |seed: &str| dir.says(&["ask", "A hat?", "--temperature", "2", "--seed", seed]);
    let all: Vec<String> = ["1", "2", "3", "4", "5", "6"].map(drawn).into();
    assert_eq!(drawn("3"), all[2]);
    assert!(all.iter().any(|answer| *answer != all[0]), "{all:?}");
}

#[test]
fn under_the_least_score_there_is_no_answer() {
    let dir = Dir::persona();
    let strict = ["ask", "Quite another thing?", "--min-score", "1"];
    // No words are put into the character's mouth.
    let outcome = dir.homer(&strict).success();
    let output = outcome.get_output();
    assert_eq!(text(&output.stdout), "\n");
    assert!(text(&output.stderr).contains("--min-score"));
    let json = dir.says(&["ask", "Quite another thing?", "--min-score", "1", "--json"]);
    let line: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (&line["answer"], &line["chosen"]),
        (&Value::Null, &Value::Null)
    );
    // Validation was large enough to calibrate on, and a perfect match passes any threshold.
    assert_eq!(
        dir.says(&["ask", &question(2), "--min-score", "auto"]),
        format!("{}\n", reply(2))
    );

    let small = Dir::empty();
    small.prepare(5);
    small.train(1);
    small.index();
    let error = small.fails(&["ask", "Well?", "--min-score", "auto"], 1);
    assert!(error.contains("too few validation exchanges"), "{error}");
}

#[test]
fn an_index_of_another_bi_encoder_is_refused_until_it_is_built_again() {
    let dir = Dir::persona();
    dir.train(2);
    let error = dir.fails(&["ask", "Well?"], 1);
    assert!(
        error.contains("another bi-encoder") && error.contains(" build-index`"),
        "{error}"
    );
    dir.index();
    assert_eq!(
        dir.says(&["ask", &question(30)]),
        format!("{}\n", reply(30))
    );
}

#[test]
fn dialogue_that_is_newer_than_the_index_is_said_and_no_obstacle() {
    let dir = Dir::persona();
    dir.prepare(REPLIES - 1);
    let outcome = dir.homer(&["ask", &question(1)]).success();
    let said = text(&outcome.get_output().stderr);
    assert!(
        said.contains("prepared anew") && said.contains("Rufus") && said.contains("build-index"),
        "{said}"
    );
    assert_eq!(
        text(&outcome.get_output().stdout),
        format!("{}\n", reply(1))
    );
}

#[test]
fn a_damaged_index_is_an_error_that_says_what_to_do() {
    let dir = Dir::persona();
    for name in INDEX {
        dir.index();
        let file = dir.path().join("runs/index").join(name);
        let bytes = fs::read(&file).unwrap();
        fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
        let error = dir.fails(&["ask", "Well?"], 1);
        assert!(
            error.contains(name) && error.contains(" build-index`"),
            "{error}"
        );
    }
}

#[test]
fn building_twice_gives_the_same_bytes() {
    let dir = Dir::persona();
    let read = || INDEX.map(|name| fs::read(dir.path().join("runs/index").join(name)).unwrap());
    let before = read();
    dir.index();
    assert!(before == read());
}

#[test]
fn the_repl_answers_a_line_with_a_line_and_never_repeats_itself() {
    let dir = Dir::persona();
    let input = format!(
        "{}\n\n{}\n:why\n:nonsense\n:quit\nNever read.\n",
        question(5),
        question(5)
    );
    let outcome = dir.command(&["repl"]).write_stdin(input).assert().success();
    let answers = text(&outcome.get_output().stdout);
    let answers: Vec<&str> = answers.lines().collect();
    // An empty line has an empty answer.
    assert_eq!(answers.len(), 3, "{answers:?}");
    assert_eq!((answers[0], answers[1]), (reply(5).as_str(), ""));
    assert_ne!(answers[2], reply(5));
    let notes = text(&outcome.get_output().stderr);
    assert!(
        notes.contains("cosine") && notes.contains("no command :nonsense"),
        "{notes}"
    );
    let folder = dir.path().to_str().unwrap();
    assert!(
        notes.starts_with(&format!("Rufus from {folder} is listening.")),
        "{notes}"
    );
}

#[test]
fn the_repl_saves_what_was_said_and_overwrites_nothing() {
    let dir = Dir::persona();
    let file = dir.path().join("talk.txt");
    let input = format!("{}\n:save {}\n", question(5), file.display());
    dir.replies(&["repl"], &input);
    let saved = format!("You: {}\nRufus: {}\n", question(5), reply(5));
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
    let again = dir.command(&["repl"]).write_stdin(input).assert().success();
    assert!(text(&again.get_output().stderr).contains("exists already"));
    assert_eq!(fs::read_to_string(&file).unwrap(), saved);
}

#[test]
fn the_repl_ends_with_its_input_whatever_that_was() {
    let dir = Dir::persona();
    assert_eq!(dir.replies(&["repl"], ""), "");
    dir.command(&["repl"])
        .write_stdin(b"Well?\n\xff\xfe?\n".as_slice())
        .assert()
        .code(1)
        .stderr(predicates::str::contains("line 2: not UTF-8"));
}

#[test]
fn by_default_the_queries_that_a_reply_answered_count() {
    let dir = Dir::persona();
    let vectors = || fs::read(dir.path().join("runs/index/vectors.safetensors")).unwrap();
    let alone = vectors();
    dir.homer(&["build-index"]).success();
    assert_ne!(vectors(), alone);
    let error = dir.fails(&["build-index", "--query-weight=-1"], 1);
    assert!(error.contains("not negative"), "{error}");
    let manifest = fs::read(dir.path().join("runs/index/manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["query_weight"], 1.0);
}
