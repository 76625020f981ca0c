//! Servers of tiny personas, and a client.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::home::Home;

/// A running server.
pub(crate) struct Server {
    pub child: Child,
    pub base: String,
    log: Arc<Mutex<String>>,
    reading: Option<JoinHandle<()>>,
}

impl Server {
    /// Of the persona in a folder, on a free port of this machine; the bi-encoder answers alone.
    pub(crate) fn of(home: &Home) -> Self {
        let args = ["--listen", "127.0.0.1:0", "--no-rerank"];
        Self::start(home, &args, &[])
    }

    /// Waits until it listens.
    pub(crate) fn start(home: &Home, args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut child = home
            .process(&["serve"])
            .args(args)
            .env_remove("HOMER_API_KEY")
            .envs(env.iter().copied())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let (mut base, mut head) = (String::new(), String::new());
        while base.is_empty() {
            let mut line = String::new();
            let read = errors.read_line(&mut line).unwrap();
            assert!(read > 0, "it ended and said: {head}");
            head.push_str(&line);
            if let Some((_, rest)) = line.split_once("listening on ") {
                base = rest.split(' ').next().unwrap().to_owned();
            }
        }
        let log = Arc::new(Mutex::new(head));
        let kept = Arc::clone(&log);
        let reading = std::thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut log = kept.lock().unwrap();
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self {
            child,
            base,
            log,
            reading: Some(reading),
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&self.base)
    }

    /// Address and port.
    pub(crate) fn address(&self) -> &str {
        self.base.strip_prefix("http://").unwrap()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, signal).unwrap();
    }

    /// Waits for words in what it writes.
    pub(crate) fn until_it_says(&self, words: &str) {
        let begun = Instant::now();
        while !self.log.lock().unwrap().contains(words) {
            assert!(begun.elapsed() < Duration::from_secs(120), "never: {words}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it as a service manager does; its exit code, and all that it wrote.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        self.signal(rustix::process::Signal::TERM);
        let code = self.child.wait().unwrap().code();
        self.reading.take().unwrap().join().unwrap();
        let log = self.log.lock().unwrap().clone();
        (code, log)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client that keeps its connection.
#[derive(Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
    base: String,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The code of an error in OpenAI's shape.
    pub(crate) fn code(&self) -> String {
        let error = &self.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string());
        error["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build();
        Self {
            agent: config.into(),
            base: base.to_owned(),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.call().unwrap())
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Reply {
        let json = ("Content-Type", "application/json");
        self.post_with(path, body.to_string().as_bytes(), &[json])
    }

    pub(crate) fn post_with(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> Reply {
        let mut request = self.agent.post(format!("{}{path}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read(request.send(body).unwrap())
    }

    /// Asks and gives the reply; `more` is put into the request.
    pub(crate) fn chat(&self, messages: &Value, more: &Value) -> Value {
        let mut request = json!({"messages": messages});
        let fields = request.as_object_mut().unwrap();
        fields.extend(more.as_object().unwrap().clone());
        let reply = self.post("/v1/chat/completions", &request);
        assert_eq!(reply.status, 200, "{}", reply.text);
        reply.json()
    }

    /// What is said to a bare question.
    pub(crate) fn says(&self, question: &str) -> String {
        let completion = self.chat(&json!([{"role": "user", "content": question}]), &json!({}));
        let content = &completion["choices"][0]["message"]["content"];
        content.as_str().unwrap().to_owned()
    }
}

fn read(mut response: ureq::http::Response<ureq::Body>) -> Reply {
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        text: response.body_mut().read_to_string().unwrap(),
    }
}
