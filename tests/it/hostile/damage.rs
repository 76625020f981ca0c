//! Every file that homer reads, cut at 20 places, changed at random 200 times, and with values that do not
//! belong there: no panic, no abort, no end of memory.

use std::fs;
use std::path::{Path, PathBuf};

use homer::internals::{
    BiEncoder, Checkpoint, Config, CrossEncoder, CrossVerdict, Data, Dataset, Family, Index,
    LinearRanker, Seen, Tokenizer, Training, grown_index, read_judged, train_bi,
};
use homer::project::{sheet, status};
use homer::{
    BiSettings, Choice, Compute, CrossSettings, Judged, Opinion, Persona, Project, Query, Result,
    Start, Watch,
};

use super::makers::{bi_encoder, changed, copy, cut, files, fixture, mistyped, room};
use crate::persona::{persona, train_cross};

/// Random changes a file.
const CHANGES: u64 = 200;

/// Damages each of the files in every way and calls `open`, which is told the file and whether it is
/// damaged in a way that a checksum knows; how often.
fn damage(paths: &[PathBuf], open: &dyn Fn(&Path, bool)) -> usize {
    let mut tries = 0;
    for (seed, path) in paths.iter().enumerate() {
        let sound = fs::read(path).unwrap();
        let changes = changed(&sound, CHANGES, seed as u64);
        for bytes in cut(&sound).chain(changes).chain(mistyped(&sound)) {
            fs::write(path, &bytes).unwrap();
            open(path, bytes != sound);
            tries += 1;
        }
        fs::write(path, &sound).unwrap();
        open(path, false);
    }
    assert!(tries >= paths.len() * 220, "{tries} tries");
    tries
}

/// An error is short enough to be read.
fn said<T>(outcome: Result<T>) -> Option<T> {
    match outcome {
        Ok(value) => Some(value),
        Err(error) => {
            let message = error.to_string();
            assert!(message.len() < 12_000, "{} bytes", message.len());
            None
        }
    }
}

#[test]
fn a_model_that_is_damaged_is_refused_or_read() {
    let home = room();
    let model = home.path().join("model");
    bi_encoder(&model);
    damage(&files(&model), &|_, _| {
        if let Some(model) = said(BiEncoder::load(&model, &Compute::Fast)) {
            let context = ["before that".to_owned()];
            let query = Query {
                context: &context,
                text: "Where is my boat?",
            };
            said(model.embed_queries(&[query]));
        }
    });
}

#[test]
fn weights_that_are_damaged_are_refused_or_read() {
    let home = room();
    let open = |_: &Path, _| {
        if let Some(checkpoint) = said(Checkpoint::open(home.path())) {
            let config = Config::read(fixture("bert")).unwrap();
            said(checkpoint.encoder(&config));
        }
    };
    let pickle = home.path().join("pytorch_model.bin");
    fs::copy(fixture("bert_bin/pytorch_model.bin"), &pickle).unwrap();
    damage(std::slice::from_ref(&pickle), &open);
    fs::remove_file(pickle).unwrap();
    // In two shards, of which one is the whole.
    fs::copy(
        fixture("bert/model.safetensors"),
        home.path().join("one.safetensors"),
    )
    .unwrap();
    let index = home.path().join("model.safetensors.index.json");
    fs::write(
        &index,
        r#"{"metadata": {"total_size": 1}, "weight_map": {"a": "one.safetensors", "b": "one.safetensors"}}"#,
    )
    .unwrap();
    damage(&[index], &open);
}

#[test]
fn a_list_of_words_that_is_damaged_is_refused_or_read() {
    let home = room();
    let model = home.path().join("model");
    bi_encoder(&model);
    fs::remove_file(model.join("tokenizer.json")).unwrap();
    damage(&[model.join("vocab.txt")], &|_, _| {
        if let Some(tokenizer) = said(Tokenizer::load(&model)) {
            said(tokenizer.text("Where is my boat?", 16));
        }
    });
}

/// Damages every file of an index: what a checksum knows is refused.
fn damage_index(folder: &Path) {
    damage(&files(folder), &|file, differs| {
        let outcome = Index::open(folder);
        let summed = file.extension().is_some_and(|kind| kind != "json");
        assert!(
            !(summed && differs && outcome.is_ok()),
            "{} differs and nobody says so",
            file.display()
        );
        if let Some(index) = said(outcome) {
            let query = vec![0.5; index.manifest().width];
            let rows: Vec<usize> = index
                .search(&query, 3)
                .map(|hits| hits.iter().map(|hit| hit.row).collect())
                .unwrap_or_default();
            said(index.entries(&rows));
        }
    });
}

