//! A script: who speaks in it, and the exchanges of the one who answers.
#![allow(
    clippy::indexing_slicing,
    reason = "answers and speakers are places among the turns and speakers that were told"
)]

use super::dataset::{Reply, pool};
use super::scenes::{Builder, Said, Skipped, Speaker, Told};
use crate::dialogue::{Exchange, Turn};

/// How many turns after a reply are kept with it.
pub(super) const CLOSE_REPLIES: usize = 4;

/// Whose turns are replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// Those of the speaker at this place.
    One(usize),
    /// Everybody's.
    Everyone,
}

/// A turn and the turn that it answers, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    query: usize,
    reply: usize,
}

/// A whole script.
#[derive(Debug)]
pub(crate) struct Script {
    pub(super) told: Told,
}

impl Script {
    /// The script that the lines make.
    pub(super) fn new(builder: Builder) -> Self {
        Self {
            told: builder.finish(),
        }
    }

    /// Whether nobody says anything.
    pub(crate) fn is_empty(&self) -> bool {
        self.told.turns.is_empty()
    }

    /// Everybody who speaks, the most lines first.
    pub(crate) fn speakers(&self) -> Vec<&Speaker> {
        let mut speakers: Vec<&Speaker> = self.told.speakers.iter().collect();
        speakers.sort_by(|a, b| b.lines.cmp(&a.lines).then_with(|| a.name.cmp(&b.name)));
        speakers
    }

    /// How many scenes have words in them.
    pub(crate) fn scenes(&self) -> usize {
        self.told.turns.last().map_or(0, |last| last.scene + 1)
    }

    /// How many rows have something said.
    pub(crate) fn lines(&self) -> usize {
        let speakers = self.told.speakers.iter();
        speakers.map(|speaker| speaker.lines).sum()
    }

    /// Rows that were passed over.
    pub(crate) fn skipped(&self) -> Skipped {
        self.told.skipped
    }

    /// The speaker at a place.
    pub(crate) fn speaker(&self, at: usize) -> &Speaker {
        &self.told.speakers[at]
    }

    /// Every turn of `whose` that answers somebody, in order.
    pub(super) fn answers(&self, whose: Whose) -> Vec<Answer> {
        let answers = self.own(whose).filter_map(|reply| {
            let query = self.told.query(reply)?;
            Some(Answer { query, reply })
        });
        answers.collect()
    }

    /// The turn that is answered.
    pub(super) fn query(&self, answer: Answer) -> &str {
        &self.told.turns[answer.query].text
    }

    /// The turn that answers it.
    pub(super) fn reply(&self, answer: Answer) -> &str {
        &self.told.turns[answer.reply].text
    }

    /// The turn that is answered, and the one that answers.
    pub(super) fn both(&self, answer: Answer) -> [Turn; 2] {
        [answer.query, answer.reply].map(|at| self.turn(&self.told.turns[at]))
    }

    /// The scene of the reply.
    pub(super) fn scene(&self, answer: Answer) -> usize {
        self.told.turns[answer.reply].scene
    }

    /// An answer with what surrounds it; good and bad replies are still to be picked.
    pub(super) fn exchange(&self, id: usize, answer: Answer, context_turns: usize) -> Exchange {
        let Answer { query, reply } = answer;
        let said = &self.told.turns;
        let first = query.saturating_sub(context_turns);
        let close = said.len().min(reply + 1 + CLOSE_REPLIES);
        Exchange {
            id,
            scene: said[reply].scene,
            context: self.turns(first..query, said[query].scene),
            query: self.turn(&said[query]),
            reply: said[reply].text.clone(),
            close_replies: self.turns(reply + 1..close, said[reply].scene),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        }
    }

    /// The distinct turns of `whose`, with the exchanges that they are the reply of.
    pub(crate) fn pool(&self, whose: Whose) -> Vec<Reply> {
        let mut answered = 0;
        pool(self.own(whose).map(|at| {
            let id = self.told.query(at).map(|_| {
                answered += 1;
                answered - 1
            });
            (self.told.turns[at].text.as_str(), id)
        }))
    }

    /// What is said, whoever speaks: the turns of every scene.
    pub(crate) fn texts(&self) -> impl Iterator<Item = Vec<String>> {
        let scenes = self.told.turns.chunk_by(|a, b| a.scene == b.scene);
        scenes.map(|turns| turns.iter().map(|said| said.text.clone()).collect())
    }

    /// The turns of `whose`, by place.
    fn own(&self, whose: Whose) -> impl Iterator<Item = usize> {
        let turns = self.told.turns.iter().enumerate();
        let own = turns.filter(move |(_, said)| match whose {
            Whose::One(speaker) => said.speaker == speaker,
            Whose::Everyone => true,
        });
        own.map(|(at, _)| at)
    }

