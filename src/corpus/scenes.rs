//! Lines put together: neighbouring lines of one speaker to turns, turns to scenes.
#![allow(
    clippy::indexing_slicing,
    reason = "turns, speakers and spellings are numbered here, and places are these numbers"
)]

use std::collections::HashMap;

use crate::text::clean::{clean, tidy};
use crate::text::name::{clean_name, name_key};

/// Somebody who speaks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Speaker {
    /// The most frequent spelling.
    pub name: String,
    /// Rows with something said.
    pub lines: usize,
    /// Neighbouring lines joined.
    pub turns: usize,
    /// Turns that answer somebody in the same scene.
    pub answers: usize,
}

/// Rows that are no speech.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Skipped {
    /// Text without a speaker.
    pub no_speaker: usize,
    /// A speaker without text, or with stage directions only.
    pub no_text: usize,
}

/// A turn.
#[derive(Debug)]
pub(super) struct Said {
    /// The speaker's place.
    pub speaker: usize,
    /// The scene, counted from 0.
    pub scene: usize,
    /// The lines, joined.
    pub text: String,
    /// The turn that it says it answers.
    pub answers: Option<usize>,
}

/// What the lines gave.
#[derive(Debug)]
pub(super) struct Told {
    /// In order of appearance.
    pub speakers: Vec<Speaker>,
    /// In order; those of one scene stand together.
    pub turns: Vec<Said>,
    /// What was passed over.
    pub skipped: Skipped,
}

impl Told {
    /// The turn that the one at `at` answers: the one that it names, else the one before it in its
    /// scene.
    pub(super) fn query(&self, at: usize) -> Option<usize> {
        let said = &self.turns[at];
        let before = at.checked_sub(1);
        let before = before.filter(|&before| self.turns[before].scene == said.scene);
        said.answers.or(before)
    }
}

/// Takes lines, and puts turns and scenes together.
#[derive(Default)]
pub(super) struct Builder {
    places: HashMap<String, usize>,
    spellings: Spellings,
    turns: Vec<Said>,
    scene: usize,
    scene_is_new: bool,
    skipped: Skipped,
}

/// How lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// With stage directions in brackets, which are not spoken.
    Script,
    /// As people write to each other: what stands in brackets belongs to it.
    Written,
}

impl Builder {
    /// Takes a line as it is written, `answers` being the turn that it says it answers; one with
    /// neither speaker nor text ends the scene. Says which turn the line is in.
    pub(super) fn take(
        &mut self,
        speaker: &str,
        text: &str,
        manner: Manner,
        answers: Option<usize>,
    ) -> Option<usize> {
        let name = clean_name(speaker);
        if name.is_empty() {
            if text.trim().is_empty() {
                self.end_scene();
            } else {
                self.skipped.no_speaker += 1;
            }
            return None;
        }
        let text = match manner {
            Manner::Script => clean(text),
            Manner::Written => tidy(text),
        };
        if text.is_empty() {
            self.skipped.no_text += 1;
            return None;
        }
        let speaker = self.speaker(name);
        // Whoever quotes themselves goes on talking.
        let answers = answers.filter(|&at| {
            let said = self.turns.get(at);
            said.is_some_and(|said| said.speaker != speaker)
        });
        let goes_on = |said: &&mut Said| {
            let same = answers.is_none() || said.answers == answers;
            said.speaker == speaker && same
        };
        let last = self.turns.last_mut().filter(|_| !self.scene_is_new);
        if let Some(said) = last.filter(goes_on) {
            said.text.push(' ');
            said.text.push_str(&text);
        } else {
            if self.scene_is_new && !self.turns.is_empty() {
                self.scene += 1;
            }
            self.scene_is_new = false;
            self.turns.push(Said {
                speaker,
                scene: self.scene,
                text,
                answers,
            });
        }
        Some(self.turns.len() - 1)
    }

    fn speaker(&mut self, name: String) -> usize {
        let new = self.places.len();
        let place = *self.places.entry(name_key(&name)).or_insert(new);
        self.spellings.count(place, name);
        place
    }

    /// The next line belongs to another scene.
    pub(super) fn end_scene(&mut self) {
        self.scene_is_new = true;
    }

    /// What the lines gave.
    pub(super) fn finish(self) -> Told {
        let mut speakers = self.spellings.speakers(self.places.len());
        let told = Told {
            speakers: Vec::new(),
            turns: self.turns,
            skipped: self.skipped,
        };
        for at in 0..told.turns.len() {
            let speaker = &mut speakers[told.turns[at].speaker];
            speaker.turns += 1;
            speaker.answers += usize::from(told.query(at).is_some());
        }
        Told { speakers, ..told }
    }
}

/// How often each name is spelt how.
#[derive(Default)]
struct Spellings {
    /// Of each spelling, its place in `counts`.
    places: HashMap<String, usize>,
    /// Speaker and count, in order of appearance.
    counts: Vec<(usize, usize)>,
}

impl Spellings {
    fn count(&mut self, speaker: usize, spelling: String) {
        let new = self.counts.len();
        let place = *self.places.entry(spelling).or_insert(new);
        if place == new {
            self.counts.push((speaker, 0));
        }
        self.counts[place].1 += 1;
    }

    /// The `n` speakers, each called by the most frequent spelling, of equals the first.
    fn speakers(self, n: usize) -> Vec<Speaker> {
        let mut names = vec![""; self.counts.len()];
        for (name, &place) in &self.places {
            names[place] = name;
        }
        let mut best = vec![0; n];
        let nobody = Speaker {
            name: String::new(),
            lines: 0,
            turns: 0,
            answers: 0,
        };
        let mut speakers = vec![nobody; n];
        for (&(speaker, count), name) in self.counts.iter().zip(names) {
            speakers[speaker].lines += count;
            if count > best[speaker] {
                best[speaker] = count;
                name.clone_into(&mut speakers[speaker].name);
            }
        }
        speakers
    }
}
