//! A reply as a row of a table, and back.

use half::f16;
use pgvector::HalfVector;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::fault::Fault;
use crate::dialogue::Turn;
use crate::index::{Entry, Origin};
use crate::text::printable::printable_lines;

/// The columns, in the order in which they are written and read. `row` counts from 0; `exchange` to `context`
/// are of the first exchange that the reply answers and NULL where it answers nobody.
pub(super) const COLUMNS: &str =
    "row, text, exchange, scene, query_speaker, query, context, exchanges, vector";

/// Wider vectors may stand outside of their row, where a scan has to look for them: a page has 8 KiB.
const INLINE: usize = 2000;

/// The table of a build.
pub(super) fn table(build: i64) -> String {
    format!("homer.replies_{build}")
}

/// Makes the table of a build.
pub(super) fn create(build: i64, width: usize) -> String {
    let table = table(build);
    let storage = if width <= INLINE { "PLAIN" } else { "EXTERNAL" };
    format!(
        "CREATE TABLE {table} (
            row bigint NOT NULL,
            text text NOT NULL,
            exchange bigint,
            scene bigint,
            query_speaker text,
            query text,
            context text[],
            exchanges bigint[] NOT NULL,
            vector halfvec({width}) NOT NULL
        );
        ALTER TABLE {table} ALTER COLUMN vector SET STORAGE {storage}"
    )
}

/// The types of the columns; pgvector's has another number in each database.
pub(super) fn types(halfvec: Type) -> [Type; 9] {
    [
        Type::INT8,
        Type::TEXT,
        Type::INT8,
        Type::INT8,
        Type::TEXT,
        Type::TEXT,
        Type::TEXT_ARRAY,
        Type::INT8_ARRAY,
        halfvec,
    ]
}

/// A reply as it is written.
pub(super) struct Written {
    row: i64,
    text: String,
    exchange: Option<i64>,
    scene: Option<i64>,
    speaker: Option<String>,
    query: Option<String>,
    context: Option<Vec<String>>,
    exchanges: Vec<i64>,
    vector: HalfVector,
}

impl Written {
    /// The reply of a row with its vector.
    pub(super) fn new(row: usize, entry: &Entry, vector: &[f16]) -> Self {
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let origin = entry.origin.as_ref();
        // A byte of 0, which PostgreSQL has no text with, is among what is written out.
        let text = |text: &String| printable_lines(text);
        Self {
            row: number(row),
            text: text(&entry.text),
            exchange: origin.map(|origin| number(origin.exchange)),
            scene: origin.map(|origin| number(origin.scene)),
            speaker: origin.map(|origin| text(&origin.query.speaker)),
            query: origin.map(|origin| text(&origin.query.text)),
            context: origin.map(|origin| origin.context.iter().map(text).collect()),
            exchanges: entry.exchanges.iter().copied().map(number).collect(),
            vector: HalfVector::from(vector.to_vec()),
        }
    }

    /// What stands in the columns.
    pub(super) fn values(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.row,
            &self.text,
            &self.exchange,
            &self.scene,
            &self.speaker,
            &self.query,
            &self.context,
            &self.exchanges,
            &self.vector,
        ]
    }
}

/// The reply that stands in a row, its place and its vector. Who wrote it may be a stranger, and it comes to a
/// terminal.
pub(super) fn read(row: &Row) -> Result<(Entry, i64, Vec<f16>), Fault> {
    let number = |number: i64| {
        usize::try_from(number)
            .map_err(|_| Fault::Damaged(format!("an exchange of number {number}")))
    };
    let text = |column: usize| -> Result<String, Fault> {
        let text: Option<&str> = row.try_get(column)?;
        Ok(printable_lines(text.unwrap_or_default()))
    };
    let exchange: Option<i64> = row.try_get(2)?;
    let scene: Option<i64> = row.try_get(3)?;
    let context: Option<Vec<&str>> = row.try_get(6)?;
    let origin = match exchange {
        None => None,
        Some(exchange) => Some(Origin {
            exchange: number(exchange)?,
            scene: number(scene.unwrap_or_default())?,
            query: Turn {
                speaker: text(4)?,
                text: text(5)?,
            },
            context: context
                .unwrap_or_default()
                .into_iter()
                .map(printable_lines)
                .collect(),
        }),
    };
    let exchanges: Vec<i64> = row.try_get(7)?;
    let vector: HalfVector = row.try_get(8)?;
    let entry = Entry {
        text: text(1)?,
        origin,
        exchanges: exchanges
            .into_iter()
            .map(number)
            .collect::<Result<_, _>>()?,
    };
    Ok((entry, row.try_get(0)?, vector.into()))
}
