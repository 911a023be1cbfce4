//! One row for each call on each path that costs, and none for any other.

use bitrouter_tests::{
    Client, Reply,
    dialects::{Turn, Usage, chat, google, messages, responses},
    http::Call,
    ledger::number,
    wait,
};
use serde_json::{Value, json};

use crate::acme::{Acme, PRICES};

const COUNTED: Usage = Usage { input: 100, cache_read: 40, cache_write: 0, cache_write_1h: 0, output: 7, reasoning: 3 };

fn turn() -> Turn {
    Turn { usage: COUNTED, ..Turn::saying("It is what it is.") }
}

/// What [`COUNTED`] costs.
fn cost() -> i64 {
    100 * PRICES[0] + 40 * PRICES[1] + 10 * PRICES[4]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dialect {
    Chat,
    Responses,
    Messages,
    Google,
}

const DIALECTS: [Dialect; 4] = [Dialect::Chat, Dialect::Responses, Dialect::Messages, Dialect::Google];

fn call(http: Client, dialect: Dialect, model: &str, stream: bool) -> Call {
    let text = json!([{"role": "user", "content": "hello"}]);
    let (path, body) = match dialect {
        Dialect::Chat => {
            ("/v1/chat/completions".to_owned(), json!({"model": model, "messages": text, "stream": stream}))
        }
        Dialect::Responses => ("/v1/responses".to_owned(), json!({"model": model, "input": "hello", "stream": stream})),
        Dialect::Messages => {
            ("/v1/messages".to_owned(), json!({"model": model, "max_tokens": 100, "messages": text, "stream": stream}))
        }
        Dialect::Google => {
            let verb = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
            let contents = json!({"contents": [{"role": "user", "parts": [{"text": "hello"}]}]});
            (format!("/v1beta/models/{model}:{verb}"), contents)
        }
    };
    http.post(&path).json(body.to_string())
}

fn reply(dialect: Dialect, stream: bool) -> Reply {
    let turn = turn();
    let whole = match dialect {
        Dialect::Chat => chat::whole(&turn, "m"),
        Dialect::Responses => responses::whole(&turn, "m", "resp_scripted"),
        Dialect::Messages => messages::whole(&turn, "m"),
        Dialect::Google => google::whole(&turn, "m"),
    };
    if !stream {
        return Reply::json(200, whole.to_string());
    }
    let events = match dialect {
        Dialect::Chat => chat::events(&turn, "m", true),
        Dialect::Responses => responses::events(&turn, "m", "resp_scripted"),
        Dialect::Messages => messages::events(&turn, "m"),
        Dialect::Google => google::events(&turn, "m"),
    };
    let newline = bitrouter_tests::dialects::Newline::Lf;
    events.iter().fold(Reply::stream(), |reply, event| reply.piece(event.frame(newline))).end()
}

#[test]
fn p16_a_stream_and_its_whole_twin_cost_the_same_in_every_dialect() {
    let acme = Acme::new();
    for dialect in DIALECTS {
        let mut rows = Vec::new();
        for stream in [false, true] {
            acme.provider.next(reply(dialect, stream));
            let answer = call(acme.http(), dialect, "acme:m", stream).send().ok();
            let id = answer.header("x-bitrouter-request-id").expect("an id").to_owned();
            let row = acme.books.row(&id);
            assert_eq!(row["status"], "succeeded", "{dialect:?} {stream}: {row}");
            assert_eq!(row["streamed"], stream, "{dialect:?}: {row}");
            assert_eq!((&row["model_id"], &row["provider_id"]), (&json!("m"), &json!("acme")), "{row}");
            assert_eq!(row["requested_model"], "acme:m", "{row}");
            assert_eq!(
                (number(&row, "prompt_tokens"), number(&row, "completion_tokens")),
                (140, 10),
                "{dialect:?}: {row}"
            );
            assert_eq!(row["usage_origin"], "provider", "{row}");
            assert_eq!(number(&row, "cost_micro_usd"), cost(), "{dialect:?} {stream}: {row}");
            // Nobody's credit: the node's own key pays.
            assert_eq!((number(&row, "final_charge_micro_usd"), &row["funding_source"]), (0, &json!("local")), "{row}");
            assert!(row["price_version"].as_str().is_some_and(|version| version.starts_with("prc_")), "{row}");
            rows.push(row);
        }
        assert_eq!(rows[0]["usage"], rows[1]["usage"], "{dialect:?}");
    }
}

#[test]
fn p16_what_costs_has_a_row_and_nothing_else_has() {
    let acme = Acme::new();
    let http = acme.http();
    let costs: [(&str, Value); 5] = [
        ("/v1/chat/completions", json!({"model": "demo/echo", "messages": [{"role": "user", "content": "a b c"}]})),
        ("/v1/completions", json!({"model": "demo/echo", "prompt": "a b"})),
        ("/v1/embeddings", json!({"model": "demo/embed", "input": "a"})),
        (
            "/v1/messages",
            json!({"model": "demo/echo", "max_tokens": 9, "messages": [{"role": "user", "content": "a"}]}),
        ),
        ("/v1beta/models/demo:embed:embedContent", json!({"content": {"parts": [{"text": "a"}]}})),
    ];
    for (path, body) in &costs {
        http.post(path).json(body.to_string()).send().ok();
    }
    let free: [(&str, Value); 4] = [
        ("/v1/messages/count_tokens", json!({"model": "demo/echo", "messages": [{"role": "user", "content": "a"}]})),
        ("/v1beta/models/demo:echo:countTokens", json!({"contents": [{"parts": [{"text": "a"}]}]})),
        ("/v1/responses/input_tokens", json!({"model": "demo/echo", "input": "a"})),
        ("/v1/chat/completions", json!({"model": "acme:m"})),
    ];
    for (path, body) in &free[..3] {
        http.post(path).json(body.to_string()).send().ok();
    }
    http.get("/v1/models").send().ok();
    // What is refused before it goes to a provider leaves none either.
    assert_eq!(http.chat("nobody:knows", "x").send().status, 404);
    assert_eq!(http.post("/v1/chat/completions").json("{").send().status, 400);
    let rows = acme.books.settled(costs.len());
    assert_eq!(rows.len(), costs.len(), "{rows:?}");
    assert!(rows.iter().all(|row| row["status"] == "succeeded" && row["credential_id"] == "keyless"), "{rows:?}");
    let usage = acme.books.usage("");
    assert_eq!(number(&usage, "request_count"), 5, "{usage}");
    let sum = |name: &str| rows.iter().map(|row| number(row, name)).sum::<i64>();
    assert_eq!(number(&usage, "prompt_tokens"), sum("prompt_tokens"), "{usage}");
    assert_eq!(number(&usage, "completion_tokens"), sum("completion_tokens"), "{usage}");
    assert_eq!(number(&usage, "spend_micro_usd"), sum("cost_micro_usd"), "{usage}");
}

#[test]
fn p16_a_row_is_visible_soon_and_in_its_own_namespace_only() {
    let acme = Acme::new();
    acme.world.cli(["node", "namespace", "create", "other"]).expect_code(0);
    let other = bitrouter_tests::ledger::Books::of(&acme.owner(), &acme.daemon, Some("other"));
    acme.provider.next(reply(Dialect::Chat, false));
    let answer = call(acme.http(), Dialect::Chat, "acme:m", false).bearer(&other.session.access_token).send().ok();
    let id = answer.header("x-bitrouter-request-id").expect("an id").to_owned();
    let row = other.row(&id);
    assert!(row["credential_id"].as_str().is_some_and(|id| id.starts_with("tok_")), "{row}");
    assert!(acme.books.rows().is_empty(), "it stands in another namespace");
    assert_eq!(acme.books.get_path(&format!("/v1/namespaces/{}/requests", other.session.namespace)).status, 404);
    let one = other.get(&format!("/requests/{}", row["id"].as_str().expect("an id"))).ok().json();
    assert_eq!(one["cost_micro_usd"], row["cost_micro_usd"]);
}

#[test]
fn an_id_that_comes_again_is_another_calls() {
    let acme = Acme::new();
    let named = |id: &str| {
        let answer = acme.http().chat("demo/echo", "x").header("x-bitrouter-request-id", id).send().ok();
        answer.header("x-bitrouter-request-id").expect("an id").to_owned()
    };
    assert_eq!(named("mine-1"), "mine-1");
    let second = named("mine-1");
    assert!(second.starts_with("req_"), "{second}");
    let rows = acme.books.settled(2);
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["request_id"].as_str()).collect();
    assert_eq!(ids, [second.as_str(), "mine-1"]);
}

