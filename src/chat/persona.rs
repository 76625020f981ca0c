//! A character that answers: what the two stages make of a question.

use std::borrow::Cow;
use std::path::PathBuf;

use super::ask::Ask;
use super::candidate::{Answer, Candidate};
use super::decide::{Choice, MinScore, choose};
use super::retrieve::{Retrieve, enough, first_look, fresh};
use super::second_stage::SecondStage;
use crate::dialogue::{Query, Said};
use crate::error::{Error, Remedy, Result, Setting};
use crate::index::Entry;
use crate::text::vocative::without_call;

/// A character that answers. It can be shared between threads.
pub struct Persona {
    /// Who speaks.
    pub character: String,
    /// The folder that it lives in, if it came from disk.
    pub folder: Option<PathBuf>,
    /// The store that its replies are in, if they are beyond this machine: its address, without a password.
    pub store: Option<String>,
    /// Whether it is the one that comes with homer.
    pub built_in: bool,
    pub(crate) retriever: Box<dyn Retrieve>,
    pub(crate) second: Option<SecondStage>,
    pub(crate) calibrated: Option<f32>,
    pub(crate) outdated: bool,
    pub(crate) unjudged: bool,
}

impl Persona {
    /// A persona that finds its replies in a way of its own, and whose first find is its answer.
    pub fn new(character: impl Into<String>, retriever: impl Retrieve + 'static) -> Self {
        Self {
            character: character.into(),
            folder: None,
            store: None,
            built_in: false,
            retriever: Box::new(retriever),
            second: None,
            calibrated: None,
            outdated: false,
            unjudged: false,
        }
    }

    /// Whether the dialogue was prepared anew since the index was built.
    pub fn is_outdated(&self) -> bool {
        self.outdated
    }

    /// Whether other replies have taken the place of its own, as those of a store can: it should be opened
    /// again. Says so once.
    pub fn is_renewed(&self) -> bool {
        self.retriever.renewed()
    }

    /// Whether there is a cross-encoder that is left out because nobody has judged whether it helps
    /// this bi-encoder.
    pub fn has_unjudged_reranker(&self) -> bool {
        self.unjudged
    }

    /// The first half of an answer: the `count` replies that fit `query` best, best first, with their
    /// origins; where they are reranked, the likeliest to be liked of several times as many. What was `said`
    /// is left out, however it is written. Where nothing else is left, what was said longest ago is forgotten: the
    /// older half can be said again.
    ///
    /// # Errors
    /// A model or the index fails.
    pub fn retrieve(&self, query: Query<'_>, said: &Said, count: usize) -> Result<Vec<Candidate>> {
        let query = query.bounded();
        let text = self.looked_up(query.text);
        let asked = Query {
            text: &text,
            ..query
        };
        let reach = self.reach(count);
        let enough = |found: &[(Entry, f32)]| enough(found, said, reach);
        let first = first_look(reach, said);
        let found = self.retriever.retrieve_until(asked, first, &enough)?;
        Ok(self.sifted(query, fresh(&found, said, reach), count))
    }

