//! WhatsApp's exports, of both platforms and of any locale.
//!
//! A message begins with its date and time: in brackets on an iPhone (`[31.12.23, 23:59:01] Ada: …`),
//! with a dash behind on Android (`31/12/2023, 11:59 p. m. - Ada: …`). Which of the figures is the day
//! is told from the whole file. Lines without such a start go on with the message before.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::time::seconds;
use crate::corpus::lines::Message;
use crate::text::pattern;
use crate::text::printable::is_hidden;

/// Date, time, and all that follows them.
static START: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^(?P<open>\[)?\s*
        (?P<a>\d{1,4})(?:[./-]\s?|年\s?|년\s?)(?P<b>\d{1,2})(?:[./-]\s?|月\s?|월\s?)(?P<c>\d{1,4})(?:\.|日|일)?
        (?:\s*[,،]?\s*(?:à|at|um|alle|às|a\ las|las|kl\.?|в|om|pada|klo)?\s*)
        (?P<before>上午|下午|凌晨|早上|中午|晚上|오전|오후|午前|午後)?\s*
        (?P<h>\d{1,2})[:.](?P<m>\d{2})(?:[:.](?P<s>\d{2}))?
        \s*(?P<after>[AaPp]\.?\s?[Mm]\.?|[ap]m|ÖÖ|ÖS|ص|م|πμ|μμ|পূর্বাহ্ণ|অপরাহ্ণ|पूर्वाह्न|अपराह्न)?
        \s*(?:(?P<close>\])|[-–—]|,)\s*(?P<rest>.*)$",
    )
});

/// The whole message is a placeholder: `<Media omitted>`, `<Médias omis>`, `<attached: …>`.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^<[^<>\n]{2,60}>$"));

/// `IMG-1.jpg (file attached)`, in any language.
static ATTACHED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^[^\s()]+(?: [^\s()]+)?\.\w{2,4} \([^()\n]{4,40}\)$"));

/// What WhatsApp writes in place of messages, without its full stop, in lower case.
const NOTICES: [&str; 46] = [
    "image omitted",
    "video omitted",
    "audio omitted",
    "sticker omitted",
    "gif omitted",
    "document omitted",
    "contact card omitted",
    "null",
    "this message was deleted",
    "you deleted this message",
    "missed voice call",
    "missed video call",
    "waiting for this message",
    "waiting for this message. this may take a while",
    "bild weggelassen",
    "video weggelassen",
    "audio weggelassen",
    "sticker weggelassen",
    "diese nachricht wurde gelöscht",
    "du hast diese nachricht gelöscht",
    "imagen omitida",
    "video omitido",
    "audio omitido",
    "sticker omitido",
    "se eliminó este mensaje",
    "eliminaste este mensaje",
    "image absente",
    "vidéo absente",
    "audio omis",
    "ce message a été supprimé",
    "vous avez supprimé ce message",
    "immagine omessa",
    "audio omesso",
    "questo messaggio è stato eliminato",
    "hai eliminato questo messaggio",
    "imagem ocultada",
    "áudio ocultado",
    "mensagem apagada",
    "essa mensagem foi apagada",
    "esta mensagem foi apagada",
    "dit bericht is verwijderd",
    "данное сообщение удалено",
    "вы удалили данное сообщение",
    "bu mesaj silindi",
    "此消息已删除",
    "이 메시지는 삭제되었습니다",
];

/// Suffixes of edited messages stand in angle brackets behind an invisible mark.
static EDITED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s*\x{200e}<[^<>\n]{5,60}>\s*$"));

/// How many of the first lines begin a message, and how many lines there are (at most `most`).
pub(super) fn share(text: &str, most: usize) -> (usize, usize) {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.take(most).collect();
    let starts = lines.iter().filter(|line| start(line).is_some());
    (starts.count(), lines.len())
}

