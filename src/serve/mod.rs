//! A persona over HTTP: a page to talk with it, and the interfaces that other programs know.
//!
//! - [`host`]: a persona under a name; [`work`] and [`queue`]: what it does, in threads of its own.
//! - [`openai`], [`rerank`], [`feedback`]: a request's shape, and what is made of it; [`fault`]: what
//!   is said when it can't be done.
//! - [`page`]: what a browser gets; [`guard`]: who is let in; [`routes`]: where everything is.
//! - [`listen`]: connections, from the first to the last; [`watch`]: signals and new personas;
//!   [`metrics`]: what is counted.
//!
//! Nothing that a request says becomes a path: personas are known by their names alone.
#![warn(clippy::indexing_slicing, clippy::string_slice)]

pub(crate) mod extract;
pub(crate) mod fault;
pub(crate) mod feedback;
pub(crate) mod guard;
pub(crate) mod host;
pub(crate) mod listen;
pub(crate) mod metrics;
pub(crate) mod openai;
pub(crate) mod page;
pub(crate) mod queue;
pub(crate) mod rerank;
pub(crate) mod routes;
pub(crate) mod watch;
pub(crate) mod work;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::chat::Choice;
use crate::error::{Error, Remedy, Result};
use fault::Fault;
use metrics::Metrics;
use queue::Queue;
use work::{Pairs, Question, Texts, Told};

pub use guard::Doors;
pub use host::Host;
pub use listen::{Address, Listener};
pub use watch::{Signals, asked_to_leave, persona_changes};

/// Questions that are answered together.
const TOGETHER: usize = 64;
/// Requests whose texts are embedded together.
const EMBEDDED: usize = 16;

/// How much is taken on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Requests that wait for each kind of work.
    pub waiting: usize,
    /// How long the head of a request, or its body, may take to arrive; and how long a connection
    /// may wait for the next request.
    pub arrival: Duration,
    /// How long a request waits for its answer.
    pub patience: Duration,
    /// How long what is under way may take when the server leaves.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            waiting: 256,
            arrival: Duration::from_secs(20),
            patience: Duration::from_secs(30),
            farewell: Duration::from_secs(10),
        }
    }
}

/// What all requests share.
pub struct App {
    hosts: Vec<Host>,
    choice: Choice,
    drawn: AtomicU64,
    doors: Arc<Doors>,
    limits: Limits,
    metrics: Metrics,
    talk: Queue<Question, Told>,
    embed: Queue<Texts, Vec<Vec<f32>>>,
    score: Queue<Pairs, Vec<f32>>,
    writing: Mutex<()>,
}

impl App {
    /// Personas, how they choose where a request does not say, and who may ask.
    ///
    /// # Errors
    /// There is no persona, or two have one name; the system gives no threads.
    pub fn new(hosts: Vec<Host>, choice: Choice, doors: Doors, limits: Limits) -> Result<Self> {
        if hosts.is_empty() {
            return Err(Error::setting("there is no persona to serve", Remedy::None));
        }
        for (i, host) in hosts.iter().enumerate() {
            if hosts
                .iter()
                .take(i)
                .any(|other| other.name() == host.name())
            {
                let what = format!("two personas are called {}", host.name());
                return Err(Error::setting(what, "give one of them another name"));
            }
        }
        let metrics = Metrics::default();
        let Limits {
            waiting, patience, ..
        } = limits;
        let queue = |name| metrics.queue(name);
        Ok(Self {
            talk: Queue::start(
                "talk",
                waiting,
                TOGETHER,
                patience,
                queue("talk"),
                work::talk,
            )?,
            embed: Queue::start(
                "embed",
                waiting,
                EMBEDDED,
                patience,
                queue("embed"),
                work::embed,
            )?,
            score: Queue::start("score", waiting, 1, patience, queue("score"), work::score)?,
            drawn: AtomicU64::new(choice.seed),
            hosts,
            choice,
            doors: Arc::new(doors),
            limits,
            metrics,
            writing: Mutex::new(()),
        })
    }

    /// The personas.
    pub fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    /// The persona of that name; the first where none is asked for.
    fn host(&self, name: Option<&str>) -> std::result::Result<&Host, Fault> {
        let mut hosts = self.hosts.iter();
        match name {
            None => hosts.next().ok_or_else(Fault::internal),
            Some(name) => hosts.find(|host| host.name() == name).ok_or_else(|| {
                let known: Vec<&str> = self.hosts.iter().map(Host::name).collect();
                Fault::no_model(name, &known.join(", "))
            }),
        }
    }

    /// The seed of the next draw: each is another one, and the same again after a start with the same
    /// seed.
    fn seed(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::Relaxed)
    }
}

/// An error with its causes, on one line of the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
