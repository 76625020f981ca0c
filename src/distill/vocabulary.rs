//! Which tokens a student keeps.
//!
//! Word embeddings are half of a small encoder, and a script uses a small part of them. A word
//! that is not kept is read in smaller pieces, down to single characters, so that nothing that the
//! teacher can read becomes unreadable.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::error::{Error, Remedy, Result, Setting};
use crate::hf::tokenizer::Tokenizer;

/// How often each token occurs in a text.
pub(crate) type Counts = BTreeMap<u32, u64>;

/// The tokens that are kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vocabulary {
    /// Their ids in the teacher's vocabulary, ascending.
    pub kept: Vec<u32>,
    /// The share of the texts' tokens that are among them; the others fall into smaller pieces.
    pub coverage: f64,
}

/// Which single characters are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Characters {
    /// Those of Latin script and of the texts: no other text is to be read.
    Latin,
    /// All, and the tokens with a character that does not stand alone: what could be read still can.
    All,
}

/// Counts the tokens of texts; special ones do not count.
///
/// # Errors
/// The tokenizer fails.
pub(crate) fn count(tokenizer: &Tokenizer, texts: &[&str]) -> Result<Counts> {
    let special = tokenizer.special_ids();
    let mut counts = Counts::new();
    for tokens in tokenizer.texts(texts, usize::MAX)? {
        for id in tokens.ids {
            if !special.contains(&id) {
                *counts.entry(id).or_default() += 1;
            }
        }
    }
    Ok(counts)
}

/// Chooses `size` tokens, in this order: the special ones; the single characters that `characters`
/// says; the tokens of each text in turn, the most frequent first; what else there is, by id, as
/// BERT's vocabularies are ordered by frequency.
///
/// # Errors
/// `size` is too small for the special tokens and the characters.
pub(crate) fn choose(
    tokenizer: &Tokenizer,
    texts: &[Counts],
    size: usize,
    characters: Characters,
) -> Result<Vocabulary> {
    let vocabulary = tokenizer.vocabulary();
    let spoken: HashSet<char> = texts
        .iter()
        .flat_map(Counts::keys)
        .filter_map(|id| vocabulary.get(id))
        .flat_map(|token| token.chars())
        .collect();
    let known: HashSet<&str> = vocabulary.values().map(String::as_str).collect();
    let mut kept: BTreeSet<u32> = tokenizer.special_ids();
    let mut words = Vec::new();
    for (&id, token) in &vocabulary {
        let needed = match (characters, single(token)) {
            (Characters::Latin, Some(one)) => is_latin(one) || spoken.contains(&one),
            (Characters::Latin, None) => false,
            (Characters::All, _) => {
                !is_unused(token)
                    && (single(token).is_some()
                        || pieces(token).any(|piece| !known.contains(piece.as_str())))
            }
        };
        if needed {
            kept.insert(id);
        } else if single(token).is_none() && !is_unused(token) {
            words.push(id);
        }
    }
    if kept.len() > size {
        return Err(Error::setting(
            format!(
                "a vocabulary of {size} is too small: the special tokens and the single characters \
                 alone are {}",
                kept.len()
            ),
            Remedy::Change(Setting::Vocabulary, "a larger"),
        ));
    }
    let frequent = texts.iter().flat_map(|counts| {
        let mut tokens: Vec<(&u32, &u64)> = counts.iter().collect();
        tokens.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        tokens.into_iter().map(|(&id, _)| id)
    });
    for id in frequent.chain(words) {
        if kept.len() == size {
            break;
        }
        kept.insert(id);
    }

    let total: u64 = texts.iter().flat_map(Counts::values).sum();
    let counted = texts.iter().flatten();
    let covered: u64 = counted
        .filter(|(id, _)| kept.contains(id))
        .map(|(_, n)| n)
        .sum();
    Ok(Vocabulary {
        kept: kept.into_iter().collect(),
        coverage: covered as f64 / total.max(1) as f64,
    })
}

/// The character of a token that is only one, alone or as the rest of a word.
fn single(token: &str) -> Option<char> {
    let mut characters = token.strip_prefix("##").unwrap_or(token).chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => Some(character),
        _ => None,
    }
}

/// The smallest pieces that a token could be read in: its characters, all but a word's first as
/// its rest.
fn pieces(token: &str) -> impl Iterator<Item = String> {
    let rest = token.strip_prefix("##");
    let characters = rest.unwrap_or(token).chars().enumerate();
    characters.map(move |(place, character)| match (place, rest) {
        (0, None) => character.to_string(),
        _ => format!("##{character}"),
    })
}

/// ASCII, and the letters of the Latin blocks of Unicode.
fn is_latin(character: char) -> bool {
    character.is_ascii() || character < '\u{250}' && character.is_alphabetic()
}

