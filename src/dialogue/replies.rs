//! Distinct replies by number.

use std::collections::HashMap;

use super::Exchange;
use crate::text::normalize::normalized;

/// Distinct replies, numbered in order of appearance; the same reply is one that is
/// [`normalized`] alike.
#[derive(Debug, Clone, Default)]
pub(crate) struct Replies {
    /// The first text of each.
    pub texts: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Replies {
    /// The number of a reply, a new one if it was not seen before.
    pub(crate) fn number(&mut self, text: &str) -> u32 {
        let next = self.texts.len() as u32;
        let number = *self.numbers.entry(normalized(text)).or_insert(next);
        if number == next {
            self.texts.push(text.to_owned());
        }
        number
    }

    /// The number of a reply that was seen before.
    pub(crate) fn find(&self, text: &str) -> Option<u32> {
        self.numbers.get(&normalized(text)).copied()
    }

    /// The numbers of the replies that repeat the query of an exchange or a turn of its context: nobody
    /// says again what was just said.
    pub(crate) fn said(&self, exchange: &Exchange) -> impl Iterator<Item = u32> {
        let turns = exchange.context.iter().chain([&exchange.query]);
        turns.filter_map(|turn| self.find(&turn.text))
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The texts, borrowed.
    pub(crate) fn as_strs(&self) -> Vec<&str> {
        self.texts.iter().map(String::as_str).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_punctuation_make_no_other_reply() {
        let mut replies = Replies::default();
        let numbers: Vec<u32> = ["Pie!", "More tea?", "…pie.", "...", "!!", "more  TEA"]
            .iter()
            .map(|text| replies.number(text))
            .collect();
        assert_eq!(numbers, [0, 1, 0, 2, 3, 1]);
        assert_eq!(replies.texts, ["Pie!", "More tea?", "...", "!!"]);
        assert_eq!(replies.find("PIE"), Some(0));
        assert_eq!(replies.find("cake"), None);
    }
}
