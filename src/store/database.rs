//! The URL of a database: what libpq understands, as far as homer needs it.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use super::place::SCHEMES;
use super::tls::Trust;
use crate::error::{Error, Result};

/// How long a connection may take to be made, unless the URL says otherwise.
const CONNECT: Duration = Duration::from_secs(10);

/// A database, and how it is reached. Its password is shown nowhere.
#[derive(Clone, PartialEq)]
pub struct Database {
    pub(super) config: Config,
    pub(super) trust: Trust,
    shown: String,
}

/// As it is shown to everybody.
impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Database {
    /// Reads a URL. Beside what [`Config`] knows, `sslmode=verify-full` asks who the server is, by the
    /// certificates in the file `sslrootcert`, or by those that browsers trust.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub(super) fn parse(url: &str) -> Result<Self> {
        let Some(rest) = SCHEMES.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
            return Err(refused("it does not begin with postgres://"));
        };
        let (login, rest) = rest
            .split_once('@')
            .map_or((None, rest), |(login, rest)| (Some(login), rest));
        if rest.contains('@') {
            return Err(refused("an `@` in a name or a password is written %40"));
        }
        let (server, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let mut trust = Trust::Anybody;
        let (mut known, mut shown) = (Vec::new(), Vec::new());
        for parameter in parameters.split('&').filter(|one| !one.is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match (key, value) {
                ("sslmode", "verify-full") => {
                    known.push("sslmode=require");
                    if trust == Trust::Anybody {
                        trust = Trust::Web;
                    }
                }
                ("sslrootcert", "system") => trust = Trust::Web,
                ("sslrootcert", path) => trust = Trust::File(decoded(path)?),
                _ => known.push(parameter),
            }
            if key != "password" {
                shown.push(parameter);
            }
        }
        let address = |login: Option<&str>, parameters: &[&str]| {
            let login = login.map(|login| format!("{login}@")).unwrap_or_default();
            let mark = if parameters.is_empty() { "" } else { "?" };
            format!("postgres://{login}{server}{mark}{}", parameters.join("&"))
        };
        let user = login.map(|login| login.split(':').next().unwrap_or_default());
        let mut config: Config =
            address(login, &known)
                .parse()
                .map_err(|error: tokio_postgres::Error| {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    refused(&cause.unwrap_or_else(|| error.to_string()))
                })?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(refused("it names no server"));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        if config.get_application_name().is_none() {
            config.application_name("homer");
        }
        Ok(Self {
            config,
            trust,
            shown: address(user, &shown),
        })
    }

    /// The same with a password, if it has none.
    pub(super) fn with_password(mut self, password: &str) -> Self {
        if self.config.get_password().is_none() {
            self.config.password(password);
        }
        self
    }

    /// Its URL without the password.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

fn decoded(path: &str) -> Result<PathBuf> {
    let path = percent_decode_str(path).decode_utf8();
    let path = path.map_err(|_| refused("sslrootcert is no path"))?;
    Ok(PathBuf::from(path.as_ref()))
}

fn refused(what: &str) -> Error {
    Error::setting(
        format!("the URL of the store cannot be used: {what}"),
        "it is like postgres://USER@HOST:5432/DATABASE?sslmode=verify-full, and a password goes before the `@`, \
         behind a colon, or into PGPASSWORD",
    )
}

#[cfg(test)]
mod tests {
    use tokio_postgres::config::{Host, SslMode};

    use super::*;

    #[test]
    fn a_url_is_understood_and_shown_without_its_password() {
        let url = "postgresql://ada:hu%40sh@db.example.org:5433,b/personas\
                   ?sslmode=verify-full&sslrootcert=/a%20b/root.pem&target_session_attrs=any";
        let database = Database::parse(url).unwrap();
        let config = &database.config;
        assert_eq!(config.get_user(), Some("ada"));
        assert_eq!(config.get_password(), Some(&b"hu@sh"[..]));
        assert_eq!(config.get_hosts().len(), 2);
        assert_eq!(config.get_ports(), [5433, 5432]);
        assert_eq!(config.get_dbname(), Some("personas"));
        assert_eq!(config.get_ssl_mode(), SslMode::Require);
        assert_eq!(config.get_connect_timeout(), Some(&CONNECT));
        assert_eq!(database.trust, Trust::File("/a b/root.pem".into()));
        let shown = "postgres://ada@db.example.org:5433,b/personas\
                     ?sslmode=verify-full&sslrootcert=/a%20b/root.pem&target_session_attrs=any";
        assert_eq!(database.shown(), shown);
        assert_eq!(format!("{database:?}"), shown);
        // What is shown is what is kept, and reaches the same server.
        let again = Database::parse(shown).unwrap();
        assert_eq!(again.config.get_hosts(), config.get_hosts());
        assert_eq!(again.trust, database.trust);
        assert_eq!(again.config.get_password(), None);
        let password = |database: Database| {
            let with = database.with_password("other");
            with.config.get_password().map(<[u8]>::to_vec)
        };
        assert_eq!(password(again).as_deref(), Some(&b"other"[..]));
        assert_eq!(password(database).as_deref(), Some(&b"hu@sh"[..]));
    }

    #[test]
    fn a_socket_is_a_server_and_a_password_may_be_a_parameter() {
        let database = Database::parse("postgres:///x?host=/run/pg&password=hush").unwrap();
        assert_eq!(database.config.get_hosts(), [Host::Unix("/run/pg".into())]);
        assert_eq!(database.config.get_password(), Some(&b"hush"[..]));
        assert_eq!(database.shown(), "postgres:///x?host=/run/pg");
        assert_eq!(database.trust, Trust::Anybody);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_password() {
        for (url, what) in [
            ("postgres://u:hu@sh@db/x", "%40"),
            ("postgres://u:hush@/x", "no server"),
            ("postgres:///x", "no server"),
            ("postgres://u:hush@db:port/x", "port"),
            ("postgres://u:hush@db/x?sslmode=verify-ca", "sslmode"),
            ("postgres://u:hush@db/x?colour=red", "colour"),
        ] {
            let error = Database::parse(url).unwrap_err();
            let said = format!("{error} {}", error.remedy());
            assert!(said.contains(what), "{said}");
            assert!(!said.contains("hush") && !said.contains("hu@"), "{said}");
        }
    }
}