/// BERT's vocabularies keep a thousand places free.
fn is_unused(token: &str) -> bool {
    token.starts_with("[unused")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hf::testing::tiny_vocab;

    fn tokenizer() -> Tokenizer {
        let mut words = tiny_vocab(&["[unused1]", "the", "odyssey", "##ing", "sail", "soup"]);
        words.extend(["ж".into(), "##ж".into(), "語".into()]);
        Tokenizer::from_vocab(&words).unwrap()
    }

    fn names(tokenizer: &Tokenizer, chosen: &Vocabulary) -> Vec<String> {
        let vocabulary = tokenizer.vocabulary();
        chosen
            .kept
            .iter()
            .map(|id| vocabulary[id].clone())
            .collect()
    }

    #[test]
    fn characters_come_first_then_the_texts_then_the_ids() {
        let tokenizer = tokenizer();
        let counts = |texts: &[&str]| count(&tokenizer, texts).unwrap();
        let texts = [counts(&["Soup soup", "ж"]), counts(&["sailing sail"])];
        let characters = tiny_vocab(&[]).len() + 2;

        let all = choose(&tokenizer, &texts, 1000, Characters::Latin).unwrap();
        let kept = names(&tokenizer, &all);
        assert!(kept.contains(&"ж".into()) && kept.contains(&"##ж".into()));
        assert!(!kept.contains(&"語".into()) && !kept.contains(&"[unused1]".into()));
        assert_eq!(all.coverage, 1.0);
        assert_eq!(kept.len(), characters + 5);

        let few = choose(&tokenizer, &texts, characters + 3, Characters::Latin).unwrap();
        let kept = names(&tokenizer, &few);
        assert!(
            ["soup", "sail", "##ing"]
                .iter()
                .all(|word| kept.contains(&(*word).into()))
        );
        let fewest = choose(&tokenizer, &texts, characters + 1, Characters::Latin).unwrap();
        assert!(names(&tokenizer, &fewest).contains(&"soup".into()));
        assert_eq!(fewest.coverage, 0.5);
        let more = choose(&tokenizer, &texts, characters + 4, Characters::Latin).unwrap();
        assert!(names(&tokenizer, &more).contains(&"the".into()));

        let error = choose(&tokenizer, &texts, 9, Characters::Latin).unwrap_err();
        assert!(error.to_string().contains("too small"), "{error}");
    }

    #[test]
    fn with_all_characters_nothing_becomes_unreadable() {
        // "##а" is not there: what has it inside must stay.
        let mut words = tiny_vocab(&["sail", "##ing", "дом", "шаг", "##аг", "[unused1]"]);
        words.extend(["д", "##о", "##м", "ш", "##г", "ж", "##ж", "жж", "語"].map(String::from));
        let tokenizer = Tokenizer::from_vocab(&words).unwrap();
        let texts = [count(&tokenizer, &["sail sailing"]).unwrap()];
        let choose = |size| choose(&tokenizer, &texts, size, Characters::All);
        let error = choose(9).unwrap_err().to_string();
        let fewest = error.rsplit(' ').next().unwrap().parse().unwrap();
        let chosen = choose(fewest).unwrap();
        let kept = names(&tokenizer, &chosen);
        for (name, is_kept) in [
            ("ж", true),
            ("語", true),
            ("шаг", true),
            ("##аг", true),
            ("дом", false),
            ("жж", false),
            ("sail", false),
            ("[unused1]", false),
        ] {
            assert_eq!(kept.contains(&name.to_owned()), is_kept, "{name}");
        }
        assert!(names(&tokenizer, &choose(fewest + 1).unwrap()).contains(&"sail".into()));
        let cut = tokenizer.cut(&chosen.kept).unwrap();
        let unknown = cut.text("€", 64).unwrap().ids[1];
        for word in words.iter().filter(|word| !word.starts_with("##")) {
            let read = cut.text(word, 64).unwrap();
            assert!(!read.ids.contains(&unknown), "{word}");
        }
    }

    #[test]
    fn a_cut_tokenizer_reads_the_same_text_in_smaller_pieces() {
        let tokenizer = tokenizer();
        let texts = [count(&tokenizer, &["the soup"]).unwrap()];
        let chosen = choose(
            &tokenizer,
            &texts,
            tiny_vocab(&[]).len() + 2,
            Characters::Latin,
        )
        .unwrap();
        let cut = tokenizer.cut(&chosen.kept).unwrap();
        assert_eq!(cut.entries(), chosen.kept.len());
        let names = names(&tokenizer, &chosen);
        let read = |text: &str| -> Vec<&str> {
            let tokens = cut.text(text, 64).unwrap();
            let ids = tokens.ids.iter();
            ids.map(|&id| names[id as usize].as_str()).collect()
        };
        assert_eq!(
            read("The soup: sail"),
            [
                "[CLS]", "the", "soup", ":", "s", "##a", "##i", "##l", "[SEP]"
            ]
        );
        assert_eq!(read("[MASK]")[1..4], ["[", "m", "##a"]);
        assert_eq!(read("語"), ["[CLS]", "[UNK]", "[SEP]"]);
    }
}
