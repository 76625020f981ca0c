//! The replies of a persona, in a database.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures_util::future::try_join_all;
use pgvector::HalfVector;
use tokio_postgres::error::SqlState;

use super::database::Database;
use super::fault::Fault;
use super::rows::{self, COLUMNS};
use super::schema::{self, refused};
use super::server::{Server, Session, wait};
use crate::error::{Remedy, Result, Setting, Step};
use crate::index::manifest::Provenance;
use crate::index::search::Hit;
use crate::index::{Entry, Nearest, dot};
use crate::text::printable::printable;

/// A graph is asked for this many at most; who wants more wants nearly all, and has them scanned.
const GRAPH_MOST: usize = 800;
/// How many more than are wanted are looked at: the database compares with the question in half precision.
const MORE: usize = 8;
/// Names that are told where one must be said.
const NAMES: usize = 20;

/// A persona's replies as they are in a database.
pub struct Stored {
    server: Arc<Server>,
    name: String,
    build: RwLock<Arc<Build>>,
    /// The number of the build that whoever asked last knows of.
    told: AtomicI64,
}

/// What a persona answers from.
struct Build {
    number: i64,
    replies: usize,
    width: usize,
    graph: bool,
    source: Provenance,
}

impl Stored {
    /// Finds a persona by its name; without one, the only one that is there.
    ///
    /// # Errors
    /// The database cannot be reached or used; there is no such persona, or there are several.
    pub fn open(database: &Database, name: Option<&str>) -> Result<Self> {
        let server = Server::of(database)?;
        let found = wait(server.with(async |session| {
            schema::check(&session.client, schema::STEPS, server.shown()).await?;
            let name = match name {
                Some(name) => name.to_owned(),
                None => only(session, server.shown()).await?,
            };
            match build(session, &name).await? {
                Some(build) => Ok((name, build)),
                None => Err(missing(session, &name, server.shown()).await?),
            }
        }))?;
        let (name, build) = found.map_err(|fault| fault.at(server.shown()))?;
        Ok(Self {
            server,
            name,
            told: AtomicI64::new(build.number),
            build: RwLock::new(Arc::new(build)),
        })
    }

    /// What the replies were made of.
    pub(crate) fn source(&self) -> Provenance {
        self.build().source.clone()
    }

    fn build(&self) -> Arc<Build> {
        let build = self.build.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&build)
    }

    /// The best rows, from the build that is there now: what was there before goes as soon as nobody reads it.
    async fn search(
        &self,
        vector: &[f32],
        count: usize,
    ) -> std::result::Result<Vec<(Entry, f32)>, Fault> {
        let known = self.build();
        let found = self
            .server
            .with(async |session| known.search(session, vector, count).await)
            .await;
        match found {
            // It was dropped before it was looked for, or between that and being read.
            Err(fault)
                if [SqlState::UNDEFINED_TABLE, SqlState::INTERNAL_ERROR]
                    .iter()
                    .any(|state| fault.is(state)) =>
            {
                let next = self.next(&known).await?;
                self.server
                    .with(async |session| next.search(session, vector, count).await)
                    .await
            }
            found => found,
        }
    }

    /// The build that has taken the place of the one that is known.
    async fn next(&self, known: &Build) -> std::result::Result<Arc<Build>, Fault> {
        let place = self.server.shown();
        let next = self
            .server
            .with(async |session| match build(session, &self.name).await? {
                Some(build) => Ok(build),
                None => Err(missing(session, &self.name, place).await?),
            });
        let next = Arc::new(next.await?);
        if next.source.bi_encoder != known.source.bi_encoder || next.width != known.width {
            let what = format!("{} was built anew, with another bi-encoder", self.name);
            return Err(refused(what, "open it again, with that one", place));
        }
        *self.build.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&next);
        Ok(next)
    }
}

impl Nearest for Stored {
    fn nearest(&self, vector: &[f32], count: usize) -> Result<Vec<(Entry, f32)>> {
        let found = wait(self.search(vector, count))?;
        found.map_err(|fault| fault.at(self.server.shown()))
    }

    fn nearest_all(&self, all: &[(&[f32], usize)]) -> Result<Vec<Vec<(Entry, f32)>>> {
        let each = all
            .iter()
            .map(|&(vector, count)| self.search(vector, count));
        let found = wait(try_join_all(each))?;
        found.map_err(|fault| fault.at(self.server.shown()))
    }

    fn renewed(&self) -> bool {
        let sql = "SELECT build FROM homer.personas WHERE name = $1";
        let look = self.server.once(async |session| {
            let rows = session.query(sql, &[&self.name]).await?;
            rows.first()
                .map_or(Ok(None), |row| Ok(Some(row.try_get(0)?)))
        });
        match wait(look) {
            Ok(Ok(Some(number))) => self.told.swap(number, Ordering::Relaxed) != number,
            // Who asks for replies hears of it.
            _ => false,
        }
    }
}

