//! Errors are written for whoever reads them: the path says which dialect that is, then the headers. Whoever refuses, the
//! listener included, writes them the same way.

use bitrouter_tests::{
    Answer, Reply,
    dialects::Vendor,
    http::{Call, Client},
    provider::Absent,
};
use serde_json::json;

use super::{
    cast::Cast,
    listed::{LIST, of_each_dialect},
    voice::Voice,
};

/// Every status that a wrapped answer of a provider can have, and the word for it.
const STATUSES: [u16; 22] =
    [400, 401, 402, 403, 404, 405, 408, 409, 413, 415, 422, 424, 426, 429, 500, 501, 502, 503, 504, 507, 508, 529];

#[test]
fn p13_every_status_has_its_word_in_every_line() {
    let cast = Cast::new();
    for line in &LIST {
        for status in STATUSES {
            let headers = [("content-type", "text/plain"), ("retry-after", "7"), ("retry-after-ms", "6500")];
            cast.provider(line.vendor).next(Reply::with(status, &headers, "a plain text"));
            let answer = cast.call(line).send();
            let error = line.voice.refused(&answer, status, "upstream_error");
            assert_eq!(error["message"], "a plain text", "{} {status}", line.path);
            assert_eq!(error["provider"], line.vendor.id());
            let after = (answer.header("retry-after"), answer.header("retry-after-ms"));
            assert_eq!(after, (Some("7"), Some("6500")), "{} {status}", line.path);
        }
    }
}

/// Paths below which a dialect is at home, whatever the headers say.
const HOMES: [(&str, Voice); 16] = [
    ("/v1/chat/nowhere", Voice::OpenAi),
    ("/v1/chat/completions/x", Voice::OpenAi),
    ("/v1/completions/x", Voice::OpenAi),
    ("/v1/embeddings/x", Voice::OpenAi),
    ("/v1/responses/resp_1/nowhere", Voice::OpenAi),
    ("/v1/responses/", Voice::OpenAi),
    ("/v1/responses/a%2Fb", Voice::OpenAi),
    ("/v1/messages/batches", Voice::Anthropic),
    ("/v1/messages/", Voice::Anthropic),
    ("/v1/messages/count_tokens/x", Voice::Anthropic),
    ("//v1//messages//batches", Voice::Anthropic),
    ("/v1beta", Voice::Google),
    ("/v1beta/", Voice::Google),
    ("/v1beta/nowhere", Voice::Google),
    ("/v1beta/cachedContents", Voice::Google),
    ("/v1beta//files", Voice::Google),
];

/// Paths that are nobody's.
const NOBODYS: [&str; 9] = [
    "/nowhere",
    "/v1",
    "/v1/",
    "/v1/nowhere",
    "/v1/files",
    "/v1betamax",
    "/v1/messagesx",
    "/chat/completions",
    "/v1/models:x",
];

const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");
const GOOGLE_KEY: (&str, &str) = ("x-goog-api-key", "x");

fn with(call: Call, headers: &[(&str, &str)]) -> Call {
    headers.iter().fold(call, |call, (name, value)| call.header(name, value))
}

#[test]
fn p13_the_path_says_the_dialect_and_then_the_headers() {
    let cast = Cast::new();
    let both = [VERSION, GOOGLE_KEY];
    for method in ["GET", "POST", "DELETE", "PUT"] {
        let ask = |path: &str, headers: &[(&str, &str)]| with(cast.http().request(method, path), headers).send();
        for (path, voice) in HOMES {
            for headers in [&[][..], &[VERSION], &[GOOGLE_KEY], &both] {
                let answer = ask(path, headers);
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
                voice.refused(&answer, 404, "not_found");
            }
        }
        for path in NOBODYS {
            for (headers, voice) in [
                (&[][..], Voice::OpenAi),
                (&[VERSION], Voice::Anthropic),
                (&[GOOGLE_KEY], Voice::Google),
                (&both, Voice::Google),
                (&[("x-api-key", "x")], Voice::OpenAi),
                (&[("anthropic-beta", "x")], Voice::OpenAi),
                (&[("Anthropic-Version", "")], Voice::Anthropic),
            ] {
                let answer = ask(path, headers);
                assert_eq!(answer.status, 404, "{method} {path}: {}", answer.text());
                let error = voice.refused(&answer, 404, "not_found");
                let message = error["message"].as_str().unwrap_or_default();
                assert!(message.contains(&format!("http://{}", cast.daemon.addr())), "{path}: {message}");
            }
        }
    }
    assert_eq!(cast.arrivals(), 0);
}

