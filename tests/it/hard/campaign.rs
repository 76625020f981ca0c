//! `kill -9` at random moments, a few times here, hundreds of times when asked:
//! `HOMER_KILLS=200 cargo test --release --test it -- --ignored --nocapture kills`.

use std::collections::BTreeMap;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use homer::internals::of_bytes;

use super::*;
use crate::hostile::makers::copy;

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    /// From 0 to below 1.
    fn roll(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }
}

/// Runs homer and kills it after that time, unless it was quicker; standard error comes with it.
fn killed(home: &Home, args: &[&str], after: Duration) -> (ExitStatus, bool) {
    let mut homer = home.process(args);
    homer
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut child = homer.spawn().unwrap();
    std::thread::sleep(after);
    let early = child.try_wait().unwrap().is_some();
    let _ = child.kill();
    (child.wait().unwrap(), !early)
}

/// Every file below a folder, but for what depends on the clock.
pub(super) fn bytes(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let timed = [
        "metrics.jsonl",
        "done.json",
        "README.md",
        "loss.png",
        "replaced",
    ];
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            // What is unfinished is swept by the next command.
            if name.starts_with(".homer-") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if !timed.contains(&name.as_str()) {
                found.insert(
                    path.strip_prefix(folder).unwrap().into(),
                    fs::read(&path).unwrap(),
                );
            }
        }
    }
    found
}

/// One checksum of all the files and their names.
fn digest(files: &BTreeMap<PathBuf, Vec<u8>>) -> String {
    let mut all = Vec::new();
    for (path, bytes) in files {
        all.extend(path.to_string_lossy().bytes());
        all.extend((bytes.len() as u64).to_le_bytes());
        all.extend(bytes);
    }
    of_bytes(&all)
}

/// A command that is killed again and again.
struct Victim<'a> {
    name: &'a str,
    home: &'a Home,
    /// The command, and the one that goes on with what it left; `None` where the same does.
    args: Vec<&'a str>,
    resume: Option<Vec<&'a str>>,
    /// What it makes.
    made: &'a str,
    /// Puts everything as it was before.
    reset: &'a dyn Fn(&Home),
    /// Whether what was there before must be there, whole, whenever it is killed.
    keeps: bool,
}

impl Victim<'_> {
    /// Kills it that often, and checks what is there after each; tells how many kills came in time.
    fn kill(&self, kills: u32, dice: &mut Dice) -> u32 {
        let Self { name, home, .. } = self;
        let folder = home.path(self.made);
        (self.reset)(home);
        let old = bytes(&folder);
        let clock = Instant::now();
        home.homer(&self.args).success();
        let whole = clock.elapsed();
        let new = bytes(&folder);
        let mut in_time = 0;
        eprintln!("{name}: never killed, {}", digest(&new));
        for kill in 1..=kills {
            (self.reset)(home);
            let after = whole.mul_f64(dice.roll() * 1.1);
            let (_, dead) = killed(home, &self.args, after);
            in_time += u32::from(dead);
            let what = format!("{name}, kill {kill} after {after:?} of {whole:?}");
            if self.keeps {
                let found = bytes(&folder);
                assert!(found == old || found == new, "{what}: {:?}", found.keys());
            }
            self.finish(&what, &new);
            let made = bytes(&folder);
            assert!(made == new, "{what}: other bytes");
            assert_eq!(litter(home.root()), [] as [PathBuf; 0], "{what}");
            let when = if dead { "before" } else { "after" };
            eprintln!("{what}, {when} it had ended: {}", digest(&made));
        }
        eprintln!("{name}: {kills} kills, {in_time} before it had ended ({whole:.1?}), 0 faults");
        in_time
    }

    /// The next command works, or says what to do.
    fn finish(&self, what: &str, new: &BTreeMap<PathBuf, Vec<u8>>) {
        let run = |args: &[&str]| {
            let outcome = self.home.command(args).write_stdin("").output().unwrap();
            (
                outcome.status.success(),
                String::from_utf8(outcome.stderr).unwrap(),
            )
        };
        let Some(resume) = &self.resume else {
            let (done, said) = run(&self.args);
            assert!(done, "{what}: {said}");
            return;
        };
        let (done, said) = run(resume);
        if done {
            return;
        }
        let finished = said.contains("is finished") && bytes(&self.home.path(self.made)) == *new;
        if finished || said.contains("exists already") {
            return;
        }
        assert!(
            said.contains("no run to resume") || said.contains("is finished"),
            "{what}: {said}"
        );
        let (done, said) = run(&self.args);
        assert!(done, "{what}: {said}");
    }
}

