//! Responses that a provider has stored: their ids lead back to it, though another one speaks responses too.

use bitrouter_tests::{
    Answer, Daemon, Provider, Reply, World,
    dialects::{Newline, Turn, responses},
};
use serde_json::{Value, json};

use super::voice::Voice;

/// Two providers of responses, the better one first, and one of chat.
struct Cast {
    daemon: Daemon,
    alpha: Provider,
    beta: Provider,
    world: World,
}

/// A provider that says in each answer who it is, and numbers its responses from 1.
fn play(provider: &Provider, id: &'static str) {
    let made = std::sync::atomic::AtomicUsize::new(0);
    provider.always(move |request| {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        if request.method != "POST" || request.target.contains("/cancel") {
            return Reply::json(200, json!({"by": id, "target": request.target}).to_string());
        }
        let number = made.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
        let response = format!("resp_{id}_{number}");
        if body["stream"] == true {
            let events = responses::events(&Turn::saying("one two three"), "m", &response);
            let head = Reply::stream_with(200, &[("content-type", "text/event-stream")]);
            return events.iter().fold(head, |reply, event| reply.piece(event.frame(Newline::Lf))).end();
        }
        let mut whole = responses::whole(&Turn::saying("one two three"), "m", &response);
        whole["by"] = json!(id);
        Reply::json(200, whole.to_string())
    });
}

impl Cast {
    fn new(keys: &[&str]) -> Self {
        let world = World::new();
        let add = |id: &'static str, kind: &str, protocol: &str, models: &str| {
            let provider = Provider::start();
            play(&provider, id);
            let text = format!(
                "id = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"{}\"\nprotocol = \"{protocol}\"\n{models}",
                provider.base_url()
            );
            world.write(&format!("config/bitrouter/registry/{id}.toml"), text);
            provider
        };
        let alpha = add("alpha", "first_party", "responses", "[[models]]\nid = \"shared\"\n");
        let beta = add("beta", "gateway", "responses", "[[models]]\nid = \"shared\"\n");
        let _chat = add("chat", "first_party", "chat_completions", "");
        let named = keys.iter().chain(&["chat"]);
        let daemon = named
            .fold(world.serve(), |serve, id| {
                serve.env(format!("BITROUTER_{}_API_KEY", id.to_uppercase()), world.canary(id))
            })
            .start();
        Self { daemon, alpha, beta, world }
    }

    fn post(&self, body: &Value) -> Answer {
        self.daemon.http().post("/v1/responses").json(body.to_string()).send().ok()
    }

    fn ask(&self, method: &str, path: &str) -> Answer {
        self.daemon.http().request(method, path).send()
    }

    /// Asks for `path`, which must reach `provider` as it is written.
    #[track_caller]
    fn goes_to(&self, provider: &str, method: &str, path: &str) {
        let answer = self.ask(method, path);
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.text());
        let json = answer.json();
        assert_eq!((&json["by"], &json["target"]), (&json!(provider), &json!(path)), "{method} {path}");
    }

    #[track_caller]
    fn is_unknown(&self, method: &str, path: &str) {
        let before = (self.alpha.count(), self.beta.count());
        let answer = self.ask(method, path);
        Voice::OpenAi.refused(&answer, 404, "not_found");
        assert_eq!((self.alpha.count(), self.beta.count()), before, "{method} {path}");
    }
}

const PLACES: [(&str, &str); 3] = [("GET", ""), ("GET", "/input_items"), ("POST", "/cancel")];

