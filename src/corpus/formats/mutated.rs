//! Whatever comes in, no reader panics, and none makes more of it than it is.

use std::path::PathBuf;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Content, Format, Reader};
use crate::corpus::columns::Columns;
use crate::corpus::document::Document;
use crate::corpus::pairs::{PairColumns, Pairs};
use crate::corpus::recognise::recognise;
use crate::corpus::scenes::Builder;
use crate::corpus::script::{Script, Whose};
use crate::corpus::take::{take_lines, take_rows};

/// Mutated inputs a sample, unless `HOMER_FUZZ` says how many.
const INPUTS: usize = 3000;

const SAMPLES: [(Format, &str); 15] = [
    (
        Format::Table,
        "speaker,scene,text\nAda,1,\"Tea, or soup?\"\nBo,1,Soup.\n\nAda,2,\"So \"\"red\"\".\"\nBo,2,It is.\n",
    ),
    (
        Format::Table,
        "question;answer;context;label\nTea?;Yes.;;1\nMilk?;No.;Tea? Yes. Milk?;1\nSoup?;Hm.;;0\n",
    ),
    (
        Format::Json,
        "[{\"who\": \"Ada\", \"line\": \"Tea?\", \"n\": 1}, {\"who\": [\"Bo\"], \"line\": null}]",
    ),
    (
        Format::Script,
        "[Scene: a kitchen]\nAda: Tea?\nBo (yawning): I would\nrather not: no.\n\n小明：你好！\nCUT TO:\nAda: Now.\n",
    ),
    (
        Format::Screenplay,
        "Title: Tea\n\nINT. KITCHEN - DAY\n\nADA (V.O.)\n(low)\nTea, *or*\nsoup? [[no]]\n\n@McBo\nSoup.\n\nBO ^\nRain.\n",
    ),
    (
        Format::Subtitles,
        "1\n00:00:01,000 --> 00:00:03,000\nADA: Tea,\n<i>or soup?</i>\n\n2\n00:00:03,500 --> 00:00:04,000\n- [BO] Soup.\n- Now!\n",
    ),
    (
        Format::Subtitles,
        "WEBVTT\n\nNOTE x\n\n00:01.000 --> 00:02.000\n<v.loud Ada>Tea?</v> <v Bo>Soup.\n\n00:30.000 --> 00:31.000\n<v Ada>Hm.\n",
    ),
    (
        Format::WhatsApp,
        "31/12/2023, 23:59 - Messages are encrypted.\n31/12/2023, 11:59 p. m. - Ada: Tea?\nor soup\n\u{200e}[1/2/24, 0:00:01\u{202f}AM] Bo: \u{200e}image omitted\n1/2/24, 12:01 AM - Bo: <Media omitted>\n",
    ),
    (
        Format::Telegram,
        "{\"messages\": [{\"id\": 1, \"type\": \"message\", \"date\": \"2023-01-05T10:00:01\", \"from\": \"Ada\", \"text\": [\"a\", {\"type\": \"b\", \"text\": \"c\"}]}, {\"id\": 2, \"type\": \"message\", \"from_id\": \"user2\", \"reply_to_message_id\": 1, \"text\": \"x\"}]}",
    ),
    (
        Format::Discord,
        "{\"messages\": [{\"id\": \"1\", \"type\": \"Default\", \"timestamp\": \"2023-01-05T10:00:00+00:00\", \"content\": \"Tea?\", \"author\": {\"name\": \"ada\", \"nickname\": \"Ada\"}}, {\"id\": \"2\", \"content\": \"Yes.\", \"author\": {\"name\": \"bo\"}, \"reference\": {\"messageId\": \"1\"}}]}",
    ),
    (
        Format::Discord,
        "AuthorID,Author,Date,Content,Attachments,Reactions\n\"7\",\"ada#1234\",\"2023-01-05T10:00:00.0+00:00\",\"Tea?\",\"\",\"\"\n\"8\",\"bo\",\"05-Jan-23 10:01 AM\",\"Yes.\",\"\",\"\"\n",
    ),
    (
        Format::Slack,
        "[{\"type\": \"message\", \"user\": \"U1\", \"text\": \"<@U2> &amp; <https://a.b|c>\", \"ts\": \"1672912800.0001\", \"thread_ts\": \"1\"}, {\"type\": \"message\", \"user\": \"U2\", \"text\": \"x\", \"ts\": \"2\", \"thread_ts\": \"1\"}]",
    ),
    (
        Format::Assistant,
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Tea?\"}, {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": \"Yes.\"}]}]}\n{\"conversations\": [{\"from\": \"human\", \"value\": \"a\"}]}\n",
    ),
    (
        Format::ChatterBot,
        "categories:\n- tea\nconversations:\n- - Tea?\n  - Yes.\n- - &a How many?\n  - 2\n- - *a\n  - \"x\\ty\"\n",
    ),
    (
        Format::Rasa,
        "nlu:\n- intent: greet\n  examples: |\n    - hello\n    - hi [Bo](name)\nresponses:\n  utter_greet:\n  - text: Good day.\nstories:\n- story: one\n  steps:\n  - intent: greet\n  - action: utter_greet\n  - user: |-\n      tea?\n  - bot: Yes.\n",
    ),
];

