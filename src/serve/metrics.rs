//! What the server counts, in the text that Prometheus reads.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// The media type of what [`Metrics::text`] gives.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Name {
    queue: &'static str,
}

/// All counters.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    seconds: Family<Route, Histogram>,
    waiting: Family<Name, Gauge>,
    batches: Family<Name, Histogram>,
    /// Connections that are open.
    pub connections: Gauge,
}

/// The counters of one queue.
#[derive(Clone)]
pub(crate) struct QueueMetrics {
    /// Requests that wait.
    pub waiting: Gauge,
    /// Requests worked on together.
    pub batch: Histogram,
}

impl Default for Metrics {
    /// All at zero.
    fn default() -> Self {
        let mut registry = Registry::with_prefix("homer");
        let requests = Family::default();
        registry.register(
            "http_requests",
            "Requests by route and status",
            requests.clone(),
        );
        // From half a millisecond to half a minute.
        let seconds = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(0.0005, 2.0, 17))) as fn() -> Histogram,
        );
        registry.register(
            "http_request_seconds",
            "Seconds from the head of a request to the head of its answer",
            seconds.clone(),
        );
        let waiting = Family::default();
        registry.register(
            "queue_length",
            "Requests that wait for a model",
            waiting.clone(),
        );
        let batches = Family::new_with_constructor(
            (|| Histogram::new(exponential_buckets(1.0, 2.0, 8))) as fn() -> Histogram,
        );
        registry.register(
            "batch_size",
            "Requests that were worked on together",
            batches.clone(),
        );
        let connections = Gauge::default();
        registry.register("connections", "Open connections", connections.clone());
        Self {
            registry,
            requests,
            seconds,
            waiting,
            batches,
            connections,
        }
    }
}

impl Metrics {
    /// The counters of the queue of that name.
    pub(crate) fn queue(&self, queue: &'static str) -> QueueMetrics {
        QueueMetrics {
            waiting: self.waiting.get_or_create(&Name { queue }).clone(),
            batch: self.batches.get_or_create(&Name { queue }).clone(),
        }
    }

    /// Counts a request that was answered. `route` is the pattern, not what was asked for, so that
    /// strangers can't make up any number of them.
    pub(crate) fn answered(&self, route: &str, status: u16, after: Duration) {
        let route = route.to_owned();
        let labels = Route {
            route: route.clone(),
        };
        self.seconds
            .get_or_create(&labels)
            .observe(after.as_secs_f64());
        self.requests
            .get_or_create(&Answered { route, status })
            .inc();
    }

    /// Everything, as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
