//! The tables of a store, and how they come from one version to the next.
//!
//! `homer.personas` has a row for each persona: what its replies were made of, and the number of the build that
//! they are from. They stand in a table of their own, `homer.replies_BUILD` (see [`super::rows`]), which is
//! written once and never changed: a new build is a new table.

use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use super::fault::Fault;
use crate::error::{Error, Remedy, Step};

/// What brings the tables from each version to the next one; how many there are is the version of this homer.
pub(super) const STEPS: &[&str] = &["
    CREATE TABLE homer.personas (
        name text PRIMARY KEY,
        build bigint NOT NULL UNIQUE,
        owner text NOT NULL,
        content text NOT NULL,
        replies bigint NOT NULL,
        width integer NOT NULL,
        hnsw boolean NOT NULL,
        source jsonb NOT NULL,
        built timestamptz NOT NULL DEFAULT now()
    );
    CREATE SEQUENCE homer.builds"];

/// Who changes tables holds this advisory lock.
const LOCK: i64 = 0x686f_6d65_7220_6462;

/// The version of the tables that are there; 0 where there are none.
async fn version(client: &Client) -> Result<usize, Fault> {
    // A look at a table is a look at what others have just done; a look at a name may be at what was known.
    let there =
        "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'homer' AND tablename = 'schema')";
    if !client.query_one(there, &[]).await?.try_get(0)? {
        return Ok(0);
    }
    let row = client.query_one("SELECT version FROM homer.schema", &[]);
    let version: i32 = row.await?.try_get(0)?;
    Ok(usize::try_from(version).unwrap_or_default())
}

/// Makes sure that the tables are of the version that `steps` lead to, to read them.
///
/// # Errors
/// They are not, or not there.
pub(super) async fn check(client: &Client, steps: &[&str], place: &str) -> Result<(), Fault> {
    let found = version(client).await?;
    if found == steps.len() {
        return Ok(());
    }
    let what = match found {
        0 => "there is no persona in it".to_owned(),
        _ if found > steps.len() => return Err(newer(found, steps.len(), place)),
        _ => format!(
            "its tables are of version {found}, and this homer reads version {}",
            steps.len()
        ),
    };
    Err(refused(what, Remedy::Make(Step::BuildIndex), place))
}

/// Brings the tables to the version that `steps` lead to, from whichever they are of, all or nothing.
///
/// # Errors
/// They are of a later one; pgvector is not installed on the server; the role may not make tables.
pub(super) async fn migrate(client: &Client, steps: &[&str], place: &str) -> Result<(), Fault> {
    // Mostly there is nothing to do, and to ask takes no lock.
    if version(client).await? == steps.len() {
        return Ok(());
    }
    client.batch_execute("BEGIN").await?;
    client
        .query_one("SELECT pg_advisory_xact_lock($1)", &[&LOCK])
        .await?;
    let found = version(client).await?;
    if found > steps.len() {
        return Err(newer(found, steps.len(), place));
    }
    if found == 0 {
        extension(client, place).await?;
        let begin = "CREATE SCHEMA IF NOT EXISTS homer;
                     CREATE TABLE homer.schema (version integer NOT NULL);
                     INSERT INTO homer.schema VALUES (0)";
        client.batch_execute(begin).await?;
    }
    for step in steps.iter().skip(found) {
        client.batch_execute(step).await?;
        let count = "UPDATE homer.schema SET version = version + 1";
        client.batch_execute(count).await?;
    }
    Ok(client.batch_execute("COMMIT").await?)
}

async fn extension(client: &Client, place: &str) -> Result<(), Fault> {
    let made = client.batch_execute("CREATE EXTENSION IF NOT EXISTS vector");
    let fault = match made.await {
        Ok(()) => return Ok(()),
        Err(error) => Fault::from(error),
    };
    let missing = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::UNDEFINED_FILE];
    if missing.iter().any(|state| fault.is(state)) {
        let remedy = "install it from https://github.com/pgvector/pgvector, version 0.8 or later";
        return Err(refused("the server has no pgvector".into(), remedy, place));
    }
    if fault.is(&SqlState::INSUFFICIENT_PRIVILEGE) {
        let remedy = "let whoever may say `CREATE EXTENSION vector` in this database";
        let what = "this role may not bring pgvector into the database";
        return Err(refused(what.into(), remedy, place));
    }
    Err(fault)
}

fn newer(found: usize, known: usize, place: &str) -> Fault {
    let what = format!(
        "its tables are of version {found}, made by a later homer than this, which knows version {known}"
    );
    refused(what, "use that homer", place)
}

/// What a store is refused for.
pub(super) fn refused(what: String, remedy: impl Into<Remedy>, place: &str) -> Fault {
    Fault::Other(Error::Store {
        place: place.to_owned(),
        what,
        remedy: remedy.into(),
    })
}
