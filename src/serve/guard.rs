//! Who is let in: by the name that the server is called by, by the page that asks, by the key.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use subtle::ConstantTimeEq;

use super::fault::Fault;

/// What is open to whom.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// What a client must know to be answered; `None` lets everybody in.
    pub key: Option<String>,
    /// Names that the server may be called by, beside `localhost` and every bare address.
    pub hosts: Vec<String>,
    /// Origins, `https://example.org`, whose pages may ask.
    pub origins: Vec<HeaderValue>,
}

impl Doors {
    /// Refuses a request that came under another name than the server's.
    ///
    /// A name that somebody else controls can be made to point here after their page was loaded
    /// from it (DNS rebinding), and the browser then takes the server for part of that page. An
    /// address can't, nor can `localhost`.
    fn check_host(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let mut values = headers.get_all(header::HOST).iter();
        let host = match (values.next(), values.next()) {
            (Some(host), None) => host.to_str().ok(),
            _ => None,
        };
        let known = host.map(name).is_some_and(|name| {
            is_address(name)
                || name.eq_ignore_ascii_case("localhost")
                || self
                    .hosts
                    .iter()
                    .any(|host| host.eq_ignore_ascii_case(name))
        });
        known.then_some(()).ok_or_else(|| {
            Fault::stranger("the server is not known by this name; `--allow-host` makes it known")
        })
    }

    /// Refuses what a page of another origin sends, unless it is a known one.
    fn check_origin(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(origin) = headers.get(header::ORIGIN) else {
            return Ok(());
        };
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let own = origin.to_str().ok().and_then(|origin| {
            let (_, authority) = origin.split_once("://")?;
            Some(authority.eq_ignore_ascii_case(host?))
        });
        if own == Some(true) || self.origins.contains(origin) {
            Ok(())
        } else {
            Err(Fault::stranger(
                "pages of this origin may not ask; `--allow-origin` lets them",
            ))
        }
    }

    /// Refuses who does not know the key.
    fn check_key(&self, headers: &HeaderMap) -> Result<(), Fault> {
        let Some(key) = &self.key else {
            return Ok(());
        };
        let given = headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.as_bytes().split_at_checked(7))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer "))
            .map_or(&b""[..], |(_, given)| given);
        // In the same time wherever they differ.
        if bool::from(given.ct_eq(key.as_bytes())) {
            Ok(())
        } else {
            Err(Fault::no_key())
        }
    }
}

/// The name in a `Host` header, without the port.
fn name(host: &str) -> &str {
    if host.starts_with('[') {
        return host
            .split_once(']')
            .and_then(|(address, _)| address.strip_prefix('['))
            .unwrap_or(host);
    }
    host.split_once(':').map_or(host, |(name, _)| name)
}

fn is_address(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

/// Every request passes this door.
pub(crate) async fn outer(
    State(doors): State<std::sync::Arc<Doors>>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    doors.check_host(request.headers())?;
    doors.check_origin(request.headers())?;
    Ok(next.run(request).await)
}

/// And this one what needs the key. A browser asks without it whether it may ask.
pub(crate) async fn inner(
    State(doors): State<std::sync::Arc<Doors>>,
    request: Request,
    next: Next,
) -> Result<Response, Fault> {
    if request.method() != Method::OPTIONS {
        doors.check_key(request.headers())?;
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(of: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in of {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn addresses_and_known_names_are_let_in_and_no_other() {
        let doors = Doors {
            hosts: vec!["homer.example".into()],
            ..Doors::default()
        };
        let passes = |host: &str| doors.check_host(&headers(&[("host", host)])).is_ok();
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:1",
            "192.168.0.7",
            "[::1]:8080",
            "[::1]",
            "Homer.example:80",
        ] {
            assert!(passes(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "[evil]",
            "[",
            "homer.example.evil",
            "127.0.0.1@evil.example",
            "x:localhost",
        ] {
            assert!(!passes(host), "{host}");
        }
        assert!(doors.check_host(&headers(&[])).is_err());
        let twice = headers(&[("host", "localhost"), ("host", "localhost")]);
        assert!(doors.check_host(&twice).is_err());
    }

    #[test]
    fn pages_of_other_origins_are_refused_unless_they_are_known() {
        let doors = Doors {
            origins: vec![HeaderValue::from_static("https://friend.example")],
            ..Doors::default()
        };
        let passes = |origin: &str| {
            let headers = headers(&[("host", "localhost:8080"), ("origin", origin)]);
            doors.check_origin(&headers).is_ok()
        };
        assert!(passes("http://localhost:8080") && passes("https://friend.example"));
        for origin in [
            "http://localhost:8081",
            "http://localhost",
            "null",
            "https://evil.example",
            "https://friend.example.evil",
            "http://friend.example",
        ] {
            assert!(!passes(origin), "{origin}");
        }
        assert!(
            doors
                .check_origin(&headers(&[("host", "localhost")]))
                .is_ok()
        );
    }

    #[test]
    fn the_key_is_the_whole_key() {
        let doors = Doors {
            key: Some("open sesame".into()),
            ..Doors::default()
        };
        let passes = |value: &str| {
            let headers = headers(&[("authorization", value)]);
            doors.check_key(&headers).is_ok()
        };
        assert!(passes("Bearer open sesame") && passes("bearer open sesame"));
        for value in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer open",
            "Bearer open sesame!",
            "open sesame",
            "Basic open sesame",
        ] {
            assert!(!passes(value), "{value}");
        }
        assert!(doors.check_key(&HeaderMap::new()).is_err());
        assert!(Doors::default().check_key(&HeaderMap::new()).is_ok());
    }
}