/// Refusals of the listener, before anybody has looked at what is asked.
fn listeners(call: impl Fn() -> Call) -> Vec<(Call, u16, &'static str)> {
    vec![
        (call().host("evil.example"), 403, "host_not_allowed"),
        (call().header("origin", "http://evil.example"), 403, "origin_not_allowed"),
        (call().header("origin", "null"), 403, "origin_not_allowed"),
        (call().header("sec-fetch-site", "cross-site"), 403, "origin_not_allowed"),
        (call().bearer("brk_0123"), 401, "invalid_api_key"),
        (call().header("x-api-key", "bra_0123"), 401, "invalid_api_key"),
        (call().bearer("brk_1").header("x-api-key", "brk_2"), 400, "invalid_request"),
        (call().header("x-bitrouter-hop", "a,b,c,d,e,f,g,h,i"), 508, "loop_detected"),
    ]
}

#[test]
fn p13_the_listeners_refusals_are_in_the_callers_dialect() {
    let cast = Cast::new();
    for line in &LIST {
        for (call, status, code) in listeners(|| cast.call(line)) {
            let answer = call.send();
            line.voice.refused(&answer, status, code);
            let challenge = answer.header("www-authenticate");
            assert_eq!(challenge.is_some(), status == 401, "{} {status}: {challenge:?}", line.path);
        }
        for path in [format!("{}?key=brk_0123", line.path), format!("{}?a=1&k%65y=bra%5F1", line.path)] {
            let answer = cast.http().request(line.method, &path).send();
            line.voice.refused(&answer, 401, "invalid_api_key");
        }
    }
    for path in ["/nowhere", "/v1/models", "/v1/models/x"] {
        for (headers, voice) in
            [(&[][..], Voice::OpenAi), (&[VERSION], Voice::Anthropic), (&[VERSION, GOOGLE_KEY], Voice::Google)]
        {
            for (call, status, code) in listeners(|| with(cast.http().get(path), headers)) {
                voice.refused(&call.send(), status, code);
            }
        }
    }
    let answer = cast.http().get("/nowhere").header("x-goog-api-key", "brk_0123").send();
    Voice::Google.refused(&answer, 401, "invalid_api_key");
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn p13_a_stranger_is_refused_in_his_dialect() {
    let cast = Cast::new();
    let Some(foreign) = cast.world.user().foreign() else { return };
    let stranger: Client = cast.http().as_user(foreign);
    for line in &LIST {
        let answer = stranger.request(line.method, line.path).send();
        let error = line.voice.refused(&answer, 401, "api_key_required");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("user")), "{error}");
    }
    Voice::Anthropic.refused(&with(stranger.get("/nowhere"), &[VERSION]).send(), 401, "api_key_required");
    Voice::Google.refused(&with(stranger.get("/v1/models"), &[GOOGLE_KEY]).send(), 401, "api_key_required");
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn p13_a_key_is_demanded_in_every_dialect() {
    let cast = Cast::with("[server]\nkeyless = \"never\"\n");
    for line in &LIST {
        line.voice.refused(&cast.call(line).send(), 401, "api_key_required");
        line.voice.refused(&cast.call(line).bearer("sk-any").send(), 401, "api_key_required");
    }
    assert_eq!(cast.arrivals(), 0);
}

