//! Ready pairs: a query and its reply a row, for people who have questions and answers.
//!
//! Many such files tell in a context column what the others said, and leave out what the character
//! answered meanwhile. Where a row's context goes on from the row before, that reply is put back:
//! it says more about what comes next than anything else in the context.

use std::borrow::Cow;

use super::columns::{is_own, place};
use super::document::data;
use super::read::{Row, Source};
use crate::dialogue::{Exchange, Turn};
use crate::error::{Error, Remedy, Result, Setting};
use crate::text::clean::tidy;
use crate::text::printable::excerpt;

/// What the file's rows gave.
#[derive(Debug, Default)]
pub(crate) struct Pairs {
    /// In file order; good and bad replies are still to be picked.
    pub exchanges: Vec<Exchange>,
    /// Rows without a query or without a reply.
    pub incomplete: usize,
    /// Rows labelled as somebody else's.
    pub others: usize,
    /// The context that the last pair's row told, without its query.
    told: String,
}

/// The columns of pairs, by name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PairColumns<'a> {
    /// What is answered.
    pub query: &'a str,
    /// What goes on with the query.
    pub more: Option<&'a str>,
    /// The answer.
    pub reply: &'a str,
    /// What was said before.
    pub context: Option<&'a str>,
    /// 1 where the reply is the character's.
    pub label: Option<&'a str>,
}

impl Pairs {
    /// Reads a table's rows, after those that were read before. Those labelled 0 are counted and left
    /// out. Of what was said before a query at most `context_turns` turns are kept, the newest.
    ///
    /// # Errors
    /// What [`Source::for_each_row`] returns; a label that is neither yes nor no; no pair at all.
    pub(crate) fn read(
        &mut self,
        source: &Source,
        columns: PairColumns<'_>,
        context_turns: usize,
    ) -> Result<()> {
        let optional = |name: Option<&str>| name.map(|name| place(source, name)).transpose();
        let query_at = place(source, columns.query)?;
        let reply_at = place(source, columns.reply)?;
        let more_at = optional(columns.more)?;
        let context_at = optional(columns.context)?;
        let label_at = optional(columns.label)?;

        let known = self.exchanges.len();
        let before = self.exchanges.last().map_or(0, |last| last.scene);
        self.told = String::new();
        source.for_each_row(|row| {
            if let Some(at) = label_at
                && !is_own(row.cell(at)).ok_or_else(|| bad_label(source, &row, at))?
            {
                self.others += 1;
                return Ok(());
            }
            let query = row.cell(query_at);
            let more = more_at.map_or("", |at| row.cell(at)).trim();
            let whole = if more.is_empty() {
                query.into()
            } else {
                Cow::from(format!("{} {more}", query.trim_end()))
            };
            let context = context_at.map_or("", |at| row.cell(at));
            let scene = before + usize::try_from(row.number).unwrap_or(usize::MAX);
            self.take(scene, &whole, row.cell(reply_at), context, context_turns);
            Ok(())
        })?;
        if self.exchanges.len() == known {
            return Err(data(
                source.path(),
                None,
                format!(
                    "no row has a query (\"{}\") and a reply (\"{}\"): {} incomplete, {} labelled 0",
                    columns.query, columns.reply, self.incomplete, self.others
                ),
                Remedy::choose([
                    Setting::QueryColumn,
                    Setting::ReplyColumn,
                    Setting::LabelColumn,
                ]),
            ));
        }
        Ok(())
    }

    fn take(&mut self, scene: usize, query: &str, reply: &str, context: &str, most: usize) {
        let text = tidy(query);
        let reply = tidy(reply);
        if text.is_empty() || reply.is_empty() {
            self.incomplete += 1;
            return;
        }
        let told = before_query(context, query);
        let mut context = self.context(&told);
        context.drain(..context.len().saturating_sub(most));
        self.told = told;
        self.exchanges.push(Exchange {
            id: self.exchanges.len(),
            scene,
            context,
            query: nobody(text),
            reply,
            close_replies: Vec::new(),
            good_replies: Vec::new(),
            bad_replies: Vec::new(),
        });
    }

    /// The turns before a query whose row tells of `told`: those of the pair before, with its query
    /// and reply, where this one goes on from it.
    fn context(&self, told: &str) -> Vec<Turn> {
        let goes_on = self.exchanges.last().and_then(|last| {
            let rest = rest_of(told, &self.told, &last.query.text)?;
            let mut turns = last.context.clone();
            turns.extend([last.query.clone(), nobody(last.reply.clone())]);
            Some((turns, rest))
        });
        let (mut turns, rest) = goes_on.unwrap_or((Vec::new(), told));
        if !rest.is_empty() {
            turns.push(nobody(rest.to_owned()));
        }
        turns
    }
}

