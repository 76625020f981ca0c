//! What was said already, and is not to be said again.

use std::collections::HashSet;

use crate::text::normalize::normalized;

/// Texts that were said, [`normalized`].
#[derive(Debug, Clone, Default)]
pub struct Said(HashSet<String>);

impl Said {
    /// Whether this was said, however it is written.
    pub fn contains(&self, text: &str) -> bool {
        self.0.contains(&normalized(text))
    }

    /// Adds what is said; whether it was not said before.
    pub fn insert(&mut self, text: &str) -> bool {
        self.0.insert(heard(text))
    }

    /// How many different things were said.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'a> FromIterator<&'a str> for Said {
    fn from_iter<T: IntoIterator<Item = &'a str>>(texts: T) -> Self {
        Self(texts.into_iter().map(normalized).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sounds_alike_was_said() {
        let said: Said = ["Mm, pie!", "mm pie", "No."].into_iter().collect();
        assert_eq!(said.len(), 2);
        assert!(said.contains("MM PIE") && !said.contains("yes"));
    }
}