/// The messages; what the system says, and media that were left out, are dropped.
pub(super) fn read(text: &str) -> Vec<Message> {
    let mut dates: Vec<[i64; 6]> = Vec::new();
    let mut messages: Vec<Message> = Vec::new();
    // The message that a line without a start goes on with.
    let mut open = false;
    for line in text.lines() {
        let line = line.trim_end_matches('\r');
        let Some((date, rest)) = start(line) else {
            if let Some(message) = messages.last_mut().filter(|_| open) {
                message.text.push('\n');
                message.text.push_str(line);
            }
            continue;
        };
        let said = rest.split_once(": ").or_else(|| {
            let name = rest.strip_suffix(':')?;
            Some((name, ""))
        });
        // Without a name it is the system that speaks.
        open = said.is_some();
        if let Some((speaker, text)) = said {
            dates.push(date);
            messages.push(Message {
                speaker: speaker.to_owned(),
                text: text.to_owned(),
                ..Message::default()
            });
        }
    }
    let order = order(&dates);
    for (message, date) in messages.iter_mut().zip(&dates) {
        message.time = order.time(date);
        if let Some(edited) = EDITED.find(&message.text) {
            message.text.truncate(edited.start());
        }
        if let Some((first, rest)) = message.text.split_once('\n')
            && is_notice(first)
        {
            message.text = rest.to_owned();
        }
    }
    messages.retain(|message| !is_notice(&message.text));
    messages
}

/// The figures of the date and the time (in 24 hours), and what follows.
fn start(line: &str) -> Option<([i64; 6], &str)> {
    let line = line.trim_start_matches(|c| is_hidden(c) || c == ' ');
    if !line.starts_with(|c: char| c == '[' || c.is_numeric()) {
        return None;
    }
    let found = START.captures(line)?;
    if found.name("open").is_some() != found.name("close").is_some() {
        return None;
    }
    let number = |name: &str| {
        found
            .name(name)
            .map_or(Some(0), |digits| figures(digits.as_str()))
    };
    let time = hour(number("h")?, &found);
    let date = [number("a")?, number("b")?, number("c")?];
    let rest = found.name("rest").map_or("", |rest| rest.as_str());
    Some((
        [date[0], date[1], date[2], time, number("m")?, number("s")?],
        rest,
    ))
}

/// The digits of any script.
fn figures(digits: &str) -> Option<i64> {
    digits.chars().try_fold(0, |number, c| {
        let code = u32::from(c);
        let zero = [0x30, 0x660, 0x6f0, 0x966, 0x9e6];
        let zero = zero
            .into_iter()
            .find(|zero| (*zero..zero + 10).contains(&code))?;
        Some(number * 10 + i64::from(code - zero))
    })
}

fn hour(hour: i64, found: &Captures<'_>) -> i64 {
    let text = |name| found.name(name).map_or("", |part| part.as_str());
    let after = text("after").to_lowercase();
    let afternoon = after.starts_with('p')
        || ["ös", "م", "μμ", "অপরাহ্ণ", "अपराह्न"].contains(&after.as_str())
        || ["下午", "晚上", "오후", "午後", "中午"].contains(&text("before"));
    let morning = !(afternoon || after.is_empty() && text("before").is_empty());
    match hour {
        12 if morning => 0,
        1..12 if afternoon => hour + 12,
        hour => hour,
    }
}

fn is_notice(text: &str) -> bool {
    // An iPhone marks what no person wrote.
    if text.starts_with('\u{200e}') {
        return true;
    }
    let text = text.trim();
    if PLACEHOLDER.is_match(text) || ATTACHED.is_match(text) {
        return true;
    }
    let text = text.trim_end_matches(['.', '。']).to_lowercase();
    NOTICES.contains(&text.as_str())
}

/// Which figure is what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    DayMonthYear,
    MonthDayYear,
    YearMonthDay,
}

impl Order {
    fn time(self, &[a, b, c, h, m, s]: &[i64; 6]) -> Option<i64> {
        let (year, month, day) = match self {
            Self::DayMonthYear => (c, b, a),
            Self::MonthDayYear => (c, a, b),
            Self::YearMonthDay => (a, b, c),
        };
        let year = if year < 100 { year + 2000 } else { year };
        seconds(year, month, day, [h, m, s])
    }
}

