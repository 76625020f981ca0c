//! The JSON body of a request: bounded in size and in time, and every fault in one shape.

use std::sync::Arc;

use axum::body::{Bytes, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::header;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Number;

use super::App;
use super::fault::Fault;

/// Bytes of a body.
pub(crate) const LARGEST: usize = 2 << 20;

/// A body read as JSON.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Fault> {
        // A page of another origin can send other types without asking; this one it can't.
        if !is_json(&request) {
            return Err(Fault::media_type());
        }
        // Whoever says so beforehand need not send it all.
        if request.body().size_hint().lower() > LARGEST as u64 {
            return Err(Fault::too_large(LARGEST));
        }
        let arriving = Bytes::from_request(request, app);
        let bytes = tokio::time::timeout(app.limits.arrival, arriving)
            .await
            .map_err(|_| Fault::slow())?
            .map_err(|rejected| match rejected.status().as_u16() {
                413 => Fault::too_large(LARGEST),
                _ => Fault::invalid("the body did not arrive whole"),
            })?;
        serde_json::from_slice(&bytes)
            .map(Body)
            .map_err(|error| Fault::invalid(format!("the body is not what is expected: {error}")))
    }
}

/// A whole number, which JSON's writers may write as `7` or as `7.0`.
///
/// # Errors
/// It is something else, or larger than 64 bits.
pub(crate) fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(from)? else {
        return Ok(None);
    };
    let exact = |x: f64| (x.fract() == 0.0 && x.abs() < 2f64.powi(53)).then_some(x as i64);
    let whole = number.as_i64().or_else(|| number.as_f64().and_then(exact));
    whole
        .map(Some)
        .ok_or_else(|| D::Error::custom(format!("{number} is no whole number")))
}

fn is_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    kind.and_then(|kind| kind.to_str().ok())
        .is_some_and(|kind| {
            let kind = kind.split(';').next().unwrap_or_default().trim();
            kind.eq_ignore_ascii_case("application/json")
        })
}
