//! From the start to the end: other doors, personas that are built anew, the description.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::Server;
use crate::persona::{REPLIES, index, persona, prepare_as, question, reply};

#[test]
fn a_persona_that_is_built_anew_is_taken_over_and_no_request_is_lost() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let (client, mut asked) = (server.client(), 0);
            while !done.load(Ordering::Relaxed) {
                // Panics where there is no answer.
                assert!(!client.says(&question(asked % 60)).is_empty());
                asked += 1;
            }
            asked
        });
        prepare_as(&home, "Ada", REPLIES, |i| reply(i).replace("I ", "We "));
        index(&home);
        server.signal(rustix::process::Signal::HUP);
        let begun = Instant::now();
        while client.get("/v1/models").json()["data"][0]["character"] != "Ada" {
            assert!(begun.elapsed() < Duration::from_secs(120));
            std::thread::sleep(Duration::from_millis(20));
        }
        done.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
    assert!(client.says("A boat?").starts_with("We "));
    // Its name stays, for those who know it by it.
    assert_eq!(client.get("/v1/models").json()["data"][0]["id"], "rufus");

    // A damaged one is not.
    std::fs::write(home.path("runs/index/manifest.json"), "{").unwrap();
    server.signal(rustix::process::Signal::HUP);
    server.until_it_says("the one before goes on");
    assert!(client.says("A boat?").starts_with("We "));
    let (code, log) = server.end();
    assert_eq!(code, Some(0));
    assert!(log.contains("taken over"), "{log}");
}

#[test]
fn a_unix_socket_is_a_door_too_and_is_closed_behind_the_server() {
    let home = persona();
    let socket = home.path("homer.sock");
    let listen = format!("unix:{}", socket.display());
    // The socket of a server that was killed is no obstacle.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let server = Server::start(&home, &["--listen", &listen], &[]);
    let mut stream = std::os::unix::net::UnixStream::connect(&socket).unwrap();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let second = home
        .process(&["serve", "--listen", &listen])
        .output()
        .unwrap();
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(
        said.contains("cannot listen on") && said.contains("in use"),
        "{said}"
    );
    assert_eq!(server.end().0, Some(0));
    assert!(!socket.exists());
}

#[test]
fn everything_that_is_described_is_there() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    let description = client.get("/openapi.json");
    assert_eq!(description.header("content-type"), "application/json");
    let description = description.json();
    assert_eq!(description["openapi"], "3.1.0");
    let paths = description["paths"].as_object().unwrap();
    assert_eq!(paths.len(), 11);
    for (path, methods) in paths {
        let path = path.replace("{model}", "rufus");
        for method in methods.as_object().unwrap().keys() {
            let reply = match method.as_str() {
                "get" => client.get(&path),
                _ => client.post(&path, &json!({})),
            };
            let expected = if method == "get" { 200 } else { 400 };
            assert_eq!(reply.status, expected, "{method} {path}: {}", reply.text);
        }
    }
    // Every shape that is spoken of is there.
    let text = description.to_string();
    for part in text.split("\"#/components/").skip(1) {
        let pointer = format!("/components/{}", part.split('"').next().unwrap());
        assert!(
            description.pointer(&pointer).is_some_and(Value::is_object),
            "{pointer}"
        );
    }
}

#[test]
fn metrics_count_what_was_asked() {
    let home = persona();
    let server = Server::of(&home);
    let client = server.client();
    client.says("Well?");
    client.get("/nowhere");
    client.get("/nowhere/else");
    let metrics = client.get("/metrics");
    assert!(
        metrics
            .header("content-type")
            .starts_with("application/openmetrics-text")
    );
    for line in [
        "homer_http_requests_total{route=\"/v1/chat/completions\",status=\"200\"} 1",
        "homer_http_requests_total{route=\"other\",status=\"404\"} 2",
        "homer_http_request_seconds_count{route=\"/v1/chat/completions\"} 1",
        "homer_queue_length{queue=\"talk\"} 0",
        "homer_batch_size_sum{queue=\"talk\"} 1.0",
    ] {
        assert!(metrics.text.contains(line), "{line} in {}", metrics.text);
    }
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let home = persona();
    let output = home
        .process(&["serve", "moe=no/such/folder"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("no/such/folder"), "{said}");
}