    /// Those of some turns that are in a scene.
    fn turns(&self, places: std::ops::Range<usize>, scene: usize) -> Vec<Turn> {
        let turns = self.told.turns[places].iter();
        let turns = turns.filter(|said| said.scene == scene);
        turns.map(|said| self.turn(said)).collect()
    }

    fn turn(&self, said: &Said) -> Turn {
        Turn {
            speaker: self.told.speakers[said.speaker].name.clone(),
            text: said.text.clone(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::corpus::document::Document;
    use crate::corpus::lines::Line;
    use crate::corpus::read::Source;
    use crate::corpus::scenes::Manner;
    use crate::corpus::take::{take_lines, take_rows};

    /// The script, its columns being `who,line,scene`.
    pub(in crate::corpus) fn script(rows: &str) -> (Source, Script) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("script.csv");
        std::fs::write(&path, format!("who,line,scene\n{rows}")).unwrap();
        let source = Source::of(Document::read(&path, None).unwrap()).unwrap();
        let mut builder = Builder::default();
        take_rows(&mut builder, &source, "who", "line", &["scene".into()]).unwrap();
        (source, Script::new(builder))
    }

    fn turn(speaker: &str, text: &str) -> Turn {
        Turn {
            speaker: speaker.into(),
            text: text.into(),
        }
    }

    fn exchanges(script: &Script, whose: Whose, context_turns: usize) -> Vec<Exchange> {
        let answers = script.answers(whose).into_iter().enumerate();
        answers
            .map(|(id, answer)| script.exchange(id, answer, context_turns))
            .collect()
    }

    #[test]
    fn everyones_answers_are_exchanges() {
        let (_, script) = script("Ada,One.,1\nBo,Two.,1\nAda,Three.,1\nCy,Four.,2\nAda,Five.,2\n");
        let exchanges = exchanges(&script, Whose::Everyone, 4);
        let said: Vec<(&str, &str, usize)> = exchanges
            .iter()
            .map(|one| {
                (
                    one.query.text.as_str(),
                    one.reply.as_str(),
                    one.context.len(),
                )
            })
            .collect();
        let expected = [
            ("One.", "Two.", 0),
            ("Two.", "Three.", 1),
            ("Four.", "Five.", 0),
        ];
        assert_eq!(said, expected);
        assert_eq!(script.pool(Whose::Everyone).len(), 5);
    }

    #[test]
    fn exchanges_have_their_context_and_what_follows() {
        let (source, script) = script(
            "Ada,Morning.,1\nBo,Hm.,\nAda,Tea?,1\nAda,Or coffee?,1\nBo,(yawns) Tea.,1\nAda,Sugar?,1\n\
             Bo,,1\n,a door slams,1\nBo,Two.,1\nBo,Alone now.,2\nCy,Not quite.,2\n",
        );
        let bo = script.character(source.path(), Some("BO "), None).unwrap();
        assert_eq!(
            script.speaker(bo),
            &Speaker {
                name: "Bo".into(),
                lines: 4,
                turns: 4,
                answers: 3
            }
        );
        let exchanges = exchanges(&script, Whose::One(bo), 1);
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

        let pool = script.pool(Whose::One(bo));
        let texts: Vec<&str> = pool.iter().map(|reply| reply.text.as_str()).collect();
        assert_eq!(texts, ["Hm.", "Tea.", "Two.", "Alone now."]);
        assert_eq!(pool[2].exchanges, [2]);
        assert!(pool[3].exchanges.is_empty());
    }

    #[test]
    fn quoted_lines_are_answered() {
        let line = |speaker: &str, text: &str, answers| Line {
            speaker: speaker.into(),
            text: text.into(),
            begins_scene: false,
            answers,
        };
        let mut builder = Builder::default();
        let lines = [
            line("Ada", "Tea?", None),
            line("Ada", "Or soup?", None),
            line("Cy", "Rain.", None),
            line("Bo", "Tea (two).", Some(0)),
            line("Bo", "And rain.", Some(2)),
            line("Bo", "Much.", None),
            line("Bo", "Mine.", Some(5)),
            line("Ada", "Hm.", None),
        ];
        take_lines(&mut builder, &lines, Manner::Written);
        let script = Script::new(builder);
        let exchanges = exchanges(&script, Whose::Everyone, 4);
        let said: Vec<(&str, &str)> = exchanges
            .iter()
            .map(|one| (one.query.text.as_str(), one.reply.as_str()))
            .collect();
        let expected = [
            ("Tea? Or soup?", "Rain."),
            ("Tea? Or soup?", "Tea (two)."),
            ("Rain.", "And rain. Much. Mine."),
            ("And rain. Much. Mine.", "Hm."),
        ];
        assert_eq!(said, expected);
        assert!(exchanges[1].context.is_empty());
        assert_eq!(exchanges[2].context.len(), 1);
    }
}
