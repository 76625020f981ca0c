//! Requests to a hub: bounded in time and in redirects, and the token for no other host.

use std::time::Duration;

use ureq::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::HubEnv;
use super::announced::{Announced, Said};

/// Redirects that are followed, at most.
const REDIRECTS: usize = 10;

/// Asks a hub. Errors are the reason, in words.
pub(super) struct Client {
    agent: Agent,
    endpoint: Uri,
    token: Option<String>,
    /// The longest silence.
    pub(super) patience: Duration,
}

impl Client {
    /// A client for the hub that `env` names.
    ///
    /// # Errors
    /// Its address is none.
    pub(super) fn new(env: &HubEnv) -> Result<Self, String> {
        let timeout = Some(env.timeout);
        let config = Agent::config_builder()
            .user_agent(concat!("homer/", env!("CARGO_PKG_VERSION")))
            // Sizes and positions are those of the file, not of what is compressed on the way.
            .accept_encoding("identity")
            // Redirects are followed here, where one knows to whom the token may be shown.
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .build();
        Ok(Self {
            agent: config.into(),
            endpoint: address(&env.endpoint)?,
            token: env.token(),
            patience: env.timeout,
        })
    }

    /// What the hub says of a file; `None` where there is none. Where another host has the contents, it
    /// is not asked.
    ///
    /// # Errors
    /// The hub cannot be reached, refuses, or says what makes no sense.
    pub(super) fn head(&self, url: &str) -> Result<Option<Announced>, String> {
        let mut at = address(url)?;
        let mut said = Said::default();
        for _ in 0..=REDIRECTS {
            let response = self.send(Method::HEAD, &at, 0)?;
            said.hear(response.headers());
            match response.status() {
                StatusCode::NOT_FOUND => return Ok(None),
                status if is_redirect(status) => {
                    at = target(&at, response.headers())?;
                    if !same_host(&at, &self.endpoint) {
                        return said.announced().map(Some);
                    }
                }
                StatusCode::OK => {
                    refuse_page(response.headers())?;
                    said.length(response.headers());
                    return said.announced().map(Some);
                }
                status => return Err(refused(status)),
            }
        }
        Err(format!("redirected more than {REDIRECTS} times"))
    }

    /// The contents of a file from byte `from` on, or from the beginning where the server will not begin
    /// there: they, and where they begin.
    ///
    /// # Errors
    /// As [`Client::head`]; the answer is not as long as `size` leaves it.
    pub(super) fn get(&self, url: &str, from: u64, size: u64) -> Result<(Body, u64), String> {
        let mut at = address(url)?;
        for _ in 0..=REDIRECTS {
            let response = self.send(Method::GET, &at, from)?;
            let headers = response.headers();
            let begin = match response.status() {
                status if is_redirect(status) => {
                    at = target(&at, headers)?;
                    continue;
                }
                StatusCode::PARTIAL_CONTENT if begins_at(headers, from) => from,
                StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE if from > 0 => {
                    return self.get(url, 0, size);
                }
                StatusCode::OK => 0,
                status => return Err(refused(status)),
            };
            refuse_page(headers)?;
            let length = headers.get(header::CONTENT_LENGTH);
            let length: Option<u64> = length.and_then(|value| value.to_str().ok()?.parse().ok());
            if let Some(length) = length
                && begin.checked_add(length) != Some(size)
            {
                return Err(format!(
                    "{length} bytes are sent from byte {begin} on, of a file of {size} bytes; try again"
                ));
            }
            return Ok((response.into_body(), begin));
        }
        Err(format!("redirected more than {REDIRECTS} times"))
    }

