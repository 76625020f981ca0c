//! Servers that ask for a password.

use std::time::{Duration, Instant};

use super::harness::{Connection, Server};
use crate::persona::persona;

#[test]
fn a_password_is_for_the_server_that_is_named_and_kept_nowhere() {
    let Some(server) = Server::new() else {
        return;
    };
    let connection = Connection::to(&server.url());
    connection.run(
        "CREATE ROLE ada SUPERUSER LOGIN PASSWORD 'hush'; CREATE TABLE lines (line text); \
         INSERT INTO lines VALUES ('host all ada all scram-sha-256'), ('host all all all trust'); \
         COPY lines TO PROGRAM 'cat > pg_hba.conf'; SELECT pg_reload_conf()",
    );
    let home = persona();
    let url = server.url().replace("homer@", "ada@");
    let ask = |variables: &[(&str, &str)], more: &[&str]| {
        let mut command = home.command(&[&["ask", "--no-rerank", "A boat?"], more].concat());
        command
            .envs(variables.iter().copied())
            .write_stdin("")
            .output()
            .unwrap()
    };
    // The server reads it a moment later.
    let begun = Instant::now();
    while Connection::try_to(&url).is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    let with = url.replace("ada@", "ada:hush@");
    home.homer(&["build-index", "--store", &with]).success();
    let kept = String::from_utf8(home.read("runs/store.json")).unwrap();
    assert!(kept.contains(&url) && !kept.contains("hush"), "{kept}");
    let password = ("PGPASSWORD", "hush");
    assert!(ask(&[password], &["--store", &url]).status.success());
    assert!(
        ask(&[password, ("HOMER_STORE", &url)], &[])
            .status
            .success()
    );
    assert!(ask(&[("HOMER_STORE", &with)], &[]).status.success());
    // Where only the folder names the server, it hears none.
    for refused in [
        ask(&[password], &[]),
        ask(&[], &["--store", &url]),
        ask(&[("PGPASSWORD", "other")], &["--store", &url]),
    ] {
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains("password") && !said.contains("hush"),
            "{said}"
        );
    }
}
