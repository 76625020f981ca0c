//! What stands for a database in a build that knows none (without the cargo feature `postgres`): there is no way
//! to have one.

use std::convert::Infallible;

use super::place::Owner;
use crate::error::{Error, Remedy, Result};
use crate::index::manifest::Provenance;
use crate::index::{Entry, Index, Nearest};
use crate::watch::Watch;

/// No database.
#[derive(Debug, Clone)]
pub struct Database(Infallible);

impl Database {
    /// Refuses every URL.
    ///
    /// # Errors
    /// Always.
    pub(super) fn parse(_: &str) -> Result<Self> {
        Err(Error::setting(
            "this build of homer keeps no replies in PostgreSQL",
            Remedy::BuildForStore,
        ))
    }

    pub(super) fn with_password(self, _: &str) -> Self {
        match self.0 {}
    }

    /// Its URL without the password.
    pub(crate) fn shown(&self) -> &str {
        match self.0 {}
    }
}

/// Puts nothing anywhere.
pub struct Loader(Infallible);

impl Loader {
    /// Reaches no database.
    ///
    /// # Errors
    /// None: there is nothing to call it with.
    pub fn begin(database: &Database, _: Owner) -> Result<Self> {
        match database.0 {}
    }

    /// Loads nothing.
    ///
    /// # Errors
    /// None, as there is no such loader.
    pub fn load(&self, _: &Index, _: &mut dyn Watch) -> Result<()> {
        match self.0 {}
    }
}

/// No replies.
pub struct Stored(Infallible);

impl Stored {
    /// Finds nobody.
    ///
    /// # Errors
    /// None: there is nothing to call it with.
    pub fn open(database: &Database, _: Option<&str>) -> Result<Self> {
        match database.0 {}
    }

    /// What no replies were made of.
    pub(crate) fn source(&self) -> Provenance {
        match self.0 {}
    }
}

impl Nearest for Stored {
    fn nearest(&self, _: &[f32], _: usize) -> Result<Vec<(Entry, f32)>> {
        match self.0 {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_without_postgresql_says_which_build_has_it() {
        let error = Database::parse("postgres://u@db/x").unwrap_err();
        assert_eq!(error.remedy(), Remedy::BuildForStore);
    }
}
