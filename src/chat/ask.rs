//! A question with all that its answer depends on, and many of them at once.

use rayon::prelude::*;

use super::candidate::Answer;
use super::decide::Choice;
use super::persona::Persona;
use super::retrieve::{enough, first_look, fresh};
use crate::dialogue::{Query, Said};
use crate::error::Result;

/// A question, see [`Persona::answer`].
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The turns before it, oldest first.
    pub context: &'a [String],
    /// The question.
    pub question: &'a str,
    /// What is not to be said again.
    pub said: &'a [&'a str],
    /// How the answer is chosen.
    pub choice: &'a Choice,
}

impl<'a> Ask<'a> {
    /// What is asked, and after what.
    pub(super) fn query(&self) -> Query<'a> {
        Query {
            context: self.context,
            text: self.question,
        }
        .bounded()
    }

    /// What was said, in the question and its context too.
    pub(super) fn all_said(&self) -> Said {
        let context = self.context.iter().map(String::as_str);
        let said = self.said.iter().copied();
        said.chain(context).chain([self.query().text]).collect()
    }
}

impl Persona {
    /// Answers several questions, each as [`Persona::answer`] would; they are embedded together.
    ///
    /// # Errors
    /// As [`Persona::answer`]; one that fails fails all.
    pub fn answer_all(&self, asks: &[Ask<'_>]) -> Result<Vec<Answer>> {
        let said: Vec<Said> = asks.par_iter().map(Ask::all_said).collect();
        let texts = asks.iter().map(|ask| self.looked_up(ask.query().text));
        let texts: Vec<_> = texts.collect();
        let wanted: Vec<(Query<'_>, usize)> = (asks.iter().zip(&said).zip(&texts))
            .map(|((ask, said), text)| {
                let context = ask.context;
                let count = first_look(self.reach(ask.choice.top_k), said);
                (Query { context, text }, count)
            })
            .collect();
        let found = self.retriever.retrieve_all(&wanted)?;
        (asks, said, found)
            .into_par_iter()
            .map(|(ask, said, found)| {
                let (query, count) = (ask.query(), ask.choice.top_k);
                let reach = self.reach(count);
                let all = found.len() < first_look(reach, &said);
                let candidates = match all || enough(&found, &said, reach) {
                    true => self.sifted(query, fresh(&found, &said, reach), count),
                    false => self.retrieve(query, &said, count)?,
                };
                self.decide(query, candidates, ask.choice)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::decide::MinScore;
    use crate::chat::retrieve::Retrieve;
    use crate::chat::second_stage::{Rerank, SecondStage};
    use crate::index::Entry;
    use crate::ranker::LinearRanker;

    /// Gives the query back in ever more words.
    struct Echo;

    impl Retrieve for Echo {
        fn retrieve(&self, query: Query<'_>, count: usize) -> Result<Vec<(Entry, f32)>> {
            let entry = |i: usize| Entry {
                text: format!(
                    "{}{}{}",
                    query.text,
                    query.context.len(),
                    " again".repeat(i)
                ),
                ..Entry::default()
            };
            Ok((0..count.min(40))
                .map(|i| (entry(i), -(i as f32)))
                .collect())
        }
    }

    /// What is answered to all at once, which is what is answered to each alone.
    fn answered(persona: &Persona, asks: &[Ask<'_>]) -> Vec<Answer> {
        let answers = persona.answer_all(asks).unwrap();
        for (ask, answer) in asks.iter().zip(&answers) {
            let alone = persona.answer(ask.context, ask.question, ask.said, ask.choice);
            assert_eq!(*answer, alone.unwrap());
        }
        answers
    }

    #[test]
    fn many_are_answered_as_each_alone() {
        let persona = Persona::new("Rufus", Echo);
        let context = ["Hm.".to_owned(), "What?0".to_owned()];
        let choice = Choice::default();
        let few = Choice {
            top_k: 2,
            ..Choice::default()
        };
        let asks = [
            ("What?", &context[..0], &[][..], &choice),
            ("What?", &context[..], &["What?2"], &few),
            ("Who?", &context[..1], &["WHO 1", "who?1 again again"], &few),
        ];
        let all = asks.map(|(question, context, said, choice)| Ask {
            context,
            question,
            said,
            choice,
        });
        let answers = answered(&persona, &all);
        assert_eq!(answers[2].text(), Some("Who?1 again"));
        assert!(persona.answer_all(&[]).unwrap().is_empty());
    }

    /// The longer the better.
    struct Longest;

    impl Rerank for Longest {
        fn rerank(&self, _: Query<'_>, replies: &[&str]) -> Result<Vec<f32>> {
            Ok(replies.iter().map(|reply| reply.len() as f32).collect())
        }
    }

    #[test]
    fn what_the_sieve_leaves_is_read_and_what_was_said_or_is_too_far_is_not_the_answer() {
        let sieve = serde_json::json!({"weights": {"length": 1.0}});
        let second = SecondStage {
            sieve: serde_json::from_value(sieve).unwrap(),
            cross: Box::new(Longest),
            ranker: LinearRanker::default(),
            told: false,
        };
        let persona = Persona {
            second: Some(second),
            ..Persona::new("Rufus", Echo)
        };
        let choice = Choice {
            top_k: 12,
            ..Choice::default()
        };
        let near = Choice {
            min_score: MinScore::Cosine(-5.0),
            ..choice.clone()
        };
        let longest = format!("Who?0{}", " again".repeat(39));
        let said = [longest.as_str()];
        let asks = [(&[][..], &choice), (&said, &choice), (&[], &near)];
        let all = asks.map(|(said, choice)| Ask {
            context: &[],
            question: "Who?",
            said,
            choice,
        });
        let answers = answered(&persona, &all);
        assert!(answers.iter().all(|one| one.candidates.len() == 12));
        let again = |answer: &Answer| answer.text().unwrap().matches("again").count();
        assert_eq!(answers.iter().map(again).collect::<Vec<_>>(), [39, 38, 5]);
        let before = |answer: &Answer| -> Vec<usize> {
            let mut ranks: Vec<usize> = answer.candidates.iter().map(|c| c.rank_before).collect();
            ranks.sort_unstable();
            ranks
        };
        let nearest_and_longest: Vec<usize> = (0..10).chain([38, 39]).collect();
        assert_eq!(before(&answers[0]), nearest_and_longest);
    }
}