fn nobody(text: String) -> Turn {
    Turn {
        speaker: String::new(),
        text,
    }
}

/// What of `told` was said after the query of the row before, which told of `before`; `None` where
/// `told` does not go on from that row.
fn rest_of<'a>(told: &'a str, before: &str, query: &str) -> Option<&'a str> {
    let known = format!("{before} {query}");
    told.rmatch_indices(query).find_map(|(at, _)| {
        let (head, rest) = told.split_at(at + query.len());
        let older = known.strip_suffix(head)?;
        let apart = (older.is_empty() || older.ends_with(' '))
            && (rest.is_empty() || rest.starts_with(' '));
        apart.then(|| rest.trim_start())
    })
}

/// Many files end the context with the query itself: what is left is what was said before.
fn before_query(context: &str, query: &str) -> String {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let context = plain(context);
    let query = plain(query);
    tidy(context.strip_suffix(query.as_str()).unwrap_or(&context))
}

fn bad_label(source: &Source, row: &Row<'_>, column: usize) -> Error {
    data(
        source.path(),
        Some(row.number),
        format!(
            "column \"{}\": \"{}\" is no label",
            source.header().get(column).map_or("", String::as_str),
            excerpt(row.cell(column), 80)
        ),
        "write 1 (or true) where the reply is the character's, 0 (or false) where it is not",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::document::Document;

    fn read(rows: &str) -> Result<Pairs> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.csv");
        std::fs::write(&path, format!("Q,A,Context,label\n{rows}")).unwrap();
        let source = Source::of(Document::read(&path, None)?)?;
        let columns = PairColumns {
            query: "Q",
            more: None,
            reply: "A",
            context: Some("Context"),
            label: Some("label"),
        };
        let mut pairs = Pairs::default();
        pairs.read(&source, columns, 4)?;
        Ok(pairs)
    }

    fn contexts(pairs: &Pairs) -> Vec<Vec<&str>> {
        let exchanges = pairs.exchanges.iter();
        exchanges
            .map(|pair| pair.context.iter().map(|turn| turn.text.as_str()).collect())
            .collect()
    }

    #[test]
    fn the_query_is_taken_off_the_context() {
        let pairs = read(
            "Tea?,Yes.,Morning. Hm.  Tea?,1.0\nSugar?,Two.,Sugar?,TRUE\nMilk?,No.,Tea first.,1\n",
        )
        .unwrap();
        assert_eq!(
            contexts(&pairs),
            [vec!["Morning. Hm."], vec![], vec!["Tea first."]]
        );
        assert_eq!(pairs.exchanges[2].scene, 4);
        assert_eq!(pairs.exchanges[2].id, 2);
    }

    #[test]
    fn the_characters_own_replies_are_put_back_where_a_row_goes_on_from_the_one_before() {
        let pairs = read(
            "Tea?,Yes.,Morning. Tea?,1\n\
             Milk?,A drop.,Morning. Tea? Here. Milk?,1\n\
             Her line?,Hers.,Tea? Here. Milk?,0\n\
             Sugar?,Two.,Here. Milk? Sugar?,1\n\
             Cake?,Later.,A new day. Milk? Sugar? Cake?,1\n\
             Pie?,Now.,Cakes. Pie?,1\n",
        )
        .unwrap();
        let whole = ["Tea?", "Yes.", "Here.", "Milk?", "A drop."];
        assert_eq!(
            contexts(&pairs),
            [
                vec!["Morning."],
                vec!["Morning.", "Tea?", "Yes.", "Here."],
                whole[1..].to_vec(),             // four turns at most
                vec!["A new day. Milk? Sugar?"], // of another conversation, however alike
                vec!["Cakes."],                  // another word, not the query before
            ]
        );
    }

    #[test]
    fn other_peoples_and_incomplete_rows_are_left_out() {
        let pairs = read("Tea?,Yes.,,1\nTea?,Maybe.,,0.0\n,Yes.,,1\nTea?,―,,1\n").unwrap();
        assert_eq!(pairs.exchanges.len(), 1);
        assert_eq!((pairs.others, pairs.incomplete), (1, 2));
    }

    #[test]
    fn an_odd_label_is_an_error_with_its_row() {
        let message = read("Tea?,Yes.,,1\nTea?,No.,,Ada\n")
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("row 3: column \"label\": \"Ada\""),
            "{message}"
        );
        let message = read("Tea?,Yes.,,0\n").unwrap_err().to_string();
        assert!(message.contains("1 labelled 0"), "{message}");
    }
}
