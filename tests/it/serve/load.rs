//! Many at once, the slow, and those who go away: over servers in this process whose persona thinks
//! as long as the test wants.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use homer::serve::{Address, App, Doors, Host, Limits, Listener};
use homer::{Choice, Entry, Persona, Project, Query, Result, Retrieve};
use serde_json::json;
use tokio::sync::oneshot;

use super::harness::{Client, Reply};

/// Thinks until it is told to go on, and tells what it was asked.
struct Slow {
    go: Mutex<Receiver<()>>,
    asked: Sender<String>,
}

impl Retrieve for Slow {
    fn retrieve(&self, query: Query<'_>, _: usize) -> Result<Vec<(Entry, f32)>> {
        self.asked.send(query.text.to_owned()).unwrap();
        // Nobody to say so: the test is over.
        let _ = self.go.lock().unwrap().recv();
        let entry = Entry {
            text: format!("{}, you say.", query.text),
            ..Entry::default()
        };
        Ok(vec![(entry, 0.5)])
    }
}

/// A server of a slow persona.
struct Bench {
    base: String,
    go: Sender<()>,
    asked: Receiver<String>,
    stop: Option<oneshot::Sender<()>>,
    ended: Option<thread::JoinHandle<()>>,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        let (go, wait) = channel();
        let (tell, asked) = channel();
        let slow = Slow {
            go: Mutex::new(wait),
            asked: tell,
        };
        let persona = Persona::new("Rufus", slow);
        let project = Project::new(std::env::temp_dir().join("no-such-folder"));
        let host = Host::new("rufus", project, persona, || unreachable!());
        let app = App::new(vec![host], Choice::default(), Doors::default(), limits).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = channel();
        let ended = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let address: Address = "127.0.0.1:0".parse().unwrap();
                let listener = Listener::bind(&address).await.unwrap();
                tell.send(listener.address().to_string()).unwrap();
                let stop = async {
                    let _ = stopped.await;
                };
                listener.serve(Arc::new(app), stop).await;
            });
        });
        Self {
            base: told.recv().unwrap(),
            go,
            asked,
            stop: Some(stop),
            ended: Some(ended),
        }
    }

    fn client(&self) -> Client {
        Client::new(&self.base)
    }

    fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Asks in a thread of its own.
    fn ask(&self, text: &str) -> thread::JoinHandle<Reply> {
        let (client, text) = (self.client(), text.to_owned());
        thread::spawn(move || {
            let request = json!({"messages": [{"role": "user", "content": text}]});
            client.post("/v1/chat/completions", &request)
        })
    }

    /// The next question that the persona thinks about.
    fn heard(&self) -> String {
        self.asked.recv_timeout(AGES).unwrap()
    }

    /// A number among the metrics.
    fn metric(&self, name: &str) -> f64 {
        let text = self.client().get("/metrics").text;
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    /// Waits until a number has come to be this.
    fn until(&self, name: &str, value: f64) {
        let begun = Instant::now();
        while self.metric(name) != value {
            assert!(begun.elapsed() < AGES, "{name} is {}", self.metric(name));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.stop.take();
        let (never, _) = channel();
        // Whoever thinks still, stops.
        self.go = never;
        if let Some(ended) = self.ended.take() {
            let _ = ended.join();
        }
    }
}

/// Longer than anything takes, on a machine with however much else to do.
const AGES: Duration = Duration::from_secs(120);

const WAITING: &str = "homer_queue_length{queue=\"talk\"}";

#[test]
fn who_finds_the_queue_full_is_told_to_come_back_and_the_others_are_answered() {
    let bench = Bench::new(Limits {
        waiting: 3,
        ..Limits::default()
    });
    let first = bench.ask("one");
    assert_eq!(bench.heard(), "one");
    let waiting: Vec<_> = ["two", "three", "four"].map(|text| bench.ask(text)).into();
    bench.until(WAITING, 3.0);
    for _ in 0..5 {
        let refused = bench.ask("five").join().unwrap();
        assert_eq!((refused.status, refused.code()), (429, "queue_full".into()));
        assert_eq!(refused.header("retry-after"), "1");
    }
    // What needs no model is answered all the while.
    assert_eq!(bench.client().get("/health").status, 200);
    for _ in 0..4 {
        bench.go.send(()).unwrap();
    }
    for asked in waiting.into_iter().chain([first]) {
        assert_eq!(asked.join().unwrap().status, 200);
    }
    let routes = "homer_http_requests_total{route=\"/v1/chat/completions\",status=";
    assert_eq!(bench.metric(&format!("{routes}\"429\"}}")), 5.0);
    assert_eq!(bench.metric(&format!("{routes}\"200\"}}")), 4.0);
    assert_eq!(bench.metric("homer_batch_size_count{queue=\"talk\"}"), 2.0);
}

#[test]
fn a_request_has_its_time_and_no_more() {
    let bench = Bench::new(Limits {
        patience: Duration::from_millis(300),
        ..Limits::default()
    });
    let late = bench.ask("one").join().unwrap();
    assert_eq!((late.status, late.code()), (504, "deadline".into()));
    // Where the machine has much else to do, the next one may be late as well; it may ask again.
    let answered = (0..100).any(|_| {
        bench.go.send(()).unwrap();
        bench.go.send(()).unwrap();
        bench.ask("two").join().unwrap().status == 200
    });
    assert!(answered);
}

#[test]
fn nothing_is_worked_out_for_who_went_away() {
    let bench = Bench::new(Limits::default());
    let first = bench.ask("first");
    assert_eq!(bench.heard(), "first");
    let body = json!({"messages": [{"role": "user", "content": "gone"}]}).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let gone: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = TcpStream::connect(bench.address()).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            stream
        })
        .collect();
    bench.until(WAITING, 50.0);
    drop(gone);
    // The connection of the first, and the one of whoever asks for the number.
    bench.until("homer_connections", 2.0);
    let last = bench.ask("last");
    bench.until(WAITING, 51.0);
    bench.go.send(()).unwrap();
    bench.go.send(()).unwrap();
    assert_eq!(first.join().unwrap().status, 200);
    assert_eq!(last.join().unwrap().status, 200);
    assert_eq!(bench.asked.try_iter().collect::<Vec<_>>(), ["last"]);
}

