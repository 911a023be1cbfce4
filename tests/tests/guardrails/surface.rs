//! Every path that reaches a provider, and what each kind of policy makes of a call there.

use bitrouter_tests::{Answer, Client, http::Call};
use serde_json::{Value, json};

use crate::bound::{Bound, Key, Speech, With as _, content_rule};

/// What no rule lets pass.
const WORD: &str = "forbidden-word";

/// One line of the surface table, as its caller sends it.
struct Line {
    method: &'static str,
    path: &'static str,
    speech: Speech,
    /// The body; where a stream can be asked for, without that.
    body: Option<Value>,
    /// How a stream is asked for.
    stream: Option<(&'static str, Value)>,
    /// How an output is capped.
    cap: Option<Value>,
    /// A provider takes money for it.
    costs: bool,
    /// The text in it is what the provider answers.
    is_answered: bool,
}

impl Line {
    fn new(method: &'static str, path: &'static str, speech: Speech, body: Option<Value>) -> Self {
        Self { method, path, speech, body, stream: None, cap: None, costs: true, is_answered: false }
    }

    fn free(self) -> Self {
        Self { costs: false, ..self }
    }

    /// Streams by this member of the body, or of the query where the path is another one.
    fn streams(self, path: &'static str, more: Value) -> Self {
        Self { stream: Some((path, more)), ..self }
    }

    fn capped(self, more: Value) -> Self {
        Self { cap: Some(more), ..self }
    }

    fn answered(self) -> Self {
        Self { is_answered: true, ..self }
    }

    fn call(&self, http: Client, stored: &str) -> Call {
        self.call_at(http, self.path, stored, &json!({}))
    }

