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

    // However often one begins anew, and breaks off.
    let second = bench.bytes("bi/model/model.safetensors");
    settings.common.steps = Some(9);
    for _ in 0..2 {
        bench
            .bi("bi", Start::Force, &settings, &mut Ear::at(1))
            .unwrap_err();
    }
    assert!(first == bench.bytes("bi.old/model/model.safetensors"));
    assert!(second == bench.bytes("bi.old-2/model/model.safetensors"));
    assert!(bench.path("bi.old-3").exists());
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
