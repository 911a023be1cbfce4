//! The order of refusals: host, origin, caller, path and method, media type, size, body, model, dialect, key. Each request
//! here is wrong in everything that comes later, too.

use bitrouter_tests::http::{Call, Client};

use super::{cast::Cast, listed::posted, voice::Voice};

/// Makes a request wrong in body, size and media type.
fn spoilt(call: Call, large: &str) -> Call {
    call.header("content-type", "text/plain").body(large)
}

#[test]
fn p13_refusals_come_in_their_order_in_every_line() {
    let cast = Cast::with("[server]\nmax_body = \"1 KiB\"\n");
    let large = "x".repeat(4096);
    let foreign = cast.world.user().foreign();
    let callers: Vec<Client> = foreign.iter().map(|user| cast.http().as_user(*user)).chain([cast.http()]).collect();
    for line in posted() {
        let refused = |call: Call, status, code| {
            let answer = call.send();
            assert_eq!(answer.status, status, "{} {code}: {}", line.path, answer.text());
            line.voice.refused(&answer, status, code)
        };
        for caller in &callers {
            let post = || caller.post(line.path).bearer("brk_nobody");
            refused(
                spoilt(post(), &large).host("evil.example").header("origin", "http://evil.example"),
                403,
                "host_not_allowed",
            );
            refused(spoilt(post(), &large).header("origin", "http://evil.example"), 403, "origin_not_allowed");
            refused(spoilt(post(), &large).header("sec-fetch-site", "cross-site"), 403, "origin_not_allowed");
            refused(spoilt(post(), &large), 401, "invalid_api_key");
            refused(spoilt(post().header("x-api-key", "bra_other"), &large), 400, "invalid_request");
            let wrong_method = caller.request("PUT", line.path).bearer("brk_nobody");
            refused(spoilt(wrong_method, &large), 401, "invalid_api_key");
        }
        if let Some(foreign) = foreign {
            refused(spoilt(cast.http().as_user(foreign).post(line.path), &large), 401, "api_key_required");
        }
        refused(spoilt(cast.http().request("PUT", line.path), &large), 405, "method_not_allowed");
        refused(spoilt(cast.http().post(line.path), &large), 415, "unsupported_media_type");
        refused(
            cast.http().post(line.path).json(&large).header("content-encoding", "gzip"),
            415,
            "unsupported_media_type",
        );
        refused(cast.http().post(line.path).json(&large), 413, "body_too_large");
        refused(cast.http().post(line.path).json(&large).chunked(100), 413, "body_too_large");
        refused(cast.http().post(line.path).json("{"), 400, "invalid_request");
    }
    assert_eq!(cast.arrivals(), 0);
}

/// Model, dialect and key, in the body or in the path.
#[test]
fn p13_the_body_is_judged_before_the_model_and_the_dialect_before_the_key() {
    let cast = Cast::new();
    for line in posted() {
        let ask = |model: &str, more: &str| match line.voice {
            Voice::Google => {
                let path = line.path.replace("google:m", model);
                cast.http().post(&path).json(format!("{{{}}}", more.trim_start_matches(','))).send()
            }
            _ => cast.http().post(line.path).json(format!(r#"{{"model":"{model}"{more}}}"#)).send(),
        };
        line.voice.refused(&ask("nobody-lists-it", ",\"x\":"), 400, "invalid_request");
        line.voice.refused(&ask("nobody-lists-it", ""), 404, "model_not_found");
        // Shipped providers that have no key here: one that speaks something else, one that speaks the same.
        let (mute, keyless) = match line.path {
            "/v1/chat/completions" | "/v1/completions" | "/v1/embeddings" => (None, Some("together:m")),
            "/v1/responses" | "/v1/responses/input_tokens" => (Some("together:m"), Some("groq:m")),
            "/v1/messages" | "/v1/messages/count_tokens" => (Some("together:m"), Some("deepseek:m")),
            _ => (Some("together:m"), None),
        };
        if let Some(mute) = mute {
            line.voice.refused(&ask(mute, ""), 501, "protocol_not_supported");
        }
        if let Some(keyless) = keyless {
            line.voice.refused(&ask(keyless, ""), 402, "provider_key_missing");
        }
    }
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn p13_a_query_that_google_would_not_take_is_400_before_the_model() {
    let cast = Cast::new();
    let answer = cast.http().post("/v1beta/models/nobody-lists-it:generateContent?alt=proto").json("{}").send();
    Voice::Google.refused(&answer, 400, "invalid_request");
    let answer =
        cast.http().post("/v1beta/models/a%3Fb:generateContent").body("x").header("content-type", "text/plain").send();
    Voice::Google.refused(&answer, 415, "unsupported_media_type");
}

#[test]
fn p13_a_stored_response_is_refused_in_the_same_order() {
    let cast = Cast::with("[server]\nmax_body = \"1 KiB\"\n");
    let large = "x".repeat(4096);
    let cancel = || cast.http().post("/v1/responses/resp_1/cancel");
    for (call, status, code) in [
        (spoilt(cancel(), &large).host("evil.example"), 403, "host_not_allowed"),
        (spoilt(cancel(), &large).header("origin", "null"), 403, "origin_not_allowed"),
        (spoilt(cancel(), &large).bearer("brk_x"), 401, "invalid_api_key"),
        (spoilt(cast.http().post("/v1/responses/resp.1/cancel"), &large), 404, "not_found"),
        (spoilt(cast.http().request("PUT", "/v1/responses/resp_1/cancel"), &large), 405, "method_not_allowed"),
        (spoilt(cancel(), &large), 415, "unsupported_media_type"),
        (cancel().json(&large), 413, "body_too_large"),
    ] {
        let answer = call.send();
        Voice::OpenAi.refused(&answer, status, code);
    }
    assert_eq!(cast.arrivals(), 0);
    // A body is none of what is asked for here: it goes along, or nothing does.
    cancel().send().ok();
    cancel().json("{}").send().ok();
    assert_eq!(cast.arrivals(), 2);
}
