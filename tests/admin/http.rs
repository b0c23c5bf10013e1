//! HTTP as far as the tests need it, so that they can send what no library does.

use std::net::SocketAddr;

use serde_json::Value;

use crate::support::Instance;
use crate::support::http::exchange;
use crate::support::metrics::Metrics;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The error that a refusal says.
    #[track_caller]
    pub fn refused(&self, status: u16, part: &str) {
        assert_eq!(self.status, status, "{self:?}");
        let error = self.json()["error"].as_str().expect("a text").to_owned();
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

/// The admin listener of an instance.
pub struct Admin(pub SocketAddr);

pub fn admin(skep: &Instance) -> Admin {
    Admin(skep.skep().admin().expect("an admin listener").address())
}

impl Admin {
    pub fn send(&self, head: &str, body: &str) -> Reply {
        let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
        let (head, body) = exchange(self.0, &format!("{head}\r\nConnection: close\r\n{length}\r\n{body}"));
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let headers = lines.filter_map(|line| line.split_once(": "));
        Reply {
            status: status.parse().expect("a number"),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
            body,
        }
    }

    pub fn get_with(&self, path: &str, headers: &str) -> Reply {
        let end = if headers.is_empty() { "" } else { "\r\n" };
        self.send(&format!("GET {path} HTTP/1.1\r\nHost: {}{end}{headers}", self.0), "")
    }

    pub fn get(&self, path: &str) -> Reply {
        self.get_with(path, "")
    }

    /// The JSON at `/api/v1/{path}`.
    #[track_caller]
    pub fn api(&self, path: &str) -> Value {
        let reply = self.get(&format!("/api/v1/{path}"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    pub fn post_with(&self, path: &str, headers: &str, body: &str) -> Reply {
        self.send(&format!("POST /api/v1/{path} HTTP/1.1\r\nHost: {}\r\n{headers}", self.0), body)
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.post_with(path, "Content-Type: application/json\r\nX-Skep: 1", &body.to_string())
    }

    /// The values of a metric, with their labels.
    pub fn metric(&self, name: &str) -> Vec<(String, f64)> {
        let metrics = Metrics::parse(&self.get("/metrics").body);
        metrics.all(name, &[]).into_iter().map(|series| (series.labels.clone(), series.value)).collect()
    }

    /// The one value that has these labels.
    #[track_caller]
    pub fn value(&self, name: &str, labels: &[&str]) -> f64 {
        let all = self.metric(name);
        let has = |(of, _): &&(String, f64)| labels.iter().all(|label| of.contains(label));
        let values: Vec<f64> = all.iter().filter(has).map(|(_, value)| *value).collect();
        assert_eq!(values.len(), 1, "{name} {labels:?} in {all:?}");
        values[0]
    }
}

/// A list of the answer.
#[track_caller]
pub fn items<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer[list].as_array().unwrap_or_else(|| panic!("no list {list} in {answer}"))
}
