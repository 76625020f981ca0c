//! The rooms of the store held against the index, on the server that `HOMER_TEST_STORE` names; without it they
//! are left out, and say so.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::database::Database;
use super::load::{GRAPH_FROM, Loader};
use super::place::Owner;
use super::schema;
use super::server::{Server, wait};
use super::stored::Stored;
use crate::corpus::dataset::{Dataset, Reply};
use crate::dialogue::{Exchange, Turn};
use crate::files::Rights;
use crate::index::build::build;
use crate::index::manifest::Provenance;
use crate::index::testing::sample_index;
use crate::index::{Index, Nearest};
use crate::model::bi_encoder::Embeddings;

/// A database of a test's own, gone when it is dropped.
struct Own {
    database: Database,
    server: Arc<Server>,
    name: String,
}

impl Own {
    fn new() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let Ok(url) = std::env::var("HOMER_TEST_STORE") else {
            eprintln!("left out: HOMER_TEST_STORE is not set (tests/postgres/run.sh sets it)");
            return None;
        };
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("homer_room_{}_{number}", std::process::id());
        let server = Server::of(&Database::parse(&url).unwrap()).unwrap();
        run(&server, &format!("CREATE DATABASE {name}"));
        let (base, _) = url.rsplit_once('/').unwrap();
        let database = Database::parse(&format!("{base}/{name}")).unwrap();
        Some(Self {
            database,
            server,
            name,
        })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        run(
            &self.server,
            &format!("DROP DATABASE {} WITH (FORCE)", self.name),
        );
    }
}

fn run(server: &Server, sql: &str) {
    let work = server.with(async |session| Ok(session.client.batch_execute(sql).await?));
    wait(work).unwrap().unwrap();
}

fn owner() -> Owner {
    Owner {
        name: "Rufus".into(),
        id: "1".into(),
        take_over: false,
    }
}

fn loaded(own: &Own, index: &Index) -> Stored {
    let loader = Loader::begin(&own.database, owner()).unwrap();
    loader.load(index, &mut ()).unwrap();
    Stored::open(&own.database, None).unwrap()
}

#[test]
fn a_graph_finds_what_a_scan_finds_and_never_too_few() {
    const WIDTH: usize = 16;
    let Some(own) = Own::new() else {
        return;
    };
    // Around a few hundred centres, as dialogue is.
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut near = |centre: &[f32], spread: f32| -> Vec<f32> {
        let each = centre.iter();
        each.map(|x| x + spread * rng.random_range(-1.0f32..1.0))
            .collect()
    };
    let centres: Vec<Vec<f32>> = (0..200).map(|_| near(&[0.0; WIDTH], 0.5)).collect();
    let vectors: Vec<Vec<f32>> = (0..GRAPH_FROM)
        .map(|i| near(&centres[i % centres.len()], 0.2))
        .collect();
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    let fill = |row: usize, vector: &mut [f32]| vector.copy_from_slice(&vectors[row]);
    sample_index(&folder, [GRAPH_FROM, WIDTH], fill).unwrap();
    let index = Index::open(folder).unwrap();
    let stored = loaded(&own, &index);
    let mut found = 0;
    for centre in &centres[..50] {
        let question = near(centre, 0.2);
        let (here, there) = (
            index.nearest(&question, 10).unwrap(),
            stored.nearest(&question, 10).unwrap(),
        );
        assert_eq!(there.len(), 10);
        assert!(there.is_sorted_by(|a, b| a.1 >= b.1));
        found += here.iter().filter(|hit| there.contains(hit)).count();
    }
    assert!(found >= 490, "{found} of 500");
    // As many as are looked at where they are reranked.
    let (here, there) = (
        index.nearest(&centres[7], 600).unwrap(),
        stored.nearest(&centres[7], 600).unwrap(),
    );
    let found = here.iter().filter(|hit| there.contains(hit)).count();
    assert!(found >= 570, "{found} of 600");
    for count in [1, 300, 1000, usize::MAX] {
        let here = index.nearest(&centres[0], count).unwrap();
        let there = stored.nearest(&centres[0], count).unwrap();
        assert_eq!(there.len(), here.len());
        // Who wants many has all of them looked at.
        assert!(count < 1000 || there == here);
    }
    let plan = "EXPLAIN SELECT row FROM homer.replies_1 ORDER BY vector <#> (SELECT vector FROM \
                homer.replies_1 WHERE row = 0) LIMIT 38";
    let server = Server::of(&own.database).unwrap();
    let plan = wait(server.with(async |session| {
        let rows = session.query(plan, &[]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect::<Vec<String>>())
    }));
    let plan = plan.unwrap().unwrap().join("\n");
    assert!(plan.contains("Index Scan using"), "{plan}");
}

