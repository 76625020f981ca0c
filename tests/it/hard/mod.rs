//! Nothing lost: signals, kills, several at once, other people's files, closed doors, endless input.

mod campaign;
#[cfg(unix)]
mod doors;
mod input;
#[cfg(target_os = "linux")]
mod room;
#[cfg(unix)]
mod signals;
mod together;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

use homer::internals::{Family, tiny_encoder_folder};

use crate::home::Home;

/// homer, started by a shell that does something before.
#[cfg(unix)]
fn after(home: &Home, before: &str, args: &[&str]) -> Command {
    let homer = home.process(args);
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{before}; exec \"$0\" \"$@\"")])
        .arg(homer.get_program())
        .args(homer.get_args());
    shell.current_dir(home.root());
    for (name, value) in homer.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// A script of thirty scenes; `what` tells one from another.
fn script(what: &str) -> String {
    let mut script = String::from("speaker,text\n");
    for scene in 0..30 {
        script += &format!("Ann,Is {what} {scene} yours?\nBob,No; it sank on day {scene}.\n");
        script += &format!("Ann,And the soup {scene}?\nBob,Cold since {scene} o'clock.\n,\n");
    }
    script
}

/// A home with two scripts, the first of them prepared, and a tiny encoder.
fn prepared() -> Home {
    let home = Home::new();
    tiny_encoder_folder(&home.path("encoder"), Family::Bert, &["boat", "soup"], 1).unwrap();
    home.write("one.csv", script("boat"));
    home.write("two.csv", script("raft"));
    home.homer(&["prepare", "--character", "Bob", "one.csv"])
        .success();
    home
}

/// What `train-bi` would leave, a tiny encoder, and its index.
fn persona() -> Home {
    let home = prepared();
    let model = home.path("runs/bi-encoder/model");
    fs::create_dir_all(&model).unwrap();
    tiny_encoder_folder(&model, Family::Bert, &["boat", "soup"], 1).unwrap();
    home.homer(&["build-index"]).success();
    home
}

/// A training of the tiny encoder.
fn train_bi(steps: &str) -> Vec<&str> {
    let batch = ["--batch-size", "8", "--evaluate-every", "5000"];
    [
        &["train-bi", "--encoder", "encoder", "--steps", steps],
        &batch[..],
    ]
    .concat()
}

/// homer at work, with what it says on standard error read line by line.
struct Running {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Running {
    fn start(home: &Home, args: &[&str]) -> Self {
        Self::of(home.process(args))
    }

    fn of(mut command: Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stderr.take().unwrap());
        Self { child, said }
    }

    /// Waits until a line is said that has this in it.
    fn wait_for(&mut self, what: &str) {
        let mut all = String::new();
        loop {
            let start = all.len();
            let read = self.said.read_line(&mut all).unwrap();
            assert!(read > 0, "{what:?} was never said, but: {all}");
            if all[start..].contains(what) {
                return;
            }
        }
    }

    /// The rest of what it says, and its exit code.
    fn end(&mut self) -> (String, Option<i32>) {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        (rest, self.child.wait().unwrap().code())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What lies below a folder and has a name of something unfinished.
fn litter(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path
                .file_name()
                .unwrap()
                .to_string_lossy()
                .starts_with(".homer-")
            {
                found.push(path);
            } else if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found
}
