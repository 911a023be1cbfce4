//! Rules for models hold on what a provider has stored: by the model that made it, whatever the reply calls itself.

use bitrouter_tests::{Answer, Reply};
use serde_json::{Value, json};

use crate::bound::{Bound, Key, Speech, With as _};

/// Has `model` make a response with this id; the reply calls the model by `name`.
#[track_caller]
fn make(bound: &Bound, key: &Key, model: &str, id: &str, name: Option<&str>) {
    bound.acme.next(Reply::json(200, document(id, name).to_string()));
    Speech::Responses.call(bound.http(), model, "x", false).with(key).send().ok();
}

fn document(id: &str, name: Option<&str>) -> Value {
    let usage = json!({"input_tokens": 5, "output_tokens": 2});
    let mut document = json!({"id": id, "object": "response", "status": "completed", "output": [], "usage": usage});
    if let Some(name) = name {
        document["model"] = json!(name);
    }
    document
}

/// All that can be asked of a stored response.
const PATHS: [(&str, &str); 5] =
    [("GET", ""), ("GET", "?stream=true"), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")];

fn ask(bound: &Bound, key: &Key, id: &str, (method, rest): (&str, &str)) -> Answer {
    let path = format!("/v1/responses/{id}{rest}");
    let http = bound.http();
    let call = match method {
        "GET" => http.get(&path),
        "POST" => http.post(&path).json("{}"),
        other => http.request(other, &path),
    };
    call.with(key).send()
}

#[track_caller]
fn denied(bound: &Bound, key: &Key, id: &str) {
    for path in PATHS {
        let before = bound.acme.count();
        let answer = ask(bound, key, id, path);
        Speech::Responses.refused(&answer, 403, "model_denied", Some(key.policy()));
        assert_eq!(bound.acme.count(), before, "nothing is sent: {path:?}");
    }
}

#[test]
fn p12_a_stored_response_is_judged_by_the_model_that_made_it() {
    let mut bound = Bound::new();
    let free = bound.key(&[]);
    let rules = [
        bound.guarded(&json!({"model_deny": ["dear"]})),
        bound.guarded(&json!({"model_allow": ["acme/m"]})),
        bound.guarded(&json!({"model_deny": ["acme/d*"], "allow_streaming": false})),
    ];
    for (id, name) in [("resp_dated", Some("dear-2026-11-30")), ("resp_bare", None), ("resp_odd", Some("m"))] {
        make(&bound, &free, "acme:dear", id, name);
    }
    make(&bound, &free, "acme:m", "resp_fine", Some("m-2026"));
    bound.books.settled(4);
    for is_again in [false, true] {
        if is_again {
            // What a start remembers, it knows from the ledger.
            bound.restart();
        }
        for key in &rules {
            for id in ["resp_dated", "resp_bare", "resp_odd"] {
                denied(&bound, key, id);
            }
            for path in PATHS.into_iter().filter(|(method, rest)| *method != "DELETE" && !rest.contains("stream")) {
                bound.acme.next(Reply::json(200, document("resp_fine", Some("m-2026")).to_string()));
                ask(&bound, key, "resp_fine", path).ok();
            }
        }
        // Another model that the reply names is judged as it always was.
        bound.acme.next(Reply::json(200, document("resp_fine", Some("dear")).to_string()));
        let answer = ask(&bound, &rules[0], "resp_fine", ("GET", ""));
        Speech::Responses.refused(&answer, 403, "model_denied", Some(rules[0].policy()));
        // Where nothing binds, all of it is there.
        for id in ["resp_dated", "resp_bare", "resp_odd"] {
            bound.acme.next(Reply::json(200, document(id, None).to_string()));
            ask(&bound, &free, id, ("GET", "")).ok();
        }
    }
}
