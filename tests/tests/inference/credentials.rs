//! How a provider is given its key, and that nobody else is.

use bitrouter_tests::{Provider, Reply, World};

fn manifest(id: &str, provider: &Provider, rest: &str) -> String {
    format!(
        "id = \"{id}\"\nname = \"{id}\"\nkind = \"gateway\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n{rest}",
        provider.base_url()
    )
}

#[test]
fn a_manifest_says_how_the_key_is_sent() {
    let table = [
        ("", "authorization", "Bearer "),
        ("[auth]\nheader = \"x-api-key\"\nscheme = \"\"\n", "x-api-key", ""),
        ("[auth]\nscheme = \"Token\"\n", "authorization", "Token "),
    ];
    for (auth, header, before) in table {
        let world = World::new();
        let provider = Provider::start();
        let key = world.canary("own");
        world.write("config/bitrouter/registry/own.toml", manifest("own", &provider, auth));
        let daemon = world.serve().env("BITROUTER_OWN_API_KEY", &key).start();
        daemon.http().chat("own:m", "x").bearer("sent-by-an-sdk").send().ok();
        let request = &provider.exchange(0).request;
        assert_eq!(request.header(header), Some(format!("{before}{key}").as_str()), "{auth}");
        assert!(!String::from_utf8_lossy(&request.head).contains("sent-by-an-sdk"), "{auth}");
        assert_eq!(request.headers.iter().filter(|(_, value)| value.contains(&key)).count(), 1, "{auth}");
    }
}

#[test]
fn passthrough_names_and_extra_headers_come_from_the_manifest() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("own");
    let auth = "[auth]\nenv = [\"OWN_TOKEN\"]\nextra_headers = { \"x-title\" = \"bitrouter\" }\n";
    world.write("config/bitrouter/registry/own.toml", manifest("own", &provider, auth));
    let daemon = world.serve().env("OWN_TOKEN", &key).start();
    daemon.http().chat("own:m", "x").send().ok();
    let exchange = provider.exchange(0);
    assert_eq!((exchange.request.key(), exchange.request.header("x-title")), (Some(key.as_str()), Some("bitrouter")));
}

#[test]
fn a_key_goes_only_to_its_own_provider_and_redirects_are_not_followed() {
    let world = World::new();
    let (one, two) = (Provider::start(), Provider::start());
    let (key_one, key_two) = (world.canary("one"), world.canary("two"));
    world.write("config/bitrouter/registry/one.toml", manifest("one", &one, ""));
    world.write("config/bitrouter/registry/two.toml", manifest("two", &two, ""));
    let serve = world.serve().env("BITROUTER_ONE_API_KEY", &key_one).env("BITROUTER_TWO_API_KEY", &key_two);
    let daemon = serve.start();
    daemon.http().chat("one:m", "x").send().ok();
    daemon.http().chat("two:m", "x").send().ok();
    assert_eq!(one.exchange(0).request.key(), Some(key_one.as_str()));
    assert_eq!(two.exchange(0).request.key(), Some(key_two.as_str()));

    one.next(Reply::redirect(&format!("{}/chat/completions", two.base_url())));
    let answer = daemon.http().chat("one:m", "x").send();
    assert!(answer.status >= 300, "{}", answer.status);
    assert_eq!(two.count(), 1, "the redirect was followed");
}

#[test]
fn a_local_provider_that_is_configured_needs_no_key() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_provider("ollama"));
    let daemon = world.serve().start();
    daemon.http().chat("ollama:llama", "x").bearer("sent-by-an-sdk").send().ok();
    let request = &provider.exchange(0).request;
    assert_eq!(request.model(), "llama");
    assert!(!String::from_utf8_lossy(&request.head).contains("sent-by-an-sdk"));
}

#[test]
fn a_provider_of_another_protocol_is_reached_where_its_manifest_says_or_refused() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("other");
    let head = |id: &str| {
        format!(
            "id = \"{id}\"\nname = \"{id}\"\nkind = \"first_party\"\nendpoint = \"{}\"\nprotocol = \"messages\"\n\
             [auth]\nheader = \"x-api-key\"\nscheme = \"\"\n",
            provider.base_url()
        )
    };
    world.write("config/bitrouter/registry/none.toml", head("none"));
    let compatible = format!(
        "{}[endpoints.chat_completions]\nurl = \"http://{}/compatible/v1\"\nheader = \"authorization\"\nscheme = \"Bearer\"\n",
        head("some"),
        provider.addr()
    );
    world.write("config/bitrouter/registry/some.toml", compatible);
    let serve = world.serve().env("BITROUTER_NONE_API_KEY", &key).env("BITROUTER_SOME_API_KEY", &key);
    let daemon = serve.start();
    daemon.http().chat("none:m", "x").send().refused(501, "protocol_not_supported");
    assert_eq!(provider.count(), 0);
    daemon.http().chat("some:m", "x").send().ok();
    let exchange = provider.exchange(0);
    assert_eq!(exchange.request.target, "/compatible/v1/chat/completions");
    assert_eq!(exchange.request.key(), Some(key.as_str()));
}

#[test]
fn a_call_to_a_real_provider_goes_through_the_proxy() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    let answer = daemon.http().chat("openai:gpt-x", "x").send();
    answer.refused(502, "upstream_unavailable");
    let hits = world.network_trap().take();
    assert!(!hits.is_empty() && hits.iter().all(|hit| hit.starts_with("CONNECT api.openai.com:443 ")), "{hits:?}");
}
