//! What a reload or a push says of itself: changed keys, values that are ignored and why, providers, settings.

use bitrouter_proto::wire::{PushRequest, PushResponse, ReloadRequest, ReloadResponse, Variable};
use bitrouter_tests::{World, control::Control};
use serde_json::json;

use super::cast;

fn variable(name: &str, value: &str) -> Variable {
    Variable { name: name.to_owned(), value: Some(value.to_owned()) }
}

/// The messages of all warnings with this code.
fn warnings(status: &serde_json::Value, code: &str) -> Vec<String> {
    let all = status["warnings"].as_array().expect("warnings").iter();
    all.filter(|one| one["code"] == code).map(|one| one["message"].as_str().expect("text").to_owned()).collect()
}

#[test]
fn r5_02_a_value_that_can_be_no_key_is_named_by_the_reload_and_by_status() {
    let (world, _provider) = cast();
    let daemon = world.serve().start();
    let run = world.command(["reload", "--json"]).env("OPENAI_API_KEY", "sk-äö").run();
    let answer = run.with_code(0).json();
    assert_eq!(
        answer["ignored"],
        json!([{"name": "OPENAI_API_KEY", "reason": "it holds a character that no HTTP header can carry"}]),
        "{answer}"
    );
    assert_eq!(answer["changed"], json!([]));
    let text = world.command(["reload"]).env("OPENAI_API_KEY", "sk-äö").run().with_code(0).stdout;
    assert!(text.contains("OPENAI_API_KEY") && text.contains("no HTTP header can carry"), "{text}");
    let said = warnings(&daemon.status(), "key_value_ignored");
    let [said] = said.as_slice() else { panic!("one warning, not {said:?}") };
    let origin = said.strip_prefix("`OPENAI_API_KEY` from ");
    let origin =
        origin.and_then(|said| said.strip_suffix(" is ignored: it holds a character that no HTTP header can carry"));
    let origin = origin.unwrap_or_else(|| panic!("{said}"));
    // Whose session is led by a process of another PID namespace has no number here.
    assert!(origin.starts_with("terminal ") || origin == "an unknown terminal", "{said}");
    assert!(!said.contains("sk-"), "{said}");
    let text = world.cli(["status"]).with_code(0).stdout;
    assert!(
        text.lines().any(|line| line.contains("OPENAI_API_KEY") && line.contains("is ignored: it holds")),
        "{text}"
    );
    // A good value ends it.
    let answer = world.command(["reload", "--json"]).env("OPENAI_API_KEY", "sk-good").run().with_code(0).json();
    assert_eq!(answer["ignored"], json!([]));
    assert!(warnings(&daemon.status(), "key_value_ignored").is_empty());
}

#[test]
fn r5_02_a_push_names_what_it_pushed_in_vain_and_nothing_else() {
    let (world, _provider) = cast();
    world.env_file("GROQ_API_KEY=brk_a.b\n");
    let daemon = world.serve().start();
    let mut control = Control::connect(&daemon.socket());
    let variables = vec![variable("OPENAI_API_KEY", "a\u{1b}b"), variable("ANTHROPIC_API_KEY", "sk-ant")];
    let push = PushRequest { variables };
    let answer = control.call::<PushResponse>("EnvironmentService/Push", &push).expect("a push").message;
    let ignored: Vec<_> = answer.ignored.iter().map(|value| value.name.as_str()).collect();
    assert_eq!(ignored, ["OPENAI_API_KEY"]);
    assert_eq!(answer.changed.len(), 1);
    // Each has a line of its own.
    assert_eq!(warnings(&daemon.status(), "key_value_ignored").len(), 2);
}

#[test]
fn r1_20_quotes_around_a_key_are_not_sent_and_the_reason_is_told() {
    let (world, provider) = cast();
    // `docker --env-file` and a unit's `Environment=` with quotes inside hand them on as they are.
    let daemon = world.serve().env("OPENAI_API_KEY", "\"sk-quoted\"").start();
    daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
    let said = warnings(&daemon.status(), "key_value_ignored");
    assert!(said.iter().any(|text| text.contains("OPENAI_API_KEY") && text.contains("quotation mark")), "{said:?}");
    let detail = daemon.provider("openai")["detail"].as_str().expect("a detail").to_owned();
    assert!(detail.contains("quotation mark"), "{detail}");
    drop(provider);
}

#[test]
fn r5_05_a_reload_names_providers_that_came_or_went_and_settings_that_changed() {
    let world = World::new();
    world.config("[aliases]\nfast = \"openai:m\"\n");
    let daemon = world.serve().start();
    let mut control = Control::connect(&daemon.socket());
    let mut reload = || {
        let answer =
            control.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default()).expect("a reload");
        let providers =
            answer.message.providers.into_iter().map(|provider| format!("{} {}", provider.change, provider.id));
        (providers.collect::<Vec<_>>(), answer.message.settings)
    };
    let manifest = |name: &str| {
        let text = format!(
            "id = \"own\"\nname = \"{name}\"\nkind = \"gateway\"\nendpoint = \"https://own.invalid/v1\"\nprotocol = \
             \"chat_completions\"\n"
        );
        world.write("config/bitrouter/registry/own.toml", text);
    };
    manifest("one");
    world.config("[timeouts]\ntotal = \"5m\"\n[providers.own]\nenabled = false\n");
    let settings = ["aliases.fast", "providers.own.enabled", "timeouts.total"].map(str::to_owned).to_vec();
    assert_eq!(reload(), (vec!["added own".to_owned()], settings));
    manifest("two");
    assert_eq!(reload(), (vec!["changed own".to_owned()], vec![]));
    assert_eq!(reload(), (vec![], vec![]));
    std::fs::remove_file(world.path("config/bitrouter/registry/own.toml")).expect("remove");
    world.config("");
    let settings = ["providers.own.enabled", "timeouts.total"].map(str::to_owned).to_vec();
    assert_eq!(reload(), (vec!["removed own".to_owned()], settings));
    // The command says it in words.
    manifest("three");
    world.config("[log]\nlevel = \"warn\"\n");
    let text = world.cli(["reload"]).with_code(0).stdout;
    assert!(text.contains("own") && text.contains("log.level"), "{text}");
}
