//! What a query is to the bi-encoder: the vector of its words, and half the vector of the turn
//! before it.
//!
//! Embedded as one text, a long context drowns a short query; two vectors keep their weights
//! whatever their lengths, and an encoder that was never trained on conversations reads both well.
//! The turn just before, most often the character's own, says as much as all turns together.

use super::bi_encoder::{Embeddings, normalize};
use crate::error::Result;
use crate::hf::tokenizer::QueryTokens;
use crate::nn::packed::Tokens;

/// What the context's unit vector counts beside the query's.
pub(crate) const CONTEXT_WEIGHT: f32 = 0.5;

/// Unit vectors of queries `[queries, hidden]`; `embed` gives those of token sequences.
///
/// # Errors
/// What `embed` fails with.
pub(crate) fn embed(
    queries: &[QueryTokens],
    embed: impl FnOnce(&[Tokens]) -> Result<Embeddings>,
) -> Result<Embeddings> {
    let texts = queries.iter().map(|query| &query.text);
    let contexts = queries.iter().filter_map(|query| query.context.as_ref());
    let sequences: Vec<Tokens> = texts.chain(contexts).cloned().collect();
    let mut all = embed(&sequences)?; // [queries + contexts, hidden]
    let (texts, contexts) = all.values.split_at_mut(queries.len() * all.width);
    let mut contexts = contexts.chunks(all.width);
    for (query, row) in queries.iter().zip(texts.chunks_mut(all.width)) {
        if query.context.is_some()
            && let Some(context) = contexts.next()
        {
            for (x, c) in row.iter_mut().zip(context) {
                *x += CONTEXT_WEIGHT * c;
            }
            normalize(row);
        }
    }
    all.values.truncate(queries.len() * all.width);
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_counts_half_and_only_for_its_own_query() {
        let tokens = |id| Tokens {
            ids: vec![id],
            types: vec![0],
        };
        let query = |text, context: Option<u32>| QueryTokens {
            text: tokens(text),
            context: context.map(tokens),
        };
        // Token `i` is the unit vector along axis `i`.
        let axes = |sequences: &[Tokens]| {
            let values = sequences
                .iter()
                .flat_map(|one| (0..3).map(|i| f32::from(u8::from(i == one.ids[0]))));
            Ok(Embeddings {
                width: 3,
                values: values.collect(),
            })
        };
        let queries = [
            query(0, None),
            query(1, Some(2)),
            query(2, None),
            query(0, Some(0)),
        ];
        let all = embed(&queries, axes).unwrap();
        assert_eq!(all.len(), 4);
        assert_eq!(all.row(0), [1.0, 0.0, 0.0]);
        let length = 1.25f32.sqrt();
        assert_eq!(all.row(1), [0.0, 1.0 / length, 0.5 / length]);
        assert_eq!(all.row(2), [0.0, 0.0, 1.0]);
        assert_eq!(all.row(3), [1.0, 0.0, 0.0]);
    }
}