/// Told from all dates: a figure beyond 12 is no month, one beyond 31 is a year, and time goes on.
fn order(dates: &[[i64; 6]]) -> Order {
    let wrong = |order: &Order| {
        let mut last = i64::MIN;
        let mut wrong = 0;
        for date in dates {
            match order.time(date) {
                None => wrong += 100,
                Some(time) => {
                    wrong += usize::from(time < last);
                    last = time;
                }
            }
        }
        wrong
    };
    // Of equals, the first: most of the world puts the day first.
    let orders = [
        Order::DayMonthYear,
        Order::MonthDayYear,
        Order::YearMonthDay,
    ];
    orders
        .into_iter()
        .min_by_key(wrong)
        .unwrap_or(Order::DayMonthYear)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Vec<(String, String)> {
        let messages = read(text).into_iter();
        messages.map(|one| (one.speaker, one.text)).collect()
    }

    fn pair(speaker: &str, text: &str) -> (String, String) {
        (speaker.into(), text.into())
    }

    #[test]
    fn every_locale_is_read() {
        for line in [
            "[31.12.23, 23:59:01] Ada: Tea?",
            "[12/31/23, 11:59:01 PM] Ada: Tea?",
            "[12/31/23, 11:59:01\u{202f}PM] Ada: Tea?",
            "\u{200e}[31/12/2023, 23:59:01] Ada: Tea?",
            "31/12/2023, 23:59 - Ada: Tea?",
            "12/31/23, 11:59 PM - Ada: Tea?",
            "31/12/23, 11:59 p. m. - Ada: Tea?",
            "31/12/23 11:59 p.\u{a0}m. - Ada: Tea?",
            "31.12.23, 23:59 - Ada: Tea?",
            "31/12/2023 à 23:59 - Ada: Tea?",
            "31-12-2023 23:59 - Ada: Tea?",
            "2023-12-31, 23:59 - Ada: Tea?",
            "2023/12/31 23:59 - Ada: Tea?",
            "2023/12/31 下午11:59 - Ada: Tea?",
            "2023. 12. 31. 오후 11:59, Ada: Tea?",
            "2023년 12월 31일 오후 11:59, Ada: Tea?",
            "٣١/١٢/٢٠٢٣، ٢٣:٥٩ - Ada: Tea?",
            "31/12/2023 23.59 - Ada: Tea?",
        ] {
            let messages = read(line);
            assert_eq!(messages.len(), 1, "{line}");
            assert_eq!(
                (messages[0].speaker.as_str(), messages[0].text.as_str()),
                ("Ada", "Tea?")
            );
            let time = messages[0].time.unwrap();
            assert_eq!(time - time % 60, 1_704_067_140, "{line}");
        }
    }

    #[test]
    fn the_system_and_media_are_left_out() {
        let text = "\
31/12/2023, 23:50 - Messages and calls are end-to-end encrypted. Tap to learn more.
31/12/2023, 23:51 - Bo added Ada
31/12/2023, 23:51 - Ada: <Media omitted>
31/12/2023, 23:51 - Ada: <Médias omis>
31/12/2023, 23:51 - Ada: IMG-1.jpg (Datei angehängt)
Look: a goose
31/12/2023, 23:51 - Ada: This message was deleted
31/12/2023, 23:51 - Ada: Diese Nachricht wurde gelöscht.
[31.12.23, 23:59:01] Ada: \u{200e}image omitted
31/12/2023, 23:52 - Bo: Note: two: dots \u{200e}<This message was edited>
31/12/2023, 23:53 - Ada: One
two
- 3: three
31/12/2023, 23:54 - Bo left
not hers
";
        assert_eq!(
            said(text),
            [
                pair("Ada", "Look: a goose"),
                pair("Bo", "Note: two: dots"),
                pair("Ada", "One\ntwo\n- 3: three"),
            ]
        );
    }

    #[test]
    fn the_order_of_day_and_month_is_told_from_the_whole_file() {
        let times = |dates: [&str; 3]| -> Vec<i64> {
            let text: String = dates
                .iter()
                .map(|date| format!("{date}, 10:00 - Ada: x\n"))
                .collect();
            read(&text)
                .iter()
                .map(|one| one.time.unwrap() / 86_400)
                .collect()
        };
        let [a, b, c] = times(["1/2/23", "1/3/23", "13/3/23"])[..] else {
            panic!()
        };
        assert_eq!([b - a, c - b], [28, 12]);
        let [a, b, c] = times(["1/2/23", "1/3/23", "2/1/23"])[..] else {
            panic!()
        };
        assert_eq!([b - a, c - b], [1, 29]);
    }
}
