//! What the disk holds when a command dies, or the disk does, at each change that it makes.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::build_index::IndexSettings;
use super::{Project, build_index, prepare, train_bi};
use crate::chat::Persona;
use crate::corpus::dataset::Dataset;
use crate::corpus::prepare::Options;
use crate::error::{Error, Result};
use crate::files::fault::{self, Fault};
use crate::hf::testing::tiny_encoder_folder;
use crate::index::Index;
use crate::model::bi_encoder::BiEncoder;
use crate::nn::config::Family;
use crate::nn::device::Compute;
use crate::train::run::{Run, Start};
use crate::train::settings::BiSettings;

const FAULTS: [Fault; 3] = [Fault::Crash, Fault::From(28), Fault::Once(5)];

/// A project with two scripts, the first of them prepared, and a tiny encoder.
struct Bench {
    _home: tempfile::TempDir,
    root: PathBuf,
    project: Project,
}

impl Bench {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().to_path_buf();
        tiny_encoder_folder(&root.join("encoder"), Family::Bert, &["boat"], 1).unwrap();
        for script in ["one", "two"] {
            let mut text = String::from("speaker,text\n");
            for scene in 0..30 {
                text += &format!(
                    "Ann,Is boat {script} {scene} yours?\nBob,No; it sank on {scene}.\n,\n"
                );
            }
            fs::write(root.join(script), text).unwrap();
        }
        let bench = Self {
            project: Project::new(&root),
            root,
            _home: home,
        };
        bench.prepare("one").unwrap();
        bench
    }

    fn prepare(&self, script: &str) -> Result<()> {
        let mut options = Options::new(self.root.join(script));
        options.character = Some("Bob".into());
        prepare(&self.project, &options, &mut ()).map(|_| ())
    }

    fn train(&self, start: Start, seed: u64) -> Result<()> {
        let mut settings = BiSettings {
            encoder: self.root.join("encoder").display().to_string(),
            ..BiSettings::default()
        };
        settings.common.seed = seed;
        settings.common.steps = Some(2);
        settings.common.batch_size = 8;
        settings.common.chunk_size = 8;
        settings.common.evaluate_every = Some(2);
        train_bi(&self.project, &settings, None, start, &mut ()).map(|_| ())
    }

    fn build(&self, query_weight: f32) -> Result<()> {
        let settings = IndexSettings {
            query_weight,
            ..IndexSettings::default()
        };
        build_index(&self.project, &settings, &mut ()).map(|_| ())
    }

    /// Every file below a folder, but for what depends on the clock.
    fn bytes(&self, folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
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
            for entry in fs::read_dir(&next).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if !timed.contains(&path.file_name().unwrap().to_str().unwrap()) {
                    let name = path.strip_prefix(folder).unwrap().to_path_buf();
                    found.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        found
    }

    /// What is in a folder of the project, without locks, when what the dead left is swept, as every command does.
    fn names(&self, folder: &Path) -> Vec<String> {
        self.project.sweep();
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| !name.ends_with(".lock")).collect();
        names.sort();
        names
    }
}

/// Places at which to fail: about `tries` of all changes, and the `last` ones, where most is at stake.
fn places(changes: u64, tries: u64, last: u64) -> impl Iterator<Item = u64> {
    let step = changes.div_ceil(tries).max(1);
    (1..=changes).filter(move |at| at % step == 0 || at + last > changes)
}

/// An error says where it happened.
fn says_where(outcome: &Result<()>, root: &Path) {
    if let Err(error) = outcome {
        let said = error.to_string();
        assert!(said.contains(root.to_str().unwrap()), "{said}");
    }
}

#[test]
fn a_dataset_is_the_old_or_the_new_one() {
    let bench = Bench::new();
    let exchanges = bench.project.exchanges();
    let old = bench.bytes(&exchanges);
    let (outcome, changes) = fault::changes(|| bench.prepare("two"));
    outcome.unwrap();
    let new = bench.bytes(&exchanges);
    for fault in FAULTS {
        for at in places(changes, 4, 6) {
            bench.prepare("one").unwrap();
            let (outcome, _) = fault::with(at, fault, || bench.prepare("two"));
            says_where(&outcome, &bench.root);
            let found = bench.bytes(&exchanges);
            let expected = if found == old { &old } else { &new };
            assert!(found == *expected, "{fault:?} at {at}");
            assert!(outcome.is_err() || found == new, "{fault:?} at {at}");
            Dataset::load(&exchanges).unwrap();
            assert_eq!(
                bench.names(&bench.project.data()),
                ["exchanges"],
                "{fault:?} at {at}"
            );
        }
    }
}

/// An index by other weights, where every reply is embedded again, and one whose vectors are all there.
#[test]
fn an_index_is_the_old_or_the_new_one_and_always_answers() {
    for weight in [1.0, 0.0] {
        let bench = Bench::new();
        let model = bench.project.bi_encoder_model();
        fs::create_dir_all(&model).unwrap();
        tiny_encoder_folder(&model, Family::Bert, &["boat"], 1).unwrap();
        build_and_die(&bench, weight);
    }
}

