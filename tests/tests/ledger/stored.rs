//! What providers have stored is known by its namespace, and survives a restart.

use bitrouter_tests::{
    Reply,
    dialects::{Turn, Usage, responses},
    ledger::Books,
};
use serde_json::json;

use crate::acme::Acme;

fn store(acme: &Acme, id: &str, token: Option<&str>) {
    let turn = Turn { usage: Usage { input: 5, output: 2, ..Usage::default() }, ..Turn::saying("kept") };
    acme.provider.next(Reply::json(200, responses::whole(&turn, "m", id).to_string()));
    let call = acme.http().post("/v1/responses").json(json!({"model": "acme:m", "input": "x"}).to_string());
    match token {
        Some(token) => call.bearer(token),
        None => call,
    }
    .send()
    .ok();
}

#[test]
fn p16_a_stored_response_is_its_namespaces_across_a_crash() {
    let mut acme = Acme::new();
    acme.world.cli(["node", "namespace", "create", "other"]).expect_code(0);
    let other = Books::of(&acme.owner(), &acme.daemon, Some("other"));
    store(&acme, "resp_first", None);
    store(&acme, "resp_other", Some(&other.session.access_token));
    acme.books.settled(1);
    other.settled(1);
    acme.daemon.kill();
    acme.start_again();
    let get = |id: &str, token: &str| {
        let path = format!("/v1/responses/{id}");
        acme.http().get(&path).bearer(token).send()
    };
    let (first, second) = (&acme.books.session.access_token, &other.session.access_token);
    for (id, own, foreign) in [("resp_first", first, second), ("resp_other", second, first)] {
        get(id, foreign).refused(404, "not_found");
        acme.provider.next(Reply::json(200, json!({"id": id, "object": "response"}).to_string()));
        let answer = get(id, own).ok();
        assert_eq!(answer.json()["id"], id);
        let sent = acme.provider.exchange(acme.provider.count() - 1);
        assert_eq!(sent.request.target, format!("/v1/responses/{id}"));
    }
}

#[test]
fn a_token_names_only_what_its_namespace_made() {
    let acme = Acme::new();
    let token = &acme.books.session.access_token;
    let sent = |body: serde_json::Value, token: Option<&str>| {
        let call = acme.http().post("/v1/responses").json(body.to_string());
        match token {
            Some(token) => call.bearer(token).send(),
            None => call.send(),
        }
    };
    let foreign = [
        json!({"model": "acme:m", "input": "x", "previous_response_id": "resp_unknown"}),
        json!({"model": "acme:m", "input": "x", "conversation": "conv_1"}),
        json!({"model": "acme:m", "input": [{"type": "item_reference", "id": "msg_1"}]}),
        json!({"model": "acme:m", "input": "x", "prompt": {"id": "pmpt_1"}}),
        json!({"model": "acme:m", "input": [{"role": "user", "content": [{"type": "input_file", "file_id": "file-1"}]}]}),
        json!({"model": "acme:m", "input": "x", "tools": [{"type": "file_search", "vector_store_ids": ["vs_1"]}]}),
    ];
    for body in &foreign {
        sent(body.clone(), Some(token)).refused(404, "not_found");
    }
    let escaped =
        r#"{"model":"acme:m","input":[{"role":"user","content":[{"type":"input_file","file\u005fid":"file-1"}]}]}"#;
    acme.http().post("/v1/responses").json(escaped).bearer(token).send().refused(404, "not_found");
    assert_eq!(acme.provider.count(), 0);
    // Without a credential they are the owner's own.
    acme.provider.always(|_| Reply::json(200, r#"{"id":"resp_x","usage":{"input_tokens":1,"output_tokens":1}}"#));
    for body in &foreign[1..] {
        sent(body.clone(), None).ok();
    }
    // What it may name, it may not name in somebody's organisation.
    let body = json!({"model": "acme:m", "input": "file_id is a word"}).to_string();
    let call = acme.http().post("/v1/responses").json(&body).header("openai-organization", "org-1");
    call.bearer(token).header("openai-project", "p-1").send().ok();
    let last = &acme.provider.exchange(acme.provider.count() - 1).request;
    assert_eq!((last.header("openai-organization"), last.header("openai-project")), (None, None));
    let call = acme.http().post("/v1/responses").json(&body).header("openai-organization", "org-1");
    call.send().ok();
    let last = &acme.provider.exchange(acme.provider.count() - 1).request;
    assert_eq!(last.header("openai-organization"), Some("org-1"));
}
