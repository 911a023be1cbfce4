//! Tables and properties of name resolution, against a small catalogue.

use std::{collections::BTreeMap, path::Path};

use proptest::prelude::*;

use super::*;
use crate::{
    registry::{Manifest, ProviderOverride},
    route::suggestions,
};

struct World {
    catalog: Catalog,
    aliases: BTreeMap<String, String>,
    prefer: Vec<ProviderId>,
    keys: Vec<&'static str>,
}

fn manifest(id: &str, kind: &str, models: &[&str]) -> Manifest {
    speaking("[\"chat_completions\"]", id, kind, models)
}

fn speaking(protocols: &str, id: &str, kind: &str, models: &[&str]) -> Manifest {
    let address = if kind == "local" { "http://127.0.0.1:1/v1" } else { "https://h.example/v1" };
    let mut text = format!("id = \"{id}\"\nkind = \"{kind}\"\nendpoint = \"{address}\"\nprotocol = {protocols}\n");
    for model in models {
        text += "[[models]]\n";
        text.extend([format!("id = \"{model}\"\n"), format!("provider_model_id = \"up-{model}\"\n")]);
    }
    Manifest::parse(&text, Path::new("x.toml")).unwrap()
}

impl World {
    fn new(demo: bool) -> Self {
        let shipped = vec![
            manifest("acme", "first_party", &["big", "small", "shared"]),
            manifest("gate", "gateway", &["shared", "acme/big", "acme/rare", "keyless/odd"]),
            manifest("any", "first_party", &[]),
            manifest("keyless", "first_party", &["lonely", "shared"]),
            manifest("off", "first_party", &["dark"]),
            manifest("near", "local", &[]),
            manifest("demo", "local", &["echo"]),
        ];
        let off = ProviderOverride { enabled: Some(false), ..Default::default() };
        let overrides = BTreeMap::from([(ProviderId::parse("off").unwrap(), off)]);
        let aliases = [
            ("fast", "acme:unlisted"),
            ("again", "fast"),
            ("bare", "small"),
            ("acme:big", "gate:shared"),
            ("acme/small", "any/x"),
        ];
        Self {
            catalog: Catalog::build(shipped, vec![], overrides, demo).unwrap(),
            aliases: aliases.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
            prefer: vec![],
            keys: vec!["acme", "gate", "any", "off"],
        }
    }

    /// The route as `provider|model|upstream id`, or the refusal as a word and its provider.
    fn ask(&self, name: &str) -> String {
        self.ask_in(Dialect::ChatCompletions, name)
    }

    /// The same for a caller who speaks `dialect`.
    fn ask_in(&self, dialect: Dialect, name: &str) -> String {
        let has_key = |id: &ProviderId| self.keys.contains(&id.as_str());
        let dialects = &[dialect];
        let names = Names {
            catalog: &self.catalog,
            aliases: &self.aliases,
            prefer: &self.prefer,
            has_key: &has_key,
            dialects,
            may_call: &|_, _| true,
        };
        match names.resolve(name) {
            Ok(route) => format!("{}|{}|{}", route.provider.id(), route.model, route.upstream_id()),
            Err(RouteRefusal::KeyMissing(provider)) => format!("key {}", provider.id()),
            Err(RouteRefusal::Disabled(provider)) => format!("disabled {}", provider.id()),
            Err(RouteRefusal::DemoOff) => "demo".to_owned(),
            Err(RouteRefusal::NotSpoken(providers)) => {
                let ids: Vec<&str> = providers.iter().map(|provider| provider.id().as_str()).collect();
                format!("mute {}", ids.join(" "))
            }
            Err(RouteRefusal::NotListed(provider, _)) => format!("unlisted {}", provider.id()),
            Err(RouteRefusal::Unknown) => "unknown".to_owned(),
        }
    }
}

