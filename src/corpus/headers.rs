//! What columns are called in well-known files.

// Of several that are there, the first in the list is taken: the specific before the general. Case, and
// how words are joined, do not count.

/// Who speaks.
pub(super) const SPEAKER: &[&str] = &[
    "raw_character_text",
    "speaker",
    "character",
    "character_name",
    "speaker_name",
    "char",
    "player",
    "actor",
    "role",
    "author",
    "sender",
    "from",
    "user",
    "username",
    "name",
    "person",
    "who",
];
/// What is said.
pub(super) const TEXT: &[&str] = &[
    "spoken_words",
    "character_words",
    "dialogue",
    "dialog",
    "dialouge",
    "dialogues",
    "line_text",
    "spoken_text",
    "player_line",
    "utterance",
    "speech",
    "line",
    "lines",
    "text",
    "sentence",
    "quote",
    "words",
    "message",
    "content",
    "body",
    "transcript",
];
/// What is answered.
pub(super) const QUERY: &[&str] = &["query", "question", "prompt", "instruction", "input", "q"];
/// The answer.
pub(super) const REPLY: &[&str] = &[
    "reply",
    "answer",
    "response",
    "output",
    "completion",
    "target",
    "a",
];
/// What was said before.
pub(super) const CONTEXT: &[&str] = &["context", "history"];
/// Whether the reply is the character's.
pub(super) const LABEL: &[&str] = &["label"];

/// What a part of a script is called, alone or with one of [`NUMBERED`] behind.
const SCENES: &[&str] = &[
    "season",
    "series",
    "episode",
    "chapter",
    "act",
    "scene",
    "conversation",
    "conv",
    "dialogue",
    "dialog",
    "movie",
    "film",
    "play",
    "book",
    "story",
    "session",
    "thread",
    "channel",
    "chat",
];
const NUMBERED: &[&str] = &[
    "", "id", "no", "num", "nr", "number", "index", "name", "title", "count",
];

/// Whether columns are called so.
pub(super) fn knows(name: &str) -> bool {
    let lists = [SPEAKER, TEXT, QUERY, REPLY, CONTEXT, LABEL];
    let wanted = plain(name);
    // One letter is a name only beside another.
    let listed = lists.iter().flat_map(|list| list.iter());
    listed
        .filter(|name| name.len() > 1)
        .any(|known| plain(known) == wanted)
        || (is_scene(name) && !name.trim().is_empty())
}

/// `EpisodeNo`, `season no.`, `dialogue_id`; what is said stands in `dialogue` alone.
pub(super) fn is_scene(name: &str) -> bool {
    let name = plain(name);
    SCENES.iter().any(|part| {
        let speech = TEXT.contains(part);
        let behind = name.strip_prefix(part);
        behind.is_some_and(|behind| NUMBERED.contains(&behind) && !(speech && behind.is_empty()))
    })
}

/// Case, and how words are joined, do not count: `Line Text` is `line_text`.
pub(super) fn same(header: &[String], name: &str) -> Option<usize> {
    let wanted = plain(name);
    header
        .iter()
        .position(|column| !column.is_empty() && plain(column) == wanted)
}

/// The letters and digits of a name, in lower case.
pub(super) fn plain(name: &str) -> String {
    let letters = name.chars().filter(|c| c.is_alphanumeric());
    letters.flat_map(char::to_lowercase).collect()
}