    /// What is looked up where `text` is asked: that somebody calls the character by its name says nothing of what
    /// he wants to hear.
    pub(super) fn looked_up<'a>(&self, text: &'a str) -> Cow<'a, str> {
        without_call(text, &self.character)
    }

    /// How many replies are retrieved for `count` candidates.
    pub(crate) fn reach(&self, count: usize) -> usize {
        match &self.second {
            Some(second) => second.reach(count),
            None => count,
        }
    }

    /// What a candidate answered, if the second stage is told that.
    pub(crate) fn answered<'a>(&self, candidate: &'a Candidate) -> Option<&'a str> {
        self.second.as_ref()?.answered(candidate)
    }

    /// The `count` candidates among those that were `retrieved`, in their order.
    pub(crate) fn sifted(
        &self,
        query: Query<'_>,
        mut retrieved: Vec<Candidate>,
        count: usize,
    ) -> Vec<Candidate> {
        match &self.second {
            Some(second) => second.sift(query.bounded(), &mut retrieved, count),
            None => retrieved.truncate(count),
        }
        retrieved
    }

    /// The second half of an answer: puts the candidates in order, by the cross-encoder where there
    /// is one in use, and chooses.
    ///
    /// # Errors
    /// A model fails; `min_score` is automatic and the index was not calibrated.
    pub fn decide(
        &self,
        query: Query<'_>,
        mut candidates: Vec<Candidate>,
        choice: &Choice,
    ) -> Result<Answer> {
        let min_score = self.min_score(choice.min_score)?;
        let query = query.bounded();
        if let Some(second) = &self.second {
            second.order(query, &mut candidates)?;
        }
        let chosen = choose(&candidates, min_score, choice.temperature, choice.seed)?;
        Ok(Answer { candidates, chosen })
    }

    /// Answers `question`, said after `context` (oldest first): [`Persona::retrieve`], then
    /// [`Persona::decide`]. The models read the newest turn of the context and no other; nothing that
    /// was said, in the question, the context or by `said`, is said again, unless nothing else is left.
    ///
    /// # Errors
    /// As those two.
    pub fn answer(
        &self,
        context: &[String],
        question: &str,
        said: &[&str],
        choice: &Choice,
    ) -> Result<Answer> {
        // An impossible choice is refused before anything is embedded.
        self.min_score(choice.min_score)?;
        let ask = Ask {
            context,
            question,
            said,
            choice,
        };
        let query = ask.query();
        let candidates = self.retrieve(query, &ask.all_said(), choice.top_k)?;
        self.decide(query, candidates, choice)
    }

    fn min_score(&self, wanted: MinScore) -> Result<Option<f32>> {
        match wanted {
            MinScore::None => Ok(None),
            MinScore::Cosine(least) => Ok(Some(least)),
            MinScore::Auto => self.calibrated.map(Some).ok_or_else(|| {
                Error::setting(
                    "no least score was calibrated: there were too few validation exchanges",
                    Remedy::choose_like(Setting::MinScore, "0.3"),
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::second_stage::Rerank;
    use crate::dialogue::Turn;
    use crate::index::Origin;
    use crate::ranker::{LinearRanker, Sieve};

    /// Gives the lines in order, scores falling by a tenth.
    struct Lines(Vec<&'static str>);

    impl Retrieve for Lines {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |(i, text): (usize, &&str)| {
                let entry = Entry {
                    text: (*text).into(),
                    ..Entry::default()
                };
                (entry, 0.9 - i as f32 / 10.0)
            };
            Ok(self.0.iter().take(count).enumerate().map(entry).collect())
        }
    }

    /// The longer the better; remembers the context it was given.
    struct Longest;

    impl Rerank for Longest {
        fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            assert_eq!(query.context, ["before"]);
            Ok(replies.iter().map(|reply| reply.len() as f32).collect())
        }
    }

    fn texts(answer: &Answer) -> Vec<&str> {
        answer.candidates.iter().map(|c| c.reply.as_str()).collect()
    }

    fn persona(ranker: Option<LinearRanker>) -> Persona {
        let lines = Lines(vec!["Hm.", "Mm, pie!", "Never.", "I own a very long boat."]);
        let second = ranker.map(|ranker| SecondStage {
            sieve: Sieve::default(),
            cross: Box::new(Longest),
            ranker,
            told: false,
        });
        Persona {
            second,
            calibrated: Some(0.75),
            ..Persona::new("Rufus", lines)
        }
    }

    fn ask(persona: &Persona, said: &[&str], choice: &Choice) -> Answer {
        persona
            .answer(&["before".into()], "What?", said, choice)
            .unwrap()
    }

    /// Likes what it is told was said to a sailor.
    struct Sailors;

    impl Rerank for Sailors {
        fn rerank(&self, query: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            let told = replies.iter().all(|reply| reply.contains(" | "));
            assert_eq!(
                query.context.is_empty(),
                told,
                "the turn before is read, or what it answers"
            );
            let likes = |reply: &&str| f32::from(u8::from(reply.starts_with("Ahoy? | ")));
            Ok(replies.iter().map(likes).collect())
        }
    }

    /// Two hundred lines, the last of which was said to a sailor.
    struct Answers;

    impl Retrieve for Answers {
        fn retrieve(&self, _: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |i: usize| {
                let asked = if i == 11 { "Ahoy?" } else { "Well?" };
                let entry = Entry {
                    text: format!("Line {i}"),
                    origin: Some(Origin {
                        exchange: i,
                        scene: i,
                        query: Turn {
                            speaker: "Ada".into(),
                            text: asked.into(),
                        },
                        context: Vec::new(),
                    }),
                    exchanges: vec![i],
                };
                (entry, 0.9 - i as f32 / 1000.0)
            };
            Ok((0..count.min(200)).map(entry).collect())
        }
    }

    #[test]
    fn where_lines_were_written_as_answers_it_is_told_to_what_and_the_nearest_are_read() {
        let with = |told| Persona {
            second: Some(SecondStage {
                // What likes no short line would leave none of the first ones.
                sieve: serde_json::from_str(r#"{"weights": {"retrieval": -1}}"#).unwrap(),
                cross: Box::new(Sailors),
                ranker: LinearRanker::default(),
                told,
            }),
            ..Persona::new("Rufus", Answers)
        };
        let choice = Choice {
            top_k: 12,
            ..Choice::default()
        };
        let answer = |told| ask(&with(told), &[], &choice);
        assert_eq!(answer(true).text(), Some("Line 11"));
        assert!(
            answer(true)
                .candidates
                .iter()
                .all(|one| one.rank_before < 12)
        );
        assert_eq!(answer(false).text(), Some("Line 0"));
        assert!(
            answer(false)
                .candidates
                .iter()
                .any(|one| one.rank_before > 20)
        );
    }

    #[test]
    fn to_be_called_by_name_is_not_to_be_spoken_of() {
        /// Says what it was asked.
        struct Echo;
        impl Retrieve for Echo {
            fn retrieve(&self, query: Query<'_>, _: usize) -> Result<Vec<(Entry, f32)>> {
                let entry = Entry {
                    text: format!("{}?", query.text),
                    ..Entry::default()
                };
                Ok(vec![(entry, 0.5)])
            }
        }
        let persona = Persona::new("Rufus", Echo);
        let choice = Choice::default();
        let question = |question| Ask {
            context: &[],
            question,
            said: &[],
            choice: &choice,
        };
        let asks = ["Come here, Rufus!", "Who is Rufus"].map(question);
        for answers in [
            asks.map(|ask| persona.answer(&[], ask.question, &[], ask.choice).unwrap())
                .to_vec(),
            persona.answer_all(&asks).unwrap(),
        ] {
            let said: Vec<_> = answers.iter().map(|one| one.text().unwrap()).collect();
            assert_eq!(said, ["Come here!?", "Who is Rufus?"]);
        }
    }

    #[test]
    fn a_persona_goes_to_any_thread() {
        fn shared<T: Send + Sync>() {}
        shared::<Persona>();
        let persona = persona(Some(LinearRanker::default()));
        let answers = std::thread::scope(|scope| {
            let ask = || ask(&persona, &[], &Choice::default());
            [scope.spawn(ask), scope.spawn(ask)].map(|thread| thread.join().unwrap())
        });
        assert_eq!(answers[0], answers[1]);
    }

    #[test]
    fn the_halves_of_an_answer_are_the_answer() {
        let persona = persona(Some(LinearRanker::default()));
        let context = ["before".to_owned()];
        let query = Query {
            context: &context,
            text: "What?",
        };
        let said: Said = ["never"].into_iter().collect();
        let candidates = persona.retrieve(query, &said, 2).unwrap();
        let found: Vec<&str> = candidates.iter().map(|one| one.reply.as_str()).collect();
        assert_eq!(found, ["Hm.", "Mm, pie!"]);
        assert!(candidates.iter().all(|one| one.rerank.is_none()));
        let choice = Choice {
            top_k: 2,
            ..Choice::default()
        };
        let decided = persona.decide(query, candidates, &choice).unwrap();
        assert_eq!(decided.text(), Some("Mm, pie!"));
        assert_eq!(decided, ask(&persona, &["never"], &choice));
    }

    #[test]
    fn without_a_cross_encoder_the_order_is_the_retrievers() {
        let answer = ask(&persona(None), &[], &Choice::default());
        assert_eq!(answer.text(), Some("Hm."));
        assert_eq!(answer.candidates[1].rerank, None);
        assert_eq!(answer.candidates[1].score, answer.candidates[1].retrieval);
    }

    #[test]
    fn the_cross_encoder_reorders_only_what_was_retrieved() {
        let persona = persona(Some(LinearRanker::default()));
        let choice = Choice {
            top_k: 3,
            ..Choice::default()
        };
        let answer = ask(&persona, &[], &choice);
        assert_eq!(texts(&answer), ["Mm, pie!", "Never.", "Hm."]);
        assert_eq!(answer.candidates[0].rank_before, 1);
        assert_eq!(answer.candidates[0].rerank, Some(8.0));
        assert!(answer.candidates[0].score > answer.candidates[1].score);
    }

    #[test]
    fn both_stages_are_weighed_and_the_reasons_are_told() {
        let persona = persona(Some(LinearRanker::fused(5.0, 1.0)));
        let answer = ask(&persona, &[], &Choice::default());
        assert_eq!(
            texts(&answer),
            ["I own a very long boat.", "Mm, pie!", "Hm.", "Never."]
        );
        let reasons = &answer.candidates[0].reasons;
        assert!(reasons[0].0 == "cross" && reasons[0].1 > 1.0, "{reasons:?}");
        assert!(
            reasons[1].0 == "retrieval" && reasons[1].1 < 0.0,
            "{reasons:?}"
        );
    }

    #[test]
    fn what_was_said_is_not_said_again_however_it_is_written() {
        let answer = ask(&persona(None), &["hm", "MM PIE"], &Choice::default());
        assert_eq!(texts(&answer), ["Never.", "I own a very long boat."]);
        assert_eq!(answer.candidates[0].rank_before, 0);
    }

    #[test]
    fn neither_the_question_nor_the_context_is_given_back_as_an_answer() {
        let context = ["Never!".to_owned()];
        let answer = persona(None)
            .answer(&context, "hm", &[], &Choice::default())
            .unwrap();
        assert_eq!(texts(&answer), ["Mm, pie!", "I own a very long boat."]);
    }

    #[test]
    fn skipping_what_was_said_still_gives_as_many_candidates() {
        let choice = Choice {
            top_k: 2,
            ..Choice::default()
        };
        let answer = ask(&persona(None), &["Hm."], &choice);
        assert_eq!(texts(&answer), ["Mm, pie!", "Never."]);
    }

    #[test]
    fn when_everything_was_said_it_repeats_itself() {
        let all = ["Hm.", "Mm, pie!", "Never.", "I own a very long boat."];
        let answer = ask(&persona(None), &all, &Choice::default());
        assert_eq!(answer.text(), Some("Hm."));
    }

    #[test]
    fn a_used_up_character_does_not_say_one_line_for_ever() {
        let persona = persona(None);
        let mut said: Vec<String> = Vec::new();
        for _ in 0..12 {
            let before: Vec<&str> = said.iter().map(String::as_str).collect();
            let answer = ask(&persona, &before, &Choice::default());
            said.push(answer.text().unwrap().to_owned());
        }
        for pair in said.windows(2) {
            assert_ne!(pair[0], pair[1], "{said:?}");
        }
        let again: std::collections::BTreeSet<&String> = said[4..].iter().collect();
        assert!(again.len() > 2, "{said:?}");
    }

    #[test]
    fn min_score_holds_for_the_cosine_and_knows_the_calibrated_one() {
        let persona = persona(Some(LinearRanker::default()));
        let with = |min_score| Choice {
            min_score,
            ..Choice::default()
        };
        let text = |min_score| {
            let answer = ask(&persona, &[], &with(min_score));
            answer.text().map(str::to_owned)
        };
        assert_eq!(text(MinScore::None).unwrap(), "I own a very long boat.");
        assert_eq!(text(MinScore::Auto).unwrap(), "Mm, pie!");
        assert_eq!(text(MinScore::Cosine(0.95)), None);

        let uncalibrated = Persona::new("Rufus", Lines(vec!["Hm."]));
        let refused = uncalibrated.answer(&[], "What?", &[], &with(MinScore::Auto));
        let remedy = refused.unwrap_err().remedy();
        assert_eq!(remedy, Remedy::choose_like(Setting::MinScore, "0.3"));
    }
}