    fn send(&self, method: Method, at: &Uri, from: u64) -> Result<Response<Body>, String> {
        let mut request = match method {
            Method::HEAD => self.agent.head(at.clone()),
            _ => self.agent.get(at.clone()),
        };
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = &self.token
            && same_host(at, &self.endpoint)
        {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        request.call().map_err(|error| unanswered(&error))
    }
}

/// Why there is no answer, in words.
pub(super) fn unanswered(error: &ureq::Error) -> String {
    match error {
        ureq::Error::Timeout(_) => "no answer for too long; try again".into(),
        other => other.to_string(),
    }
}

fn address(text: &str) -> Result<Uri, String> {
    let uri: Uri = text
        .parse()
        .map_err(|_| format!("{text:?} is no address of the web"))?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(uri),
        _ => Err(format!("{text:?} is no address of the web")),
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads.
fn target(from: &Uri, headers: &HeaderMap) -> Result<Uri, String> {
    let Some(location) = headers.get(header::LOCATION) else {
        return Err("redirected to nowhere: there is no Location".into());
    };
    let location = location
        .to_str()
        .map_err(|_| "redirected to what is no address")?;
    let (scheme, authority) = (from.scheme_str(), from.authority());
    let to = match (scheme, authority) {
        (Some(scheme), _) if location.starts_with("//") => format!("{scheme}:{location}"),
        (Some(scheme), Some(authority)) if location.starts_with('/') => {
            format!("{scheme}://{authority}{location}")
        }
        _ => location.to_owned(),
    };
    let to = address(&to)?;
    if scheme == Some("https") && to.scheme_str() != scheme {
        return Err(format!("redirected out of https, to {to}"));
    }
    Ok(to)
}

/// Whether two addresses are of the same scheme, host and port.
fn same_host(a: &Uri, b: &Uri) -> bool {
    let port = |uri: &Uri| {
        let usual = if uri.scheme_str() == Some("https") {
            443
        } else {
            80
        };
        uri.port_u16().unwrap_or(usual)
    };
    let host = |uri: &Uri| uri.host().map(str::to_ascii_lowercase);
    a.scheme_str() == b.scheme_str() && host(a) == host(b) && port(a) == port(b)
}

/// Whether the part that is sent begins at that byte.
fn begins_at(headers: &HeaderMap, from: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE);
    let range = range.and_then(|value| value.to_str().ok()?.strip_prefix("bytes "));
    let begin = range.and_then(|range| range.split('-').next()?.trim().parse().ok());
    begin == Some(from)
}

/// No file of a model is a web page; a network that asks for a login sends one for everything.
fn refuse_page(headers: &HeaderMap) -> Result<(), String> {
    let kind = headers.get(header::CONTENT_TYPE);
    match kind.and_then(|kind| kind.to_str().ok()) {
        Some(kind) if kind.trim_start().starts_with("text/html") => Err(
            "a web page came instead of the file: HF_ENDPOINT is no hub, or the network asks for a login"
                .into(),
        ),
        _ => Ok(()),
    }
}

fn refused(status: StatusCode) -> String {
    let what = match status.as_u16() {
        401 | 403 => "there is no such model, or it is private and HF_TOKEN does not open it",
        _ => "try again later",
    };
    format!("http status: {}; {what}", status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_for_one_host() {
        let hub = address("https://hub.example").unwrap();
        for (other, same) in [
            ("https://HUB.example:443/x", true),
            ("http://hub.example/x", false),
            ("https://hub.example:8443/x", false),
            ("https://hub.example.evil/x", false),
            ("https://cdn.hub.example/x", false),
            ("https://hub.example@evil.example/x", false),
        ] {
            assert_eq!(same_host(&address(other).unwrap(), &hub), same, "{other}");
        }
    }

    #[test]
    fn redirects_lead_to_the_web_and_not_out_of_tls() {
        let leads = |location: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::LOCATION, location.parse().unwrap());
            target(&address("https://hub.example/a").unwrap(), &headers).map(|uri| uri.to_string())
        };
        assert_eq!(leads("/b?c").unwrap(), "https://hub.example/b?c");
        assert_eq!(leads("//cdn.example/b").unwrap(), "https://cdn.example/b");
        assert_eq!(
            leads("https://cdn.example/b").unwrap(),
            "https://cdn.example/b"
        );
        for bad in ["http://hub.example/b", "file:///etc/passwd", "b", ""] {
            leads(bad).unwrap_err();
        }
        let nowhere = target(&address("https://hub.example").unwrap(), &HeaderMap::new());
        assert!(nowhere.unwrap_err().contains("no Location"));
        for bad in [
            "",
            "hub.example",
            "ftp://hub.example",
            "http://",
            "https:///x",
        ] {
            address(bad).unwrap_err();
        }
    }
}