#[test]
fn every_rule_of_the_contract_in_its_order() {
    let world = World::new(false);
    for (name, expected) in [
        // p:m is that provider only, listed or not, and beats an alias of the same spelling.
        ("acme:big", "acme|big|up-big"),
        ("acme:never-heard-of", "acme|never-heard-of|never-heard-of"),
        ("any:a:b/c", "any|a:b/c|a:b/c"),
        ("keyless:lonely", "key keyless"),
        ("keyless:unlisted", "key keyless"),
        ("off:dark", "disabled off"),
        ("near:llama", "near|llama|llama"),
        // An alias resolves by the other rules, and never through another alias.
        ("fast", "acme|unlisted|unlisted"),
        ("again", "unknown"),
        ("bare", "acme|small|up-small"),
        ("acme/small", "any|x|x"),
        // p/m where p has a key and lists m, or lists nothing.
        ("acme/big", "acme|big|up-big"),
        ("any/whatever", "any|whatever|whatever"),
        ("near/llama3:8b", "near|llama3:8b|llama3:8b"),
        ("gate/acme/big", "gate|acme/big|up-acme/big"),
        // The whole string in somebody's list.
        ("acme/rare", "gate|acme/rare|up-acme/rare"),
        ("keyless/odd", "gate|keyless/odd|up-keyless/odd"),
        ("small", "acme|small|up-small"),
        ("shared", "acme|shared|up-shared"),
        // 402.
        ("keyless/lonely", "key keyless"),
        ("keyless/unheard", "key keyless"),
        ("lonely", "key keyless"),
        // 404.
        ("dark", "disabled off"),
        ("off/dark", "disabled off"),
        ("acme/unheard", "unlisted acme"),
        ("llama", "unknown"),
        ("bitrouter:big", "key bitrouter"),
        ("bitrouter/big", "key bitrouter"),
        ("demo/echo", "demo"),
        ("demo:echo", "demo"),
        ("echo", "unknown"),
        ("", "unknown"),
        ("/", "unknown"),
        (":", "unknown"),
        ("acme:", "unknown"),
        ("acme/", "unknown"),
    ] {
        assert_eq!(world.ask(name), expected, "{name}");
    }
}

#[test]
fn who_does_not_speak_the_dialect_is_no_candidate() {
    let shipped = vec![
        speaking("[\"messages\"]", "mute", "first_party", &["big", "only"]),
        speaking("[\"messages\", \"responses\"]", "both", "gateway", &["big", "mute/only", "silent/x"]),
        speaking("[\"responses\"]", "silent", "first_party", &["big", "x", "alone"]),
        speaking("[\"responses\"]", "open", "gateway", &[]),
        speaking("[\"chat_completions\"]", "locked", "gateway", &["alone", "shut"]),
    ];
    let world = World {
        catalog: Catalog::build(shipped, vec![], BTreeMap::new(), false).unwrap(),
        aliases: BTreeMap::from([("short".to_owned(), "mute:big".to_owned())]),
        prefer: vec![],
        keys: vec!["mute", "both", "open"],
    };
    for (dialect, name, expected) in [
        // One bare name, and each caller is led to whom he can talk to.
        (Dialect::Messages, "big", "mute|big|up-big"),
        (Dialect::Responses, "big", "both|big|up-big"),
        (Dialect::ChatCompletions, "big", "mute both mute silent"),
        // Named, but mute: somebody else who lists the whole string.
        (Dialect::Responses, "mute/only", "both|mute/only|up-mute/only"),
        (Dialect::Messages, "mute/only", "mute|only|up-only"),
        (Dialect::Responses, "mute/big", "mute mute"),
        (Dialect::ChatCompletions, "open/anything", "mute open"),
        (Dialect::Responses, "open/anything", "open|anything|anything"),
        // Explicit, by an alias too: that one or nobody.
        (Dialect::Responses, "mute:big", "mute mute"),
        (Dialect::Responses, "short", "mute mute"),
        // Without a key: 402 where it would help, 501 where it would not.
        (Dialect::Responses, "silent/x", "both|silent/x|up-silent/x"),
        (Dialect::Messages, "silent/x", "both|silent/x|up-silent/x"),
        (Dialect::Messages, "silent:x", "mute silent"),
        (Dialect::Responses, "alone", "key silent"),
        (Dialect::ChatCompletions, "alone", "key locked"),
        (Dialect::Messages, "alone", "mute locked silent"),
        (Dialect::Messages, "locked/shut", "mute locked"),
        (Dialect::Messages, "nobody", "unknown"),
        (Dialect::Messages, "mute/unheard", "unlisted mute"),
    ] {
        let said = world.ask_in(dialect, name);
        assert_eq!(said, expected, "{dialect} {name}");
    }
}

