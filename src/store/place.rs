//! Where replies are.

#[cfg(feature = "postgres")]
use super::database::Database;
#[cfg(not(feature = "postgres"))]
use crate::error::Remedy;
use crate::error::{Error, Result};

/// How a project's own index is called where a store could be.
const LOCAL: &str = "local";
/// How the URL of a database begins.
pub(super) const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Where the replies of a persona are.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Place {
    /// In the project's own index.
    Local,
    /// In a database.
    #[cfg(feature = "postgres")]
    Database(Box<Database>),
}

impl Place {
    /// `local`, or the URL of a database, like `postgres://homer@db.example.org/personas`. Its password may stand
    /// in `PGPASSWORD` as well.
    ///
    /// # Errors
    /// It is neither, or of a database where homer was built without the feature `postgres`. What stands in
    /// the URL is not repeated.
    pub fn parse(text: &str) -> Result<Self> {
        match text.trim() {
            LOCAL => Ok(Self::Local),
            url if SCHEMES.iter().any(|scheme| url.starts_with(scheme)) => Self::database(url),
            _ => Err(Error::setting(
                "that is no store",
                "a store is the URL of a PostgreSQL database, postgres://USER@HOST/DATABASE, or `local`",
            )),
        }
    }

    #[cfg(feature = "postgres")]
    fn database(url: &str) -> Result<Self> {
        Ok(Self::Database(Box::new(Database::parse(url)?)))
    }

    #[cfg(not(feature = "postgres"))]
    fn database(_url: &str) -> Result<Self> {
        Err(Error::setting(
            "this build of homer keeps no replies in PostgreSQL",
            Remedy::BuildForStore,
        ))
    }

    /// What can be kept and shown: a database's URL without the password.
    pub(crate) fn shown(&self) -> &str {
        match self {
            Self::Local => LOCAL,
            #[cfg(feature = "postgres")]
            Self::Database(database) => database.shown(),
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

    #[cfg(not(feature = "postgres"))]
    #[test]
    fn a_build_without_postgresql_says_which_build_has_it() {
        let error = Place::parse("postgres://u@db/x").unwrap_err();
        assert_eq!(error.remedy(), Remedy::BuildForStore);
    }
}
