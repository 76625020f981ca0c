//! Repairs text whose UTF-8 bytes were once read as Windows-1252 (`â€¦` for `…`).

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;

/// `text` with every such sequence put right, and how many there were.
///
/// Only characters whose Windows-1252 bytes form one well-formed multi-byte UTF-8 character are
/// replaced, so ASCII, and with it the structure of a CSV file, never changes. Sound text can look
/// like that too (`café…”` reads as one Chinese character): what is not commonly mis-decoded is
/// believed only beside another such sequence, as in words of a script that is not Latin. A letter
/// before punctuation (`Ä… ja?`) is believed to be mis-decoded only where the text has others that
/// are beyond doubt.
pub fn repair(text: &str) -> (Cow<'_, str>, usize) {
    match pass(text, false) {
        (repaired, 0) => (repaired, 0),
        _ => pass(text, true),
    }
}

/// `doubtful`: whether letters before punctuation are believed to be mis-decoded.
fn pass(text: &str, doubtful: bool) -> (Cow<'_, str>, usize) {
    let mut repaired = String::new();
    let mut copied = 0;
    let mut count = 0;
    let mut at = 0;
    while let Some(ahead) = text[at..].find(|c: char| ('Â'..='ô').contains(&c)) {
        let start = at + ahead;
        let beside = |end: usize| (count > 0 && start == copied) || misread(&text[end..]).is_some();
        match misread(&text[start..]) {
            Some((meant, length))
                if likely(meant, &text[..start], &text[start..], doubtful)
                    || beside(start + length) =>
            {
                repaired.push_str(&text[copied..start]);
                repaired.push(meant);
                copied = start + length;
                at = copied;
                count += 1;
            }
            _ => at = start + 'Â'.len_utf8(),
        }
    }
    if count == 0 {
        return (Cow::Borrowed(text), 0);
    }
    repaired.push_str(&text[copied..]);
    (Cow::Owned(repaired), count)
}

/// Whether a sequence at the start of `rest` is mis-decoded even when it stands alone.
fn likely(meant: char, before: &str, rest: &str, doubtful: bool) -> bool {
    match meant {
        // A letter at the end of a word may just be followed by punctuation: `AMANHÃ…`, `„Ä“`.
        '\u{80}'..='\u{17f}' => {
            let mut after = rest.chars().skip(1);
            let punctuation = after.next().is_some_and(|c| c > 'ÿ' && !c.is_alphabetic());
            let goes_on = after.next().is_some_and(char::is_lowercase);
            !punctuation || goes_on || (doubtful && !before.ends_with(char::is_uppercase))
        }
        '\u{2000}'..='\u{2bff}' | '\u{fb00}'..='\u{ffff}' => true,
        emoji => emoji > '\u{ffff}',
    }
}

/// The character that the start of `text` was meant to be, and how many bytes of `text` it takes.
fn misread(text: &str) -> Option<(char, usize)> {
    let mut bytes = [0u8; 4];
    let mut length = 0;
    let mut wanted = 1;
    let mut characters = text.chars();
    for place in 0..4 {
        if place == wanted {
            break;
        }
        let c = characters.next()?;
        bytes[place] = windows_byte(c)?;
        length += c.len_utf8();
        if place == 0 {
            wanted = match bytes[0] {
                0xC2..=0xDF => 2,
                0xE0..=0xEF => 3,
                0xF0..=0xF4 => 4,
                _ => return None,
            };
        }
    }
    let meant = std::str::from_utf8(&bytes[..wanted]).ok()?;
    Some((meant.chars().next()?, length))
}

/// The byte above 0x7F that Windows-1252 (or, for the five bytes it leaves out, Latin-1) reads as `c`.
fn windows_byte(c: char) -> Option<u8> {
    let code = u32::from(c);
    if (0xA0..=0xFF).contains(&code) {
        return u8::try_from(code).ok();
    }
    if code < 0x80 {
        return None;
    }
    let mut buffer = [0u8; 4];
    let (bytes, _, unmappable) = WINDOWS_1252.encode(c.encode_utf8(&mut buffer));
    match (&*bytes, unmappable) {
        (&[byte], false) => Some(byte),
        // A Latin-1 reader left the control characters as they were.
        _ => u8::try_from(code).ok(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn well_known_cases() {
        for (broken, meant) in [
            ("Wellâ€¦ yes", "Well… yes"),
            ("Itâ€™s a cafÃ©", "It’s a café"),
            ("Ã…ngstrÃ¶m", "Ångström"),
            ("â\u{80}\u{99}", "’"),
            ("ðŸ™‚", "🙂"),
            ("cÅ“ur, Ã–sterreich", "cœur, Österreich"),
            ("Ð´Ð°, Ð½ÐµÑ‚", "да, нет"),
        ] {
            assert_eq!(repair(broken).0, meant);
        }
    }

    #[test]
    fn sound_text_is_left_alone() {
        for text in [
            "",
            "plain",
            "château, à la mode, Ångström… ’tis",
            "naïve ñandú âge",
            "Ä… ja?",
            "Sie sagte „Ä“.",
        ] {
            assert_eq!(repair(text), (Cow::Borrowed(text), 0));
        }
    }

    proptest! {
        #[test]
        fn undoes_one_wrong_decoding(text in "[a-z ,éßñçø…’—🙂]{0,30}") {
            let (misread, _) = WINDOWS_1252.decode_without_bom_handling(text.as_bytes());
            prop_assert_eq!(repair(&misread).0, text.as_str());
        }
    }
}
