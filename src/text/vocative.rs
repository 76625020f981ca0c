//! The name by which somebody is spoken to.
//!
//! "Good evening, Homer" is a greeting, and what answers it says nothing of Homer; but to a bi-encoder the name is the
//! rarest word of it, and finds what was said *about* him.

use std::borrow::Cow;

/// Words that a name follows which calls: greetings, thanks, and how one begins.
const CALLS: &str = "afternoon bye dear evening farewell goodbye goodnight hello hey hi morning night okay ok please sorry \
    sup thanks welcome yo";
/// Words that a name follows which calls where it ends what is said: "How are you today Homer?" Most others speak of
/// him: "Have you seen Homer?"
const ENDS: &str = "again day later now soon there today tomorrow tonight up you";
/// Words of a message that ask or say what somebody is called.
const NAMES: &str = "are call called is name named were";
/// Words that belong to the name after them.
const TITLES: &str = "dr mr mrs ms st";
/// Words of a name that are words of any message.
const LITTLE: &str = "a an and of the";

/// `text` without `name` where that only calls whom it is said to: "Hey Joey, where's the sandwich?" becomes
/// "Hey, where's the sandwich?", and "Are you Joey?" stays. Any word of the name does.
pub(crate) fn without_call<'a>(text: &'a str, name: &str) -> Cow<'a, str> {
    let names: Vec<String> = name.split_whitespace().map(bare).collect();
    let is_name = |word: &&str| {
        let word = bare(word);
        word.chars().count() > 2 && names.contains(&word) && !among(LITTLE, &word)
    };
    let mut kept: Vec<String> = Vec::new();
    let words: Vec<&str> = text.split_whitespace().collect();
    let (mut rest, mut called) = (words.as_slice(), false);
    while let [word, others @ ..] = rest {
        if !is_name(word) {
            kept.push((*word).to_owned());
            rest = others;
            continue;
        }
        let run = others.iter().take_while(|word| is_name(word)).count();
        let (name, after) = rest.split_at(1 + run);
        let end = name.last().map_or("", |word| pause(word));
        if calls(&kept, end, after) {
            called = true;
            if let Some(before) = kept
                .last_mut()
                .filter(|word| matches!(pause(word), "" | ","))
            {
                before.truncate(before.trim_end_matches(',').len());
                before.push_str(end);
            }
        } else {
            kept.extend(name.iter().map(|&word| word.to_owned()));
        }
        rest = after;
    }
    match called && kept.iter().any(|word| !bare(word).is_empty()) {
        true => kept.join(" ").into(),
        false => text.into(),
    }
}

/// Whether a name that stands between these words, with `end` after it, calls somebody.
fn calls(before: &[String], end: &str, after: &[&str]) -> bool {
    let closed = !end.is_empty() || after.is_empty();
    let Some(last) = before.last() else {
        return !end.is_empty() && !after.is_empty();
    };
    let word = bare(last);
    if among(TITLES, &word) {
        return false;
    }
    match pause(last) {
        "," => closed,
        // "Thanks Homer that was lovely", but "In the morning Homer was late."
        "" if among(CALLS, &word) => closed || before.len() < 3,
        "" if closed && among(ENDS, &word) => {
            word != "you" || !before.iter().any(|word| among(NAMES, &bare(word)))
        }
        "" => false,
        _ => !end.is_empty(),
    }
}

fn among(words: &str, word: &str) -> bool {
    words.split_whitespace().any(|one| one == word)
}

/// A word without what stands around it, in lower case.
fn bare(word: &str) -> String {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    word.to_lowercase().replace('’', "'")
}

/// What is written after a word.
fn pause(word: &str) -> &str {
    let end = word.trim_end_matches(|c: char| !c.is_alphanumeric()).len();
    word.get(end..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::without_call;

    #[test]
    fn a_name_that_calls_is_left_out() {
        for (said, left) in [
            ("hi homer", "hi"),
            (
                "Good evening, Homer. How is the sea?",
                "Good evening. How is the sea?",
            ),
            ("Homer, come here!", "come here!"),
            ("Homer! Come here!", "Come here!"),
            ("I'm fine. Homer, sit.", "I'm fine. sit."),
            ("how are you today homer?", "how are you today?"),
            ("hello Homer, nice to meet you", "hello, nice to meet you"),
            ("thanks homer that was lovely", "thanks that was lovely"),
            ("i love you HOMER", "i love you"),
            ("No, Homer, no.", "No, no."),
            ("Bye, Homer Simpson", "Bye"),
        ] {
            assert_eq!(without_call(said, "Homer Simpson"), left, "{said}");
        }
    }

    #[test]
    fn a_name_that_is_spoken_of_stays() {
        for said in [
            "are you homer",
            "Homer",
            "Homer?!",
            ", Homer",
            "Homer is late.",
            "In the morning Homer was late.",
            "who is homer?",
            "Have you seen Homer?",
            "Where's Homer?",
            "did you write Homer",
            "is your name Homer?",
            "should I call you Homer?",
            "I miss Homer.",
            "I wanted the real Homer.",
            "Good day, Mr. Homer.",
            "my dog is called Homer after you",
            "Homeric songs, then",
            "",
            " … ",
        ] {
            assert_eq!(without_call(said, "Homer"), said, "{said}");
        }
        assert_eq!(without_call("hi ", ""), "hi ");
        // Too short to tell from a word, or a word.
        assert_eq!(without_call("yes, Al", "Al"), "yes, Al");
        let said = "Thanks the food was good, I saw the mayor.";
        assert_eq!(without_call(said, "The Mayor"), said);
    }
}