#[test]
fn a_reply_comes_back_whatever_is_said_in_it() {
    let Some(own) = Own::new() else {
        return;
    };
    let turn = |speaker: &str, text: &str| Turn {
        speaker: speaker.into(),
        text: text.into(),
    };
    let text = "He said \"pie\", twice;\n'and', well, \\more.\t\u{1f967}";
    let exchange = Exchange {
        id: 12,
        scene: 3,
        context: vec![turn("Ada", "Listen."), turn("", "NULL")],
        query: turn("Ada, {the \"elder\"}", " =What?\n"),
        reply: text.into(),
        close_replies: vec![],
        good_replies: vec![],
        bad_replies: vec![],
    };
    let reply = |text: &str, exchanges: &[usize]| Reply {
        text: text.into(),
        exchanges: exchanges.to_vec(),
    };
    let dataset = Dataset {
        settings: Default::default(),
        train: vec![exchange],
        valid: vec![],
        test: vec![],
        pool: vec![
            reply(text, &[12, 40]),
            reply("a \0 byte", &[]),
            reply(&"long ".repeat(20_000), &[]),
        ],
    };
    let source = Provenance {
        character: "Rufus".into(),
        query_weight: 0.0,
        bi_encoder: "bi".into(),
        weights: None,
        embedding: None,
        pool: "pool".into(),
        calibration: None,
    };
    let embed = |texts: &[&str]| {
        let vectors = texts.iter().enumerate();
        Ok(Embeddings {
            width: 2,
            values: vectors
                .flat_map(|(i, _)| [1.0 / (i + 1) as f32, 0.5])
                .collect(),
        })
    };
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("index");
    build(
        &folder,
        &dataset,
        Rights::OPEN,
        source,
        true,
        embed,
        &mut (),
    )
    .unwrap();
    let index = Index::open(folder).unwrap();
    let here = index.nearest(&[1.0, 0.1], 5).unwrap();
    let there = loaded(&own, &index).nearest(&[1.0, 0.1], 5).unwrap();
    assert_eq!(there, here);
    assert_eq!(there.len(), 3);
    assert_eq!(there[0].0.text, text);
    let origin = there[0].0.origin.as_ref().unwrap();
    assert_eq!(origin.query.speaker, "Ada, {the \"elder\"}");
    assert_eq!(origin.context, ["Ada: Listen.", "NULL"]);
    assert_eq!(there[1].0.text, "a \\u{0} byte");
}

#[test]
fn tables_come_from_every_version_to_the_next_and_a_later_one_is_refused() {
    let Some(own) = Own::new() else {
        return;
    };
    let server = Server::of(&own.database).unwrap();
    let two = [
        schema::STEPS,
        &["ALTER TABLE homer.personas ADD COLUMN colour text"],
    ]
    .concat();
    let broken = [
        schema::STEPS,
        &["ALTER TABLE homer.personas ADD COLUMN a text; nonsense"],
    ]
    .concat();
    let check = |steps: &[&str]| {
        let work = server.with(async |session| schema::check(&session.client, steps, "db").await);
        wait(work)
            .unwrap()
            .map_err(|fault| fault.at("db").to_string())
    };
    let migrate = |steps: &[&str]| {
        let work = server.with(async |session| schema::migrate(&session.client, steps, "db").await);
        wait(work)
            .unwrap()
            .map_err(|fault| fault.at("db").to_string())
    };
    assert!(check(schema::STEPS).unwrap_err().contains("no persona"));
    migrate(schema::STEPS).unwrap();
    check(schema::STEPS).unwrap();
    run(
        &server,
        "INSERT INTO homer.personas VALUES ('Ada', 1, 'o', 'c', 0, 1, false, '{}')",
    );
    // All or nothing.
    assert!(migrate(&broken).unwrap_err().contains("nonsense"));
    check(schema::STEPS).unwrap();
    assert!(check(&two).unwrap_err().contains("version 1"));
    migrate(&two).unwrap();
    migrate(&two).unwrap();
    check(&two).unwrap();
    run(
        &server,
        "UPDATE homer.personas SET colour = 'red' WHERE name = 'Ada'",
    );
    for refused in [check(schema::STEPS), migrate(schema::STEPS)] {
        let said = refused.unwrap_err();
        assert!(
            said.contains("version 2") && said.contains("later homer"),
            "{said}"
        );
    }
}

#[test]
fn several_who_make_the_tables_at_once_make_them_once() {
    let Some(own) = Own::new() else {
        return;
    };
    std::thread::scope(|scope| {
        let begin = || Loader::begin(&own.database, owner()).map(drop);
        let all: Vec<_> = (0..6).map(|_| scope.spawn(begin)).collect();
        for one in all {
            one.join().unwrap().unwrap();
        }
    });
}
