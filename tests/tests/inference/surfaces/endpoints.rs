//! Where each protocol of a provider is, and in which header its key goes there; a user's `base_url` moves all of them and
//! changes no header.

use bitrouter_tests::{Daemon, Provider, Reply, World, dialects::Vendor};

use super::cast::{Cast, headers_with};

/// A manifest with a place and a header of its own for each protocol.
fn manifest(provider: &Provider) -> String {
    let addr = provider.addr();
    format!(
        "id = \"multi\"\nendpoint = \"http://{addr}/main/v1\"\nprotocol = [\"messages\"]\n\
         [auth]\nheader = \"x-api-key\"\nscheme = \"\"\nextra_headers = {{ anthropic-version = \"2023-06-01\" }}\n\
         [endpoints.chat_completions]\nurl = \"http://{addr}/chat/v2/\"\nheader = \"Authorization\"\nscheme = \"Bearer\"\n\
         [endpoints.responses]\nurl = \"http://{addr}/responses-api\"\nheader = \"X-Responses-Key\"\n\
         [endpoints.generate_content]\nurl = \"http://{addr}/google/v1beta\"\nheader = \"x-goog-api-key\"\nscheme = \"Key\"\n"
    )
}

struct Place {
    path: &'static str,
    body: &'static str,
    /// Below its base.
    target: &'static str,
    base: &'static str,
    header: &'static str,
    scheme: &'static str,
}

const PLACES: [Place; 9] = {
    const NAMED: &str = r#"{"model":"multi:m"}"#;
    const fn place(path: &'static str, target: &'static str, [base, header, scheme]: [&'static str; 3]) -> Place {
        Place { path, body: NAMED, target, base, header, scheme }
    }
    const CHAT: [&str; 3] = ["/chat/v2", "authorization", "Bearer "];
    const RESPONSES: [&str; 3] = ["/responses-api", "x-responses-key", ""];
    const MESSAGES: [&str; 3] = ["/main/v1", "x-api-key", ""];
    const GOOGLE: [&str; 3] = ["/google/v1beta", "x-goog-api-key", "Key "];
    [
        place("/v1/chat/completions", "/chat/completions", CHAT),
        place("/v1/completions", "/completions", CHAT),
        place("/v1/embeddings", "/embeddings", CHAT),
        place("/v1/responses", "/responses", RESPONSES),
        place("/v1/responses/input_tokens", "/responses/input_tokens", RESPONSES),
        place("/v1/messages", "/messages", MESSAGES),
        place("/v1/messages/count_tokens", "/messages/count_tokens", MESSAGES),
        place("/v1/models/multi:m:generateContent", "/models/m:generateContent", GOOGLE),
        place("/v1beta/multi:m:embedContent", "/models/m:embedContent", GOOGLE),
    ]
};

#[track_caller]
fn each_place(daemon: &Daemon, provider: &Provider, key: &str, base: Option<&str>, world: &World) {
    for place in &PLACES {
        let secret = world.canary("caller");
        let before = provider.count();
        // Whatever a provider of this manifest takes a key in, the caller's own stays out of it.
        let call = daemon.http().post(&format!("{}?key={secret}", place.path)).json(place.body).bearer(&secret);
        let call = ["x-api-key", "x-goog-api-key", "x-responses-key"]
            .iter()
            .fold(call, |call, name| call.header(name, &secret));
        let answer = call.send();
        assert_eq!(answer.status, 200, "{}: {}", place.path, answer.text());
        let request = &provider.exchange(before).request;
        assert_eq!(request.target, format!("{}{}", base.unwrap_or(place.base), place.target));
        let ours = headers_with(request, key);
        assert_eq!(ours, [(place.header.to_owned(), format!("{}{key}", place.scheme))], "{}", place.path);
        assert!(!String::from_utf8_lossy(&request.head).contains(&secret), "{}", place.path);
    }
}

#[test]
fn p03_each_protocol_has_its_place_its_header_and_its_scheme() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|_| Reply::json(200, "{}"));
    let key = world.canary("multi");
    world.write("config/bitrouter/registry/multi.toml", manifest(&provider));
    let daemon = world.serve().env("BITROUTER_MULTI_API_KEY", &key).start();
    each_place(&daemon, &provider, &key, None, &world);
    assert_eq!(provider.exchange(5).request.header("anthropic-version"), Some("2023-06-01"));
}