impl Build {
    /// The `count` best rows with their scores, by the vectors as they stand there and the question as it is
    /// here, so that they are the index's own.
    async fn search(
        &self,
        session: &mut Session,
        vector: &[f32],
        count: usize,
    ) -> std::result::Result<Vec<(Entry, f32)>, Fault> {
        if vector.len() != self.width {
            let what = format!(
                "vectors of width {}, where the bi-encoder's are of width {}",
                self.width,
                vector.len()
            );
            return Err(Fault::Damaged(what));
        }
        let question = HalfVector::from_f32_slice(vector);
        let limit = count.saturating_add(MORE).min(self.replies);
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
        let table = rows::table(self.number);
        let select = format!("SELECT {COLUMNS} FROM {table} ORDER BY");
        let mut found = Vec::new();
        if self.graph && limit <= GRAPH_MOST {
            let sql = format!("{select} vector <#> $1 LIMIT $2");
            found = session.query(&sql, &[&question, &wanted]).await?;
        }
        // A graph may have lost its way: then all is looked at, by an order that no index knows.
        if found.len() < limit {
            let sql = format!("{select} 0 + (vector <#> $1), row LIMIT $2");
            found = session.query(&sql, &[&question, &wanted]).await?;
        }
        let mut best = Vec::with_capacity(found.len());
        for row in &found {
            let (entry, place, stored) = rows::read(row)?;
            if stored.len() != vector.len() {
                return Err(Fault::Damaged(format!(
                    "{table} has a vector of another width"
                )));
            }
            let mut score = [0.0];
            dot::dots(vector, &stored, &mut score);
            let [score] = score;
            let row = usize::try_from(place).unwrap_or(usize::MAX);
            best.push((Hit { row, score }, entry));
        }
        best.sort_by(|(a, _), (b, _)| b.cmp(a));
        best.truncate(count);
        Ok(best
            .into_iter()
            .map(|(hit, entry)| (entry, hit.score))
            .collect())
    }
}

/// The build of a persona, if it is there.
async fn build(session: &mut Session, name: &str) -> std::result::Result<Option<Build>, Fault> {
    let sql =
        "SELECT build, replies, width, hnsw, source::text FROM homer.personas WHERE name = $1";
    let rows = session.query(sql, &[&name]).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let damaged = |what: String| Fault::Damaged(format!("{name}, in homer.personas: {what}"));
    let (replies, width): (i64, i32) = (row.try_get(1)?, row.try_get(2)?);
    let (Ok(replies), Ok(width)) = (usize::try_from(replies), usize::try_from(width)) else {
        return Err(damaged("numbers below 0".into()));
    };
    let mut source: Provenance =
        serde_json::from_str(row.try_get(4)?).map_err(|error| damaged(error.to_string()))?;
    source.character = printable(&source.character).into_owned();
    Ok(Some(Build {
        number: row.try_get(0)?,
        replies,
        width,
        graph: row.try_get(3)?,
        source,
    }))
}

/// The first of the names that are there, and how many there are.
async fn names(session: &mut Session) -> std::result::Result<(Vec<String>, i64), Fault> {
    let sql =
        format!("SELECT name, count(*) OVER () FROM homer.personas ORDER BY name LIMIT {NAMES}");
    let rows = session.query(&sql, &[]).await?;
    let count = rows.first().map_or(Ok(0), |row| row.try_get(1))?;
    let name = |row: &tokio_postgres::Row| Ok(printable(row.try_get(0)?).into_owned());
    let names = rows.iter().map(name);
    Ok((
        names.collect::<std::result::Result<_, tokio_postgres::Error>>()?,
        count,
    ))
}

/// The name of the only persona that is there.
async fn only(session: &mut Session, place: &str) -> std::result::Result<String, Fault> {
    let (names, count) = names(session).await?;
    match names.as_slice() {
        [] => {
            let what = "there is no persona in it".to_owned();
            Err(refused(what, Remedy::Make(Step::BuildIndex), place))
        }
        [name] => Ok(name.clone()),
        names => {
            let what = format!("it has {count} personas: {}", listed(names, count));
            Err(refused(what, Remedy::choose([Setting::Persona]), place))
        }
    }
}

/// That there is no persona of this name.
async fn missing(
    session: &mut Session,
    name: &str,
    place: &str,
) -> std::result::Result<Fault, Fault> {
    let (names, count) = names(session).await?;
    let (what, remedy) = match count {
        0 => (String::new(), Remedy::Make(Step::BuildIndex)),
        _ => (
            format!("; it has {}", listed(&names, count)),
            Remedy::choose([Setting::Persona]).or(Remedy::Make(Step::BuildIndex)),
        ),
    };
    let what = format!("there is no persona {} in it{what}", printable(name));
    Ok(refused(what, remedy, place))
}

fn listed(names: &[String], count: i64) -> String {
    let more = if count > NAMES as i64 { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}