/// Characters that mean something to some reader.
const PIECES: [&str; 30] = [
    "\"",
    "\n",
    "\r",
    "\r\n\r\n",
    ",",
    ";",
    ":",
    "：",
    "[",
    "]",
    "{",
    "}",
    "(",
    "-->",
    "<v ",
    ">",
    "- ",
    "\\",
    "\u{200e}",
    "\u{202f}",
    "é",
    "😀",
    "\u{0}",
    "99999999999999999999",
    "-1",
    "٣",
    "&a",
    "*a",
    "İ",
    "\t",
];

fn mutate(sample: &str, rng: &mut ChaCha8Rng) -> String {
    let mut text: Vec<char> = sample.chars().collect();
    for _ in 0..rng.random_range(1..8) {
        let at = rng.random_range(0..=text.len());
        let end = (at + rng.random_range(0..12)).min(text.len());
        match rng.random_range(0..4) {
            0 => drop(text.drain(at..end)),
            1 => text.truncate(text.len() - (end - at)),
            2 => {
                let again = text[at..end].repeat(rng.random_range(1..4));
                text.splice(at..at, again);
            }
            _ => {
                let piece = PIECES[rng.random_range(0..PIECES.len())];
                text.splice(at..end.min(at + 1), piece.chars());
            }
        }
    }
    text.into_iter().collect()
}

/// Reads a text as far as it goes; how many turns that made.
fn read(format: Option<Format>, text: String) -> usize {
    let document = Document {
        path: PathBuf::from("input"),
        text,
        repaired: 0,
    };
    let mut reader = Reader::default();
    let mut builder = Builder::default();
    match reader.read(document, format, 3600) {
        Err(error) => assert!(error.to_string().len() < 4000),
        Ok((format, Content::Lines(lines))) => take_lines(&mut builder, &lines, format.manner()),
        Ok((_, Content::Nothing)) => {}
        Ok((_, Content::Table(source))) => {
            // What is wrong with a table is said, not thrown.
            if let Ok(found) = recognise(&source, &crate::corpus::columns::Named::default()) {
                match found.columns {
                    Columns::Script {
                        speaker,
                        text,
                        scenes,
                    } => drop(take_rows(&mut builder, &source, &speaker, &text, &scenes)),
                    Columns::Pairs { query, reply, .. } => {
                        let columns = PairColumns {
                            query: &query,
                            more: None,
                            reply: &reply,
                            context: None,
                            label: None,
                        };
                        drop(Pairs::default().read(&source, columns, 4));
                    }
                }
            }
        }
    }
    take_lines(&mut builder, &reader.finish(), Format::Rasa.manner());
    let script = Script::new(builder);
    for (id, answer) in script.answers(Whose::Everyone).into_iter().enumerate() {
        script.exchange(id, answer, 4);
    }
    script.texts().map(|turns| turns.len()).sum()
}

#[test]
fn mutated_inputs_are_read_or_refused() {
    let wanted = std::env::var("HOMER_FUZZ").ok();
    let inputs = wanted.map_or(INPUTS, |wanted| wanted.parse().unwrap());
    for (place, (format, sample)) in SAMPLES.into_iter().enumerate() {
        let turns = read(Some(format), sample.to_owned());
        assert!(turns > 0 || format == Format::Table, "{format}: {sample}");
        let mut rng = ChaCha8Rng::seed_from_u64(place as u64);
        for n in 0..inputs {
            let text = mutate(sample, &mut rng);
            let length = text.len();
            // Half of them without saying what they were.
            let turns = read((n % 2 == 0).then_some(format), text);
            assert!(turns <= length, "{format}: {turns} turns of {length} bytes");
        }
    }
}

#[test]
fn nested_and_repeating_inputs_stay_small() {
    let deep = "[".repeat(100_000);
    for format in [
        Format::Json,
        Format::Telegram,
        Format::Assistant,
        Format::ChatterBot,
        Format::Rasa,
    ] {
        read(Some(format), deep.clone());
    }
    let mut laughs = String::from("a: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n");
    for n in 0..12 {
        let again = format!("*a{n}, ").repeat(9);
        laughs += &format!("b{n}: &a{} [{again}]\n", n + 1);
    }
    read(
        Some(Format::ChatterBot),
        format!("{laughs}conversations: *a12\n"),
    );
}
