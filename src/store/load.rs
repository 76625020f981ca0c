//! An index into a database: beside what is there, and then in its place.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use half::f16;
use tokio::time::{sleep, timeout};
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;

use super::database::Database;
use super::fault::Fault;
use super::place::Owner;
use super::rows::{self, COLUMNS, Written};
use super::schema;
use super::server::{Server, wait};
use crate::error::{Error, Remedy, Result, Setting};
use crate::fingerprint;
use crate::index::Index;
use crate::watch::{Unit, Watch};

/// From this many replies on a graph finds sooner than a scan.
pub(super) const GRAPH_FROM: usize = 10_000;
/// A graph takes no wider vectors.
const GRAPH_WIDTH: usize = 4000;
/// Memory for making a graph, at most, in KiB: over it pgvector goes on more slowly.
const GRAPH_MEMORY: usize = 4 << 20;
/// Replies read from the index at a time.
const BATCH: usize = 512;
/// How often a load is begun, where the connection is lost.
const TRIES: usize = 4;
/// How long to wait before it is begun again, and between looks at who holds a persona's lock.
const PAUSE: Duration = Duration::from_secs(2);
/// How often whoever waits is asked whether to go on.
const LOOK: Duration = Duration::from_millis(200);

/// Puts a persona into a database.
pub struct Loader {
    server: Arc<Server>,
    owner: Owner,
}

impl Loader {
    /// Reaches the database, makes or migrates its tables, and makes sure that the persona may be put there:
    /// before the long work, not after.
    ///
    /// # Errors
    /// The database cannot be reached or used; the persona is another project's.
    pub fn begin(database: &Database, owner: Owner) -> Result<Self> {
        let server = Server::of(database)?;
        let loader = Self { server, owner };
        let begun = wait(loader.server.with(async |session| {
            schema::migrate(&session.client, schema::STEPS, loader.server.shown()).await?;
            loader.known(&session.client).await
        }))?;
        begun.map_err(|fault| fault.at(loader.server.shown()))?;
        Ok(loader)
    }

    /// Loads all replies of the index, in one transaction: who asks meanwhile is answered from what was there
    /// before, and whatever happens, that or this is there whole. Where the connection is lost, it is begun anew.
    ///
    /// # Errors
    /// The database cannot be reached or used; the persona is another project's; the index is damaged;
    /// [`Error::Interrupted`].
    pub fn load(&self, index: &Index, watch: &mut dyn Watch) -> Result<()> {
        let loaded = wait(async {
            for _ in 1..TRIES {
                match self.attempt(index, watch).await {
                    Err(fault) if fault.passes() => {
                        watch.note(&format!("{}; once more", fault.at(self.server.shown())));
                        sleep(PAUSE).await;
                    }
                    done => return done,
                }
            }
            self.attempt(index, watch).await
        })?;
        loaded.map_err(|fault| fault.at(self.server.shown()))
    }

    async fn attempt(
        &self,
        index: &Index,
        watch: &mut dyn Watch,
    ) -> std::result::Result<(), Fault> {
        let (replies, width) = (index.len(), index.manifest().width);
        let content = content(index)?;
        let client = &self.server.connect().await?.client;
        // A server that is left alone is to notice, where its system lets it.
        let notice = "SET client_connection_check_interval = '2s'";
        client.batch_execute(notice).await.ok();
        let begin = "SET statement_timeout = 0; BEGIN";
        client.batch_execute(begin).await?;
        self.lock(client, watch).await?;
        if self.known(client).await?.as_ref() == Some(&content) {
            let what = format!(
                "{} has these replies of {}",
                self.server.shown(),
                self.owner.name
            );
            watch.note(&what);
            return Ok(());
        }
        let build: i64 = client
            .query_one("SELECT nextval('homer.builds')", &[])
            .await?
            .try_get(0)?;
        client.batch_execute(&rows::create(build, width)).await?;
        copy(client, build, index, watch).await?;
        let graph = replies >= GRAPH_FROM && width <= GRAPH_WIDTH;
        let table = rows::table(build);
        if graph {
            watch.note("the database makes a graph of the vectors");
            let memory = (replies * (2 * width + 600) / 1024).clamp(1 << 16, GRAPH_MEMORY);
            let sql = format!(
                "SET LOCAL maintenance_work_mem = '{memory}kB';
                 CREATE INDEX ON {table} USING hnsw (vector halfvec_ip_ops)"
            );
            watched(client.batch_execute(&sql), watch).await?;
        }
        watched(client.batch_execute(&format!("ANALYZE {table}")), watch).await?;
        let source = serde_json::to_string(&index.manifest().source);
        let source = source.map_err(|error| Error::Misuse(error.to_string()))?;
        let swap = "
            INSERT INTO homer.personas (name, build, owner, content, replies, width, hnsw, source)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb)
            ON CONFLICT (name) DO UPDATE SET (build, owner, content, replies, width, hnsw, source, built) =
            (excluded.build, excluded.owner, excluded.content, excluded.replies, excluded.width,
             excluded.hnsw, excluded.source, now())";
        let (count, wide) = (i64::try_from(replies), i32::try_from(width));
        let (Ok(count), Ok(wide)) = (count, wide) else {
            return Err(Error::Misuse("more replies than a database counts".into()).into());
        };
        let (name, id) = (&self.owner.name, &self.owner.id);
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
            [name, &build, id, &content, &count, &wide, &graph, &source];
        client.execute(swap, &values).await?;
        watch.go_on()?;
        client.batch_execute("COMMIT").await?;
        sweep(client).await;
        let how = if graph { "a graph" } else { "a scan" };
        watch.note(&format!(
            "{} has the replies of {name}, searched by {how}",
            self.server.shown()
        ));
        Ok(())
    }

    /// Takes the lock of the persona, until the transaction ends; waits for another homer that has it.
    async fn lock(&self, client: &Client, watch: &mut dyn Watch) -> std::result::Result<(), Fault> {
        let sql = "SELECT pg_try_advisory_xact_lock(hashtextextended('homer ' || $1, 0))";
        let mut said = false;
        while !client
            .query_one(sql, &[&self.owner.name])
            .await?
            .try_get(0)?
        {
            if !said {
                let (place, name) = (self.server.shown(), &self.owner.name);
                watch.note(&format!(
                    "another homer puts {name} into {place}: waiting for it"
                ));
                said = true;
            }
            watched(sleep(PAUSE).map(Ok), watch).await?;
        }
        Ok(())
    }

    /// What the store has of the persona: its [`content`], if it is there.
    ///
    /// # Errors
    /// It is another project's.
    async fn known(&self, client: &Client) -> std::result::Result<Option<String>, Fault> {
        let sql = "SELECT owner, content FROM homer.personas WHERE name = $1";
        let Some(row) = client.query_opt(sql, &[&self.owner.name]).await? else {
            return Ok(None);
        };
        let owner: &str = row.try_get(0)?;
        if owner != self.owner.id && !self.owner.take_over {
            let what = format!(
                "it has a persona {} already, which another folder has put there",
                self.owner.name
            );
            let remedy = Remedy::TakeOver.or(Remedy::choose([Setting::Persona]));
            return Err(schema::refused(what, remedy, self.server.shown()));
        }
        Ok(Some(row.try_get(1)?))
    }
}

