//! Connections to a database: few, kept, and made anew where they are lost.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::database::Database;
use super::fault::Fault;
use crate::error::{Error, Result};

/// Connections to one database, at most: a server has a process for each.
const MOST: usize = 8;
/// How long a question may take, connecting included, before the server counts as gone.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before each other try.
const PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];
/// What every connection begins with. The first candidates of a graph search are some hundreds, and it goes on
/// until there are as many as are wanted, in an order that is only nearly right: they are put in order here. Plans
/// are made for the values at hand: without them nobody knows that few rows are wanted, and compiling a plan takes
/// longer than running it.
const SETTINGS: &str = "
    SET statement_timeout = '25s';
    SET hnsw.ef_search = 200;
    SET hnsw.iterative_scan = relaxed_order;
    SET plan_cache_mode = force_custom_plan;
    SET jit = off";

/// Waits for work with a database. One thread moves the bytes of all connections; it is never stopped, so that
/// whoever drops a persona need not care where.
///
/// # Errors
/// The system gives us no thread.
///
/// # Panics
/// On a thread of a tokio runtime that drives other work.
pub(super) fn wait<T>(work: impl Future<Output = T>) -> Result<T> {
    static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name("store").enable_all();
        builder.build()
    });
    match &*RUNTIME {
        Ok(runtime) => Ok(runtime.block_on(work)),
        Err(error) => Err(Error::Misuse(format!("no thread for a store: {error}"))),
    }
}

/// A database server.
pub(super) struct Server {
    config: Config,
    tls: MakeRustlsConnect,
    shown: String,
    idle: Mutex<Vec<Session>>,
    turns: Semaphore,
}

/// A connection.
pub(super) struct Session {
    pub(super) client: Client,
    statements: HashMap<String, Statement>,
}

impl Session {
    /// Asks for rows; what is asked is prepared once.
    pub(super) async fn query(
        &mut self,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> std::result::Result<Vec<Row>, Fault> {
        let statement = match self.statements.get(sql) {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.client.prepare(sql).await?;
                self.statements.insert(sql.to_owned(), statement.clone());
                statement
            }
        };
        Ok(self.client.query(&statement, parameters).await?)
    }
}

impl Server {
    /// The server of a database, the same for all who ask for it: a thousand personas of one database need no
    /// thousand connections.
    ///
    /// # Errors
    /// Whom to trust is not known.
    pub(super) fn of(database: &Database) -> Result<Arc<Self>> {
        static KNOWN: Mutex<Vec<(Database, Weak<Server>)>> = Mutex::new(Vec::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, server)| server.strong_count() > 0);
        let same = known.iter().find(|(other, _)| other == database);
        if let Some(server) = same.and_then(|(_, server)| server.upgrade()) {
            return Ok(server);
        }
        let server = Arc::new(Self {
            config: database.config.clone(),
            tls: database.trust.connector()?,
            shown: database.shown().to_owned(),
            idle: Mutex::default(),
            turns: Semaphore::new(MOST),
        });
        known.push((database.clone(), Arc::downgrade(&server)));
        Ok(server)
    }

    /// Its URL without the password.
    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> std::result::Result<Session, Fault> {
        let (client, connection) = self.config.connect(self.tls.clone()).await?;
        // What becomes of it, who uses it hears.
        tokio::spawn(connection);
        client.batch_execute(SETTINGS).await?;
        Ok(Session {
            client,
            statements: HashMap::new(),
        })
    }

    /// Does `work` with a connection, and again with another where it is lost: a few times, over some seconds.
    pub(super) async fn with<T>(
        &self,
        work: impl AsyncFn(&mut Session) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        for pause in PAUSES {
            match self.once(&work).await {
                Err(fault) if fault.passes() => {
                    tracing::info!("{}: {fault:?}; once more", self.shown);
                    sleep(pause).await;
                }
                done => return done,
            }
        }
        self.once(&work).await
    }

    /// The same with one try. A connection that something failed on is not used again.
    pub(super) async fn once<T>(
        &self,
        work: impl AsyncFn(&mut Session) -> std::result::Result<T, Fault>,
    ) -> std::result::Result<T, Fault> {
        let attempt = async {
            // Nobody closes it.
            let _turn = self.turns.acquire().await;
            let kept = self.kept().pop();
            let mut session = match kept.filter(|kept| !kept.client.is_closed()) {
                Some(kept) => kept,
                None => self.connect().await?,
            };
            let done = work(&mut session).await?;
            self.kept().push(session);
            Ok(done)
        };
        let done = timeout(PATIENCE, attempt).await;
        let done = done.unwrap_or(Err(Fault::Silent(PATIENCE)));
        if done.as_ref().is_err_and(Fault::passes) {
            // The others will not have fared better.
            self.kept().clear();
        }
        done
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Session>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
