//! Speakers' names: one spelling for each person.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;

use super::pattern;
use super::printable::is_hidden;

/// How a voice is heard or that it goes on, behind a name: `ADA (V.O.)`, `Ada [cont'd]`.
static MANNER: LazyLock<Regex> = LazyLock::new(|| {
    let words = r"v\.?\s?/?o\.?|o\.?\s?/?s\.?|o\.?\s?/?c\.?|cont(?:['’]?d|inued|inuing)?\.?|voice[\s-]?over|off[\s-]?(?:screen|camera|stage)?|on (?:the )?(?:phone|radio|tv)|filtered|subtitled?|pre[\s-]?lap";
    pattern(&format!(
        r"(?i)\s*[(\[（](?:{words})(?:[,;/]\s*(?:{words}))*[)\]）]\s*"
    ))
});

/// A name as it is shown: composed, white space collapsed, without stray colons, invisible characters,
/// the brackets of a list and the manner of the voice. `" Ada  Byron (V.O.): "` is `Ada Byron`.
pub fn clean_name(raw: &str) -> String {
    let plain = raw.is_ascii() && !raw.contains(['(', '[', '\\', '\'', '"', '\u{7f}']);
    let visible: String = if plain {
        raw.chars()
            .filter(|c| !c.is_control() || c.is_whitespace())
            .collect()
    } else {
        let joiner = |c: char| matches!(c, '\u{200c}' | '\u{200d}');
        raw.nfc()
            .filter(|&c| !is_hidden(c) || joiner(c) || c.is_whitespace())
            .collect()
    };
    let visible = if plain {
        visible
    } else {
        MANNER
            .replace_all(unlisted(visible.trim()), " ")
            .into_owned()
    };
    let stray = |c: char| c.is_whitespace() || c == ':' || c == '：';
    let words: Vec<&str> = visible.trim_matches(stray).split_whitespace().collect();
    words.join(" ")
}

/// What two spellings of a name have in common: `Zoë` is `ZOË`, `İPEK` is `ipek`.
pub fn name_key(name: &str) -> String {
    let lower = name.to_lowercase();
    if lower.is_ascii() {
        return lower;
    }
    // The capital of `i` with a dot: in lower case the dot stands by itself.
    lower.replace("i\u{307}", "i").nfc().collect()
}

/// The one thing in a list of one: `['Ada']`.
fn unlisted(name: &str) -> &str {
    let inside = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let Some(inside) = inside.map(str::trim) else {
        return name;
    };
    ['\'', '"']
        .into_iter()
        .find_map(|quote| inside.strip_prefix(quote)?.strip_suffix(quote))
        .filter(|inside| !inside.contains("', '"))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_is_one_name() {
        for (raw, name) in [
            ("Ada  Byron", "Ada Byron"),
            (" Ada Byron: ", "Ada Byron"),
            (":Ada Byron :", "Ada Byron"),
            ("Ada\tByron::", "Ada Byron"),
            ("ADA (V.O.)", "ADA"),
            ("Ada (cont'd)", "Ada"),
            ("ADA (O.S.) (CONT’D)", "ADA"),
            ("ADA (V.O., CONT'D):", "ADA"),
            ("\u{200e}Ada", "Ada"),
            ("Zoe\u{308}", "Zoë"),
            ("小明：", "小明"),
            ("['Ada']", "Ada"),
            ("Guard (2)", "Guard (2)"),
            (" : ", ""),
            ("Bob\x1b]0;x\x07", "Bob]0;x"),
        ] {
            assert_eq!(clean_name(raw), name, "{raw:?}");
        }
        assert_eq!(name_key("İPEK"), name_key("ipek"));
        assert_eq!(name_key("ZOË"), name_key("zoë"));
    }
}
