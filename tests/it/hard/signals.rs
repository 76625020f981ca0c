//! Ctrl-C, SIGTERM, SIGHUP, once and twice, and where they are ignored.

use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::process::Command;

use super::*;

/// Steps that nobody waits for, and that end all the same.
const LONG: &str = "20000";

impl Running {
    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

/// homer, with signals that whoever started it ignores.
fn ignoring(home: &Home, signals: &str, args: &[&str]) -> Command {
    after(home, &format!("trap '' {signals}"), args)
}

#[test]
fn a_training_is_saved_whichever_way_it_is_told_to_stop() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let home = prepared();
        let mut training = Running::start(&home, &train_bi(LONG));
        training.wait_for("step     0/");
        training.signal(signal);
        let (said, exit) = training.end();
        assert!(said.contains("interrupted, and saved"), "{said}");
        assert!(said.contains("train-bi --resume`"), "{said}");
        assert_eq!(exit, Some(code), "{said}");
        assert!(home.path("runs/bi-encoder/checkpoint/state.json").is_file());
        assert_eq!(litter(home.root()), [] as [PathBuf; 0]);
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    for (ignored, name, other, code) in [
        (Signal::HUP, "HUP", Signal::INT, 130),
        (Signal::INT, "INT", Signal::TERM, 143),
    ] {
        let home = prepared();
        let mut training = Running::of(ignoring(&home, name, &train_bi(LONG)));
        training.wait_for("step     0/");
        // Had it been heard, the next one would end the program at once.
        training.signal(ignored);
        training.signal(other);
        let (said, exit) = training.end();
        assert!(said.contains("interrupted, and saved"), "{name}: {said}");
        assert_eq!(exit, Some(code), "{name}");
    }
}

#[cfg(feature = "serve")]
#[test]
fn what_a_server_was_told_to_ignore_it_ignores() {
    let home = persona();
    let serve = ["serve", "--no-rerank", "--listen", "127.0.0.1:0"];
    let mut server = Running::of(ignoring(&home, "INT HUP", &serve));
    server.wait_for("listening on");
    // The kernel knows what is ignored; a signal that does nothing would have to be waited for.
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
        let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();
        assert_eq!(ignored & 0b11, 0b11, "{ignored:b}");
    }
    server.signal(Signal::INT);
    server.signal(Signal::HUP);
    server.signal(Signal::TERM);
    let (said, exit) = server.end();
    assert_eq!(exit, Some(0), "{said}");
}

#[test]
fn the_second_ctrl_c_leaves_at_once_and_loses_nothing() {
    let home = prepared();
    let mut training = Running::start(&home, &train_bi(LONG));
    training.wait_for("step     0/");
    training.signal(Signal::INT);
    training.wait_for("stopping as soon as it can");
    training.signal(Signal::INT);
    let (_, exit) = training.end();
    assert_eq!(exit, Some(130));
    let mut again = Running::start(&home, &["train-bi", "--resume"]);
    again.wait_for("training a bi-encoder from");
    again.signal(Signal::TERM);
    assert_eq!(again.end().1, Some(143));
    assert_eq!(litter(home.root()), [] as [PathBuf; 0]);
}

#[test]
fn preparing_stops_with_the_old_dialogue_whole_and_nothing_left_over() {
    let home = prepared();
    let before = home.read("data/exchanges/pool.jsonl");
    let mut preparing = Running::start(&home, &["prepare", "--character", "Bob", "-"]);
    preparing.wait_for("reading standard input");
    let mut input = preparing.child.stdin.take().unwrap();
    input.write_all(script("raft").as_bytes()).unwrap();
    preparing.signal(Signal::INT);
    preparing.wait_for("stopping as soon as it can");
    drop(input);
    let (said, exit) = preparing.end();
    assert!(said.contains("homer: interrupted"), "{said}");
    assert_eq!(exit, Some(130));
    assert!(home.read("data/exchanges/pool.jsonl") == before);
    assert_eq!(litter(home.root()), [] as [PathBuf; 0]);
}
