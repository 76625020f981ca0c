//! Where replies are, as the command line and the environment say it.

use homer::{Place, Project};

use super::Global;

/// Says where replies are, so that no password stands on a command line, where others see it.
const VARIABLE: &str = "HOMER_STORE";
/// The password, as PostgreSQL's own programs know it. It is for servers that the user names, and for none that
/// a folder names, which may be a stranger's.
const PASSWORD: &str = "PGPASSWORD";

#[derive(clap::Args)]
pub(super) struct StoreArgs {
    /// Keep the replies in this PostgreSQL database, postgres://USER@HOST/DATABASE, or `local`: in this folder
    /// [default: HOMER_STORE, else where `build-index` put them last]
    // A text, so that what is wrong with it is said without the password in it.
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// What the persona is called in the store [default: the name of the character]
    #[arg(long, value_name = "NAME")]
    pub(super) persona: Option<String>,
}

impl StoreArgs {
    /// The project that the command works on, with its replies there.
    pub(super) fn project(&self, global: &Global) -> anyhow::Result<Project> {
        let variable = || std::env::var(VARIABLE).ok().filter(|url| !url.is_empty());
        let place = match self.store.clone().or_else(variable) {
            Some(place) => Some(Place::parse(&place)?),
            None => None,
        };
        let place = match std::env::var(PASSWORD) {
            Ok(password) => place.map(|place| place.with_password(&password)),
            Err(_) => place,
        };
        Ok(global.project().with_replies(place, self.persona.clone()))
    }
}