fn campaign(kills: u32, seed: u64) {
    let mut dice = Dice(seed);
    let home = persona();
    let character = ["prepare", "--character", "Bob"];
    let prepare = |script| [&character[..], &[script]].concat();
    Victim {
        name: "prepare",
        home: &home,
        args: prepare("two.csv"),
        resume: None,
        made: "data/exchanges",
        reset: &|home| {
            home.homer(&prepare("one.csv")).success();
        },
        keeps: true,
    }
    .kill(kills, &mut dice);
    home.homer(&prepare("one.csv")).success();
    Victim {
        name: "build-index",
        home: &home,
        args: vec!["build-index", "--query-weight", "1"],
        resume: None,
        made: "runs/index",
        reset: &|home| {
            home.homer(&["build-index"]).success();
        },
        keeps: true,
    }
    .kill(kills, &mut dice);
    // A script that has lost its first scene and has others at its end.
    let longer = |home: &Home| {
        let (one, more) = (script("boat"), script("raft"));
        let (_, one) = one.split_once(",\n").unwrap();
        let (_, more) = more.split_once('\n').unwrap();
        home.write("longer.csv", format!("speaker,text\n{one}{more}"));
        home.homer(&prepare("longer.csv")).success();
    };
    Victim {
        name: "build-index of more",
        home: &home,
        args: vec!["build-index"],
        resume: None,
        made: "runs/index",
        reset: &|home| {
            home.homer(&prepare("one.csv")).success();
            home.homer(&["build-index"]).success();
            longer(home);
        },
        keeps: true,
    }
    .kill(kills, &mut dice);
    home.homer(&prepare("one.csv")).success();
    home.homer(&["build-index"]).success();
    Victim {
        name: "eval",
        home: &home,
        args: vec!["eval", "--queries", "4"],
        resume: None,
        made: "runs/index",
        reset: &|_| {},
        keeps: true,
    }
    .kill(kills, &mut dice);

    let train = |seed| {
        let mut args = vec![
            "train-bi",
            "--encoder",
            "encoder",
            "--steps",
            "6",
            "--seed",
            seed,
        ];
        args.extend(["--batch-size", "8", "--evaluate-every", "2"]);
        args
    };
    let remove = |home: &Home, run: &str| {
        for suffix in ["", ".new", ".old"] {
            let _ = fs::remove_dir_all(home.path(&format!("runs/{run}{suffix}")));
        }
    };
    Victim {
        name: "train-bi",
        home: &home,
        args: train("1"),
        resume: Some(vec!["train-bi", "--resume"]),
        made: "runs/bi-encoder",
        reset: &|home| remove(home, "bi-encoder"),
        keeps: false,
    }
    .kill(kills, &mut dice);
    let force = [&train("2")[..], &["--force"]].concat();
    Victim {
        name: "train-bi --force",
        home: &home,
        args: force,
        resume: Some(vec!["train-bi", "--resume"]),
        made: "runs/bi-encoder",
        reset: &|home| {
            remove(home, "bi-encoder");
            home.homer(&train("1")).success();
        },
        keeps: true,
    }
    .kill(kills, &mut dice);
    let mut cross = vec![
        "train-cross",
        "--encoder",
        "runs/bi-encoder/model",
        "--steps",
        "4",
    ];
    cross.extend([
        "--batch-size",
        "4",
        "--negatives",
        "2",
        "--evaluate-every",
        "2",
    ]);
    Victim {
        name: "train-cross",
        home: &home,
        args: cross,
        resume: Some(vec!["train-cross", "--resume"]),
        made: "runs/cross-encoder",
        reset: &|home| remove(home, "cross-encoder"),
        keeps: false,
    }
    .kill(kills, &mut dice);
    let mut small = vec![
        "distill",
        "one.csv",
        "--encoder",
        "encoder",
        "--out",
        "small",
    ];
    small.extend([
        "--layers",
        "1",
        "--vocabulary",
        "113",
        "--epochs",
        "2",
        "--max-length",
        "32",
    ]);
    Victim {
        name: "distill",
        home: &home,
        args: small,
        resume: Some(vec!["distill", "--resume", "--out", "small"]),
        made: "small",
        reset: &|home| {
            for folder in ["small", "small.run"] {
                let _ = fs::remove_dir_all(home.path(folder));
            }
        },
        keeps: false,
    }
    .kill(kills, &mut dice);
}

#[test]
fn a_few_kills_lose_nothing() {
    campaign(1, 42);
}

/// How many kills the environment wants, and the seed of their moments.
fn wanted() -> (u32, u64) {
    let number = |name: &str, otherwise: u64| {
        let given = std::env::var(name).ok();
        given.map_or(otherwise, |given| given.parse().unwrap())
    };
    (number("HOMER_KILLS", 200) as u32, number("HOMER_SEED", 1))
}

#[test]
#[ignore = "takes a quarter of an hour and more"]
fn hundreds_of_kills_lose_nothing() {
    let (kills, seed) = wanted();
    campaign(kills, seed);
}

#[test]
#[ignore = "embeds a hundred thousand replies, from which on an index grows"]
fn kills_lose_nothing_of_an_index_that_grows() {
    let home = Home::new();
    crate::persona::train(&home, 1);
    let prepare = |replies| {
        let reply = |i| format!("I lost boat {i}.");
        crate::persona::prepare_as(&home, "Rufus", replies, reply);
    };
    prepare(100_000);
    home.homer(&["build-index"]).success();
    copy(&home.path("runs/index"), &home.path("whole"));
    prepare(100_500);
    let (kills, seed) = wanted();
    Victim {
        name: "build-index that grows",
        home: &home,
        args: vec!["build-index"],
        resume: None,
        made: "runs/index",
        reset: &|home| {
            fs::remove_dir_all(home.path("runs/index")).unwrap();
            copy(&home.path("whole"), &home.path("runs/index"));
        },
        keeps: true,
    }
    .kill(kills, &mut Dice(seed));
    assert!(home.path("runs/index/vectors-2.safetensors").is_file());
}
