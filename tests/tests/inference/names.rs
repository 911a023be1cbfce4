//! Model names: which provider a name leads to, under which name the provider is asked, and who is told what is missing.

use std::fmt::Write as _;

use bitrouter_tests::{Daemon, Provider, World};

struct Cast {
    daemon: Daemon,
    alpha: Provider,
    beta: Provider,
    gamma: Provider,
    delta: Provider,
    _world: World,
}

/// Four providers: alpha (first party) and beta (gateway) list models, gamma (gateway) lists none, delta has no key.
fn cast(settings: &str) -> Cast {
    let world = World::new();
    let add = |id: &str, kind: &str, models: &[(&str, &str)]| {
        let provider = Provider::start();
        let mut text = format!(
            "id = \"{id}\"\nname = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n",
            provider.base_url()
        );
        text += "[auth]\n";
        if id == "delta" {
            text += "env = [\"DELTA_TOKEN\"]\n";
        }
        for (model, upstream) in models {
            write!(text, "[[models]]\nid = \"{model}\"\nprovider_model_id = \"{upstream}\"\n").expect("text");
        }
        world.write(&format!("config/bitrouter/registry/{id}.toml"), text);
        provider
    };
    let alpha = add("alpha", "first_party", &[("m-one", "real-one"), ("shared", "shared")]);
    let beta = add("beta", "gateway", &[("shared", "shared"), ("alpha/m-one", "via-beta"), ("vendor/m-two", "two")]);
    let gamma = add("gamma", "gateway", &[]);
    let delta = add("delta", "first_party", &[("d-one", "d-one")]);
    world.config(settings);
    let mut serve = world.serve();
    for id in ["ALPHA", "BETA", "GAMMA"] {
        serve = serve.env(format!("BITROUTER_{id}_API_KEY"), world.canary(&id.to_lowercase()));
    }
    Cast { daemon: serve.start(), alpha, beta, gamma, delta, _world: world }
}

impl Cast {
    /// Which provider got the call, and for which model.
    #[track_caller]
    fn leads_to(&self, name: &str) -> (&'static str, String) {
        let all = [("alpha", &self.alpha), ("beta", &self.beta), ("gamma", &self.gamma), ("delta", &self.delta)];
        let before = all.map(|(_, provider)| provider.count());
        let answer = self.daemon.http().chat(name, "x").send();
        assert_eq!(answer.status, 200, "{name}: {}", answer.text());
        let mut got = all.iter().zip(before).filter(|((_, provider), before)| provider.count() > *before);
        let ((id, provider), _) = got.next().expect("some provider got it");
        assert!(got.next().is_none(), "{name}: two providers got it");
        (id, provider.last().request.model())
    }
}

#[test]
fn a_name_leads_where_the_table_says() {
    let cast = cast("[aliases]\nfast = \"alpha:m-one\"\n\"gamma/x\" = \"alpha:aliased\"\n");
    let table = [
        // The provider is named: there only, whether it lists the model or not.
        ("alpha:m-one", "alpha", "real-one"),
        ("alpha:unlisted", "alpha", "unlisted"),
        ("alpha:with/slash:and:colon", "alpha", "with/slash:and:colon"),
        ("beta:alpha/m-one", "beta", "via-beta"),
        // An alias comes next.
        ("fast", "alpha", "real-one"),
        ("gamma/x", "alpha", "aliased"),
        // `p/m`: a provider with a key that lists it, or that lists nothing at all.
        ("alpha/m-one", "alpha", "real-one"),
        ("gamma/anything/at:all", "gamma", "anything/at:all"),
        ("beta/vendor/m-two", "beta", "two"),
        // Somebody lists the whole string.
        ("m-one", "alpha", "real-one"),
        ("vendor/m-two", "beta", "two"),
        // First party before gateway.
        ("shared", "alpha", "shared"),
    ];
    for (name, provider, model) in table {
        assert_eq!(cast.leads_to(name), (provider, model.to_owned()), "{name}");
    }
}

#[test]
fn preferred_providers_come_first() {
    let cast = cast("[routing]\nprefer = [\"beta\"]\n");
    assert_eq!(cast.leads_to("shared"), ("beta", "shared".to_owned()));
    assert_eq!(cast.leads_to("alpha:shared"), ("alpha", "shared".to_owned()));
}

