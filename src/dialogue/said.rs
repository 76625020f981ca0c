//! What was said already, and is not to be said again.

use std::collections::HashMap;

use crate::text::normalize::normalized;

/// Texts that were said, as they are [`normalized`], each with its last place in the order of saying.
#[derive(Debug, Clone, Default)]
pub struct Said {
    places: HashMap<String, usize>,
    /// The place of what is said next.
    next: usize,
}

impl Said {
    /// Whether this was said, however it is written.
    pub(crate) fn contains(&self, text: &str) -> bool {
        self.last(text).is_some()
    }

    /// When this was said last, counted from the oldest text on.
    pub(crate) fn last(&self, text: &str) -> Option<usize> {
        self.places.get(&normalized(text)).copied()
    }

    /// Adds what is said; whether it was not said before.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        let place = self.next;
        self.next += 1;
        self.places.insert(normalized(text), place).is_none()
    }

    /// How many different things were said.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }
}

impl<'a> FromIterator<&'a str> for Said {
    fn from_iter<T: IntoIterator<Item = &'a str>>(texts: T) -> Self {
        let mut said = Self::default();
        for text in texts {
            said.insert(text);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_alike_was_said() {
        let said: Said = ["Mm, pie!", "mm pie", "No."].into_iter().collect();
        assert_eq!(said.len(), 2);
        assert_eq!((said.last("mm pie!"), said.last("no")), (Some(1), Some(2)));
        assert!(said.contains("MM PIE") && !said.contains("yes"));
        let mut said = said;
        assert!(!said.insert("no") && said.insert("Yes."));
        assert_eq!((said.last("no"), said.last("yes")), (Some(3), Some(4)));
    }
}
