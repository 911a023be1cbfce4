//! What is in the reviewed list reaches its provider, and nothing else does.

use bitrouter_tests::{Answer, dialects::Vendor};

use super::{
    cast::{Cast, headers_with},
    listed::{LIST, Line},
    voice::Voice,
};

#[test]
fn every_line_of_the_list_reaches_its_provider_and_nobody_else() {
    let cast = Cast::new();
    for line in &LIST {
        let (exchange, answer) = cast.arrives(line, cast.call(line));
        let request = &exchange.request;
        assert_eq!((request.method.as_str(), request.target.as_str()), (line.method, line.target));
        assert_eq!(answer.text(), "{}", "{line:?}");
        for vendor in Vendor::ALL {
            let keys = headers_with(request, cast.key(vendor)).len();
            assert_eq!(keys, usize::from(vendor == line.vendor), "{line:?}: the key of {vendor:?}");
        }
        if line.method != "POST" {
            let framing = ["content-length", "transfer-encoding"].map(|name| request.header(name));
            assert!(request.body.is_empty() && framing == [None, None], "{line:?} {framing:?}");
        }
    }
}

const METHODS: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"];

/// What other services of this kind have, and spellings of what there is that are something else.
const ELSEWHERE: [&str; 78] = [
    "/v1",
    "/v1/",
    "/v1beta",
    "/v1beta/",
    "/v2/chat/completions",
    "/v1alpha/models/google:m:generateContent",
    "/v1/chat",
    "/v1/chat/",
    "/v1/chat/completions/",
    "/v1/chat/completions/chatcmpl-1",
    "/v1/chat/completions/chatcmpl-1/messages",
    "/v1/Chat/Completions",
    "/V1/chat/completions",
    "/v1/chat/completions%20",
    "/v1/chat%2Fcompletions",
    "/v1%2Fchat/completions",
    "/v1/./chat/completions",
    "/v1/x/../chat/completions",
    "/v1/chat/completions;x",
    "/v1/chat/completions:x",
    "/chat/completions",
    "/openai/v1/chat/completions",
    "/openai/deployments/m/chat/completions",
    "/v1/engines/m/completions",
    "/v1/completions/",
    "/v1/embeddings/",
    "/v1/embeddings/x",
    "/v1/edits",
    "/v1/moderations",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/audio/translations",
    "/v1/videos",
    "/v1/files",
    "/v1/files/file-1",
    "/v1/files/file-1/content",
    "/v1/uploads",
    "/v1/batches",
    "/v1/batches/b_1/cancel",
    "/v1/fine_tuning/jobs",
    "/v1/vector_stores",
    "/v1/vector_stores/vs_1/search",
    "/v1/containers",
    "/v1/conversations",
    "/v1/conversations/conv_1",
    "/v1/assistants",
    "/v1/threads/runs",
    "/v1/evals",
    "/v1/realtime",
    "/v1/realtime/sessions",
    "/v1/organization/costs",
    "/v1/organization/admin_api_keys",
    "/v1/rerank",
    "/v1/score",
    "/v1/tokenize",
    "/v1/responses/",
    "/v1/responses/resp_1/",
    "/v1/responses/resp_1/input_items/",
    "/v1/responses/resp_1/input_items/x",
    "/v1/responses/resp_1/cancel/",
    "/v1/responses/resp_1/Cancel",
    "/v1/responses/resp_1/output",
    "/v1/responses/resp_1/cancel%2F",
    "/v1/responses/resp_1%2Fcancel",
    "/v1/responses/resp_1/../resp_2",
    "/v1/messages/",
    "/v1/messages/batches",
    "/v1/messages/batches/b_1/results",
    "/v1/messages/count_tokens/",
    "/v1/messages/count_tokens/x",
    "/v1/complete",
    "/v1/organizations/me",
    "/v1beta/cachedContents",
    "/v1beta/files",
    "/upload/v1beta/files",
];

/// Whose error a caller without telling headers gets below these paths.
fn voice_of(path: &str) -> Voice {
    let below = |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if below("/v1beta") {
        Voice::Google
    } else if below("/v1/messages") {
        Voice::Anthropic
    } else {
        Voice::OpenAi
    }
}