#[test]
fn an_id_leads_back_to_the_provider_that_made_it() {
    let cast = Cast::new(&["alpha", "beta"]);
    for stream in [false, true] {
        for provider in ["alpha", "beta"] {
            let answer = cast.post(&json!({"model": format!("{provider}:m"), "input": "x", "stream": stream}));
            let number = if stream { 2 } else { 1 };
            let id = format!("resp_{provider}_{number}");
            assert!(answer.text().contains(&id), "{}", answer.text());
            for (method, behind) in PLACES {
                cast.goes_to(provider, method, &format!("/v1/responses/{id}{behind}"));
            }
            let queries = [
                "?include[]=reasoning.encrypted_content&include[]=x&stream=true&starting_after=4",
                "?after=a%2Fb&limit=2",
            ];
            for query in queries {
                cast.goes_to(provider, "GET", &format!("/v1/responses/{id}{query}"));
                cast.goes_to(provider, "GET", &format!("/v1/responses/{id}/input_items{query}"));
            }
        }
    }
}

#[test]
fn an_id_is_found_wherever_it_stands_in_a_long_reply() {
    let cast = Cast::new(&["alpha", "beta"]);
    let long = "x \\u00e9 \\\" ".repeat(200_000);
    let created = |id: &str| {
        let response = format!(r#"{{"object":"response","instructions":"{long}","model":"m","id":"{id}"}}"#);
        format!("event: response.created\r\ndata: {{\"type\":\"response.created\",\"response\":{response}}}\r\n\r\n")
    };
    let completed =
        "data: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_wrong\",\"usage\":null}}\r\n\r\n";
    let replies = [
        ("resp_first", Reply::json(200, format!(r#"{{"id":"resp_first","output":"{long}","usage":null}}"#))),
        ("resp_last", Reply::json(200, format!(r#"{{"output":["{long}",{{"id":"resp_wrong"}}],"id" : "resp_last"}}"#))),
        ("resp_stream", Reply::stream().piece(created("resp_stream") + completed).end().cut_every(9_999)),
    ];
    for (id, reply) in replies {
        cast.beta.next(reply);
        cast.post(&json!({"model": "beta:m", "input": "x"}));
        cast.goes_to("beta", "GET", &format!("/v1/responses/{id}"));
        cast.is_unknown("GET", "/v1/responses/resp_wrong");
    }
}

#[test]
fn an_id_of_a_stream_is_known_before_its_caller_knows_it() {
    let cast = Cast::new(&["alpha", "beta"]);
    for (number, newline) in [Newline::Lf, Newline::CrLf].into_iter().enumerate() {
        let id = format!("resp_early_{number}");
        let gate = bitrouter_tests::Gate::new();
        let events = responses::events(&Turn::saying("one two"), "m", &id);
        let frames: Vec<String> = events.iter().map(|event| event.frame(newline)).collect();
        let head = Reply::stream_with(200, &[("content-type", "text/event-stream")]);
        cast.beta.next(head.piece(&frames[0]).gate(&gate).piece(frames[1..].concat()).end());
        let body = json!({"model": "beta:m", "input": "x", "stream": true}).to_string();
        let mut open = cast.daemon.http().post("/v1/responses").json(body).open();
        open.until_contains(&id);
        // Its stream has only begun, and it can be cancelled.
        cast.goes_to("beta", "POST", &format!("/v1/responses/{id}/cancel"));
        gate.open();
        open.finish().ok();
        cast.goes_to("beta", "GET", &format!("/v1/responses/{id}"));
    }
}

#[test]
fn what_goes_on_from_a_response_goes_to_its_provider() {
    let cast = Cast::new(&["alpha", "beta"]);
    // By its name alone the better one would serve it.
    assert_eq!(cast.post(&json!({"model": "shared", "input": "x"})).json()["by"], "alpha");
    cast.post(&json!({"model": "beta:shared", "input": "x", "stream": true}));
    for spelt in [
        r#"{"model":"shared","input":"x","previous_response_id":"resp_beta_1"}"#,
        r#"{"previous\u005fresponse_id":"resp_beta\u005f1","model":"shared","input":"x"}"#,
    ] {
        let answer = cast.daemon.http().post("/v1/responses").json(spelt).send().ok();
        assert_eq!(answer.json()["by"], "beta", "{spelt}");
    }
    for none in [Value::Null, json!("")] {
        let answer = cast.post(&json!({"model": "shared", "input": "x", "previous_response_id": none}));
        assert_eq!(answer.json()["by"], "alpha", "{none}");
    }
    // Which of two ids a provider takes, or what it makes of a list, is not guessed.
    for spelt in [
        r#"{"model":"shared","input":"x","previous_response_id":"resp_beta_1","previous_response_id":null}"#,
        r#"{"previous\u005fresponse_id":"resp_beta_1","model":"shared","input":"x","previous_response_id":"resp_beta_1"}"#,
        r#"{"model":"shared","input":"x","previous_response_id":["resp_beta_1"]}"#,
        r#"{"model":"shared","input":"x","previous_response_id":5}"#,
    ] {
        let answer = cast.daemon.http().post("/v1/responses").json(spelt).send();
        assert_eq!(answer.refused(400, "invalid_request")["param"], "previous_response_id", "{spelt}");
    }
    let nested = json!({"model": "shared", "input": [{"previous_response_id": "resp_beta_1"}]});
    assert_eq!(cast.post(&nested).json()["by"], "alpha");
    // Nobody else gets the id, whoever is named.
    let calls = cast.alpha.count();
    let elsewhere = json!({"model": "alpha:shared", "input": "x", "previous_response_id": "resp_beta_1"}).to_string();
    let refused = cast.daemon.http().post("/v1/responses").json(elsewhere).send().refused(404, "not_found");
    assert_eq!((&refused["param"], cast.alpha.count()), (&json!("previous_response_id"), calls));
}

#[test]
fn an_unknown_previous_response_needs_a_provider_by_name_or_one_alone() {
    let unknown = |model: &str| json!({"model": model, "input": "x", "previous_response_id": "resp_of_before"});
    let cast = Cast::new(&["alpha", "beta"]);
    assert_eq!(cast.post(&unknown("beta:shared")).json()["by"], "beta");
    assert_eq!(cast.post(&unknown("alpha/shared")).json()["by"], "alpha");
    let bare = unknown("shared").to_string();
    let refused = cast.daemon.http().post("/v1/responses").json(bare).send().refused(404, "not_found");
    assert_eq!(refused["param"], "previous_response_id");
    let cast = Cast::new(&["beta"]);
    assert_eq!(cast.post(&unknown("shared")).json()["by"], "beta");
}

#[test]
fn an_unknown_id_goes_to_the_only_one_who_can_have_it() {
    let cast = Cast::new(&["beta"]);
    for (method, behind) in PLACES.into_iter().chain([("DELETE", "")]) {
        cast.goes_to("beta", method, &format!("/v1/responses/resp_of_before{behind}"));
        cast.goes_to("beta", method, &format!("/v1/responses/resp_of_before{behind}?include[]=a&stream=true"));
    }
    let cast = Cast::new(&["alpha", "beta"]);
    for (method, behind) in PLACES.into_iter().chain([("DELETE", "")]) {
        cast.is_unknown(method, &format!("/v1/responses/resp_of_before{behind}"));
    }
    let cast = Cast::new(&[]);
    for (method, behind) in PLACES.into_iter().chain([("DELETE", "")]) {
        cast.is_unknown(method, &format!("/v1/responses/resp_of_before{behind}"));
    }
}

#[test]
fn a_deleted_response_is_forgotten_and_one_that_was_not_deleted_is_not() {
    let cast = Cast::new(&["alpha", "beta"]);
    cast.post(&json!({"model": "beta:m", "input": "x"}));
    let path = "/v1/responses/resp_beta_1";
    for reply in [Reply::json(500, r#"{"error":{}}"#), Reply::json(409, "{}"), Reply::nothing().close()] {
        cast.beta.next(reply);
        assert!(cast.ask("DELETE", path).status >= 400);
        cast.goes_to("beta", "GET", path);
    }
    cast.goes_to("beta", "DELETE", path);
    for (method, behind) in PLACES.into_iter().chain([("DELETE", "")]) {
        cast.is_unknown(method, &format!("{path}{behind}"));
    }
    // The next response of the same id is known again.
    cast.beta.next(Reply::json(200, r#"{ "usage":{"input_tokens":1}, "id" : "resp\u005fbeta_1" }"#));
    cast.post(&json!({"model": "beta:m", "input": "x"}));
    cast.goes_to("beta", "GET", path);
}

#[test]
fn p14_a_response_whose_provider_lost_its_key_says_so() {
    let cast = Cast::new(&["alpha"]);
    cast.world.env_file(&format!("BITROUTER_BETA_API_KEY={}\n", cast.world.canary("beta-file")));
    cast.world.cli(["reload"]).expect_code(0);
    cast.post(&json!({"model": "beta:m", "input": "x"}));
    cast.goes_to("beta", "GET", "/v1/responses/resp_beta_1");
    cast.world.env_file("");
    cast.world.cli(["reload"]).expect_code(0);
    let answer = cast.ask("GET", "/v1/responses/resp_beta_1");
    let error = Voice::OpenAi.refused(&answer, 402, "provider_key_missing");
    assert_eq!(error["variables"], json!(["BITROUTER_BETA_API_KEY"]));
}

#[test]
fn a_response_whose_provider_is_switched_off_is_not_known() {
    let cast = Cast::new(&["alpha", "beta"]);
    cast.post(&json!({"model": "beta:m", "input": "x"}));
    cast.goes_to("beta", "GET", "/v1/responses/resp_beta_1");
    cast.world.config("[providers.beta]\nenabled = false\n");
    cast.world.cli(["reload"]).expect_code(0);
    // The other one did not make it.
    cast.is_unknown("GET", "/v1/responses/resp_beta_1");
    cast.world.config("");
    cast.world.cli(["reload"]).expect_code(0);
    cast.goes_to("beta", "GET", "/v1/responses/resp_beta_1");
}

#[test]
fn only_what_makes_responses_is_remembered() {
    let cast = Cast::new(&["alpha", "beta"]);
    // A count and an error name an id too.
    let other = r#"{"id":"resp_other","object":"response"}"#;
    for (path, status) in [("/v1/responses/input_tokens", 200), ("/v1/responses", 400)] {
        cast.beta.next(Reply::json(status, other));
        let answer = cast.daemon.http().post(path).json(r#"{"model":"beta:m","input":"x"}"#).send();
        assert_eq!(answer.text(), other);
        cast.is_unknown("GET", "/v1/responses/resp_other");
    }
    // Nor is what only looks like the id of a response.
    for body in [
        r#"{"output":[{"id":"resp_inner"}],"id":null}"#,
        r#"{"output":[{"id":"resp_inner"}],"text":"\"id\":\"resp_inner\""}"#,
        r#"[{"id":"resp_inner"}]"#,
    ] {
        cast.beta.next(Reply::json(200, body));
        cast.post(&json!({"model": "beta:m", "input": "x"}));
        cast.is_unknown("GET", "/v1/responses/resp_inner");
    }
}

#[test]
fn a_stored_stream_comes_back_byte_for_byte() {
    let cast = Cast::new(&["beta"]);
    let events = responses::events(&Turn::saying("«é» 🧠"), "m", "resp_again");
    for newline in [Newline::Lf, Newline::CrLf] {
        let text: String = events.iter().map(|event| event.frame(newline)).collect();
        for cut in [usize::MAX, 7, 50] {
            cast.beta.next(Reply::stream().piece(&text).end().cut_every(cut));
            let answer = cast.ask("GET", "/v1/responses/resp_again?stream=true&starting_after=0").ok();
            assert_eq!(answer.text(), text, "cut every {cut}");
        }
    }
}
