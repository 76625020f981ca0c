//! What is said where a store cannot be used.

use super::harness::Database;
use crate::home::Home;
use crate::persona::persona;

#[test]
fn a_server_that_is_not_there_is_an_error_without_the_password() {
    let home = Home::new();
    // Nobody listens on port 1.
    let url = "postgres://ada:hush@127.0.0.1:1/personas";
    let error = home.fails(&["ask", "--store", url, "Well?"], 1);
    assert!(
        error.contains("postgres://ada@127.0.0.1:1/personas") && error.contains("--store local"),
        "{error}"
    );
    assert!(!error.contains("hush"), "{error}");
    let error = home.fails(
        &["ask", "--store", "postgres://ada:hush@db:x/y", "Well?"],
        1,
    );
    assert!(error.contains("port") && !error.contains("hush"), "{error}");
    let error = home.fails(&["ask", "--store", "hush", "Well?"], 1);
    assert!(
        error.contains("postgres://USER@HOST") && !error.contains("hush"),
        "{error}"
    );
    let help = home.says(&["ask", "--help"]);
    assert!(help.contains("HOMER_STORE"), "{help}");
}

#[test]
fn nothing_is_built_before_the_store_was_reached() {
    let home = persona();
    std::fs::remove_dir_all(home.path("runs/index")).unwrap();
    let error = home.fails(
        &["build-index", "--store", "postgres://ada@127.0.0.1:1/x"],
        1,
    );
    assert!(error.contains("127.0.0.1:1"), "{error}");
    assert!(!home.path("runs/index").exists());
}

#[test]
fn a_store_that_is_empty_or_of_another_version_is_refused() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    let ask = ["ask", "--no-rerank", "--store", &database.url, "Well?"];
    let error = home.fails(&ask, 1);
    assert!(
        error.contains("no persona in it") && error.contains("build-index`"),
        "{error}"
    );
    let build = ["build-index", "--store", &database.url];
    home.homer(&build).success();
    let connection = database.connect();
    connection.run("UPDATE homer.schema SET version = 99");
    for args in [&ask[..], &build[..]] {
        let error = home.fails(args, 1);
        assert!(
            error.contains("version 99") && error.contains("later homer"),
            "{error}"
        );
    }
    connection.run("UPDATE homer.schema SET version = 1");
    home.homer(&ask).success();
    connection.run("UPDATE homer.personas SET source = '{}'");
    let error = home.fails(&ask, 1);
    assert!(error.contains("Rufus, in homer.personas"), "{error}");
}

#[test]
fn who_may_only_read_reads() {
    let Some(database) = Database::new() else {
        return;
    };
    let home = persona();
    home.homer(&["build-index", "--store", &database.url])
        .success();
    let connection = database.connect();
    let role = format!("reader_{}", std::process::id());
    connection.run(&format!("CREATE ROLE {role} LOGIN"));
    let url = database.url.replace("homer@", &format!("{role}@"));
    let ask = ["ask", "--no-rerank", "--store", &url, "Well?"];
    let error = home.fails(&ask, 1);
    assert!(error.contains("permission denied"), "{error}");
    connection.run(&format!(
        "GRANT USAGE ON SCHEMA homer TO {role}; GRANT SELECT ON ALL TABLES IN SCHEMA homer TO {role}"
    ));
    home.homer(&ask).success();
    connection.run(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