#[test]
fn a_thousand_who_say_nothing_keep_nobody_waiting_and_are_sent_away() {
    let bench = Bench::new(Limits {
        arrival: Duration::from_secs(8),
        ..Limits::default()
    });
    let half = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Le";
    let rest = b"ngth: 100\r\n\r\n{\"messages\":";
    let mut slow: Vec<TcpStream> = (0..1000)
        .map(|i| {
            let mut stream = TcpStream::connect(bench.address()).unwrap();
            // A third says nothing, a third half a head, a third half a body.
            match i % 3 {
                0 => {}
                1 => stream.write_all(half).unwrap(),
                _ => {
                    stream.write_all(half).unwrap();
                    stream.write_all(rest).unwrap();
                }
            }
            stream
        })
        .collect();
    for i in 0..20 {
        bench.go.send(()).unwrap();
        let begun = Instant::now();
        assert_eq!(
            bench.ask(&format!("number {i}")).join().unwrap().status,
            200
        );
        assert!(begun.elapsed() < Duration::from_secs(8));
    }
    let mut answer = String::new();
    slow[2].read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    bench.until("homer_connections", 1.0);
}

#[test]
fn who_asks_and_never_reads_is_sent_away() {
    let bench = Bench::new(Limits {
        arrival: Duration::from_secs(1),
        ..Limits::default()
    });
    let mut stream = TcpStream::connect(bench.address()).unwrap();
    stream.set_write_timeout(Some(AGES)).unwrap();
    let request = b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    // The server stops to read when nobody takes its answers, and then hangs up.
    let refused = (0..10_000).find_map(|_| stream.write_all(&request).err());
    let kind = refused.unwrap().kind();
    assert!(
        [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&kind),
        "{kind}"
    );
    bench.until("homer_connections", 1.0);
}

#[test]
fn who_is_being_answered_when_the_server_leaves_is_answered_and_nobody_else() {
    let mut bench = Bench::new(Limits::default());
    let asked = bench.ask("one");
    bench.heard();
    drop(bench.stop.take());
    let begun = Instant::now();
    while TcpStream::connect(bench.address()).is_ok() {
        assert!(begun.elapsed() < AGES);
        thread::sleep(Duration::from_millis(5));
    }
    bench.go.send(()).unwrap();
    assert_eq!(asked.join().unwrap().status, 200);
    bench.ended.take().unwrap().join().unwrap();
}

#[test]
fn leaving_takes_no_longer_than_it_may() {
    let mut bench = Bench::new(Limits {
        farewell: Duration::from_millis(300),
        ..Limits::default()
    });
    let _asked = TcpStream::connect(bench.address()).map(|mut stream| {
        stream
            .write_all(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x")
            .unwrap();
        stream
    });
    bench.until("homer_connections", 2.0);
    drop(bench.stop.take());
    let begun = Instant::now();
    bench.ended.take().unwrap().join().unwrap();
    assert!(begun.elapsed() < Limits::default().farewell);
}

#[test]
fn ten_thousand_who_hang_up_leave_nothing_behind() {
    let bench = Bench::new(Limits::default());
    let answered = AtomicUsize::new(0);
    for _ in 0..10_000 {
        bench.go.send(()).unwrap();
    }
    let body = json!({"messages": [{"role": "user", "content": "Well?"}]}).to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let (address, request, healthy) = (bench.address(), &request, &answered);
    thread::scope(|scope| {
        for _ in 0..4 {
            let client = bench.client();
            scope.spawn(move || {
                for i in 0..2500 {
                    let mut stream = TcpStream::connect(address).unwrap();
                    let cut = i * 7 % (request.len() + 1);
                    stream.write_all(&request.as_bytes()[..cut]).unwrap();
                    if i % 500 == 1 {
                        let status = client.get("/health").status;
                        healthy.fetch_add(usize::from(status == 200), Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(answered.into_inner(), 20);
    bench.until("homer_connections", 1.0);
    bench.until(WAITING, 0.0);
}