#[track_caller]
fn is_refused(answer: &Answer, voice: Voice, method: &str, path: &str, status: u16, code: &str) {
    let place = format!("{method} {path}: {} {}", answer.status, answer.text());
    if method == "HEAD" {
        assert_eq!((answer.status, answer.text().as_str()), (status, ""), "{place}");
    } else {
        assert_eq!(answer.status, status, "{place}");
        voice.refused(answer, status, code);
    }
}

/// A body that every dialect could take for its own.
const TEMPTING: &str = r#"{"model":"openai:m","messages":[],"input":"x","contents":[]}"#;

fn ask(cast: &Cast, method: &str, path: &str) -> Answer {
    let call = cast.http().request(method, path);
    if matches!(method, "POST" | "PUT" | "PATCH") { call.json(TEMPTING).send() } else { call.send() }
}

#[test]
fn p13_no_other_path_reaches_a_provider() {
    let cast = Cast::new();
    for path in ELSEWHERE {
        for method in METHODS {
            let answer = ask(&cast, method, path);
            is_refused(&answer, voice_of(path), method, path, 404, "not_found");
        }
    }
    // Below what always needs a credential nobody learns without one what is there.
    for method in METHODS.into_iter().filter(|method| *method != "HEAD") {
        let answer = ask(&cast, method, "/api/v1/chat/completions");
        let refused = answer.json();
        assert_eq!((answer.status, refused["error"]["type"].as_str()), (401, Some("authentication_error")), "{method}");
    }
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn p13_no_other_method_reaches_a_provider() {
    let cast = Cast::new();
    let taken = |path: &str| LIST.iter().filter(|line| line.path == path).map(|line| line.method).collect::<Vec<_>>();
    for Line { path, voice, .. } in &LIST {
        let taken = taken(path);
        for method in METHODS.into_iter().filter(|method| !taken.contains(method)) {
            let answer = ask(&cast, method, path);
            if *path == "/v1/responses" && matches!(method, "GET" | "HEAD") {
                // A WebSocket is tried there; 426 makes its caller fall back at once.
                is_refused(&answer, *voice, method, path, 426, "upgrade_required");
                assert_eq!(answer.header("upgrade"), Some("HTTP/1.1"));
                continue;
            }
            is_refused(&answer, *voice, method, path, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some(taken.join(", ").as_str()), "{method} {path}");
        }
    }
    assert_eq!(cast.arrivals(), 0);
}

/// Names of models without a verb that there is: a list of models may know them, a provider does not get them.
const WITHOUT_VERB: [&str; 11] = [
    "/v1beta/models/google:m",
    "/v1beta/models/google:m:",
    "/v1beta/models/google:m:predict",
    "/v1beta/models/google:m:GenerateContent",
    "/v1beta/models/google:m:generateContent/",
    "/v1beta/models/google:m:generateContent:x",
    "/v1beta/models/google:m:generateContent%20",
    "/v1beta/models/google:m:batchGenerateContent",
    "/v1beta/models/:generateContent",
    "/v1/models/google:m:predict",
    "/v1/models/google:m:asyncBatchEmbedContent",
];

#[test]
fn p13_a_model_without_a_verb_reaches_no_provider() {
    let cast = Cast::new();
    for path in WITHOUT_VERB {
        for method in METHODS {
            let answer = ask(&cast, method, path);
            if matches!(method, "GET" | "HEAD") {
                assert!(matches!(answer.status, 200 | 404), "{method} {path}: {}", answer.status);
            } else if answer.status == 404 {
                is_refused(&answer, voice_of(path), method, path, 404, "not_found");
            } else {
                is_refused(&answer, voice_of(path), method, path, 405, "method_not_allowed");
                assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
            }
        }
    }
    assert_eq!(cast.arrivals(), 0);
}

#[test]
fn what_is_only_read_reaches_no_provider() {
    let cast = Cast::new();
    for path in ["/", "/health", "/ping", "/v1/models", "/v1/models/openai:m"] {
        for method in ["GET", "HEAD"] {
            ask(&cast, method, path).ok();
        }
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            let answer = ask(&cast, method, path);
            is_refused(&answer, Voice::OpenAi, method, path, 405, "method_not_allowed");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {path}");
        }
    }
    assert_eq!(cast.arrivals(), 0);
}
