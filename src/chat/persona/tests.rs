//! What a persona answers, of stages that are made up.

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

/// Two hundred lines, the twelfth of which was said to a sailor.
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
            // It would leave what stands last.
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
