//! The folder of a run: resumed exactly, never overwritten unasked.

use super::*;

#[test]
fn a_resumed_bi_encoder_is_the_same_to_the_byte() {
    let bench = Bench::new(Family::Bert);
    let mut settings = bi_settings();
    settings.common.chunk_size = 7;
    settings.common.steps = Some(10);
    let whole = bench
        .bi("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    // In the middle of nowhere, before a validation, after the last step.
    for (run, at) in [("a", 3), ("b", 4), ("c", 10)] {
        let stopped = bench.bi(run, Start::Fresh, &settings, &mut Ear::at(at));
        assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
        // What a crash would have left behind the checkpoint is dropped.
        let path = bench.path(run).join("metrics.jsonl");
        let torn = fs::read_to_string(&path).unwrap() + "{\"step\":99,\"epoch\":9}\n{\"ste";
        fs::write(&path, torn).unwrap();
        let resumed = bench
            .bi(run, Start::Resume, &settings, &mut never())
            .unwrap();
        assert_eq!(
            (resumed.best, resumed.best_step),
            (whole.best, whole.best_step)
        );
        assert!(
            bench.bytes(&format!("{run}/model/model.safetensors"))
                == bench.bytes("whole/model/model.safetensors"),
            "stopped at {at}"
        );
        assert_eq!(bench.metrics(run), bench.metrics("whole"));
    }
}

#[test]
fn what_began_from_the_encoder_in_the_program_is_resumed() {
    let bench = Bench {
        encoder: homer::builtin::encoder(),
        ..Bench::new(Family::Bert)
    };
    let mut settings = bi_settings();
    settings.common.batch_size = 8;
    settings.common.lr = 1e-4;
    settings.common.steps = Some(3);
    settings.common.evaluate_every = Some(2);
    bench
        .bi("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    // Before the first validation there is no model to go on from but that one.
    for (run, at) in [("a", 1), ("b", 2)] {
        let stopped = bench.bi(run, Start::Fresh, &settings, &mut Ear::at(at));
        assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
        bench
            .bi(run, Start::Resume, &settings, &mut never())
            .unwrap();
        assert!(
            bench.bytes(&format!("{run}/model/model.safetensors"))
                == bench.bytes("whole/model/model.safetensors"),
            "stopped at {at}"
        );
    }
    // What came of it is an ordinary folder.
    BiEncoder::load(bench.path("whole/model"), &bench.compute).unwrap();
}

#[test]
fn a_resumed_cross_encoder_is_the_same_to_the_byte() {
    let bench = Bench::new(Family::Bert);
    bench
        .bi("bi", Start::Fresh, &bi_settings(), &mut never())
        .unwrap();
    let settings = cross_settings();
    bench
        .cross("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    let stopped = bench.cross("a", Start::Fresh, &settings, &mut Ear::at(6));
    assert!(matches!(stopped, Err(Error::Interrupted { saved: true })));
    // What it started from is the run's own by now: another bi-encoder changes nothing.
    let mut other = bi_settings();
    other.common.seed = 7;
    bench.bi("bi", Start::Force, &other, &mut never()).unwrap();
    bench
        .cross("a", Start::Resume, &settings, &mut never())
        .unwrap();
    assert!(
        bench.bytes("a/model/model.safetensors") == bench.bytes("whole/model/model.safetensors")
    );
    assert_eq!(bench.metrics("a"), bench.metrics("whole"));
}

#[test]
fn the_seed_decides_everything() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(4);
    for (run, seed) in [("a", 1), ("b", 1), ("c", 2)] {
        settings.common.seed = seed;
        bench
            .bi(run, Start::Fresh, &settings, &mut never())
            .unwrap();
    }
    let [a, b, c] =
        ["a", "b", "c"].map(|run| bench.bytes(&format!("{run}/model/model.safetensors")));
    assert!(a == b && a != c);
}

#[test]
fn nothing_trained_is_overwritten_unasked() {
    let bench = Bench::new(Family::DistilBert);
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    let says = |outcome: Result<Outcome>, remedy: Remedy| {
        assert_eq!(outcome.unwrap_err().remedy(), remedy);
    };
    says(
        bench.bi("bi", Start::Resume, &settings, &mut never()),
        Remedy::Begin,
    );
    bench
        .bi("bi", Start::Fresh, &settings, &mut Ear::at(1))
        .unwrap_err();
    says(
        bench.bi("bi", Start::Fresh, &settings, &mut never()),
        Remedy::ResumeOrRestart,
    );
    bench
        .bi("bi", Start::Resume, &settings, &mut never())
        .unwrap();
    let first = bench.bytes("bi/model/model.safetensors");
    says(
        bench.bi("bi", Start::Fresh, &settings, &mut never()),
        Remedy::Restart,
    );
    let finished = bench.bi("bi", Start::Resume, &settings, &mut never());
    assert!(matches!(finished, Err(Error::Finished { .. })));
    says(finished, Remedy::Restart);
    assert!(first == bench.bytes("bi/model/model.safetensors"));

    // A training that cannot even start leaves the old one where it is.
    let mut nonsense = settings.clone();
    nonsense.common.lr = -1.0;
    bench
        .bi("bi", Start::Force, &nonsense, &mut never())
        .unwrap_err();
    assert!(first == bench.bytes("bi/model/model.safetensors"));
    settings.common.seed = 9;
    bench
        .bi("bi", Start::Force, &settings, &mut never())
        .unwrap();
    assert!(first == bench.bytes("bi.old/model/model.safetensors"));
    assert!(first != bench.bytes("bi/model/model.safetensors"));

    // However often one begins anew, and breaks off, what is in use stays, and nothing piles up.
    let second = bench.bytes("bi/model/model.safetensors");
    settings.common.steps = Some(9);
    for _ in 0..2 {
        bench
            .bi("bi", Start::Force, &settings, &mut Ear::at(1))
            .unwrap_err();
        assert!(Run::is_retrained(&bench.path("bi")));
    }
    says(
        bench.bi("bi", Start::Fresh, &settings, &mut never()),
        Remedy::ResumeOrRestart,
    );
    assert!(first == bench.bytes("bi.old/model/model.safetensors"));
    assert!(second == bench.bytes("bi/model/model.safetensors"));
    bench
        .bi("bi", Start::Resume, &settings, &mut never())
        .unwrap();
    assert!(second == bench.bytes("bi.old/model/model.safetensors"));
    assert!(second != bench.bytes("bi/model/model.safetensors"));
    for left in ["bi.new", "bi.old-2"] {
        assert!(!bench.path(left).exists(), "{left}");
    }
}

#[test]
fn a_training_that_diverges_does_not_touch_what_is_in_use() {
    let bench = Bench::new(Family::Bert);
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    bench
        .bi("bi", Start::Fresh, &settings, &mut never())
        .unwrap();
    let kept = bench.bytes("bi/model/model.safetensors");
    let mut wild = settings.clone();
    wild.common.lr = 1e30;
    wild.common.steps = Some(60);
    for _ in 0..2 {
        let error = bench
            .bi("bi", Start::Force, &wild, &mut never())
            .unwrap_err();
        assert!(matches!(error, Error::Diverged { .. }), "{error}");
        assert!(kept == bench.bytes("bi/model/model.safetensors"));
    }
    // The way out is to begin anew, with other settings.
    bench
        .bi("bi", Start::Force, &settings, &mut never())
        .unwrap();
    assert!(bench.path("bi/done.json").exists() && !Run::is_retrained(&bench.path("bi")));
}

#[test]
fn half_a_run_is_gone_on_with_or_said_what_to_do_about() {
    let bench = Bench::new(Family::Bert);
    let mut settings = bi_settings();
    settings.common.steps = Some(10);
    bench
        .bi("whole", Start::Fresh, &settings, &mut never())
        .unwrap();
    let stopped = |run: &str| {
        bench
            .bi(run, Start::Fresh, &settings, &mut Ear::at(6))
            .unwrap_err();
        bench.path(run)
    };
    let stuck = |run: &str, what: &str| {
        let error = bench
            .bi(run, Start::Resume, &settings, &mut never())
            .unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(error.remedy(), Remedy::Restart, "{error}");
    };
    let run = stopped("a");
    fs::remove_dir_all(run.join("checkpoint")).unwrap();
    stuck("a", "the checkpoint is gone");

    let run = stopped("b");
    let state = run.join("checkpoint/state.json");
    let text = fs::read_to_string(&state).unwrap();
    for (to, what) in [
        (String::new(), "state.json"),
        (text.replace("\"step\": 6", "\"step\": 14"), "step 14 of 10"),
        (
            text.replace("step-6.", "../step-6."),
            "is not the name of a file",
        ),
        (
            text.replace("step-6.", "step-5."),
            "step-5.safetensors: missing",
        ),
    ] {
        assert_ne!(to, text);
        fs::write(&state, to).unwrap();
        stuck("b", what);
    }
    fs::write(&state, &text).unwrap();
    let tensors = run.join("checkpoint/step-6.safetensors");
    let bytes = fs::read(&tensors).unwrap();
    fs::write(&tensors, &bytes[..bytes.len() / 2]).unwrap();
    stuck("b", "step-6.safetensors");
    fs::write(&tensors, &bytes).unwrap();
    fs::write(run.join("settings.json"), "").unwrap();
    stuck("b", "settings.json");
    // The way out that is named is one.
    bench
        .bi("b", Start::Force, &settings, &mut never())
        .unwrap();
    assert!(
        bench.bytes("b/model/model.safetensors") == bench.bytes("whole/model/model.safetensors")
    );

    let run = stopped("c");
    let metrics = run.join("metrics.jsonl");
    let mut bytes = fs::read(&metrics).unwrap();
    bytes[7] = 0xff;
    fs::write(&metrics, bytes).unwrap();
    let mut ear = never();
    bench.bi("c", Start::Resume, &settings, &mut ear).unwrap();
    assert!(
        ear.notes.iter().any(|note| note.contains("1 of its rows")),
        "{:?}",
        ear.notes
    );
    assert!(
        bench.bytes("c/model/model.safetensors") == bench.bytes("whole/model/model.safetensors")
    );
    assert_eq!(bench.metrics("c"), bench.metrics("whole")[1..]);
}

#[cfg(unix)]
#[test]
fn a_run_of_a_stranger_is_not_written_through_its_links() {
    let bench = Bench::new(Family::Bert);
    let settings = bi_settings();
    bench
        .bi("run", Start::Fresh, &settings, &mut Ear::at(2))
        .unwrap_err();
    let run = bench.path("run");
    let outside = bench.path("notes");
    for name in [
        "metrics.jsonl",
        "loss.png",
        "README.md",
        "checkpoint/state.json",
    ] {
        let place = run.join(name);
        let sound = fs::read(&place).ok();
        fs::write(&outside, sound.as_deref().unwrap_or(b"mine")).unwrap();
        let _ = fs::remove_file(&place);
        std::os::unix::fs::symlink(&outside, &place).unwrap();
        let error = bench.bi("run", Start::Resume, &settings, &mut never());
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("a link out of its folder"),
            "{name}: {error}"
        );
        assert_eq!(
            fs::read(&outside).unwrap(),
            sound.clone().unwrap_or(b"mine".into())
        );
        fs::remove_file(&place).unwrap();
        if let Some(sound) = sound {
            fs::write(&place, sound).unwrap();
        }
    }
    // Nor is anything waited for that has no end.
    let metrics = run.join("metrics.jsonl");
    fs::remove_file(&metrics).unwrap();
    std::os::unix::fs::symlink("/dev/zero", &metrics).unwrap();
    bench
        .bi("run", Start::Resume, &settings, &mut never())
        .unwrap_err();
    fs::remove_file(&metrics).unwrap();
    bench
        .bi("run", Start::Resume, &settings, &mut never())
        .unwrap();
}

#[test]
fn two_trainings_do_not_write_to_one_folder() {
    let bench = Bench::new(Family::Bert);
    let first = Run::create(&bench.path("bi"), Start::Fresh, "bi-encoder", &0).unwrap();
    let mut settings = bi_settings();
    settings.common.steps = Some(2);
    for start in [Start::Fresh, Start::Force] {
        let error = bench.bi("bi", start, &settings, &mut never()).unwrap_err();
        assert!(matches!(error, Error::Busy { .. }), "{error}");
    }
    drop(first);
    bench
        .bi("bi", Start::Fresh, &settings, &mut never())
        .unwrap();
}

#[test]
fn other_exchanges_cannot_be_resumed_with() {
    let mut bench = Bench::new(Family::DistilBert);
    let settings = bi_settings();
    bench
        .bi("bi", Start::Fresh, &settings, &mut Ear::at(2))
        .unwrap_err();
    bench.dataset.train[3].reply.push('!');
    let error = bench
        .bi("bi", Start::Resume, &settings, &mut never())
        .unwrap_err();
    assert!(matches!(error, Error::OtherExchanges), "{error}");
}
