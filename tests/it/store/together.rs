//! Several homers at one store.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use homer::{Choice, Compute, Persona, Place, Project};

use super::harness::Database;
use crate::persona::{REPLIES, persona, prepare_as, reply};
use crate::serve::harness::Server;

#[test]
fn the_second_to_build_a_persona_waits_for_the_first() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    let build = ["build-index", "--store", &database.url];
    home.homer(&build).success();
    let other = database.connect();
    other.run("SELECT pg_advisory_lock(hashtextextended('homer Rufus', 0))");
    prepare_as(&home, "Rufus", 30, reply);
    let mut second = home.process(&build).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(second.stderr.take().unwrap()).lines();
    let waits = said.any(|line| line.unwrap().contains("waiting for it"));
    assert!(waits, "it did not wait");
    assert_eq!(other.number("SELECT replies FROM homer.personas"), 60);
    other.run("SELECT pg_advisory_unlock_all()");
    assert!(said.all(|line| line.is_ok()));
    assert!(second.wait().unwrap().success());
    assert_eq!(other.number("SELECT replies FROM homer.personas"), 30);
}

#[test]
fn many_builders_leave_one_table_each_persona() {
    let Some(database) = Database::new() else {
        return;
    };
    std::thread::scope(|scope| {
        for name in ["Rufus", "Ada"] {
            for weight in ["0", "1", "2"] {
                let url = &database.url;
                scope.spawn(move || {
                    let home = persona();
                    let build = ["build-index", "--take-over", "--store", url];
                    let more = ["--persona", name, "--query-weight", weight];
                    home.homer(&[build, more].concat()).success();
                });
            }
        }
    });
    let connection = database.connect();
    let tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^replies_[0-9]+$'";
    assert_eq!(connection.number(tables), 2);
    assert_eq!(connection.number("SELECT count(*) FROM homer.personas"), 2);
}

#[test]
fn whoever_asks_while_it_is_built_anew_hears_the_old_or_the_new() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    let build = ["build-index", "--store", &database.url];
    home.homer(&build).success();
    let place = Place::parse(&database.url).unwrap();
    let project = Project::new(home.root()).with_replies(Some(place), None);
    let persona = Persona::load(&project, &Compute::Fast, false).unwrap();
    assert!(!persona.is_renewed());
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (mut old, mut new) = (0, 0);
            while !done.load(Ordering::Relaxed) {
                let answer = persona
                    .answer(&[], "A boat?", &[], &Choice::default())
                    .unwrap();
                match answer.text().unwrap().starts_with("We ") {
                    true => new += 1,
                    false => old += 1,
                }
            }
            (old, new)
        });
        for round in 0..4 {
            let who = ["We", "I"][round % 2];
            prepare_as(&home, "Rufus", REPLIES, |i| reply(i).replacen('I', who, 1));
            home.homer(&build).success();
        }
        prepare_as(&home, "Rufus", REPLIES, |i| reply(i).replacen('I', "We", 1));
        home.homer(&build).success();
        done.store(true, Ordering::Relaxed);
        let (old, _) = asking.join().unwrap();
        assert!(old > 0);
    });
    let answer = persona
        .answer(&[], "A boat?", &[], &Choice::default())
        .unwrap();
    assert!(answer.text().unwrap().starts_with("We "));
    // It says so once.
    assert!(persona.is_renewed());
    assert!(!persona.is_renewed());
}

#[test]
fn a_server_takes_over_what_is_built_anew_in_the_store() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    let build = ["build-index", "--store", &database.url];
    home.homer(&build).success();
    let server = Server::of(&home);
    let client = server.client();
    assert!(client.says("A boat?").starts_with("I "));
    // Somebody else builds it: no file here changes.
    let other = persona();
    prepare_as(&other, "Ada", REPLIES, |i| reply(i).replacen('I', "We", 1));
    other
        .homer(&[&build[..], &["--persona", "Rufus", "--take-over"]].concat())
        .success();
    server.signal(rustix::process::Signal::HUP);
    let begun = Instant::now();
    while client.get("/v1/models").json()["data"][0]["character"] != "Ada" {
        assert!(begun.elapsed() < Duration::from_secs(120));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(client.says("A boat?").starts_with("We "));
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(
        log.contains("taken over") && !log.contains("panicked"),
        "{log}"
    );
}