#[test]
fn p16_whoever_follows_sees_each_change_once_and_in_order() {
    let acme = Acme::new();
    let gate = bitrouter_tests::Gate::new();
    acme.provider.next(Reply::stream().token("one").gate(&gate).done());
    let mut open = acme.http().chat_stream("acme:m", "hello").open();
    open.until_contains("\"one\"");
    let after = |seq: i64| -> Vec<Value> {
        let page = acme.books.get(&format!("/requests?after={seq}")).ok().json();
        page["data"].as_array().expect("rows").clone()
    };
    let first = wait::until("the open row", || after(0).into_iter().next());
    assert!(["pending", "streaming"].contains(&first["status"].as_str().unwrap_or_default()), "{first}");
    wait::holds("the row to say that it streams", || after(0).iter().any(|row| row["status"] == "streaming"));
    let seen = number(&after(0)[0], "seq");
    gate.open();
    open.finish().ok();
    let changed = wait::until("the change", || after(seen).into_iter().next());
    assert_eq!((&changed["id"], &changed["status"]), (&first["id"], &json!("succeeded")), "{changed}");
    assert!(number(&changed, "seq") > seen && after(number(&changed, "seq")).is_empty());
}

#[test]
fn a_model_without_a_price_costs_nobody_knows_what() {
    let acme = Acme::new();
    acme.provider.next(reply(Dialect::Chat, false));
    let answer = call(acme.http(), Dialect::Chat, "acme:unpriced", false).send().ok();
    let row = acme.books.row(answer.header("x-bitrouter-request-id").expect("an id"));
    assert_eq!((&row["cost_micro_usd"], &row["price_version"]), (&Value::Null, &Value::Null), "{row}");
    assert_eq!(number(&row, "prompt_tokens"), 140, "{row}");
    assert_eq!(number(&acme.books.usage(""), "spend_micro_usd"), 0);
}
