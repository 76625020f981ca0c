//! Where replies are, and whose.

use super::Database;
use crate::error::{Error, Result};

/// How a project's own index is called where a store could be.
const LOCAL: &str = "local";
/// How the URL of a database begins.
pub(super) const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where the replies of a persona are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the project's own index.
    Local,
    /// In a database.
    Database(Box<Database>),
}

/// Whose replies are put into a store.
#[derive(Debug, Clone)]
pub struct Owner {
    /// What the persona is called there.
    pub name: String,
    /// Tells one project from another: none replaces what another has put there.
    pub id: String,
    /// Unless it is to.
    pub take_over: bool,
}

impl Place {
    /// `local`, or the URL of a database, like `postgres://homer@db.example.org/personas`.
    ///
    /// # Errors
    /// It is neither, or of a database where homer was built without the feature `postgres`. What stands in
    /// the URL is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim() {
            LOCAL => Ok(Self::Local),
            url if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => {
                Ok(Self::Database(Box::new(Database::parse(url)?)))
            }
            _ => Err(Error::setting(
                "that is no store",
                "a store is the URL of a PostgreSQL database, postgres://USER@HOST/DATABASE, or `local`",
            )),
        }
    }

    /// The same with a password, where one is asked for and the URL has none.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        match self {
            Self::Local => Self::Local,
            Self::Database(database) => Self::Database(Box::new(database.with_password(password))),
        }
    }

    /// A database's URL without the password, to be kept and shown.
    pub(crate) fn shown(&self) -> Option<&str> {
        match self {
            Self::Local => None,
            Self::Database(database) => Some(database.shown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_store_is_refused_without_repeating_it() {
        assert!(matches!(Place::parse(" local\n").unwrap(), Place::Local));
        for wrong in ["", "mysql://u:hush@db/x", "hush", "/tmp/index"] {
            let error = Place::parse(wrong).unwrap_err();
            assert!(!format!("{error} {}", error.remedy()).contains("hush"));
        }
    }
}
