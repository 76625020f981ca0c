//! What people have, through `homer prepare`: formats, layouts of well-known files, and the faults that
//! files have.

mod dialogue;
mod faults;
mod inputs;
mod tables;

use assert_cmd::assert::Assert;
use predicates::str::contains;

use homer::internals::Dataset;

use crate::home::Home;

impl Home {
    fn prepare(&self, arguments: &[&str]) -> Assert {
        self.command(&["prepare"]).args(arguments).assert()
    }

    /// `query → reply`, in the order of the source.
    fn said(&self) -> Vec<String> {
        let dataset = Dataset::load(&self.path("data/exchanges")).unwrap();
        let exchanges = dataset.exchanges().into_iter();
        exchanges
            .map(|one| format!("{}: {} → {}", one.query.speaker, one.query.text, one.reply))
            .collect()
    }
}

/// Prepares one file without any option; its exchanges.
fn prepared(name: &str, text: impl AsRef<[u8]>, said_of_it: &str) -> Vec<String> {
    let home = Home::with(name, text);
    home.prepare(&[name]).success().stdout(contains(said_of_it));
    home.said()
}