#[track_caller]
fn is_502(answer: &Answer, voice: Voice, code: &str) {
    assert_eq!(answer.status, 502, "{}", answer.text());
    voice.refused(answer, 502, code);
}

#[test]
fn p13_what_goes_wrong_on_the_way_is_said_in_every_dialect() {
    let cast = Cast::with("[timeouts]\nfirst_byte = \"300ms\"\n");
    let page = "<!doctype html><html>Welcome</html>";
    for line in &LIST {
        let provider = cast.provider(line.vendor);
        let send = |reply: Reply| {
            provider.next(reply);
            cast.call(line).send()
        };
        is_502(&send(Reply::nothing().close()), line.voice, "upstream_interrupted");
        is_502(&send(Reply::nothing().reset()), line.voice, "upstream_interrupted");
        is_502(&send(Reply::raw("not http\r\n\r\n").close()), line.voice, "upstream_interrupted");
        let answer = send(Reply::body(200, "text/html", page));
        let error = line.voice.refused(&answer, 502, "upstream_error");
        assert!(error["message"].as_str().is_some_and(|text| text.contains("base_url")), "{error}");
        is_502(&send(Reply::redirect("http://evil.example/")), line.voice, "upstream_error");
        let answer = send(Reply::nothing().stall());
        line.voice.refused(&answer, 504, "upstream_timeout");
    }
}

#[test]
fn p13_a_provider_that_is_away_is_said_to_be_in_every_dialect() {
    let absent: [Absent; 3] = [Absent::somewhere(), Absent::somewhere(), Absent::somewhere()];
    let world = bitrouter_tests::World::new();
    let settings = Vendor::ALL
        .iter()
        .zip(&absent)
        .map(|(vendor, absent)| format!("[providers.{}]\nbase_url = \"{}\"\n", vendor.id(), absent.base_url()));
    world.config(&settings.collect::<String>());
    let serve =
        Vendor::ALL.iter().fold(world.serve(), |serve, vendor| serve.env(vendor.variable(), world.canary(vendor.id())));
    let daemon = serve.start();
    for line in &LIST {
        let call = daemon.http().request(line.method, line.path);
        let call = if line.method == "POST" { call.json(line.body) } else { call };
        is_502(&call.send(), line.voice, "upstream_unavailable");
    }
}

#[test]
fn p13_a_body_that_does_not_come_is_said_in_every_dialect() {
    let cast = Cast::with("[timeouts]\ntotal = \"400ms\"\n");
    for line in of_each_dialect() {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{",
            line.path,
            cast.daemon.addr()
        );
        line.voice.refused(&cast.http().raw(head), 408, "invalid_request");
    }
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn p13_an_error_of_google_carries_its_facts_as_texts() {
    let cast = Cast::new();
    let answer = cast.http().post("/v1beta/models/nobody-lists-it:generateContent").json("{}").send();
    let error = Voice::Google.refused(&answer, 404, "model_not_found");
    assert_eq!(error["details"].as_array().map(Vec::len), Some(1));
    assert!(error["suggestions"].is_array(), "{error}");
    let answer = cast.http().post("/v1beta/models/openai:m:generateContent").json("{}").send();
    let error = Voice::Google.refused(&answer, 501, "protocol_not_supported");
    assert_eq!(error["details"][0]["metadata"]["provider"], "openai");
    assert_eq!(error["details"][0]["metadata"]["protocols"], "chat_completions, responses");
    assert_eq!(error["protocols"], json!(["chat_completions", "responses"]));
}

#[test]
fn p13_every_refusal_has_an_id_and_is_not_to_be_kept() {
    let cast = Cast::new();
    for line in of_each_dialect() {
        for (call, status, _) in listeners(|| cast.call(line)) {
            let answer = call.send();
            assert_eq!(answer.status, status);
            assert!(answer.header("x-bitrouter-request-id").is_some_and(|id| id.starts_with("req_")));
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{}", line.path);
        }
    }
}
