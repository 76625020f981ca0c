//! A script as a stream of lines, whatever it was written in.

/// A line of speech, as every format gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Line {
    /// Who speaks, as written; empty where nobody is named.
    pub speaker: String,
    /// What is said, as written.
    pub text: String,
    /// Whether a scene begins with it.
    pub begins_scene: bool,
    /// The line that it answers, by its place among the file's lines, where it says so; else it
    /// answers what was said before it.
    pub answers: Option<usize>,
}

impl Line {
    /// One that answers what was said before it.
    pub(super) fn new(speaker: &str, text: &str, begins_scene: bool) -> Self {
        Self {
            speaker: speaker.to_owned(),
            text: text.to_owned(),
            begins_scene,
            answers: None,
        }
    }

    /// Goes on with the next row of a speech that has several.
    pub(super) fn go_on(&mut self, row: &str) {
        self.text.push(' ');
        self.text.push_str(row);
    }
}

/// A message of a chat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// When it was sent, in seconds since some day; without, it follows at once.
    pub time: Option<i64>,
    /// Who sent it.
    pub speaker: String,
    /// What it says.
    pub text: String,
    /// The message that it quotes, by its place.
    pub answers: Option<usize>,
}

/// The lines of a chat: whoever is silent for longer than `gap` seconds begins a scene.
pub(super) fn of_chat(messages: Vec<Message>, gap: u64) -> Vec<Line> {
    let mut last: Option<i64> = None;
    let gap = i64::try_from(gap).unwrap_or(i64::MAX);
    let lines = messages.into_iter().map(|message| {
        let silence = message
            .time
            .zip(last)
            .map(|(now, last)| now.saturating_sub(last));
        last = message.time.or(last);
        Line {
            begins_scene: silence.is_some_and(|silence| silence > gap),
            speaker: message.speaker,
            text: message.text,
            answers: message.answers,
        }
    });
    lines.collect()
}

/// The lines of a conversation that stands alone.
pub(super) fn of_scene<S: Into<String>>(turns: impl IntoIterator<Item = (S, String)>) -> Vec<Line> {
    let turns = turns.into_iter().enumerate();
    turns
        .map(|(at, (speaker, text))| Line {
            speaker: speaker.into(),
            text,
            begins_scene: at == 0,
            answers: None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_begins_a_scene() {
        let at = |time| Message {
            time,
            ..Message::default()
        };
        let lines = of_chat(
            vec![at(Some(0)), at(Some(60)), at(None), at(Some(200))],
            100,
        );
        let scenes: Vec<bool> = lines.iter().map(|line| line.begins_scene).collect();
        assert_eq!(scenes, [false, false, false, true]);
    }
}