#[test]
fn an_index_that_has_grown_and_is_damaged_is_refused_or_answers() {
    let room = room();
    let folder = room.path().join("index");
    grown_index(&folder).unwrap();
    assert_eq!(files(&folder).len(), 6);
    damage_index(&folder);
}

#[test]
fn a_persona_that_is_damaged_is_refused_or_answers() {
    let (home, room) = (persona(), room());
    train_cross(&home, 3);
    copy(home.root(), room.path());
    let path = |name: &str| room.path().join(name);
    let project = Project::new(room.path());
    damage_index(&path("runs/index"));
    let model = path("runs/cross-encoder/model");
    damage(&[model.join("ranker.json")], &|_, _| {
        if let Some(ranker) = said(LinearRanker::read(&(&model).into())) {
            let seen = Seen {
                reply: "No.",
                retrieval: 0.5,
                cross: 1.0,
            };
            ranker.scores("Well?", &[seen, seen]);
            ranker.explained("Well?", &[seen, seen]);
        }
    });
    damage(&[path("runs/cross-encoder/reranking.json")], &|_, _| {
        if let Some(verdict) = said(CrossVerdict::read(&project)) {
            verdict.in_use("x");
        }
    });
    damage(&[model.join("model.safetensors")], &|_, _| {
        if let Some(cross) = said(CrossEncoder::load(&model, &Compute::Fast)) {
            let query = Query {
                context: &[],
                text: "Well?",
            };
            said(cross.score(query, &["No.", "Yes."]));
        }
    });
    // Every byte of what the replies were embedded by counts, too.
    let weights = path("runs/bi-encoder/model/model.safetensors");
    let sound = fs::read(&weights).unwrap();
    for at in (0..sound.len()).step_by(sound.len() / 40) {
        let mut other = sound.clone();
        other[at] ^= 1;
        fs::write(&weights, other).unwrap();
        assert!(said(Persona::load(&project, &Compute::Fast, false)).is_none());
    }
    fs::write(&weights, sound).unwrap();
    // All of it together, drawn with a temperature.
    let choice = Choice {
        temperature: 0.7,
        ..Choice::default()
    };
    let answer = said(Persona::load(&project, &Compute::Fast, true)).unwrap();
    assert!(
        answer
            .answer(&[], "Well?", &[], &choice)
            .unwrap()
            .text()
            .is_some()
    );
}

#[test]
fn prepared_dialogue_that_is_damaged_is_refused_or_read() {
    let (home, room) = (persona(), room());
    copy(home.root(), room.path());
    let project = Project::new(room.path());
    let judged = project.exchanges().join("judged.jsonl");
    let line =
        "{\"message\":\"Well?\",\"candidates\":[{\"reply\":\"No.\",\"score\":0.5,\"grade\":2}]}\n";
    fs::write(&judged, line.repeat(3)).unwrap();
    damage(&files(&project.exchanges()), &|_, _| {
        if let Some(dataset) = said(Dataset::load(&project.exchanges())) {
            said(Data::of(&dataset));
        }
        said(read_judged(&judged));
        said(status(&project));
    });
}

#[test]
fn what_says_how_a_training_ended_or_where_replies_are_is_refused_or_read() {
    let (home, room) = (persona(), room());
    copy(home.root(), room.path());
    let path = |name: &str| room.path().join(name);
    let project = Project::new(room.path());
    let done = path("runs/bi-encoder/done.json");
    fs::write(
        &done,
        r#"{"steps": 4, "planned": 4, "baseline": {"loss": 1.5, "score": 0.25},
            "best": {"loss": 0.5, "score": 0.75}, "best_step": 2, "seconds": 3.5}"#,
    )
    .unwrap();
    let told = status(&project).unwrap().bi_encoder.unwrap();
    assert_eq!(told.mrr, Some([0.25, 0.75]));
    damage(&[done], &|_, _| {
        // What was trained is there and done, whatever it says of how.
        let told = status(&project).unwrap().bi_encoder.unwrap();
        assert!(told.finished);
        let outcome = Training::begin(&project.bi_encoder(), Start::Resume, &BiSettings::default());
        assert!(said(outcome).is_none());
    });
    let store = path("runs/store.json");
    fs::write(
        &store,
        r#"{"store": "postgres://ada@localhost/replies", "persona": "rufus"}"#,
    )
    .unwrap();
    damage(&[store], &|_, _| {
        said(status(&project));
    });
}