/// Tells one index from another.
fn content(index: &Index) -> Result<String> {
    let manifest = serde_json::to_vec(index.manifest());
    let manifest = manifest.map_err(|error| Error::Misuse(error.to_string()))?;
    Ok(fingerprint::of_bytes(&manifest))
}

/// Writes all replies of the index into the table of a build, which is new and nobody else's: its rows need no
/// second look at who may see them.
async fn copy(
    client: &Client,
    build: i64,
    index: &Index,
    watch: &mut dyn Watch,
) -> std::result::Result<(), Fault> {
    let vector = client.prepare("SELECT $1::halfvec").await?;
    let halfvec = vector.params().first().cloned().unwrap_or(Type::UNKNOWN);
    let sql = format!(
        "COPY {} ({COLUMNS}) FROM STDIN (FORMAT binary, FREEZE)",
        rows::table(build)
    );
    let sink = client.copy_in(&sql).await?;
    let mut writer = pin!(BinaryCopyInWriter::new(sink, &rows::types(halfvec)));
    let replies = index.len();
    watch.stage("replies into the store", replies as u64, Unit::Parts);
    let (mut rows, mut done) = (index.rows(), 0);
    loop {
        let (numbers, vectors): (Vec<usize>, Vec<&[f16]>) = rows.by_ref().take(BATCH).unzip();
        if numbers.is_empty() {
            break;
        }
        let entries = index.entries(&numbers)?;
        let write = async {
            for ((row, entry), vector) in numbers.iter().zip(&entries).zip(vectors) {
                let written = Written::new(*row, entry, vector);
                writer.as_mut().write(&written.values()).await?;
            }
            Ok(())
        };
        watched(write, watch).await?;
        done += numbers.len();
        watch.advance(done as u64);
        watch.go_on()?;
    }
    let count = watched(writer.as_mut().finish(), watch).await?;
    if count != replies as u64 {
        let what = format!("the database counts {count} replies, where {replies} were sent");
        return Err(Fault::Damaged(what));
    }
    Ok(())
}

/// Waits for the database, as long as `watch` does.
async fn watched<T>(
    work: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>,
    watch: &dyn Watch,
) -> std::result::Result<T, Fault> {
    let mut work = pin!(work);
    loop {
        match timeout(LOOK, &mut work).await {
            Ok(done) => return Ok(done?),
            Err(_) => watch.go_on()?,
        }
    }
}

/// Drops the tables that no persona has any more; one that is still read stays until somebody builds again.
async fn sweep(client: &Client) {
    let sql = "
        SELECT relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'homer' AND relkind = 'r' AND relname ~ '^replies_[0-9]+$'
        AND substr(relname, 9)::bigint NOT IN (SELECT build FROM homer.personas)";
    let swept = async {
        client.batch_execute("SET lock_timeout = '1s'").await?;
        for row in client.query(sql, &[]).await? {
            let name: &str = row.try_get(0)?;
            client
                .batch_execute(&format!("DROP TABLE IF EXISTS homer.{name}"))
                .await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    if let Err(error) = swept.await {
        tracing::info!("a table that is not used any more stays: {error:?}");
    }
}
