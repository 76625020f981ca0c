//! What the cross-encoder learns from: exchanges with negatives that are drawn anew each time, and
//! judged messages with their graded candidates.

use rayon::prelude::*;

use super::negatives::Negatives;
use super::sequences::Sequences;
use crate::dialogue::{self, Exchange, Judged, JudgedReply, Query, Replies};
use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::tokenizer::Tokenizer;
use crate::nn::packed::Tokens;

/// Candidates of one query as pairs with it, and what share of the answer each deserves.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    /// Query and candidate, tokenised.
    pub pairs: Vec<Tokens>,
    /// The shares, which sum to 1.
    pub shares: Vec<f32>,
}

/// Exchanges, as tokens: none is tokenised twice, steps pair them anew.
#[derive(Default)]
pub(crate) struct Exchanges {
    negatives: Negatives,
    /// The turn before and the query of each exchange.
    turns: Sequences,
    /// The query alone.
    queries: Sequences,
    /// The replies, by number.
    replies: Sequences,
}

/// Texts that are tokenised at a time.
const BLOCK: usize = 1 << 14;

/// Adds the tokens of each, in order, computed on all cores.
fn add<T: Sync>(
    sequences: &mut Sequences,
    block: &[T],
    tokens: impl Fn(&T) -> Result<Vec<u32>> + Sync + Send,
) -> Result<()> {
    let tokens: Vec<Vec<u32>> = block.par_iter().map(tokens).collect::<Result<_>>()?;
    tokens.iter().for_each(|ids| sequences.push(ids));
    Ok(())
}

impl Exchanges {
    /// Tokenises exchanges, which are dropped as they are: of many, the texts would outweigh all else.
    ///
    /// # Errors
    /// The tokenizer fails.
    pub(crate) fn new(exchanges: Vec<Exchange>, tokenizer: &Tokenizer) -> Result<Self> {
        let turns = |exchange: &Exchange| {
            let context = dialogue::context(exchange);
            tokenizer.turns(Query {
                context: &context,
                text: &exchange.query.text,
            })
        };
        let query = |exchange: &Exchange| tokenizer.words(&exchange.query.text);
        let mut known = Replies::default();
        let mut numbers = Vec::with_capacity(exchanges.len());
        let mut all = Self::default();
        let mut exchanges = exchanges.into_iter();
        loop {
            let block: Vec<Exchange> = exchanges.by_ref().take(BLOCK).collect();
            if block.is_empty() {
                break;
            }
            numbers.extend(block.iter().map(|e| (e.scene, known.number(&e.reply))));
            add(&mut all.turns, &block, turns)?;
            add(&mut all.queries, &block, query)?;
        }
        for block in known.texts.chunks(BLOCK) {
            add(&mut all.replies, block, |text| tokenizer.words(text))?;
        }
        for sequences in [&mut all.turns, &mut all.queries, &mut all.replies] {
            sequences.shrink();
        }
        all.negatives = Negatives::new(&numbers, known.len());
        Ok(all)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.queries.len()
    }

    /// Whether the replies suffice for `count` negatives each.
    ///
    /// # Errors
    /// They do not.
    pub(crate) fn check(&self, count: usize) -> Result<()> {
        let distinct = self.negatives.distinct();
        if distinct > count {
            return Ok(());
        }
        Err(Error::too_few(
            format!(
                "{count} negatives for each true reply need more than the {distinct} distinct replies \
                 there are"
            ),
            Remedy::Change(Setting::Negatives, "a smaller").or("prepare a longer script"),
        ))
    }

    /// Exchange `i`: the true reply first, then `negatives` others, drawn with `seed`. Every other seed
    /// leaves the turn before out: people begin conversations too.
    ///
    /// # Errors
    /// `max` leaves no room for a token.
    pub(crate) fn group(
        &self,
        i: usize,
        negatives: usize,
        seed: u64,
        tokenizer: &Tokenizer,
        max: usize,
    ) -> Result<Group> {
        let query = match seed.is_multiple_of(2) {
            true => self.turns.get(i),
            false => self.queries.get(i),
        };
        let replies = self.negatives.draw(i, negatives, seed);
        let mut shares = vec![0.0; replies.len()];
        shares[0] = 1.0;
        let pair = |&reply: &u32| tokenizer.join(query, self.replies.get(reply as usize), max);
        Ok(Group {
            pairs: replies.iter().map(pair).collect::<Result<_>>()?,
            shares,
        })
    }
}

/// The groups of judged messages; one in which nothing answers, or everything equally, teaches no
/// order and is left out.
///
/// # Errors
/// The tokenizer fails.
pub(crate) fn judged(all: &[Judged], tokenizer: &Tokenizer, max: usize) -> Result<Vec<Group>> {
    let groups = all.par_iter().filter_map(|judged| {
        let (candidates, shares) = judged.lesson()?;
        let query = Query {
            context: &judged.context,
            text: &judged.message,
        };
        let pair = |one: &JudgedReply| tokenizer.pair(query, &one.with_answered(), max);
        let pairs = candidates.into_iter().map(pair).collect::<Result<_>>();
        Some(pairs.map(|pairs| Group { pairs, shares }))
    });
    groups.collect()
}

/// Every fifth of the messages that a reader has judged is kept for validation: those to train on, and those. What
/// only a teacher has seen is no measure.
pub(crate) fn divide(all: Vec<Judged>) -> (Vec<Judged>, Vec<Judged>) {
    let mut read = 0;
    all.into_iter().partition(|judged| {
        let graded = judged.graded().next().is_some();
        read += usize::from(graded);
        !(graded && read % 5 == 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fifth_message_that_a_reader_judged_validates() {
        let candidate = |grade| JudgedReply {
            reply: String::new(),
            answered: None,
            score: None,
            grade,
            logit: Some(0.0),
        };
        let judged = |i: usize, grade| Judged {
            message: i.to_string(),
            context: vec![],
            candidates: vec![candidate(grade)],
        };
        let good = Some(dialogue::Grade::Good);
        let (train, valid) = divide(
            (0..11)
                .flat_map(|i| [judged(i, good), judged(i, None)])
                .collect(),
        );
        let names = |part: &[Judged]| part.iter().map(|j| j.message.clone()).collect::<Vec<_>>();
        assert_eq!(names(&valid), ["4", "9"]);
        assert_eq!(train.len(), 20);
        assert!(valid.iter().all(|judged| judged.graded().next().is_some()));
    }
}
