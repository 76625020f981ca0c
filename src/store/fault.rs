//! What goes wrong between here and a database, and whether it goes by.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use tokio_postgres::error::SqlState;

use crate::error::{Error, Remedy, Setting, Step};

/// Why something could not be done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server refused it, or could not be reached.
    Database(tokio_postgres::Error),
    /// The server said nothing for so long.
    Silent(Duration),
    /// What is there is not what homer has put there.
    Damaged(String),
    /// homer's own.
    Other(Error),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Database(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Fault {
    /// Whether the server says that it is this.
    pub(super) fn is(&self, state: &SqlState) -> bool {
        matches!(self, Self::Database(error) if error.code() == Some(state))
    }

    /// Whether it may be gone by with another connection: the server is away, starts, leaves, or is full; or it
    /// repeats what another server did, which took precedence.
    pub(super) fn passes(&self) -> bool {
        let Self::Database(error) = self else {
            return false;
        };
        if let Some(state) = error.code() {
            return state.code().starts_with("08")
                || [
                    SqlState::ADMIN_SHUTDOWN,
                    SqlState::CRASH_SHUTDOWN,
                    SqlState::CANNOT_CONNECT_NOW,
                    SqlState::TOO_MANY_CONNECTIONS,
                    SqlState::T_R_SERIALIZATION_FAILURE,
                ]
                .contains(state);
        }
        let cause = error.source().and_then(|cause| cause.downcast_ref());
        error.is_closed()
            || cause.is_some_and(|cause: &io::Error| {
                // A certificate that is not trusted is none the next time either.
                ![io::ErrorKind::InvalidData, io::ErrorKind::InvalidInput].contains(&cause.kind())
            })
    }

    /// As an error of the store at `place`.
    pub(super) fn at(self, place: &str) -> Error {
        let local = || Remedy::choose_like(Setting::Store, "local");
        let (what, remedy) = match self {
            Self::Other(error) => return error,
            Self::Silent(waited) => (
                format!("the server has said nothing for {} s", waited.as_secs()),
                Remedy::from("ask again when it has less to do").or(local()),
            ),
            Self::Damaged(what) => (what, Remedy::Remake(Step::BuildIndex)),
            Self::Database(error) => {
                let remedy = match error.code() {
                    Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                        "let the role read the schema `homer`, or to build, create it".into()
                    }
                    Some(&SqlState::QUERY_CANCELED) => {
                        Remedy::from("ask again when it has less to do").or(local())
                    }
                    Some(&SqlState::READ_ONLY_SQL_TRANSACTION) => {
                        "name the server that is written to, or add `target_session_attrs=read-write` to the URL of all".into()
                    }
                    Some(&SqlState::DISK_FULL) => "make room on the server".into(),
                    _ => Remedy::from("see that the server is there and lets you in").or(local()),
                };
                (words(&error), remedy)
            }
        };
        Error::Store {
            place: place.to_owned(),
            what,
            remedy,
        }
    }
}

/// The server's own words, else what became of the connection, down to its cause.
fn words(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        let more = said.detail().or(said.hint());
        let more = more.map(|more| format!(" ({more})")).unwrap_or_default();
        return format!("{}{more}", said.message());
    }
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}