    fn call_at(&self, http: Client, path: &str, stored: &str, more: &Value) -> Call {
        let call = http.request(self.method, &path.replace("{id}", stored));
        let call = if self.speech == Speech::Messages { call.header("anthropic-version", "2023-06-01") } else { call };
        match &self.body {
            None => call,
            Some(body) => {
                let mut body = body.clone();
                for (name, value) in more.as_object().into_iter().flatten() {
                    body[name] = value.clone();
                }
                call.json(body.to_string())
            }
        }
    }
}

/// The surface table (gateway/src/http/surface.rs).
fn surface() -> Vec<Line> {
    let said = WORD;
    let user = json!([{"role": "user", "content": said}]);
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": said}]}]});
    let content = json!({"content": {"parts": [{"text": said}]}});
    let batch = json!({"requests": [{"model": "models/embeds", "content": {"parts": [{"text": said}]}}]});
    let stream = json!({"stream": true});
    let google_cap = json!({"generationConfig": {"maxOutputTokens": 500}});
    vec![
        Line::new("POST", "/v1/chat/completions", Speech::Chat, Some(json!({"model": "acme:m", "messages": user})))
            .streams("/v1/chat/completions", stream.clone())
            .capped(json!({"max_tokens": 500})),
        Line::new("POST", "/v1/completions", Speech::Chat, Some(json!({"model": "acme:m", "prompt": said})))
            .streams("/v1/completions", stream.clone())
            .capped(json!({"max_tokens": 500})),
        Line::new("POST", "/v1/embeddings", Speech::Chat, Some(json!({"model": "acme:embeds", "input": said}))),
        Line::new(
            "POST",
            "/v1/messages",
            Speech::Messages,
            Some(json!({"model": "acme:m", "messages": user, "max_tokens": 100})),
        )
        .streams("/v1/messages", stream.clone())
        .capped(json!({"max_tokens": 500})),
        Line::new(
            "POST",
            "/v1/messages/count_tokens",
            Speech::Messages,
            Some(json!({"model": "acme:m", "messages": user})),
        )
        .free(),
        Line::new("POST", "/v1/responses", Speech::Responses, Some(json!({"model": "acme:m", "input": said})))
            .streams("/v1/responses", stream)
            .capped(json!({"max_output_tokens": 500})),
        Line::new(
            "POST",
            "/v1/responses/input_tokens",
            Speech::Responses,
            Some(json!({"model": "acme:m", "input": said})),
        )
        .free(),
        Line::new("GET", "/v1/responses/{id}", Speech::Responses, None)
            .streams("/v1/responses/{id}?stream=true", json!({}))
            .free()
            .answered(),
        Line::new("DELETE", "/v1/responses/{id}", Speech::Responses, None).free(),
        Line::new("GET", "/v1/responses/{id}/input_items", Speech::Responses, None).free().answered(),
        Line::new("POST", "/v1/responses/{id}/cancel", Speech::Responses, Some(json!({}))).free(),
        Line::new("POST", "/v1beta/models/acme:m:generateContent", Speech::Google, Some(contents.clone()))
            .capped(google_cap.clone()),
        Line::new("POST", "/v1beta/models/acme:m:streamGenerateContent", Speech::Google, Some(contents.clone()))
            .streams("/v1beta/models/acme:m:streamGenerateContent?alt=sse", json!({}))
            .capped(google_cap),
        Line::new("POST", "/v1beta/models/acme:m:countTokens", Speech::Google, Some(contents)).free(),
        Line::new("POST", "/v1beta/models/acme:embeds:embedContent", Speech::Google, Some(content)),
        Line::new("POST", "/v1beta/models/acme:embeds:batchEmbedContents", Speech::Google, Some(batch)),
    ]
}

/// Stores a response, whose text and model are what the rules look for.
fn store(bound: &Bound) -> String {
    let call = Speech::Responses.call(bound.http(), "acme:m", WORD, false);
    let answer = call.bearer(&bound.session().access_token).send().ok().json();
    answer["id"].as_str().expect("an id").to_owned()
}

/// True where the call reached its provider: what that answered is its business (nothing of a response that is whole can be
/// cancelled).
fn passed(line: &Line, answer: &Answer) -> bool {
    answer.status == 200
        || (line.path.ends_with("/cancel") && answer.text().contains("Cannot cancel a synchronous response"))
}

/// A cell: the key that it is called with, and what is due.
struct Cell {
    kind: &'static str,
    key: Key,
    due: Due,
}

enum Due {
    Refused(u16, &'static str),
    Passes,
}

#[test]
fn p12_every_path_meets_every_kind_of_policy() {
    let bound = Bound::new();
    let budget = bound.key(&[("budget", &json!({"window": "day", "limit_micro_usd": 1}))]);
    let rate = bound.key(&[("rate_limit", &json!({"window_secs": 86_400, "max_requests": 1}))]);
    bound.http().chat("demo/echo", "the one request").with(&rate).send().ok();
    let model = bound.guarded(&json!({"model_deny": ["acme/*"]}));
    let byok = bound.guarded(&json!({"byok": "required"}));
    let streams = bound.guarded(&json!({"allow_streaming": false}));
    let most = bound.guarded(&json!({"max_request_tokens": 50}));
    let content = bound.guarded(&content_rule(WORD, "block"));
    let mut count = 0;
    for line in surface() {
        let names_model = line.body.is_some() && !line.path.contains("{id}");
        let due = |is_refused: bool, status, code| if is_refused { Due::Refused(status, code) } else { Due::Passes };
        let cells = [
            Cell { kind: "budget", key: budget.clone(), due: due(line.costs, 402, "budget_exceeded") },
            Cell { kind: "rate", key: rate.clone(), due: due(true, 429, "rate_limited") },
            // A stored response is of the model that made it.
            Cell {
                kind: "model",
                key: model.clone(),
                due: due(names_model || line.path.contains("{id}"), 403, "model_denied"),
            },
            Cell { kind: "byok", key: byok.clone(), due: due(true, 403, "byok_required") },
            Cell {
                kind: "content",
                key: content.clone(),
                due: due(names_model || line.is_answered, 400, "content_blocked"),
            },
        ];
        for cell in cells {
            let what = format!("{} at {} {}", cell.kind, line.method, line.path);
            let stored = store(&bound);
            let answer = line.call(bound.http(), &stored).with(&cell.key).send();
            match cell.due {
                Due::Refused(status, code) => {
                    line.speech.refused(&answer, status, code, Some(cell.key.policy()));
                }
                Due::Passes => assert!(passed(&line, &answer), "{what}: {} {}", answer.status, answer.text()),
            }
            count += 1;
        }
        if let Some((path, more)) = &line.stream {
            let stored = store(&bound);
            let answer = line.call_at(bound.http(), path, &stored, more).with(&streams).send();
            line.speech.refused(&answer, 403, "streaming_denied", Some(streams.policy()));
            count += 1;
        } else {
            let stored = store(&bound);
            let answer = line.call(bound.http(), &stored).with(&streams).send();
            assert!(passed(&line, &answer), "{}: {}", line.path, answer.text());
        }
        let stored = store(&bound);
        match &line.cap {
            Some(more) => {
                let answer = line.call_at(bound.http(), line.path, &stored, more).with(&most).send();
                line.speech.refused(&answer, 403, "max_request_tokens", Some(most.policy()));
                count += 1;
            }
            None => {
                let answer = line.call(bound.http(), &stored).with(&most).send();
                assert!(passed(&line, &answer), "{}: {}", line.path, answer.text());
                assert_eq!(answer.header("x-bitrouter-capped"), None, "{}", line.path);
            }
        }
        // Whoever is bound by nothing is served.
        let stored = store(&bound);
        let answer = line.call(bound.http(), &stored).send();
        assert!(passed(&line, &answer), "{}: {}", line.path, answer.text());
    }
    assert!(surface().len() == 16 && count > 16 * 5, "{count}");
}

#[test]
fn p12_what_binds_the_namespace_binds_calls_without_a_key() {
    let bound = Bound::new();
    let deny =
        json!({"name": "a policy", "kind": "guardrail", "spec": {"model_deny": ["m"], "allow_streaming": false}});
    let policy = crate::bound::text(&bound.post("/policies", &deny).ok().json(), "id");
    let free = bound.key(&[]);
    for speech in Speech::ALL {
        speech.call(bound.http(), "acme:m", "x", true).send().ok();
    }
    let whole = json!({"principal_type": "namespace", "principal_id": bound.session().namespace});
    bound.post(&format!("/policies/{policy}/bind"), &whole).ok();
    for speech in Speech::ALL {
        for model in ["acme:m", "zeta/m", "m"] {
            let answer = speech.call(bound.http(), model, "x", true).send();
            speech.refused(&answer, 403, "model_denied", Some(&policy));
            let answer = speech.call(bound.http(), model, "x", false).with(&free).send();
            speech.refused(&answer, 403, "model_denied", Some(&policy));
        }
        let answer = speech.call(bound.http(), "zeta:only", "x", true).send();
        speech.refused(&answer, 403, "streaming_denied", Some(&policy));
        speech.call(bound.http(), "zeta:only", "x", false).send().ok();
    }
    // A policy that no longer is in force says nothing, from the next call on.
    bound.post(&format!("/policies/{policy}/disable"), &json!({})).ok();
    for speech in Speech::ALL {
        speech.call(bound.http(), "acme:m", "x", true).send().ok();
        speech.call(bound.http(), "m", "x", false).with(&free).send().ok();
    }
}
