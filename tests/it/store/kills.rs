//! Servers that are killed.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use homer::{Choice, Compute, Persona, Place, Project};

use super::harness::{Connection, Server};
use crate::persona::{persona, prepare, question, reply};

#[test]
fn a_server_that_is_killed_while_it_is_asked_is_waited_for() {
    let Some(mut server) = Server::new() else {
        return;
    };
    let home = persona();
    let url = server.url();
    home.homer(&["build-index", "--query-weight", "0", "--store", &url])
        .success();
    let project = Project::new(home.root()).with_replies(Some(Place::parse(&url).unwrap()), None);
    let persona = Persona::load(&project, &Compute::Fast, false).unwrap();
    let ask = |i| {
        persona.answer(
            &[],
            &question(i),
            &[],
            &Choice {
                top_k: 1,
                ..Choice::default()
            },
        )
    };
    assert_eq!(ask(1).unwrap().text(), Some(&*reply(1)));
    server.kill();
    server.again();
    // The connection that it had is gone, and it makes another.
    assert_eq!(ask(2).unwrap().text(), Some(&*reply(2)));
    server.kill();
    let error = ask(3).unwrap_err();
    assert!(error.to_string().contains(&url), "{error}");
    assert!(
        error.remedy().to_string().contains("store: local"),
        "{}",
        error.remedy()
    );
    server.again();
    assert_eq!(ask(3).unwrap().text(), Some(&*reply(3)));
}

#[test]
fn a_server_that_is_killed_while_a_persona_is_loaded_has_the_old_one_until_it_is_loaded_again() {
    let Some(mut server) = Server::new() else {
        return;
    };
    let home = persona();
    let url = server.url();
    let build = ["build-index", "--query-weight", "0", "--store", &url];
    home.homer(&build).success();
    prepare(&home, 30);
    for restarts in [false, true] {
        // All is written but for the last line.
        let holds = Connection::to(&url);
        holds.run("BEGIN; LOCK TABLE homer.personas IN SHARE MODE");
        let mut building = home.process(&build).stderr(Stdio::piped()).spawn().unwrap();
        let watches = Connection::to(&url);
        let waits = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE '%INSERT INTO homer.personas%' AND wait_event_type = 'Lock'";
        while watches.number(waits) == 0 {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        server.kill();
        let mut said = BufReader::new(building.stderr.take().unwrap());
        let mut heard = String::new();
        if restarts {
            while !heard.contains("once more") {
                assert!(said.read_line(&mut heard).unwrap() > 0, "{heard}");
            }
            server.again();
        }
        said.read_to_string(&mut heard).unwrap();
        let ended = building.wait().unwrap();
        if !restarts {
            assert_eq!(ended.code(), Some(1), "{heard}");
            assert!(
                heard.contains(&url) && heard.contains("--store local"),
                "{heard}"
            );
            server.again();
        }
        let replies = Connection::to(&url).number("SELECT replies FROM homer.personas");
        let tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^replies_[0-9]+$'";
        assert_eq!(Connection::to(&url).number(tables), 1);
        if restarts {
            assert!(ended.success(), "{heard}");
            assert_eq!(replies, 30);
        } else {
            assert_eq!(replies, 60);
            // What answers is whole.
            let said = home.says(&["ask", "--no-rerank", &question(45)]);
            assert_eq!(said, format!("{}\n", reply(45)));
        }
    }
}
