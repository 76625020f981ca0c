//! A bounded queue before a thread that works: what waits together is worked on together.
//!
//! The async threads never encode anything. They put a question into a [`Queue`] and wait; where it
//! is full they are told so at once. A question whose asker went away, or whose time is over, is
//! dropped before any work is done for it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::chain;
use super::fault::Fault;
use super::metrics::QueueMetrics;
use crate::error::{IoContext, Result};

/// A question that waits, and where its answer goes.
struct Ticket<Q, A> {
    question: Q,
    answer: oneshot::Sender<Result<A>>,
    deadline: Instant,
}

/// The entrance to a queue; the thread behind it ends when the last entrance is gone.
pub(crate) struct Queue<Q, A> {
    entrance: SyncSender<Ticket<Q, A>>,
    metrics: QueueMetrics,
    patience: Duration,
}

impl<Q: Send + 'static, A: Send + 'static> Queue<Q, A> {
    /// Starts the thread. At most `room` questions wait, each as long as `patience`; at most
    /// `together` are worked on at once. `work` gives as many answers as it gets questions.
    ///
    /// # Errors
    /// The system gives no thread.
    pub(crate) fn start(
        name: &'static str,
        room: usize,
        together: usize,
        patience: Duration,
        metrics: QueueMetrics,
        work: impl Fn(&[Q]) -> Vec<Result<A>> + Send + 'static,
    ) -> Result<Self> {
        let (entrance, waiting) = sync_channel(room);
        let seen = metrics.clone();
        thread::Builder::new()
            .name(format!("homer-{name}"))
            .spawn(move || serve(&waiting, together, &seen, work))
            .at("start the thread", name)?;
        Ok(Self {
            entrance,
            metrics,
            patience,
        })
    }

    /// Waits in the queue for the answer. Whoever drops this future is forgotten.
    ///
    /// # Errors
    /// The queue is full, it takes too long, or the work fails.
    pub(crate) async fn ask(&self, question: Q) -> std::result::Result<A, Fault> {
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket {
            question,
            answer,
            deadline: Instant::now() + self.patience,
        };
        // Counted before it can be taken out.
        self.metrics.waiting.inc();
        if let Err(refused) = self.entrance.try_send(ticket) {
            self.metrics.waiting.dec();
            return Err(match refused {
                TrySendError::Full(_) => Fault::busy(),
                TrySendError::Disconnected(_) => Fault::leaving(),
            });
        }
        match tokio::time::timeout(self.patience, answered).await {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => {
                tracing::error!("{}", chain(&error));
                Err(Fault::internal())
            }
            Ok(Err(_)) => Err(Fault::internal()),
            Err(_) => Err(Fault::late()),
        }
    }
}