#[test]
fn grades_that_are_damaged_are_refused_or_read() {
    let home = room();
    let path = home.path().join("grades.txt");
    fs::write(&path, "# Ada's\n1: 2 0\n3: - 1\n\n2: 0 0\n").unwrap();
    let line = r#"{"message":"Well?","candidates":[{"reply":"No.","grade":1},{"reply":"Yes."}]}"#;
    let judged: Vec<Judged> = vec![serde_json::from_str(line).unwrap(); 3];
    assert_eq!(sheet::read(&path, &mut judged.clone()).unwrap(), 3);
    damage(std::slice::from_ref(&path), &|_, _| {
        let mut graded = judged.clone();
        if said(sheet::read(&path, &mut graded)).is_none() {
            assert!(graded == judged);
        }
    });
}

#[test]
fn settings_of_a_cross_encoder_that_are_damaged_are_refused_or_read() {
    let home = room();
    let run = home.path().join("run");
    let settings = CrossSettings::default();
    drop(Training::begin(&run, Start::Fresh, &settings).unwrap());
    let path = run.join("settings.json");
    fs::create_dir_all(&run).unwrap();
    fs::write(&path, serde_json::to_vec_pretty(&settings).unwrap()).unwrap();
    damage(&[path], &|_, _| {
        said(Training::begin(&run, Start::Resume, &settings));
    });
}

/// Stops at the first chance.
struct Stop;

impl Watch for Stop {
    fn stop(&self) -> bool {
        true
    }
}

#[test]
fn a_run_that_is_damaged_is_refused_or_gone_on_with() {
    let mut bench = crate::train::Bench::new(Family::Bert);
    bench.feedback = vec![Opinion {
        query: "listen moon".into(),
        context: Vec::new(),
        liked: vec!["river it is".into()],
        disliked: vec!["bread it is".into()],
    }];
    let mut settings = crate::train::bi_settings();
    settings.common.steps = Some(4);
    settings.common.evaluate_every = Some(2);
    let mut ear = crate::train::Ear::at(3);
    bench
        .bi("run", Start::Fresh, &settings, &mut ear)
        .unwrap_err();
    let run = bench.path("run");
    let encoder = bench.path("encoder");
    let state: Vec<PathBuf> = files(&run)
        .into_iter()
        .filter(|path| !path.starts_with(run.join("model")))
        .filter(|path| path.extension().is_some_and(|kind| kind != "png"))
        .collect();
    assert!(state.len() >= 5, "{state:?}");
    let sound: Vec<(PathBuf, Vec<u8>)> = state
        .iter()
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    damage(&state, &|damaged, _| {
        let outcome = Training::begin(&run, Start::Resume, &BiSettings::default()).and_then(|it| {
            train_bi(
                &it,
                &encoder,
                bench.dataset.clone(),
                vec![],
                &Compute::Fast,
                &mut Stop,
            )
        });
        said(outcome);
        // What going on wrote is taken back.
        for (path, bytes) in &sound {
            if path != damaged {
                fs::write(path, bytes).unwrap();
            }
        }
    });
    // A run that was damaged by hand says what is wrong with it.
    let path = run.join("settings.json");
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, says) in [
        (
            "\"chunk_size\": 64",
            "\"chunk_size\": 0",
            "a batch or a chunk of nothing",
        ),
        ("\"batch_size\": 24", "\"batch_size\": 0", "a batch"),
        (
            "\"evaluate_every\": 2",
            "\"evaluate_every\": 0",
            "a validation every 0",
        ),
        (
            "\"warmup_steps\": 0",
            "\"warmup_steps\": 9",
            "cannot be kept",
        ),
    ] {
        assert!(text.contains(from), "{from} is not in {text}");
        fs::write(&path, text.replace(from, to)).unwrap();
        let error = bench
            .bi("run", Start::Resume, &settings, &mut crate::train::never())
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    fs::write(&path, &text).unwrap();
    let path = run.join("checkpoint/state.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"step-3", "\"../step-3")).unwrap();
    let error = bench
        .bi("run", Start::Resume, &settings, &mut crate::train::never())
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("is not the name of a file beside it"),
        "{error}"
    );
}
