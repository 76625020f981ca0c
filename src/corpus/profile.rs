//! What is in a column, whatever its header says.

use std::collections::HashSet;

/// Rows that are looked at.
pub(super) const SAMPLE: usize = 1000;

/// A column's cells, counted.
#[derive(Debug, Default, Clone)]
pub(super) struct Profile {
    /// Cells with something in them.
    filled: usize,
    /// Of these, numbers and codes (`12`, `L1045`, `00:01:02`): no speech, and nobody's name.
    figures: usize,
    words: usize,
    /// Different cells.
    distinct: usize,
    /// Cells that differ from the one above.
    changes: usize,
    longest: usize,
}

impl Profile {
    /// Counts the cells of a column.
    pub(super) fn of<'a>(cells: impl Iterator<Item = &'a str>) -> Self {
        let mut profile = Self::default();
        let mut seen = HashSet::new();
        let mut last = None;
        for cell in cells.filter(|cell| !cell.is_empty()) {
            profile.filled += 1;
            profile.figures += usize::from(is_figure(cell));
            profile.words += words(cell);
            profile.longest = profile.longest.max(cell.chars().count());
            profile.changes += usize::from(last.is_some_and(|last| last != cell));
            last = Some(cell);
            seen.insert(cell);
        }
        profile.distinct = seen.len();
        profile
    }

    /// Whether words can be in it: not mostly figures. Of an empty column nothing is known.
    pub(super) fn is_words(&self) -> bool {
        self.figures * 2 <= self.filled
    }

    /// Whether names can be in it: words, and few of them.
    pub(super) fn is_names(&self) -> bool {
        self.is_words() && self.words <= self.filled * 5
    }

    /// Whether there is speech in it, by all that is seen: words, several a cell, seldom the same.
    pub(super) fn is_speech(&self) -> bool {
        self.filled > 0
            && self.is_words()
            && self.words * 2 >= self.filled * 3
            && self.distinct * 3 > self.filled
    }

    /// Words a cell.
    pub(super) fn mean_words(&self) -> f64 {
        self.words as f64 / self.filled.max(1) as f64
    }

    /// How much it looks like the names of people who talk with each other: short, the same again and
    /// again, and changing from row to row; 0 where it does not.
    pub(super) fn talk(&self) -> f64 {
        let again = self.distinct < self.filled;
        if !again
            || !self.is_names()
            || self.mean_words() > 4.0
            || self.longest > 60
            || self.distinct < 2
        {
            return 0.0;
        }
        self.changes as f64 / self.filled as f64
    }

    /// Whether nearly every row has another: such a column divides nothing.
    pub(super) fn is_different_everywhere(&self) -> bool {
        self.filled > 4 && (self.changes + 1) * 10 > self.filled * 9
    }
}

/// How many words there are; where they are written without spaces, every two signs are one.
fn words(cell: &str) -> usize {
    let signs = cell
        .chars()
        .filter(|c| *c >= '\u{2e80}' && c.is_alphabetic());
    cell.split_whitespace().count().max(signs.count() / 2)
}

/// A number, a time, or a code such as `L1045`.
fn is_figure(cell: &str) -> bool {
    let count = |wanted: fn(&char) -> bool| cell.chars().filter(wanted).count();
    let code = || {
        let digits = count(char::is_ascii_digit);
        let one = cell.is_ascii() && !cell.contains(' ');
        one && digits > 0 && digits >= count(char::is_ascii_alphabetic)
    };
    code()
        || cell
            .chars()
            .all(|c| c.is_numeric() || " .,:;/-+".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(cells: &[&str]) -> Profile {
        Profile::of(cells.iter().copied())
    }

    #[test]
    fn contents_are_told_apart() {
        let speech = profile(&["Tea, or soup?", "Soup.", "Now then.", "Fine by me."]);
        assert!(speech.is_speech() && speech.is_words());
        assert!(profile(&["你今天去哪里了1?", "我昨天买了苹果。"]).is_speech());
        assert!(profile(&["Ada", "Bo", "Ada", "Bo"]).talk() > 0.7);
        assert_eq!(profile(&["1.0", "2", "L1045"]).talk(), 0.0);
        assert!(!profile(&["1", "2", "00:01:02,5 - 3"]).is_words());
        assert!(profile(&["1", "2", "3", "4", "5"]).is_different_everywhere());
        assert!(!profile(&["1", "1", "1", "2", "2", "2"]).is_different_everywhere());
    }
}
