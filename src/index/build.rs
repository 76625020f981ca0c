//! From a dataset and a bi-encoder to an index.

use std::collections::HashMap;
use std::path::Path;

use super::blend::{QUERIES, blend};
use super::manifest::{Manifest, Provenance};
use super::reuse::{self, Limits, Old, Plan};
use super::write::{Growth, IndexWriter, Size, Vector};
use super::{Entry, Origin, check_own};
use crate::corpus::dataset::{Dataset, Reply};
use crate::corpus::report::thousands;
use crate::dialogue::Exchange;
use crate::error::{Error, Remedy, Result, Step};
use crate::files::Rights;
use crate::model::bi_encoder::Embeddings;
use crate::watch::{Unit, Watch};

/// Replies embedded in one call: enough to keep every core busy, and all the vectors that are in
/// memory at a time.
const BATCH: usize = 512;

/// Embeds with `embed` every distinct reply of the pool that the index in `folder` does not hold yet, batch by
/// batch, with the queries that it answers at `source.query_weight` (see [`blend`]), in half the bytes where they are
/// to be written in `eight` bits, and puts the new index in the
/// place of that one; `rights` are those of the dialogue. `watch` hears how many replies are new; where it stops
/// the work, an index that was there stands. The caller sees to it that nobody else builds there.
///
/// # Errors
/// What `embed` returns, [`Error::Interrupted`]; there is no reply, a vector is unusable, or the folder cannot
/// be written.
pub(crate) fn build(
    folder: &Path,
    dataset: &Dataset,
    rights: Rights,
    source: Provenance,
    eight: bool,
    embed: impl FnMut(&[&str]) -> Result<Embeddings>,
    watch: &mut dyn Watch,
) -> Result<Manifest> {
    let limits = Limits {
        eight,
        ..Limits::default()
    };
    build_within(limits, folder, dataset, rights, source, embed, watch)
}

/// The same, kept as `limits` say.
pub(super) fn build_within(
    limits: Limits,
    folder: &Path,
    dataset: &Dataset,
    rights: Rights,
    source: Provenance,
    mut embed: impl FnMut(&[&str]) -> Result<Embeddings>,
    watch: &mut dyn Watch,
) -> Result<Manifest> {
    // Before hours of work, not after.
    check_own(folder)?;
    let pool = &dataset.pool;
    if pool.is_empty() {
        return Err(Error::too_few(
            "the prepared dialogue holds no reply",
            Remedy::Remake(Step::Prepare),
        ));
    }
    let material = Material::of(dataset, source.query_weight);
    let prints: Vec<u64> = pool.iter().map(|reply| material.print(reply)).collect();
    let width = embed(&[])?.width;
    let old = Old::open(folder, &source, width, watch);
    let plan = Plan::new(&prints, old.as_ref(), width, limits);
    if old.is_some() {
        let [all, new] = [pool.len(), plan.new].map(thousands);
        let [kept, gone] = [pool.len() - plan.new, plan.gone].map(thousands);
        watch.note(&format!(
            "{all} replies: {new} new, {kept} as they were, {gone} gone"
        ));
    }
    watch.stage("replies", plan.new as u64, Unit::Parts);
    let size = Size {
        replies: pool.len(),
        width,
        coded: plan.coded,
        eight: limits.eight,
    };
    let growth = old.as_ref().filter(|_| plan.grows).map(|old| Growth {
        folder,
        manifest: old.index.manifest(),
        new: plan.new,
        rows: plan.rows(old),
    });
    let mut writer = IndexWriter::create(folder, rights, size, growth)?;
    let mut done = 0;
    for rows in plan.batches(BATCH) {
        let fresh = rows.clone().filter(|&row| plan.slot(row).is_none());
        let fresh: Vec<&Reply> = fresh.filter_map(|row| pool.get(row)).collect();
        let embedded = material.embed(&fresh, &mut embed)?;
        let mut embedded = embedded.values.chunks(width);
        for row in rows {
            let (Some(reply), Some(&print)) = (pool.get(row), prints.get(row)) else {
                continue;
            };
            let vector = match (plan.slot(row), &old) {
                (Some(_), _) if plan.grows => Vector::InPlace,
                (Some(slot), Some(old)) => Vector::Known(old.index.vector(slot as usize)),
                _ => Vector::Embedded(embedded.next().unwrap_or_default()),
            };
            writer.push(&material.entry(reply), print, &vector)?;
        }
        done += fresh.len();
        watch.advance(done as u64);
        watch.go_on()?;
    }
    writer.finish(source)
}

/// The exchanges that replies answer.
struct Material<'a> {
    exchanges: HashMap<usize, &'a Exchange>,
    /// Weight of the queries, and how many of a reply are looked at.
    weight: f32,
    asked: usize,
}

impl<'a> Material<'a> {
    fn of(dataset: &'a Dataset, weight: f32) -> Self {
        let exchanges = dataset.exchanges().into_iter();
        Self {
            exchanges: exchanges.map(|exchange| (exchange.id, exchange)).collect(),
            weight,
            asked: if weight > 0.0 { QUERIES } else { 0 },
        }
    }

    /// The exchanges that a reply answers, as far as they are there.
    fn answered(&self, reply: &Reply) -> impl Iterator<Item = &'a Exchange> {
        let ids = reply.exchanges.iter();
        ids.filter_map(|id| self.exchanges.get(id).copied())
    }

    /// The queries that are blended into the vector of a reply.
    fn queries(&self, reply: &Reply) -> impl Iterator<Item = &'a str> {
        let answered = self.answered(reply).take(self.asked);
        answered.map(|exchange| exchange.query.text.as_str())
    }

    /// The print of what the vector of a reply is made of.
    fn print(&self, reply: &Reply) -> u64 {
        reuse::print(&reply.text, self.queries(reply))
    }

    /// What the index says of a reply.
    fn entry(&self, reply: &Reply) -> Entry {
        Entry {
            text: reply.text.clone(),
            origin: self.answered(reply).next().map(Origin::from),
            exchanges: reply.exchanges.clone(),
        }
    }

    /// The vectors of replies.
    fn embed(
        &self,
        replies: &[&Reply],
        embed: &mut impl FnMut(&[&str]) -> Result<Embeddings>,
    ) -> Result<Embeddings> {
        let texts: Vec<&str> = replies.iter().map(|reply| reply.text.as_str()).collect();
        let queries: Vec<Vec<&str>> = replies
            .iter()
            .map(|reply| self.queries(reply).collect())
            .collect();
        let mut vectors = embed(&texts)?;
        let asked = embed(&queries.concat())?;
        let width = vectors.width;
        let mut at = 0;
        for (vector, queries) in vectors.values.chunks_mut(width).zip(&queries) {
            let count = queries.len() * width;
            let own = asked.values.get(at..at + count).unwrap_or_default();
            blend(vector, own, self.weight);
            at += count;
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod growing;
#[cfg(test)]
mod tests;
