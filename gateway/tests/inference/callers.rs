//! What a credential opens: everything that reaches a model wants `inference:invoke`, lists want no scope.

use bitrouter_gateway::http::{Caller, Principal};
use bitrouter_proto::account::{CredentialId, Scope, ScopeSet};

use crate::support::World;

/// A request to every line of the surface table.
const SURFACE: [(&str, &str); 16] = [
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/messages"),
    ("POST", "/v1/messages/count_tokens"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/responses/input_tokens"),
    ("GET", "/v1/responses/resp_1"),
    ("DELETE", "/v1/responses/resp_1"),
    ("GET", "/v1/responses/resp_1/input_items"),
    ("POST", "/v1/responses/resp_1/cancel"),
    ("POST", "/v1beta/models/big:generateContent"),
    ("POST", "/v1/models/big:streamGenerateContent"),
    ("POST", "/v1/big:countTokens"),
    ("POST", "/v1beta/models/big:embedContent"),
    ("POST", "/v1beta/models/big:batchEmbedContents"),
];

fn holder(scopes: impl IntoIterator<Item = Scope>) -> Caller {
    Caller::Credential(Principal {
        credential: CredentialId::Grant("tok_00000000000000000000000001".parse().unwrap()),
        namespace: "ns_00000000000000000000000002".parse().unwrap(),
        person: "usr_00000000000000000000000003".parse().unwrap(),
        scopes: scopes.into_iter().collect::<ScopeSet>(),
    })
}

#[tokio::test]
async fn whatever_reaches_a_model_wants_the_scope_for_it() {
    let world = World::new().await;
    let all_but_one = holder(Scope::ALL.iter().copied().filter(|scope| *scope != Scope::InferenceInvoke));
    let with_it = holder([Scope::InferenceInvoke]);
    for (method, path) in SURFACE {
        for caller in [holder([]), all_but_one] {
            let (status, text) = world.answer(caller, method, path).await;
            assert_eq!(status, 403, "{method} {path}: {text}");
            assert!(text.contains("missing required scope: inference:invoke"), "{method} {path}: {text}");
        }
        // Its code is at the place where the dialect of the path has one.
        let (_, text) = world.answer(all_but_one, method, path).await;
        assert!(text.to_ascii_lowercase().contains("missing_scope"), "{method} {path}: {text}");
        let (status, text) = world.answer(with_it, method, path).await;
        assert_ne!(status, 403, "{method} {path}: {text}");
        let (status, _) = world.answer(Caller::Anyone, method, path).await;
        assert_eq!(status, 403, "{method} {path}");
    }
    assert_eq!(world.refused().iter().filter(|reason| **reason == "missing_scope").count(), SURFACE.len() * 4);
}

#[tokio::test]
async fn the_operators_key_reaches_no_model_and_no_list_of_them() {
    let world = World::new().await;
    let operator = Caller::Operator("key_00000000000000000000000004".parse().unwrap());
    let lists = ["/v1/models", "/v1beta/models", "/v1/models/acme/big", "/v1/models/nowhere"].map(|path| ("GET", path));
    for (method, path) in SURFACE.into_iter().chain(lists) {
        let (status, text) = world.answer(operator, method, path).await;
        assert_eq!(status, 403, "{method} {path}: {text}");
        assert!(text.to_ascii_lowercase().contains("missing_scope"), "{method} {path}: {text}");
    }
    assert_eq!(world.answer(operator, "GET", "/v1/nowhere").await.0, 404);
    assert_eq!(world.answer(operator, "PUT", "/v1/models").await.0, 405);
}

#[tokio::test]
async fn the_path_comes_before_the_scope_and_the_scope_before_all_else() {
    let world = World::new().await;
    let poor = holder([]);
    for (method, path, expected) in [
        ("POST", "/v1/nowhere", 404),
        ("PUT", "/v1/chat/completions", 405),
        ("GET", "/v1/responses", 426),
        ("PATCH", "/v1/responses/resp_1", 405),
        // Neither a media type nor a body.
        ("POST", "/v1/chat/completions", 403),
        // A stored response that nobody knows.
        ("GET", "/v1/responses/resp_404", 403),
        ("GET", "/v1/models", 200),
        ("GET", "/v1beta/models", 200),
        ("GET", "/v1/models/acme/big", 200),
        ("GET", "/v1/models/nowhere", 404),
        ("GET", "/health", 200),
    ] {
        let (status, text) = world.answer(poor, method, path).await;
        assert_eq!(status, expected, "{method} {path}: {text}");
    }
}
