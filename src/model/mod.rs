//! The two models, a page each: [`bi_encoder`] embeds queries and replies apart, [`cross_encoder`]
//! reads them together. [`query`] is what a query is to the bi-encoder.

pub(crate) mod bi_encoder;
pub(crate) mod cross_encoder;
mod numbers;
pub(crate) mod query;
