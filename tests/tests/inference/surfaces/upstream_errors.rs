//! A provider's own error in each dialect: JSON passes byte for byte but for our key, anything else is wrapped.

use bitrouter_tests::{Reply, dialects::Vendor};

use super::{
    cast::Cast,
    listed::{LIST, posted},
};

/// An error as each vendor writes it, with what a rewriting would change.
fn written(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::OpenAi => {
            "{\n  \"error\": {\n    \"message\": \"slow \\u00e9 down \\/\",\n    \"type\": \"requests\", \"param\": null,\n    \"code\": 1.0e2\n  }\n}\n"
        }
        Vendor::Anthropic => {
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"context_management: Extra inputs are not permitted"},"request_id":"req_x" , "n":1e5}"#
        }
        Vendor::Google => {
            "{\n  \"error\": {\n    \"code\": 429,\n    \"message\": \"Quota\",\n    \"status\": \"RESOURCE_EXHAUSTED\",\n    \"details\": [{\"@type\": \"type.googleapis.com/google.rpc.RetryInfo\", \"retryDelay\": \"7s\"}]\n  }\n}\n"
        }
    }
}

#[test]
fn p13_a_json_error_passes_byte_for_byte_in_every_line() {
    let cast = Cast::new();
    let date = "Wed, 21 Oct 2037 07:28:00 GMT";
    for line in &LIST {
        let passes = |status: u16, body: &str, after: &str| {
            let headers = [("content-type", "application/json"), ("retry-after", after), ("request-id", "req_up")];
            cast.provider(line.vendor).next(Reply::with(status, &headers, body));
            let answer = cast.call(line).send();
            assert_eq!((answer.status, answer.text().as_str()), (status, body), "{}", line.path);
            assert_eq!((answer.header("retry-after"), answer.header("request-id")), (Some(after), Some("req_up")));
        };
        for status in [400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 503, 529] {
            passes(status, written(line.vendor), "7");
        }
        for body in ["[{\"error\":{\"code\":400}}]", "{}", "\"text\"", "null", " 5 "] {
            passes(503, body, date);
        }
    }
}

#[test]
fn p13_an_error_to_a_stream_is_no_stream() {
    let cast = Cast::new();
    for line in posted() {
        let body = line.body.replacen('{', r#"{"stream":true,"#, 1);
        let text = written(line.vendor);
        for kind in ["application/json", "text/event-stream", "text/plain"] {
            let reply = Reply::stream_with(429, &[("content-type", kind), ("retry-after", "1")])
                .piece(text)
                .end()
                .cut_every(40);
            cast.provider(line.vendor).next(reply);
            let answer = cast.http().post(line.path).json(&body).send();
            assert_eq!((answer.status, answer.text().as_str()), (429, text), "{}", line.path);
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
}

#[test]
fn p03_an_error_that_repeats_the_key_does_not_reveal_it() {
    let cast = Cast::new();
    for line in &LIST {
        let key = cast.key(line.vendor).to_owned();
        let json = format!(r#"{{ "error":{{"message":"Incorrect API key provided: {key}. ({key})","x":1e5}} }}"#);
        cast.provider(line.vendor).next(Reply::json(401, &json));
        let answer = cast.call(line).send();
        assert_eq!((answer.status, answer.text()), (401, json.replace(&key, "[redacted]")), "{}", line.path);
        let headers = [("content-type", "text/plain"), ("x-your-key", key.as_str())];
        cast.provider(line.vendor).next(Reply::with(403, &headers, format!("the key {key} is no good")));
        let answer = cast.call(line).send();
        let error = line.voice.refused(&answer, 403, "upstream_error");
        assert_eq!(error["message"], "the key [redacted] is no good");
        assert!(!answer.headers.iter().any(|(_, value)| value.contains(&key)), "{}", line.path);
    }
}

#[test]
fn p13_what_is_no_json_is_wrapped_with_its_beginning() {
    let cast = Cast::new();
    let long = format!("<html>{}</html>", "ä".repeat(300));
    for line in &LIST {
        for (status, kind, body) in [
            (502, "text/html", long.as_str()),
            (503, "application/json", "not json"),
            (500, "application/json", "{\"half\":"),
            (429, "text/plain", "too many"),
            (529, "text/plain", "overloaded"),
            (500, "application/json", ""),
            (404, "text/html", "<html>404</html>"),
        ] {
            let headers = [("content-type", kind), ("retry-after", "3")];
            cast.provider(line.vendor).next(Reply::with(status, &headers, body));
            let answer = cast.call(line).send();
            let error = line.voice.refused(&answer, status, "upstream_error");
            let first: String = body.chars().take(200).collect();
            let message = error["message"].as_str().unwrap_or_default();
            assert!(message.contains(&first) && message.chars().count() <= 300, "{message}");
            assert_eq!(answer.header("retry-after"), Some("3"), "{}", line.path);
        }
    }
}