fn build_and_die(bench: &Bench, weight: f32) {
    let index = bench.project.index();
    let before = || {
        bench.prepare("one").unwrap();
        bench.build(0.0).unwrap();
        bench.prepare("two").unwrap();
    };
    before();
    let old = bench.bytes(&index);
    let (outcome, changes) = fault::changes(|| bench.build(weight));
    outcome.unwrap();
    let new = bench.bytes(&index);
    assert!(old != new);
    for fault in FAULTS {
        for at in places(changes, 6, 8) {
            before();
            let (outcome, _) = fault::with(at, fault, || bench.build(weight));
            says_where(&outcome, &bench.root);
            let found = bench.bytes(&index);
            assert!(found == old || found == new, "{fault:?} at {at}");
            Index::open(&index).unwrap();
            Persona::find(&bench.project, &Compute::Fast, false).unwrap();
            assert_eq!(bench.names(&bench.project.runs()), ["bi-encoder", "index"]);
        }
    }
}

/// Goes on with a training until it is finished, as a user would who reads what the errors say.
fn go_on(bench: &Bench, otherwise: Start, seed: u64) {
    match bench.train(Start::Resume, seed) {
        Ok(()) => {}
        Err(Error::NoRun { .. }) => bench.train(otherwise, seed).unwrap(),
        // It was killed when all was done, or before it began anew.
        Err(Error::Finished { .. }) if otherwise == Start::Fresh => {}
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn a_training_that_died_goes_on_to_the_same_bytes() {
    let bench = Bench::new();
    let run = bench.project.bi_encoder();
    let (outcome, changes) = fault::changes(|| bench.train(Start::Fresh, 1));
    outcome.unwrap();
    let whole = bench.bytes(&run);
    for fault in FAULTS {
        for at in places(changes, 5, 5) {
            fs::remove_dir_all(&run).unwrap();
            let (outcome, _) = fault::with(at, fault, || bench.train(Start::Fresh, 1));
            says_where(&outcome, &bench.root);
            bench.project.sweep();
            if outcome.is_err() {
                go_on(&bench, Start::Fresh, 1);
            }
            assert!(bench.bytes(&run) == whole, "{fault:?} at {at}");
            assert_eq!(bench.names(&bench.project.runs()), ["bi-encoder"]);
            let left = bench.names(&run).into_iter();
            assert_eq!(left.filter(|name| name.starts_with(".homer")).count(), 0);
        }
    }
}

#[test]
fn what_is_in_use_stays_until_what_replaces_it_is_finished() {
    let bench = Bench::new();
    let run = bench.project.bi_encoder();
    bench.train(Start::Fresh, 1).unwrap();
    let old = bench.bytes(&run);
    let (outcome, changes) = fault::changes(|| bench.train(Start::Force, 2));
    outcome.unwrap();
    let new = bench.bytes(&run);
    assert!(old != new);
    let all = ["bi-encoder", "bi-encoder.old"];
    assert_eq!(bench.names(&bench.project.runs()), all);
    let fresh = || {
        for name in ["bi-encoder", "bi-encoder.old", "bi-encoder.new"] {
            let _ = fs::remove_dir_all(bench.project.runs().join(name));
        }
        bench.train(Start::Fresh, 1).unwrap();
    };
    for fault in FAULTS {
        for at in places(changes, 2, 8) {
            fresh();
            let (outcome, _) = fault::with(at, fault, || bench.train(Start::Force, 2));
            says_where(&outcome, &bench.root);
            bench.project.sweep();
            // Whenever it died, what is in its place is finished and whole.
            let found = bench.bytes(&run);
            assert!(found == old || found == new, "{fault:?} at {at}");
            assert!(Run::is_finished(&run), "{fault:?} at {at}");
            BiEncoder::load(Run::model_of(&run), &Compute::Fast).unwrap();
            if outcome.is_err() {
                // What was done is brought to its end; what was not is begun again.
                match bench.train(Start::Resume, 2) {
                    Err(Error::Finished { .. }) if bench.bytes(&run) == old => {
                        bench.train(Start::Force, 2).unwrap();
                    }
                    Err(Error::Finished { .. }) | Ok(()) => {}
                    Err(Error::NoRun { .. }) => bench.train(Start::Force, 2).unwrap(),
                    Err(error) => panic!("{fault:?} at {at}: {error}"),
                }
            }
            assert!(bench.bytes(&run) == new, "{fault:?} at {at}");
            assert_eq!(bench.names(&bench.project.runs()), all, "{fault:?} at {at}");
            assert!(bench.bytes(&bench.project.runs().join("bi-encoder.old")) == old);
        }
    }
}
