//! The page: a few files that the program carries within itself.

use axum::http::HeaderName;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS,
};

/// Nothing but what comes from here, and no code but the one file.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; require-trusted-types-for 'script'";

/// A file of the page, with its headers.
type Asset = ([(HeaderName, &'static str); 5], &'static str);

fn asset(kind: &'static str, text: &'static str) -> Asset {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_FRAME_OPTIONS, "DENY"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, text)
}

/// The page itself.
pub(crate) async fn html() -> Asset {
    asset("text/html; charset=utf-8", include_str!("page/index.html"))
}

/// How it looks.
pub(crate) async fn css() -> Asset {
    asset("text/css; charset=utf-8", include_str!("page/page.css"))
}

/// What it does.
pub(crate) async fn js() -> Asset {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("page/page.js"),
    )
}

/// Its picture in a tab.
pub(crate) async fn icon() -> Asset {
    asset("image/svg+xml", include_str!("page/icon.svg"))
}
