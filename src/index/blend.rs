//! A reply's vector in the index: what it says, and what it was said to.
//!
//! Whoever asks what somebody asked in the script should hear what was answered there. The score
//! of a reply is the mean of two cosines, of the question with the reply and with the queries that
//! it answered; both are scalar products with the question's vector, so that their mean is one
//! with the mean of the vectors, and searching costs nothing more.

/// Weight of the queries' vector beside the reply's own, unless the user says otherwise.
pub(crate) const QUERY_WEIGHT: f32 = 1.0;
/// Queries of one reply that are looked at, at most: what answers more fits everything anyway.
pub(crate) const QUERIES: usize = 8;

/// `(reply + weight · mean(queries)) / (1 + weight)`, in the reply's place; a reply that answered
/// nobody stays as it is. All are unit vectors, one in each chunk of `queries`.
///
/// The mean is not made a unit vector again: a reply to all sorts of queries is close to none.
pub(crate) fn blend(reply: &mut [f32], queries: &[f32], weight: f32) {
    let count = queries.len() / reply.len();
    if count == 0 {
        return;
    }
    let own = 1.0 / (1.0 + weight);
    let each = weight * own / count as f32;
    reply.iter_mut().for_each(|x| *x *= own);
    for query in queries.chunks_exact(reply.len()) {
        for (x, y) in reply.iter_mut().zip(query) {
            *x += each * y;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_is_the_mean_of_both_cosines() {
        let mut reply = [0.6, 0.8, 0.0];
        let queries = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
        blend(&mut reply, &queries, 1.0);
        let question = [0.0, 0.6, 0.8];
        let score: f32 = reply.iter().zip(question).map(|(a, b)| a * b).sum();
        // 0.48 with the reply; 0.8 and 0 with its queries.
        assert!((score - (0.48 + 0.4) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn without_queries_or_weight_the_reply_is_itself() {
        let mut reply = [0.6, 0.8];
        blend(&mut reply, &[], 1.0);
        assert_eq!(reply, [0.6, 0.8]);
        blend(&mut reply, &[1.0, 0.0], 0.0);
        assert_eq!(reply, [0.6, 0.8]);
    }
}
