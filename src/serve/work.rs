//! What the threads behind the queues do: talk, embed, score.
//!
//! Each has a queue of its own, so that who embeds a thousand lines does not keep a conversation
//! waiting.

use std::sync::Arc;

use crate::chat::ask::Ask;
use crate::chat::decide::choose;
use crate::chat::{Candidate, Choice, Persona};
use crate::dialogue::Query;
use crate::error::{Error, Result};

/// A question to a persona.
pub(crate) struct Question {
    /// Who is asked.
    pub persona: Arc<Persona>,
    /// The turns before it, oldest first.
    pub context: Vec<String>,
    /// What is asked.
    pub text: String,
    /// What was said already.
    pub said: Vec<String>,
    /// How the answer is chosen.
    pub choice: Choice,
    /// How many different answers are wanted, if there are so many.
    pub answers: usize,
}

/// The answers to a question.
pub(crate) struct Told {
    /// What was considered, best first.
    pub candidates: Vec<Candidate>,
    /// The answers among them, in the order in which they were chosen.
    pub chosen: Vec<usize>,
}

/// Answers all, embedding together the questions to the same persona.
pub(crate) fn talk(questions: &[Question]) -> Vec<Result<Told>> {
    together(
        questions,
        |question| &question.persona,
        |persona, group| {
            let said: Vec<Vec<&str>> = group
                .iter()
                .map(|question| question.said.iter().map(String::as_str).collect())
                .collect();
            let asks: Vec<Ask<'_>> = group
                .iter()
                .zip(&said)
                .map(|(question, said)| Ask {
                    context: &question.context,
                    question: &question.text,
                    said,
                    choice: &question.choice,
                })
                .collect();
            let answers = persona.answer_all(&asks)?;
            let told = group.iter().zip(answers).map(|(question, answer)| {
                Ok(Told {
                    chosen: several(&answer.candidates, answer.chosen, question)?,
                    candidates: answer.candidates,
                })
            });
            told.collect()
        },
    )
}

/// The first answer, and as many others as are wanted, each chosen as if those before it were not
/// there.
///
/// # Errors
/// As [`choose`].
fn several(
    candidates: &[Candidate],
    first: Option<usize>,
    question: &Question,
) -> Result<Vec<usize>> {
    let mut chosen: Vec<usize> = first.into_iter().collect();
    if question.answers < 2 || chosen.is_empty() {
        return Ok(chosen);
    }
    let Choice {
        temperature, seed, ..
    } = question.choice;
    let mut places: Vec<usize> = (0..candidates.len()).collect();
    let mut left = candidates.to_vec();
    let mut last = first;
    while let Some(taken) = last.filter(|_| chosen.len() < question.answers) {
        left.remove(taken);
        places.remove(taken);
        last = choose(&left, None, temperature, seed)?;
        chosen.extend(last.and_then(|place| places.get(place)));
    }
    Ok(chosen)
}

/// Texts to be embedded.
pub(crate) struct Texts {
    /// By whose bi-encoder.
    pub persona: Arc<Persona>,
    /// The texts.
    pub texts: Vec<String>,
}

/// The unit vectors of all texts; those of one persona are embedded together.
pub(crate) fn embed(jobs: &[Texts]) -> Vec<Result<Vec<Vec<f32>>>> {
    together(
        jobs,
        |job| &job.persona,
        |persona, group| {
            let encoder = persona.retriever.bi_encoder().ok_or_else(|| {
                Error::Misuse("this persona has no bi-encoder to embed with".into())
            })?;
            let texts: Vec<&str> = group
                .iter()
                .flat_map(|job| job.texts.iter().map(String::as_str))
                .collect();
            let all = encoder.embed_replies(&texts)?; // [texts, width]
            let mut rows = (0..all.len()).map(|i| all.row(i).to_vec());
            Ok(group
                .iter()
                .map(|job| rows.by_ref().take(job.texts.len()).collect())
                .collect())
        },
    )
}

/// Documents to be scored against a query by a persona's second stage.
pub(crate) struct Pairs {
    /// By whose second stage.
    pub persona: Arc<Persona>,
    /// The query.
    pub query: String,
    /// The documents.
    pub documents: Vec<String>,
}

/// The scores of all documents; higher is better.
pub(crate) fn score(jobs: &[Pairs]) -> Vec<Result<Vec<f32>>> {
    let each = jobs.iter().map(|job| {
        let second = job.persona.second.as_ref().ok_or_else(|| {
            Error::Misuse("this persona has no cross-encoder to score with".into())
        })?;
        let documents: Vec<&str> = job.documents.iter().map(String::as_str).collect();
        let query = Query {
            context: &[],
            text: &job.query,
        };
        second.cross.rerank(query, &documents)
    });
    each.collect()
}

/// Works on the jobs of each persona together. Where that fails, each of them is tried alone, so that
/// one which can't be done fails no other.
fn together<Q, A>(
    jobs: &[Q],
    persona: impl Fn(&Q) -> &Arc<Persona>,
    work: impl Fn(&Persona, &[&Q]) -> Result<Vec<A>>,
) -> Vec<Result<A>> {
    let mut results: Vec<(usize, Result<A>)> = Vec::with_capacity(jobs.len());
    let mut left: Vec<(usize, &Q)> = jobs.iter().enumerate().collect();
    while let Some(&(_, first)) = left.first() {
        let whose = persona(first);
        let (group, others): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|(_, job)| Arc::ptr_eq(persona(job), whose));
        let (places, group): (Vec<usize>, Vec<&Q>) = group.into_iter().unzip();
        match work(whose, &group) {
            Ok(answers) => results.extend(places.into_iter().zip(answers.into_iter().map(Ok))),
            Err(error) if group.len() == 1 => results.extend(places.into_iter().zip([Err(error)])),
            Err(_) => {
                let alone = group.iter().flat_map(|job| match work(whose, &[*job]) {
                    Ok(answers) => answers.into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
                });
                results.extend(places.into_iter().zip(alone));
            }
        }
        left = others;
    }
    results.sort_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
}
