//! A script: who speaks in it, and the exchanges of the one who answers.

use super::columns::place;
use super::dataset::{Reply, pool};
use super::read::{Source, data};
use super::scenes::{Builder, Said, Scene, Skipped, Speaker};
use crate::dialogue::{Exchange, Turn};
use crate::error::{Remedy, Result, Setting};
use crate::text::clean::clean_name;

/// How many turns after a reply are kept with it.
const CLOSE_REPLIES: usize = 4;

/// The character that is taken where the script has him and the user names none.
const FAVOURITE: &str = "Homer Simpson";

/// A whole script.
#[derive(Debug)]
pub struct Script {
    speakers: Vec<Speaker>,
    scenes: Vec<Scene>,
    skipped: Skipped,
}

impl Script {
    /// Reads the script's rows: scenes end at empty rows (neither speaker nor text) and where a
    /// scene column changes; a blank scene cell means no change.
    ///
    /// # Errors
    /// What [`Source::for_each_row`] returns; no row with both a speaker and words.
    pub fn read(source: &Source, speaker: &str, text: &str, scenes: &[String]) -> Result<Self> {
        let speaker_at = place(source, speaker)?;
        let text_at = place(source, text)?;
        let scenes_at = scenes
            .iter()
            .map(|name| place(source, name))
            .collect::<Result<Vec<usize>>>()?;

        let mut builder = Builder::default();
        let mut scene_now = vec![String::new(); scenes_at.len()];
        source.for_each_row(|row| {
            let mut new_scene = row.after_empty;
            for (now, &at) in scene_now.iter_mut().zip(&scenes_at) {
                let cell = row.cell(at).trim();
                if !cell.is_empty() && cell != now {
                    new_scene = true;
                    cell.clone_into(now);
                }
            }
            if new_scene {
                builder.end_scene();
            }
            builder.take(row.cell(speaker_at), row.cell(text_at));
            Ok(())
        })?;
        let (speakers, scenes, skipped) = builder.finish();
        if scenes.is_empty() {
            return Err(data(
                source.path(),
                None,
                format!("no row has both a speaker (\"{speaker}\") and words (\"{text}\")"),
                Remedy::choose([Setting::SpeakerColumn, Setting::TextColumn]),
            ));
        }
        Ok(Self {
            speakers,
            scenes,
            skipped,
        })
    }

