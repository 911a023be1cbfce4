//! Which source supplies a key, why another does not, and what is never a key: said in `status`, in words.

use bitrouter_tests::{World, logs, openai, parked_provider::ParkedProvider, wait};

use super::{EFFECTIVE, cast};

#[test]
fn p15_status_names_the_source_and_why_each_other_one_loses() {
    let (world, _parking) = cast();
    let (own, file, pushed) = (world.canary("own"), world.canary("file"), world.canary("pushed"));
    let daemon = world.serve().env("OPENAI_API_KEY", &own).start();
    let openai = || {
        let provider = daemon.provider("openai");
        let text = |name: &str| provider[name].as_str().unwrap_or_default().to_owned();
        (text("key_source"), text("variable"), text("detail"))
    };
    let (source, variable, detail) = openai();
    assert_eq!((source.as_str(), variable.as_str()), ("environment", "OPENAI_API_KEY"));
    assert!(detail.contains("own environment"), "{detail}");

    world.env_file(&format!("OPENAI_API_KEY={file}\n"));
    wait::until_within("the file", EFFECTIVE, || (openai().0 == "env_file").then_some(()));
    let (_, _, detail) = openai();
    assert!(
        detail.contains("config/bitrouter/env") && detail.contains("own environment") && detail.contains("shadowed"),
        "{detail}"
    );

    world.command_of_another_terminal(["reload"]).env("OPENAI_API_KEY", &pushed).run().expect_code(0);
    let (source, _, detail) = openai();
    assert_eq!(source, "pushed");
    for part in ["from terminal ", "config/bitrouter/env", "own environment", "a pushed value comes first"] {
        assert!(detail.contains(part), "`{part}` is not in {detail}");
    }

    // The name decides before the source does.
    let named = world.canary("named");
    world.env_file(&format!("OPENAI_API_KEY={file}\nBITROUTER_OPENAI_API_KEY={named}\n"));
    wait::until_within("the name", EFFECTIVE, || (openai().1 == "BITROUTER_OPENAI_API_KEY").then_some(()));
    let (source, _, detail) = openai();
    assert_eq!(source, "env_file");
    assert!(
        detail.contains("`OPENAI_API_KEY`") && detail.contains("`BITROUTER_OPENAI_API_KEY` comes first"),
        "{detail}"
    );
    for secret in [own, file, pushed, named] {
        assert!(!detail.contains(&secret));
    }
}

#[test]
fn status_shows_the_end_of_a_long_key_and_nothing_of_a_short_one() {
    let world = World::new();
    let long = world.canary("long");
    let daemon = world.serve().env("OPENAI_API_KEY", &long).env("GROQ_API_KEY", "elevenchars").start();
    let end = &long[long.len() - 4..];
    assert_eq!(daemon.provider("openai")["key_suffix"], end);
    let groq = daemon.provider("groq");
    assert_eq!((&groq["active"], &groq["key_suffix"]), (&true.into(), &serde_json::Value::Null));
    assert!(daemon.provider("mistral")["key_suffix"].is_null());
    let all = world.cli(["status", "--all"]).with_code(0).stdout;
    assert!(all.contains(&format!("OPENAI_API_KEY …{end}")), "{all}");
    assert!(!all.contains("hars"), "{all}");
    let plain = world.cli(["status"]).with_code(0).stdout;
    assert!(plain.contains(&format!("OPENAI_API_KEY …{end}")) && !plain.contains("hars"), "{plain}");
    assert!(!world.cli(["logs"]).with_code(0).text().contains(end));
    daemon.stop();
}

#[test]
fn p15_our_own_tokens_are_never_a_providers_key_from_any_source() {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&provider.as_openai());
    for value in ["brk_0123456789", "bra_0123456789", "brr_0123456789", "sk-tr-0123456789", "bitrouter-local"] {
        let daemon = world.serve().env("OPENAI_API_KEY", value).start();
        let refused = || daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
        let ignored = |what: &str| {
            let openai = daemon.provider("openai");
            let detail = openai["detail"].as_str().unwrap_or_default();
            assert!(openai["key_source"].is_null(), "{value} from {what}: {openai}");
            assert!(detail.contains("ignored"), "{value} from {what}: {detail}");
            refused();
        };
        ignored("the environment");
        world.command(["reload"]).env("OPENAI_API_KEY", value).run().expect_code(0);
        ignored("a push");
        world.env_file(&format!("OPENAI_API_KEY={value}\n"));
        world.cli(["reload"]).expect_code(0);
        ignored("an env file");
        world.env_file("");
        daemon.stop();
    }
    assert_eq!(provider.calls(), 0, "one of our tokens was sent to a provider");
}

#[test]
fn p15_a_token_of_ours_does_not_hide_the_real_key_below_it() {
    let (world, _parking) = cast();
    let key = world.canary("real");
    let daemon = world.serve().env("OPENAI_API_KEY", &key).start();
    world.command(["reload"]).env("OPENAI_API_KEY", "bitrouter-local").run().expect_code(0);
    let answer = daemon.http().chat("openai:m", "x").send().ok();
    assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(&key).as_str()));
    let detail = daemon.provider("openai")["detail"].to_string();
    assert!(detail.contains("own environment") && detail.contains("bitrouter-local"), "{detail}");
}

#[test]
fn p14_a_missing_key_names_its_variables_also_after_a_withdrawal() {
    let (world, _parking) = cast();
    let daemon = world.serve().start();
    world.command(["reload"]).env("OPENAI_API_KEY", "pushed").run().expect_code(0);
    daemon.http().chat("openai:m", "x").send().ok();
    world.cli(["reload"]).expect_code(0);
    let error = daemon.http().chat("openai:m", "x").send().refused(402, "provider_key_missing");
    assert_eq!(error["provider"], "openai", "{error}");
    let variables = error["variables"].as_array().expect("variables");
    for name in ["BITROUTER_OPENAI_API_KEY", "OPENAI_API_KEY"] {
        assert!(variables.contains(&name.into()), "{error}");
    }
}

#[test]
fn p15_the_log_names_who_asked_for_each_reload() {
    let (world, _parking) = cast();
    world.env_file("OPENAI_API_KEY=one\n");
    let daemon = world.serve().args(["--log-format", "json"]).start();
    let command = world.command(["reload"]).spawn();
    let by = |trigger: &str| logs::wait_for_reload_by(&daemon, trigger);
    let line = by("command");
    assert_eq!(logs::member(&line, "sender_pid"), command.pid(), "{line}");
    assert_eq!(logs::member(&line, "sender_uid"), world.user().uid(), "{line}");
    daemon.hangup();
    let line = by("sighup");
    assert_eq!(logs::member(&line, "sender_pid"), std::process::id(), "{line}");
    assert_eq!(logs::member(&line, "sender_uid"), rustix::process::getuid().as_raw(), "{line}");
    world.env_file("OPENAI_API_KEY=two\n");
    by("env_file");
}

#[test]
fn p15_an_unknown_variable_is_a_warning_that_names_the_nearest_provider() {
    let (world, _parking) = cast();
    let daemon = world.serve().env("BITROUTER_OPENIA_API_KEY", "x").start();
    let warning = daemon.warning("unknown_key_variable").expect("a warning");
    let message = warning["message"].as_str().unwrap_or_default();
    let nearest = message.to_lowercase().contains("openai");
    assert!(message.contains("BITROUTER_OPENIA_API_KEY") && nearest, "{warning}");
    // The cause explains the effect: that no key was found needs no saying.
    assert!(daemon.warning("no_provider_key").is_none(), "{}", daemon.status()["warnings"]);
}
