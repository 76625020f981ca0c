//! Turns queries into documents and their postings.

use std::collections::HashMap;
use std::mem;

use rayon::prelude::*;

use super::Nearest;
use crate::text::tfidf::{count, tokens, weigh};

/// Many lists, end to end.
pub(super) struct Lists<T> {
    starts: Vec<usize>,
    values: Vec<T>,
}

impl<T> Lists<T> {
    pub(super) fn len(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn get(&self, at: usize) -> &[T] {
        &self.values[self.starts[at]..self.starts[at + 1]]
    }
}

impl<T, L: IntoIterator<Item = T>> FromIterator<L> for Lists<T> {
    fn from_iter<I: IntoIterator<Item = L>>(lists: I) -> Self {
        let mut starts = vec![0];
        let mut values = Vec::new();
        for list in lists {
            values.extend(list);
            starts.push(values.len());
        }
        Self { starts, values }
    }
}

impl Nearest {
    /// Queries whose replies mean `meaning`, of which (at most) the `distinct` best with different
    /// meanings will be asked for.
    pub(in crate::corpus) fn new(queries: &[&str], meaning: Vec<u32>, distinct: usize) -> Self {
        let mut vocabulary: HashMap<String, usize> = HashMap::new();
        let mut documents: HashMap<Vec<(u32, u32)>, u32> = HashMap::new();
        let mut document = Vec::with_capacity(queries.len());
        let mut first: Vec<Vec<u32>> = Vec::new();
        for (at, query) in queries.iter().enumerate() {
            let terms = count(tokens(query).map(|token| {
                let next = vocabulary.len();
                *vocabulary.entry(token).or_insert(next)
            }));
            let terms = terms.into_iter().map(|(term, n)| (term as u32, n as u32));
            let next = first.len() as u32;
            let own = *documents.entry(terms.collect()).or_insert(next);
            if own == next {
                first.push(Vec::new());
            }
            document.push(own);
            let own = &mut first[own as usize];
            let new = |own: &[u32]| {
                own.iter()
                    .all(|&other| meaning[other as usize] != meaning[at])
            };
            if own.len() < distinct && new(own) {
                own.push(at as u32);
            }
        }

        let mut terms = vec![Vec::new(); first.len()];
        for (own, place) in documents {
            terms[place as usize] = own;
        }
        let mut order: Vec<u32> = (0..first.len() as u32).collect();
        order.sort_by_key(|&old| terms[old as usize].len());
        let mut number = vec![0; first.len()];
        for (new, &old) in order.iter().enumerate() {
            number[old as usize] = new as u32;
        }
        let mut frequency = vec![0usize; vocabulary.len()];
        for own in &mut document {
            for &(term, _) in &terms[*own as usize] {
                frequency[term as usize] += 1;
            }
            *own = number[*own as usize];
        }
        let n = queries.len() as f32;
        let idf: Vec<f32> = frequency
            .iter()
            .map(|&df| ((1.0 + n) / (1.0 + df as f32)).ln() + 1.0)
            .collect();
        let vectors = order.iter().map(|&old| {
            let counts = mem::take(&mut terms[old as usize]).into_iter();
            let counts = counts.map(|(term, n)| (term as usize, n as f32));
            let weighed = weigh(counts.collect(), &idf).into_iter();
            weighed.map(|(term, weight)| (term as u32, weight))
        });
        let vectors = vectors.collect();
        let postings = postings(&vectors, vocabulary.len());
        let queries = order.iter().map(|&old| mem::take(&mut first[old as usize]));
        Self {
            queries: queries.collect(),
            vocabulary,
            idf,
            document,
            vectors,
            postings,
            meaning,
        }
    }
}

/// The vectors turned round.
fn postings(vectors: &Lists<(u32, f32)>, terms: usize) -> Lists<(u32, f32)> {
    let mut starts = vec![0usize; terms + 1];
    for &(term, _) in &vectors.values {
        starts[term as usize + 1] += 1;
    }
    for at in 0..terms {
        starts[at + 1] += starts[at];
    }
    let mut values = vec![(0, 0.0); vectors.values.len()];
    let mut next = starts.clone();
    for document in 0..vectors.len() {
        for &(term, weight) in vectors.get(document) {
            values[next[term as usize]] = (document as u32, weight);
            next[term as usize] += 1;
        }
    }
    let mut rest = values.as_mut_slice();
    let mut lists = Vec::with_capacity(terms);
    for at in 0..terms {
        let (own, after) = rest.split_at_mut(starts[at + 1] - starts[at]);
        lists.push(own);
        rest = after;
    }
    lists.into_par_iter().for_each(|own| {
        own.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    });
    Lists { starts, values }
}