    /// Everybody who speaks, the most lines first.
    pub fn speakers(&self) -> Vec<&Speaker> {
        let mut speakers: Vec<&Speaker> = self.speakers.iter().collect();
        speakers.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.name.cmp(&b.name)));
        speakers
    }

    /// How many scenes have words in them.
    pub fn scenes(&self) -> usize {
        self.scenes.len()
    }

    /// How many rows have something said.
    pub fn lines(&self) -> usize {
        self.speakers.iter().map(|speaker| speaker.lines).sum()
    }

    /// Rows that were passed over.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The speaker that `wanted` names, whatever its case; without a name Homer Simpson, and where
    /// the script does not have him, whoever has the most lines.
    ///
    /// # Errors
    /// Nobody of that name: with the names that are closest to it.
    pub fn character(&self, source: &Source, wanted: Option<&str>) -> Result<&Speaker> {
        let named = |name: &str| {
            let key = clean_name(name).to_lowercase();
            self.speakers
                .iter()
                .find(|speaker| speaker.name.to_lowercase() == key)
        };
        let found = match wanted {
            Some(name) => named(name),
            None => named(FAVOURITE).or_else(|| self.speakers().first().copied()),
        };
        found.ok_or_else(|| {
            let wanted = wanted.unwrap_or_default();
            let close = self.suggestions(wanted);
            let hint = match close.as_slice() {
                [] => String::new(),
                close => format!(": did you mean {}?", close.join(" or ")),
            };
            data(
                source.path(),
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

    /// Every turn of `character` that answers somebody in its scene, in order; good and bad
    /// replies are still to be picked.
    pub fn exchanges(&self, character: &Speaker, context_turns: usize) -> Vec<Exchange> {
        let mut exchanges = Vec::new();
        for (scene, turns) in self.scenes.iter().enumerate() {
            for at in 1..turns.len() {
                if self.speakers[turns[at].speaker] != *character {
                    continue;
                }
                let after = turns.len().min(at + 1 + CLOSE_REPLIES);
                exchanges.push(Exchange {
                    id: exchanges.len(),
                    scene,
                    context: self.context(turns, at, context_turns),
                    query: self.turn(&turns[at - 1]),
                    reply: turns[at].text.clone(),
                    close_replies: self.turns(&turns[at + 1..after]),
                    good_replies: Vec::new(),
                    bad_replies: Vec::new(),
                });
            }
        }
        exchanges
    }

    /// The distinct turns of `character`, with the exchanges that they are the reply of.
    pub fn pool(&self, character: &Speaker) -> Vec<Reply> {
        let mut answered = 0;
        let turns = self
            .scenes
            .iter()
            .flat_map(|turns| turns.iter().enumerate());
        let own = turns.filter(|(_, said)| self.speakers[said.speaker] == *character);
        pool(own.map(|(at, said)| {
            let id = (at > 0).then(|| {
                answered += 1;
                answered - 1
            });
            (said.text.as_str(), id)
        }))
    }

    /// What is said, whoever speaks: the turns of every scene.
    pub fn texts(&self) -> impl Iterator<Item = Vec<String>> {
        let scenes = self.scenes.iter();
        scenes.map(|turns| turns.iter().map(|said| said.text.clone()).collect())
    }

    /// The turns before the query of the reply at `at`, oldest first.
    fn context(&self, turns: &[Said], at: usize, count: usize) -> Vec<Turn> {
        self.turns(&turns[(at - 1).saturating_sub(count)..at - 1])
    }

    fn turns(&self, turns: &[Said]) -> Vec<Turn> {
        turns.iter().map(|said| self.turn(said)).collect()
    }

    fn turn(&self, said: &Said) -> Turn {
        Turn {
            speaker: self.speakers[said.speaker].name.clone(),
            text: said.text.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The script, its columns being `who,line,scene`.
    fn script(rows: &str) -> (Source, Script) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, format!("who,line,scene\n{rows}")).unwrap();
        let source = Source::read(&path, None).unwrap();
        let script = Script::read(&source, "who", "line", &["scene".into()]).unwrap();
        (source, script)
    }

    fn turn(speaker: &str, text: &str) -> Turn {
        Turn {
            speaker: speaker.into(),
            text: text.into(),
        }
    }

    #[test]
    fn exchanges_have_their_context_and_what_follows() {
        let (source, script) = script(
            "Ada,Morning.,1\nBo,Hm.,\nAda,Tea?,1\nAda,Or coffee?,1\nBo,(yawns) Tea.,1\nAda,Sugar?,1\n\
             Bo,,1\n,a door slams,1\nBo,Two.,1\nBo,Alone now.,2\nCy,Not quite.,2\n",
        );
        let bo = script.character(&source, Some("BO ")).unwrap();
        assert_eq!(
            bo,
            &Speaker {
                name: "Bo".into(),
                lines: 4,
                turns: 4,
                answers: 3
            }
        );
        let exchanges = script.exchanges(bo, 1);
        assert_eq!(exchanges.len(), 3);
        assert_eq!(exchanges[1].id, 1);
        assert_eq!(exchanges[1].context, [turn("Bo", "Hm.")]);
        assert_eq!(exchanges[1].query, turn("Ada", "Tea? Or coffee?"));
        assert_eq!(exchanges[1].reply, "Tea.");
        assert_eq!(
            exchanges[1].close_replies,
            [turn("Ada", "Sugar?"), turn("Bo", "Two.")]
        );
        assert_eq!(exchanges[2].query, turn("Ada", "Sugar?"));
        assert_eq!(exchanges[2].close_replies, []);
        assert_eq!(script.scenes(), 2);
        let skipped = Skipped {
            no_speaker: 1,
            no_text: 1,
        };
        assert_eq!(script.skipped(), skipped);

        let pool = script.pool(bo);
        let texts: Vec<&str> = pool.iter().map(|reply| reply.text.as_str()).collect();
        assert_eq!(texts, ["Hm.", "Tea.", "Two.", "Alone now."]);
        assert_eq!(pool[2].exchanges, [2]);
        assert!(pool[3].exchanges.is_empty());
    }

    #[test]
    fn spellings_of_one_name_are_one_speaker() {
        let (source, script) =
            script("ADA:,One.,\nBo,Two.,\n Ada ,Three.,\nBo,Four.,\nAda,Five.,\n");
        let names: Vec<&str> = script.speakers().iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["Ada", "Bo"]);
        assert_eq!(script.character(&source, None).unwrap().name, "Ada");
    }

    #[test]
    fn the_favourite_is_the_default() {
        let (source, script) = script("Bo,One.,\nBo,Two.,2\nHOMER SIMPSON,Three.,2\n");
        let default = script.character(&source, None).unwrap();
        assert_eq!(default.name, "HOMER SIMPSON");
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
                .character(&source, Some(name))
                .unwrap_err()
                .to_string()
        };
        let close = message("ada");
        assert!(close.contains("did you mean Ada Byron?"), "{close}");
        assert!(!close.contains("Adam"), "{close}");
        let far = script.character(&source, Some("Zebulon")).unwrap_err();
        assert!(!far.to_string().contains("did you mean"), "{far}");
        assert_eq!(far.remedy(), Remedy::ListCharacters);
    }
}