#[test]
fn p03_a_base_url_moves_every_protocol_and_no_header() {
    let world = World::new();
    let (old, provider) = (Provider::start(), Provider::start());
    provider.always(|_| Reply::json(200, "{}"));
    let key = world.canary("multi");
    world.write("config/bitrouter/registry/multi.toml", manifest(&old));
    world.config(&format!("[providers.multi]\nbase_url = \"http://{}/moved/v9/\"\n", provider.addr()));
    let daemon = world.serve().env("BITROUTER_MULTI_API_KEY", &key).start();
    each_place(&daemon, &provider, &key, Some("/moved/v9"), &world);
    assert_eq!(old.count(), 0);
}

#[test]
fn p03_what_is_stored_is_asked_for_at_the_place_of_responses() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|_| Reply::json(200, "{}"));
    let key = world.canary("multi");
    world.write("config/bitrouter/registry/multi.toml", manifest(&provider));
    let daemon = world.serve().env("BITROUTER_MULTI_API_KEY", &key).start();
    for (method, behind) in [("GET", ""), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", "")] {
        daemon.http().request(method, &format!("/v1/responses/resp_1{behind}")).send().ok();
        let exchange = provider.last();
        assert_eq!(exchange.request.target, format!("/responses-api/responses/resp_1{behind}"));
        assert_eq!(headers_with(&exchange.request, &key), [("x-responses-key".to_owned(), key.clone())]);
    }
}

/// What the shipped manifests say, wherever a user sends their calls.
#[test]
fn p03_shipped_providers_get_their_key_as_each_protocol_of_theirs_wants_it() {
    let cast = Cast::new();
    for (vendor, path, target, header, scheme) in [
        (Vendor::OpenAi, "/v1/chat/completions", "/v1/chat/completions", "authorization", "Bearer "),
        (Vendor::OpenAi, "/v1/responses", "/v1/responses", "authorization", "Bearer "),
        (Vendor::Anthropic, "/v1/messages", "/v1/messages", "x-api-key", ""),
        (Vendor::Anthropic, "/v1/chat/completions", "/v1/chat/completions", "authorization", "Bearer "),
        (Vendor::Google, "/v1/models/google:m:countTokens", "/v1beta/models/m:countTokens", "x-goog-api-key", ""),
        (Vendor::Google, "/v1/chat/completions", "/v1beta/chat/completions", "authorization", "Bearer "),
        (Vendor::Google, "/v1/embeddings", "/v1beta/embeddings", "authorization", "Bearer "),
    ] {
        let provider = cast.provider(vendor);
        let before = provider.count();
        cast.http().post(path).json(format!(r#"{{"model":"{}:m"}}"#, vendor.id())).send().ok();
        let request = &provider.exchange(before).request;
        assert_eq!(request.target, target);
        let key = cast.key(vendor);
        assert_eq!(headers_with(request, key), [(header.to_owned(), format!("{scheme}{key}"))], "{vendor:?} {path}");
    }
}

#[test]
fn a_scheme_without_a_header_goes_into_the_providers_own() {
    let world = World::new();
    let provider = Provider::start();
    provider.always(|_| Reply::json(200, "{}"));
    let key = world.canary("own");
    let base = provider.base_url();
    let text = format!(
        "id = \"own\"\nendpoint = \"{base}\"\nprotocol = \"messages\"\n[auth]\nheader = \"X-Own\"\nscheme = \"Own\"\n\
         [endpoints.chat_completions]\nurl = \"{base}\"\nscheme = \"Chat\"\n\
         [endpoints.responses]\nurl = \"{base}\"\nheader = \"Authorization\"\n\
         [endpoints.generate_content]\nurl = \"{base}\"\n"
    );
    world.write("config/bitrouter/registry/own.toml", text);
    let daemon = world.serve().env("BITROUTER_OWN_API_KEY", &key).start();
    for (path, header, before) in [
        ("/v1/messages", "x-own", "Own "),
        ("/v1/chat/completions", "x-own", "Chat "),
        ("/v1/responses", "authorization", "Bearer "),
        ("/v1/own:m:generateContent", "x-own", "Own "),
    ] {
        daemon.http().post(path).json(r#"{"model":"own:m"}"#).send().ok();
        let found = headers_with(&provider.last().request, &key);
        assert_eq!(found, [(header.to_owned(), format!("{before}{key}"))], "{path}");
    }
}
