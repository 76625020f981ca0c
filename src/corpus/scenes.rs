//! Rows put together: neighbouring lines of one speaker to turns, turns to scenes.

use std::collections::HashMap;

use crate::text::clean::{clean, clean_name};

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
pub struct Skipped {
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
    /// The lines, joined.
    pub text: String,
}

/// Turns with no break between.
pub(super) type Scene = Vec<Said>;

/// Takes rows, and puts lines, turns and scenes together.
#[derive(Default)]
pub(super) struct Builder {
    places: HashMap<String, usize>,
    /// Of each speaker, every spelling with its count, in order of appearance.
    spellings: Vec<Vec<(String, usize)>>,
    scene: Scene,
    scenes: Vec<Scene>,
    skipped: Skipped,
}

impl Builder {
    /// Takes a row as it is written; one with neither speaker nor text ends the scene.
    pub fn take(&mut self, speaker: &str, text: &str) {
        let name = clean_name(speaker);
        if name.is_empty() {
            if text.trim().is_empty() {
                self.end_scene();
            } else {
                self.skipped.no_speaker += 1;
            }
            return;
        }
        let text = clean(text);
        if text.is_empty() {
            self.skipped.no_text += 1;
            return;
        }
        let speaker = self.speaker(name);
        match self.scene.last_mut() {
            Some(said) if said.speaker == speaker => {
                said.text.push(' ');
                said.text.push_str(&text);
            }
            _ => self.scene.push(Said { speaker, text }),
        }
    }

    fn speaker(&mut self, name: String) -> usize {
        let new = self.spellings.len();
        let place = *self.places.entry(name.to_lowercase()).or_insert(new);
        if place == new {
            self.spellings.push(Vec::new());
        }
        let spellings = &mut self.spellings[place];
        match spellings.iter_mut().find(|(spelling, _)| *spelling == name) {
            Some((_, count)) => *count += 1,
            None => spellings.push((name, 1)),
        }
        place
    }

    /// The next line belongs to another scene.
    pub fn end_scene(&mut self) {
        if !self.scene.is_empty() {
            self.scenes.push(std::mem::take(&mut self.scene));
        }
    }

    /// The speakers in order of appearance, the scenes that have words, and what was passed over.
    pub fn finish(mut self) -> (Vec<Speaker>, Vec<Scene>, Skipped) {
        self.end_scene();
        let mut speakers: Vec<Speaker> = self
            .spellings
            .into_iter()
            .map(|spellings| {
                let lines = spellings.iter().map(|(_, count)| count).sum();
                // The last maximum wins: seen in reverse, that is the first spelling.
                let usual = spellings.into_iter().rev().max_by_key(|(_, count)| *count);
                Speaker {
                    name: usual.map(|(name, _)| name).unwrap_or_default(),
                    lines,
                    turns: 0,
                    answers: 0,
                }
            })
            .collect();
        for scene in &self.scenes {
            for (at, said) in scene.iter().enumerate() {
                speakers[said.speaker].turns += 1;
                speakers[said.speaker].answers += usize::from(at > 0);
            }
        }
        (speakers, self.scenes, self.skipped)
    }
}
