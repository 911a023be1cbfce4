//! Prometheus metrics (OpenMetrics text), served at `/metrics`.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError, atomic::AtomicU64},
};

use bitrouter_gateway::protocol::usage::TokenUsage;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    provider: String,
    model: String,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WarningLabels {
    code: String,
    severity: &'static str,
}

/// Tokens by class; each token is in one of them.
#[derive(Debug)]
struct TokenCounters {
    input: Counter,
    cache_read: Counter,
    cache_write: Counter,
    cache_write_1h: Counter,
    output: Counter,
    reasoning: Counter,
}

/// Every metric of the daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    recent: Mutex<VecDeque<(RequestLabels, Counter)>>,
    seconds: Histogram,
    first_byte: Histogram,
    tokens: TokenCounters,
    in_flight: Gauge,
    refused: Family<ReasonLabel, Counter>,
    reloads: Gauge<u64, AtomicU64>,
    warnings: Family<WarningLabels, Gauge>,
}

/// How many counters of requests are kept at hand.
const RECENT: usize = 8;

/// From a local provider's milliseconds to a reasoning model's minutes.
const BUCKETS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let requests = Family::default();
        let seconds = Histogram::new(BUCKETS);
        let first_byte = Histogram::new(BUCKETS);
        let tokens = Family::<ClassLabel, Counter>::default();
        let class = |class| tokens.get_or_create(&ClassLabel { class }).clone();
        let counters = TokenCounters {
            input: class("input"),
            cache_read: class("cache_read"),
            cache_write: class("cache_write"),
            cache_write_1h: class("cache_write_1h"),
            output: class("output"),
            reasoning: class("reasoning"),
        };
        let in_flight = Gauge::default();
        let refused = Family::default();
        let reloads = Gauge::default();
        let warnings = Family::default();
        registry.register("bitrouter_requests", "Finished requests", requests.clone());
        registry.register("bitrouter_request_seconds", "From head to last byte", seconds.clone());
        registry.register("bitrouter_first_byte_seconds", "From head to first body byte", first_byte.clone());
        registry.register("bitrouter_tokens", "Tokens as the providers counted them", tokens);
        registry.register("bitrouter_in_flight", "Requests that run now", in_flight.clone());
        registry.register("bitrouter_refused", "Requests that reached no provider", refused.clone());
        registry.register("bitrouter_reloads", "Reloads since start", reloads.clone());
        registry.register("bitrouter_warnings", "Warnings that hold now", warnings.clone());
        Self {
            registry,
            requests,
            recent: Mutex::default(),
            seconds,
            first_byte,
            tokens: counters,
            in_flight,
            refused,
            reloads,
            warnings,
        }
    }
}

impl Metrics {
    /// The metrics as OpenMetrics text.
    pub fn text(&self) -> String {
        let mut out = String::new();
        if encode(&mut out, &self.registry).is_err() {
            out.clear();
        }
        out
    }

    /// A request entered the inference path.
    pub fn started(&self) {
        self.in_flight.inc();
    }

    /// A request ended. `model` must come from the registry: callers may not make labels.
    pub fn finished(&self, provider: &str, model: &str, status: u16, seconds: f64, first_byte: Option<f64>) {
        self.in_flight.dec();
        self.count_request(provider, model, status);
        self.seconds.observe(seconds);
        if let Some(first_byte) = first_byte {
            self.first_byte.observe(first_byte);
        }
    }

    /// Labels are made, hashed and looked up only where none of the latest requests had the same.
    fn count_request(&self, provider: &str, model: &str, status: u16) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let same =
            |labels: &RequestLabels| labels.status == status && labels.model == model && labels.provider == provider;
        if let Some((_, counter)) = recent.iter().find(|(labels, _)| same(labels)) {
            counter.inc();
            return;
        }
        let labels = RequestLabels { provider: provider.to_owned(), model: model.to_owned(), status };
        let counter = self.requests.get_or_create(&labels).clone();
        counter.inc();
        recent.truncate(RECENT - 1);
        recent.push_front((labels, counter));
    }

    /// Tokens as the provider counted them.
    pub fn tokens(&self, usage: &TokenUsage) {
        let add = |counter: &Counter, count: u64| {
            // Most requests have tokens of two classes only.
            if count > 0 {
                counter.inc_by(count);
            }
        };
        if let Some(input) = usage.input {
            add(&self.tokens.input, input.uncached);
            add(&self.tokens.cache_read, input.cache_read);
            add(&self.tokens.cache_write, input.cache_write);
            add(&self.tokens.cache_write_1h, input.cache_write_1h);
        }
        if let Some(output) = usage.output {
            add(&self.tokens.output, output.visible);
            add(&self.tokens.reasoning, output.reasoning);
        }
    }

    /// A request was refused before any provider was asked.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// Requests that run now.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// The number of reloads since start.
    pub fn reloads(&self, count: u64) {
        self.reloads.set(count);
    }

    /// The warnings that hold now.
    pub fn warnings(&self, now: impl IntoIterator<Item = (String, &'static str)>) {
        self.warnings.clear();
        for (code, severity) in now {
            self.warnings.get_or_create(&WarningLabels { code, severity }).set(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use bitrouter_gateway::protocol::usage::{InputTokens, OutputTokens};

    use super::*;

    #[test]
    fn the_names_are_those_of_the_contract() {
        let metrics = Metrics::default();
        metrics.started();
        metrics.finished("demo", "echo", 200, 0.1, Some(0.05));
        let input =
            InputTokens { uncached: 3, cache_read: 5, cache_write: 7, cache_write_1h: 11, ..InputTokens::default() };
        let output = OutputTokens { visible: 13, reasoning: 17, ..OutputTokens::default() };
        metrics.tokens(&TokenUsage { input: Some(input), output: None });
        metrics.tokens(&TokenUsage { input: None, output: Some(output) });
        metrics.refused("host_not_allowed");
        metrics.warnings([("a".to_owned(), "info")]);
        let text = metrics.text();
        for expected in [
            "bitrouter_requests_total{provider=\"demo\",model=\"echo\",status=\"200\"} 1",
            "bitrouter_request_seconds_bucket",
            "bitrouter_first_byte_seconds_count 1",
            "bitrouter_tokens_total{class=\"input\"} 3",
            "bitrouter_tokens_total{class=\"cache_read\"} 5",
            "bitrouter_tokens_total{class=\"cache_write\"} 7",
            "bitrouter_tokens_total{class=\"cache_write_1h\"} 11",
            "bitrouter_tokens_total{class=\"output\"} 13",
            "bitrouter_tokens_total{class=\"reasoning\"} 17",
            "bitrouter_in_flight 0",
            "bitrouter_refused_total{reason=\"host_not_allowed\"} 1",
            "bitrouter_warnings{code=\"a\",severity=\"info\"} 1",
        ] {
            assert!(text.contains(expected), "{expected} is not in\n{text}");
        }
    }

    #[test]
    fn counters_count_on_when_they_were_not_at_hand() {
        let metrics = Metrics::default();
        for _ in 0..2 {
            for status in 200..200 + 2 * u16::try_from(RECENT).unwrap() {
                for model in ["a", "b"] {
                    metrics.finished("demo", model, status, 0.1, None);
                    metrics.finished("demo", model, status, 0.1, None);
                }
            }
        }
        let text = metrics.text();
        assert_eq!(text.matches("} 4\n").count(), 4 * RECENT, "{text}");
    }
}