fn serve<Q, A>(
    waiting: &Receiver<Ticket<Q, A>>,
    together: usize,
    metrics: &QueueMetrics,
    work: impl Fn(&[Q]) -> Vec<Result<A>>,
) {
    while let Ok(first) = waiting.recv() {
        let others = waiting.try_iter().take(together.saturating_sub(1));
        let tickets: Vec<_> = std::iter::once(first).chain(others).collect();
        metrics.waiting.dec_by(tickets.len() as i64);
        let now = Instant::now();
        let (questions, answers): (Vec<Q>, Vec<_>) = tickets
            .into_iter()
            .filter(|ticket| !ticket.answer.is_closed() && ticket.deadline > now)
            .map(|ticket| (ticket.question, ticket.answer))
            .unzip();
        if questions.is_empty() {
            continue;
        }
        metrics.batch.observe(questions.len() as f64);
        // A panic is a fault of these questions; the next ones are still answered. Dropping the
        // senders tells the askers.
        let Ok(results) = catch_unwind(AssertUnwindSafe(|| work(&questions))) else {
            tracing::error!("the work on {} requests panicked", questions.len());
            continue;
        };
        for (answer, result) in answers.into_iter().zip(results) {
            // Whoever left meanwhile needs none.
            let _ = answer.send(result);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::metrics::Metrics;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use std::sync::Arc;
    use std::sync::mpsc::channel;

    /// A queue whose work waits for a word each time, and says how many it worked on.
    struct Bench {
        queue: Arc<Queue<u32, u32>>,
        go: std::sync::mpsc::Sender<()>,
        seen: Receiver<Vec<u32>>,
        runtime: tokio::runtime::Runtime,
    }

    fn bench(room: usize, patience: Duration) -> Bench {
        let (go, wait) = channel::<()>();
        let (tell, seen) = channel();
        let work = move |questions: &[u32]| {
            tell.send(questions.to_vec()).unwrap();
            wait.recv().unwrap();
            assert!(questions != [13], "unlucky");
            questions.iter().map(|q| Ok(q * 2)).collect()
        };
        let metrics = Metrics::default().queue("test");
        let queue = Queue::start("test", room, 8, patience, metrics, work).unwrap();
        Bench {
            queue: Arc::new(queue),
            go,
            seen,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_time()
                .build()
                .unwrap(),
        }
    }

    impl Bench {
        fn ask(&self, q: u32) -> tokio::task::JoinHandle<std::result::Result<u32, StatusCode>> {
            let queue = Arc::clone(&self.queue);
            let asked = self.runtime.spawn(async move {
                let answer = queue.ask(q).await;
                answer.map_err(|fault| fault.into_response().status())
            });
            // In the order in which they are asked.
            let waits = self.queue.metrics.waiting.get();
            for _ in 0..1000 {
                if asked.is_finished() || self.queue.metrics.waiting.get() != waits {
                    break;
                }
                thread::sleep(Duration::from_millis(1));
            }
            asked
        }

        fn answer(
            &self,
            task: tokio::task::JoinHandle<std::result::Result<u32, StatusCode>>,
        ) -> std::result::Result<u32, StatusCode> {
            self.runtime.block_on(task).unwrap()
        }
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_waits_together_is_worked_on_together_and_a_full_queue_says_so() {
        let bench = bench(3, LONG);
        let first = bench.ask(1);
        assert_eq!(bench.seen.recv().unwrap(), [1]);
        let waiting: Vec<_> = (2..5).map(|q| bench.ask(q)).collect();
        let refused = bench.ask(5);
        assert_eq!(bench.answer(refused), Err(StatusCode::TOO_MANY_REQUESTS));
        bench.go.send(()).unwrap();
        assert_eq!(bench.answer(first), Ok(2));
        assert_eq!(bench.seen.recv().unwrap(), [2, 3, 4]);
        bench.go.send(()).unwrap();
        let answers: Vec<_> = waiting.into_iter().map(|task| bench.answer(task)).collect();
        assert_eq!(answers, [Ok(4), Ok(6), Ok(8)]);
        assert_eq!(bench.queue.metrics.waiting.get(), 0);
    }

    #[test]
    fn who_goes_away_is_forgotten_and_who_waits_too_long_is_told() {
        let bench = bench(8, Duration::from_millis(300));
        let first = bench.ask(1);
        assert_eq!(bench.seen.recv().unwrap(), [1]);
        let (gone, late) = (bench.ask(2), bench.ask(3));
        gone.abort();
        assert_eq!(bench.answer(first), Err(StatusCode::GATEWAY_TIMEOUT));
        assert_eq!(bench.answer(late), Err(StatusCode::GATEWAY_TIMEOUT));
        // On a machine with much else to do the next one may be late as well; it may ask again.
        let answered = (0..100).any(|_| {
            bench.go.send(()).unwrap();
            let next = bench.ask(4);
            bench.go.send(()).unwrap();
            bench.answer(next) == Ok(8)
        });
        assert!(answered);
        assert!(bench.seen.try_iter().all(|questions| questions == [4]));
    }

    #[test]
    fn a_panic_is_the_fault_of_one_batch() {
        let bench = bench(8, LONG);
        let unlucky = bench.ask(13);
        bench.go.send(()).unwrap();
        assert_eq!(
            bench.answer(unlucky),
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        );
        let next = bench.ask(4);
        bench.go.send(()).unwrap();
        assert_eq!(bench.answer(next), Ok(8));
    }
}