#[test]
fn p14_a_known_provider_without_a_key_names_its_variables() {
    let cast = cast("");
    for name in ["delta:anything", "delta/d-one", "d-one"] {
        let error = cast.daemon.http().chat(name, "x").send().refused(402, "provider_key_missing");
        assert_eq!(error["provider"], "delta", "{name}");
        assert_eq!(error["variables"], serde_json::json!(["BITROUTER_DELTA_API_KEY", "DELTA_TOKEN"]), "{name}");
        let message = error["message"].as_str().unwrap_or_default();
        assert!(message.contains("BITROUTER_DELTA_API_KEY"), "{name}: {message}");
    }
    assert_eq!(cast.delta.count(), 0);
}

#[test]
fn p14_every_shipped_provider_names_its_variables() {
    let world = World::new();
    let daemon = world.serve().start();
    let table = [
        ("openai", "OPENAI_API_KEY"),
        ("anthropic", "ANTHROPIC_API_KEY"),
        ("google", "GOOGLE_API_KEY"),
        ("openrouter", "OPENROUTER_API_KEY"),
        ("groq", "GROQ_API_KEY"),
        ("mistral", "MISTRAL_API_KEY"),
        ("deepseek", "DEEPSEEK_API_KEY"),
        ("xai", "XAI_API_KEY"),
        ("together", "TOGETHER_API_KEY"),
        ("fireworks", "FIREWORKS_API_KEY"),
    ];
    for (id, variable) in table {
        let error = daemon.http().chat(&format!("{id}:m"), "x").send().refused(402, "provider_key_missing");
        let variables: Vec<String> = serde_json::from_value(error["variables"].clone()).expect("variables");
        assert_eq!(variables[0], format!("BITROUTER_{}_API_KEY", id.to_uppercase()));
        assert!(variables.iter().any(|name| name == variable), "{id}: {variables:?}");
    }
}

#[test]
fn p13_an_unknown_name_is_404_with_the_nearest_ones() {
    let cast = cast("");
    for (name, nearest) in [("m-onee", "m-one"), ("alpha/m-oen", "m-one"), ("shred", "shared")] {
        let error = cast.daemon.http().chat(name, "x").send().refused(404, "model_not_found");
        let suggestions: Vec<String> = serde_json::from_value(error["suggestions"].clone()).expect("suggestions");
        assert!(suggestions.iter().any(|found| found.contains(nearest)), "{name}: {suggestions:?}");
    }
    let error = cast.daemon.http().chat("nothing-like-it-at-all", "x").send().refused(404, "model_not_found");
    assert!(error["suggestions"].is_array(), "{error}");
}

#[test]
fn a_disabled_provider_serves_nothing() {
    let cast = cast("[providers.alpha]\nenabled = false\n");
    assert_eq!(cast.leads_to("shared"), ("beta", "shared".to_owned()));
    let answer = cast.daemon.http().chat("alpha:m-one", "x").send();
    assert!((400..500).contains(&answer.status), "{} {}", answer.status, answer.text());
    assert_eq!(cast.alpha.count(), 0);
}

#[test]
fn p13_a_suggestion_is_never_the_name_that_was_refused() {
    let aliases = "[aliases]\nquick = \"shared\"\nagain = \"quick\"\nlost = \"nobody/m\"\noff = \"epsilon:m\"\n";
    let cast = cast(&format!("{aliases}[providers.openai]\nenabled = false\n").replace("epsilon", "openai"));
    for name in ["again", "lost", "off", "agian", "losst"] {
        let error = cast.daemon.http().chat(name, "x").send().refused(404, "model_not_found");
        let suggestions: Vec<String> = serde_json::from_value(error["suggestions"].clone()).expect("suggestions");
        for found in &suggestions {
            assert!(found != name, "{name}: {suggestions:?}");
            let answer = cast.daemon.http().chat(found, "x").send();
            assert_ne!(answer.status, 404, "{name}: `{found}` is no help");
        }
    }
    let error = cast.daemon.http().chat("quikc", "x").send().refused(404, "model_not_found");
    assert_eq!(error["suggestions"], serde_json::json!(["quick"]));
}

#[test]
fn p13_a_demo_model_that_is_none_is_not_offered_again() {
    let daemon = World::new().demo();
    let error = daemon.http().chat("demo/nope", "x").send().refused(404, "model_not_found");
    let message = error["message"].as_str().unwrap_or_default();
    assert!(!message.contains("demo:nope"), "{message}");
}
