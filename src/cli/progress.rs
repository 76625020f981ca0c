//! The one place that draws progress bars: on standard error, and only on a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar for `length` steps of `what`, with the rate and the time left; hidden when standard error is no terminal.
pub fn bar(length: u64, what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix:>12} {bar:30} {human_pos}/{human_len} {per_sec} {eta} left  {msg}",
    );
    let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr_with_hz(10))
        .with_prefix(what);
    bar.enable_steady_tick(Duration::from_millis(200));
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A bar for the download of `file`, of `bytes` bytes.
pub fn download(bytes: u64, file: &str) -> ProgressBar {
    let style = ProgressStyle::with_template(
        "{prefix:>12} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left  {msg}",
    );
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10))
        .with_prefix("downloading")
        .with_message(file.to_owned());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
