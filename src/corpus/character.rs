//! Who answers in a script.

use std::path::Path;

use super::document::data;
use super::scenes::Speaker;
use super::script::Script;
use crate::error::{Remedy, Result};
use crate::text::name::{clean_name, name_key};

/// The character that is taken where the script has him and the user names none.
const FAVOURITE: &str = "Homer Simpson";

impl Script {
    /// The speaker that `wanted` names, whatever its case; without a name Homer Simpson, and where
    /// the script does not have him, the `usual` one of its format, or whoever has the most lines.
    ///
    /// # Errors
    /// Nobody of that name: with the names that are closest to it.
    pub(crate) fn character(
        &self,
        path: &Path,
        wanted: Option<&str>,
        usual: Option<&str>,
    ) -> Result<usize> {
        let speakers = &self.told.speakers;
        let named = |name: &str| {
            let key = name_key(&clean_name(name));
            speakers
                .iter()
                .position(|speaker| name_key(&speaker.name) == key)
        };
        // Somebody who answers at all; of equals, the first by name.
        let most = || {
            let places = speakers.iter().enumerate();
            let most = places.min_by_key(|&(_, speaker)| {
                let silent = speaker.answers == 0;
                (silent, std::cmp::Reverse(speaker.lines), &speaker.name)
            });
            most.map(|(at, _)| at)
        };
        let found = match wanted {
            Some(name) => named(name),
            None => named(FAVOURITE)
                .or_else(|| usual.and_then(named))
                .or_else(most),
        };
        found.ok_or_else(|| {
            let wanted = wanted.unwrap_or_default();
            let close = self.suggestions(wanted);
            let hint = match close.as_slice() {
                [] => String::new(),
                close => format!(": did you mean {}?", close.join(" or ")),
            };
            data(
                path,
                None,
                format!("nobody is called \"{wanted}\"{hint}"),
                Remedy::ListCharacters,
            )
        })
    }

    /// The (at most three) names closest to `wanted`, or with a word that is; of speakers with
    /// enough lines to be worth a conversation, where there are such.
    fn suggestions(&self, wanted: &str) -> Vec<String> {
        const ENOUGH: usize = 5;
        const CLOSE: f64 = 0.85;
        let wanted = clean_name(wanted).to_lowercase();
        let mut close: Vec<(f64, &Speaker)> = self
            .speakers()
            .into_iter()
            .map(|speaker| {
                let name = speaker.name.to_lowercase();
                let whole = strsim::jaro_winkler(&wanted, &name);
                let words = name
                    .split(' ')
                    .map(|word| strsim::jaro_winkler(&wanted, word));
                (words.fold(whole, f64::max), speaker)
            })
            .filter(|(similarity, _)| *similarity >= CLOSE)
            .collect();
        if close.iter().any(|(_, speaker)| speaker.lines >= ENOUGH) {
            close.retain(|(_, speaker)| speaker.lines >= ENOUGH);
        }
        // A stable sort: of equals, the one with the most lines.
        close.sort_by(|a, b| b.0.total_cmp(&a.0));
        let names = close.into_iter().map(|(_, speaker)| speaker.name.clone());
        names.take(3).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::tests::script;
    use crate::error::Remedy;

    #[test]
    fn spellings_of_one_name_are_one_speaker() {
        let (source, script) =
            script("ADA:,One.,\nBo,Two.,\n Ada ,Three.,\nBo,Four.,\nAda,Five.,\n");
        let names: Vec<&str> = script.speakers().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["Ada", "Bo"]);
        let default = script.character(source.path(), None, None).unwrap();
        assert_eq!(script.speaker(default).name, "Ada");
    }

    #[test]
    fn the_favourite_is_the_default() {
        let (source, script) = script("Bo,One.,\nBo,Two.,2\nHOMER SIMPSON,Three.,2\n");
        let default = script.character(source.path(), None, None).unwrap();
        assert_eq!(script.speaker(default).name, "HOMER SIMPSON");
    }

    #[test]
    fn a_wrong_name_gets_close_ones() {
        let lines = |name: &str, n: usize| format!("{name},Word.,\n").repeat(n);
        let (source, script) = script(&format!(
            "{}{}{}",
            lines("Ada Byron", 6),
            lines("Adam", 1),
            lines("Cy", 9)
        ));
        let message = |name| {
            script
                .character(source.path(), Some(name), None)
                .unwrap_err()
                .to_string()
        };
        let close = message("ada");
        assert!(close.contains("did you mean Ada Byron?"), "{close}");
        assert!(!close.contains("Adam"), "{close}");
        let far = script
            .character(source.path(), Some("Zebulon"), None)
            .unwrap_err();
        assert!(!far.to_string().contains("did you mean"), "{far}");
        assert_eq!(far.remedy(), Remedy::ListCharacters);
    }
}
