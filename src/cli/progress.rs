//! The one place that draws progress bars: on standard error, and only on a terminal.

use std::fmt;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use homer::{Remedy, Unit, Watch};

use super::Global;
use super::remedy::render;
use super::signals::{self, Stoppable};

const PARTS: &str = "{prefix:>12} {bar:30} {human_pos}/{human_len} {per_sec} {eta} left  {msg}";
const BYTES: &str = "{prefix:>12} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} left  {msg}";

/// Shows how long work goes, and lets Ctrl-C stop it.
pub(super) struct Display<'a> {
    global: &'a Global,
    bar: Option<ProgressBar>,
    _stoppable: Stoppable,
}

impl<'a> Display<'a> {
    /// From now on the first Ctrl-C asks the work to stop, the second stops the program.
    pub(super) fn new(global: &'a Global) -> anyhow::Result<Self> {
        Ok(Self {
            global,
            bar: None,
            _stoppable: Stoppable::begin()?,
        })
    }

    fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| signals::say(line)),
            None => signals::say(line),
        }
    }
}

impl Drop for Display<'_> {
    fn drop(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

impl Watch for Display<'_> {
    fn stage(&mut self, what: &str, total: u64, unit: Unit) {
        if let Some(old) = self.bar.take() {
            old.finish_and_clear();
        }
        let target = ProgressDrawTarget::stderr_with_hz(10);
        let bar = ProgressBar::with_draw_target(Some(total), target).with_prefix(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        let style = ProgressStyle::with_template(match unit {
            Unit::Parts => PARTS,
            Unit::Bytes => BYTES,
        });
        self.bar = Some(match style {
            Ok(style) => bar.with_style(style),
            Err(_) => bar,
        });
    }

    fn advance(&mut self, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        }
    }

    fn figures(&mut self, figures: fmt::Arguments<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_message(figures.to_string());
        }
    }

    fn note(&mut self, message: &str) {
        self.say(message);
    }

    fn advise(&mut self, message: &str, remedy: &Remedy) {
        self.say(&format!(
            "homer: {message}: {}",
            render(remedy, self.global)
        ));
    }

    fn stop(&self) -> bool {
        signals::heard()
    }
}
