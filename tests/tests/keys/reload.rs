//! P15: a reload is whole or not at all, and drops no request.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bitrouter_tests::{Gate, MODEL, Provider, Reply, World, logs, wait};

struct Cast {
    world: World,
    provider: Provider,
}

fn cast() -> Cast {
    let (world, provider) = (World::new(), Provider::start());
    world.config(&provider.as_openai());
    world.env_file("OPENAI_API_KEY=old\n");
    Cast { world, provider }
}

#[test]
fn p15_reload_takes_the_new_key_for_the_next_request() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    for (number, key) in ["one", "two", "three"].into_iter().enumerate() {
        cast.world.env_file(&format!("OPENAI_API_KEY={key}\n"));
        let answer = daemon.reload();
        assert!(answer["changed"].is_array(), "{answer}");
        daemon.http().chat(MODEL, "x").send().ok();
        assert_eq!(cast.provider.exchange(number).request.key(), Some(key));
    }
    assert!(daemon.status()["reloads"]["last_at"].is_string());
}

#[test]
fn p15_sighup_reloads_and_the_log_names_the_sender() {
    let cast = cast();
    let daemon = cast.world.serve().args(["--log-format", "json"]).start();
    cast.world.env_file("OPENAI_API_KEY=new\n");
    daemon.hangup();
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(cast.provider.exchange(0).request.key(), Some("new"));
    // The watch may have read the edited file before the signal did, under a line of its own.
    let line = logs::wait_for_reload_by(&daemon, "sighup");
    assert_eq!(logs::member(&line, "sender_pid"), std::process::id());
    assert_eq!(logs::member(&line, "sender_uid"), rustix::process::getuid().as_raw());
}

#[test]
fn p15_a_bad_line_changes_nothing_and_the_next_good_reload_clears_it() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    let good = format!("{}[aliases]\nfast = \"openai:quick\"\n", cast.provider.as_openai());
    cast.world.config(&good);
    cast.world.env_file("OPENAI_API_KEY=new\nbroken line\n");
    let output = cast.world.cli(["reload"]).with_code(1);
    assert!(output.stderr.contains("bitrouter/env"), "{}", output.stderr);
    // Not even the good half was taken.
    daemon.http().chat("fast", "x").send().refused(404, "model_not_found");
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(cast.provider.exchange(0).request.key(), Some("old"));
    let reloads = daemon.status()["reloads"].clone();
    assert_eq!(reloads["count"], 0, "{reloads}");
    assert!(reloads["last_error"].as_str().is_some_and(|text| text.contains("bitrouter/env")), "{reloads}");

    cast.world.env_file("OPENAI_API_KEY=new\n");
    daemon.reload();
    daemon.http().chat("fast", "x").send().ok();
    assert_eq!(cast.provider.exchange(1).request.key(), Some("new"));
    assert!(daemon.status()["reloads"]["last_error"].is_null());
}

#[test]
fn p15_a_running_request_keeps_what_it_started_with() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    let gate = Gate::new();
    cast.provider.next(Reply::stream().token("first").gate(&gate).done());
    let mut open = daemon.http().chat_stream(MODEL, "x").open();
    open.until_contains("\"first\"");
    cast.world.env_file("");
    daemon.reload();
    daemon.http().chat(MODEL, "x").send().refused(402, "provider_key_missing");
    gate.open();
    assert!(open.finish().ok().text().ends_with("data: [DONE]\n\n"));
}

#[test]
fn p15_requests_around_reloads_use_the_old_or_the_new_key_and_none_fails() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    let running = AtomicBool::new(true);
    let sent = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut sent = 0;
                    while running.load(Ordering::Relaxed) {
                        daemon.http().chat(MODEL, "x").send().ok();
                        sent += 1;
                    }
                    sent
                })
            })
            .collect();
        for round in 0..20 {
            cast.world.rename_over("config/bitrouter/env", format!("OPENAI_API_KEY=key-{round}\n"));
            if round % 2 == 0 {
                daemon.reload();
            } else {
                daemon.hangup();
            }
        }
        running.store(false, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().expect("a caller")).sum::<usize>()
    });
    assert_eq!(cast.provider.count(), sent);
    // Which key a request used depends on when it began, which its place in the queue does not tell: the binary
    // `rotation` checks that. Here no request may have used anything but a whole key.
    let known: Vec<String> = (0..20).map(|round| format!("key-{round}")).chain(["old".to_owned()]).collect();
    for number in 0..sent {
        let exchange = cast.provider.exchange(number);
        let key = exchange.request.key().expect("a key");
        assert!(known.iter().any(|one| one == key), "`{key}` was never a key");
    }
    daemon.http().chat(MODEL, "x").send().ok();
    assert_eq!(cast.provider.last().request.key(), Some("key-19"));
}

#[test]
fn an_edited_env_file_is_effective_by_itself() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    let key_is = |key: &str| {
        let before = cast.provider.count();
        daemon.http().chat(MODEL, "x").send().ok();
        cast.provider.exchange(before).request.key() == Some(key)
    };
    cast.world.rename_over("config/bitrouter/env", "OPENAI_API_KEY=renamed\n");
    wait::until_within("the renamed file", Duration::from_secs(3), || key_is("renamed").then_some(()));
    cast.world.env_file("OPENAI_API_KEY=truncated\n");
    wait::until_within("the truncated file", Duration::from_secs(3), || key_is("truncated").then_some(()));
}

#[test]
fn a_new_manifest_is_reloaded() {
    let cast = cast();
    let daemon = cast.world.serve().start();
    daemon.http().chat("own:m", "x").send().refused(404, "model_not_found");
    let manifest = format!(
        "id = \"own\"\nname = \"x\"\nkind = \"gateway\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n",
        cast.provider.base_url()
    );
    cast.world.write("config/bitrouter/registry/own.toml", manifest);
    cast.world.env_file("OPENAI_API_KEY=old\nBITROUTER_OWN_API_KEY=own\n");
    daemon.reload();
    daemon.http().chat("own:m", "x").send().ok();
    assert_eq!(cast.provider.exchange(0).request.key(), Some("own"));
}