#[test]
fn preference_beats_kind_and_kind_beats_the_id() {
    let mut world = World::new(true);
    world.keys.push("keyless");
    assert_eq!(world.ask("shared"), "acme|shared|up-shared");
    world.keys.retain(|id| *id != "acme");
    assert_eq!(world.ask("shared"), "keyless|shared|up-shared");
    world.prefer = vec![ProviderId::parse("absent").unwrap(), ProviderId::parse("gate").unwrap()];
    assert_eq!(world.ask("shared"), "gate|shared|up-shared");
    assert_eq!(world.ask("demo/echo"), "demo|echo|up-echo");
    assert_eq!(world.ask("echo"), "demo|echo|up-echo");
}

#[test]
fn suggestions_are_near_and_working_ones_come_first() {
    let world = World::new(false);
    let has_key = |id: &ProviderId| world.keys.contains(&id.as_str());
    let names = Names {
        catalog: &world.catalog,
        aliases: &world.aliases,
        prefer: &world.prefer,
        has_key: &has_key,
        dialects: &[Dialect::ChatCompletions],
        may_call: &|_, _| true,
    };
    assert_eq!(suggestions("acme/bgi", &names)[0], "acme/big");
    assert_eq!(suggestions("lonly", &names), ["keyless/lonely"]);
    assert!(suggestions("zzzzqqqq", &names).is_empty());
    assert!(suggestions("shared", &names).len() <= 3);
    // `again` leads to another alias, and so nowhere.
    assert!(suggestions("again", &names).is_empty());
    assert!(!suggestions("agian", &names).contains(&"again".to_owned()));
    assert_eq!(suggestions("fats", &names), ["fast"]);
    assert!(!suggestions("acme/big", &names).contains(&"acme/big".to_owned()));
}

#[test]
fn r1_01_a_name_of_any_length_costs_no_more_than_a_look_at_it() {
    let world = World::new(false);
    let has_key = |id: &ProviderId| world.keys.contains(&id.as_str());
    let names = Names {
        catalog: &world.catalog,
        aliases: &world.aliases,
        prefer: &world.prefer,
        has_key: &has_key,
        dialects: &[Dialect::ChatCompletions],
        may_call: &|_, _| true,
    };
    for name in ["a".repeat(64 << 20), "acme/".repeat(1 << 20), "ä:".repeat(1 << 20)] {
        let start = bitrouter_proto::clock::monotonic_now();
        assert!(suggestions(&name, &names).is_empty());
        assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
    }
    let longest = format!("acme/{}", "g".repeat(507));
    assert!(suggestions(&longest, &names).len() <= 3);
}

proptest! {
    /// Nothing that a caller writes makes the router panic or reach a provider that is off or lacks its key.
    #[test]
    fn a_route_is_always_to_a_usable_provider(
        name in "((acme|gate|any|keyless|off|near|demo|x)[:/])?(acme/)?[a-z:/]{0,6}|\\PC{0,12}",
    ) {
        let world = World::new(false);
        let has_key = |id: &ProviderId| world.keys.contains(&id.as_str());
        let names = Names {
            catalog: &world.catalog, aliases: &world.aliases, prefer: &world.prefer, has_key: &has_key,
            dialects: &[Dialect::ChatCompletions],
            may_call: &|_, _| true,        };
        if let Ok(route) = names.resolve(&name) {
            prop_assert!(names.usable(route.provider));
            prop_assert!(name.ends_with(route.model) || world.aliases.contains_key(&name));
            prop_assert!(!route.model.is_empty());
        }
        prop_assert!(suggestions(&name, &names).len() <= 3);
    }
}
