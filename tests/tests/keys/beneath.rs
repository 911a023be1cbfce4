//! What lies beneath: values that supply no key at the moment, half-written files, names that become known, tokens of
//! our own. Nothing of it may turn up, or be gone, when the layer above it is taken away.

use std::{
    os::unix::fs::FileExt as _,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use bitrouter_tests::{Daemon, World, openai, parked_provider::ParkedProvider, process, wait};
use rustix::process::Signal;

use super::{EFFECTIVE, Reloads, cast};

#[track_caller]
fn uses(daemon: &Daemon, key: &str) {
    let answer = daemon.http().chat("openai:m", "x").send().ok();
    assert_eq!(answer.header(openai::KEY_HEADER), Some(openai::fingerprint(key).as_str()));
}

#[track_caller]
fn reload(world: &World, variables: &[(&str, &str)]) -> serde_json::Value {
    let run = variables.iter().fold(world.command(["reload", "--json"]), |run, (name, value)| run.env(*name, *value));
    run.run().with_code(0).json()
}

#[test]
fn p15_an_edit_beneath_a_pushed_key_counts_when_that_is_withdrawn() {
    let (world, _parking) = cast();
    world.env_file("OPENAI_API_KEY=file-old\n");
    let daemon = world.serve().start();
    reload(&world, &[("OPENAI_API_KEY", "from-a-shell")]);
    uses(&daemon, "from-a-shell");
    let mut reloads = Reloads::of(&daemon);
    reloads.wait_for_one_more(|| {
        world.env_file("OPENAI_API_KEY=file-new\n");
    });
    uses(&daemon, "from-a-shell");
    // A delta by name reads no file: what the edit said must be there already.
    world.command(["__push", "OPENAI_API_KEY"]).run().expect_code(0);
    uses(&daemon, "file-new");
    // A value that is no key, or of no provider, is explained as soon as it is there.
    reloads.wait_for_one_more(|| {
        world.env_file("OPENAI_API_KEY=file-new\nGROQ_API_KEY=brk_a.b\nBITROUTER_OPNAI_API_KEY=x\n");
    });
    let groq = daemon.provider("groq");
    assert!(groq["detail"].as_str().is_some_and(|text| text.contains("`brk_…` is a token of bitrouter")), "{groq}");
    let stray = daemon.warned("unknown_key_variable");
    assert!(stray["message"].as_str().is_some_and(|text| text.contains("did you mean `openai`")), "{stray}");
}

/// Saves the env file by writing over it, and takes its time: until `enough`, half of it stands there, and is written
/// to again and again. Then it is whole.
fn save_slowly(path: &Path, half: &str, whole: &str, enough: &AtomicBool) {
    let file = std::fs::OpenOptions::new().write(true).truncate(true).open(path).expect("open");
    while !enough.load(Ordering::SeqCst) {
        file.write_all_at(half.as_bytes(), 0).expect("half");
    }
    file.write_all_at(whole.as_bytes(), 0).expect("the rest");
}

#[test]
fn p15_heavy_half_a_file_is_never_read() {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&format!("env_files = [\"other\"]\n{}", provider.as_openai()));
    world.env_file("OPENAI_API_KEY=key-0-whole\n");
    let daemon = world.serve().start();
    let path = world.path("config/bitrouter/env");
    let mut reloads = Reloads::of(&daemon);
    for round in 1..=9 {
        let (old, new) = (format!("key-{}-whole", round - 1), format!("key-{round}-whole"));
        let (half, whole) = (format!("OPENAI_API_KEY=key-{round}"), format!("OPENAI_API_KEY={new}\n"));
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let saving = scope.spawn(|| save_slowly(&path, &half, &whole, &enough));
            let _end = Finally(|| enough.store(true, Ordering::SeqCst));
            wait::holds("half a file", || std::fs::read_to_string(&path).is_ok_and(|text| text == half));
            // In the middle of the save: a reload, SIGHUP, another file that is written and closed.
            let before = reloads.count();
            match round % 3 {
                0 => world.cli(["reload"]).expect_code(0),
                1 => process::kill(daemon.pid(), Signal::HUP),
                _ => drop(world.write("config/bitrouter/other", format!("GROQ_API_KEY=for-round-{round}\n"))),
            }
            wait::until_within("the reload", EFFECTIVE, || (reloads.count() > before).then_some(()));
            assert_eq!(uses_either(&daemon, &old, &new), old);
            enough.store(true, Ordering::SeqCst);
            saving.join().expect("the writer");
        });
        wait::until_within("the new key", EFFECTIVE, || (uses_either(&daemon, &old, &new) == new).then_some(()));
    }
}

/// Does something at the end, also where a test fails: a writer that waits for it must not hold the process.
struct Finally<F: FnMut()>(F);

impl<F: FnMut()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// One call, which used one of the two whole; which one.
#[track_caller]
fn uses_either(daemon: &Daemon, old: &str, new: &str) -> String {
    let answer = daemon.http().chat("openai:m", "x").send().ok();
    let used = answer.header(openai::KEY_HEADER).unwrap_or_default().to_owned();
    let found = [old, new].into_iter().find(|key| openai::fingerprint(key) == used);
    found.expect("a call used neither the old nor the new key").to_owned()
}

#[test]
fn p15_a_variable_that_a_reload_makes_known_is_pushed_by_it() {
    let (world, provider) = (World::new(), ParkedProvider::start());
    world.config(&provider.as_openai());
    let daemon = world.serve().start();
    reload(&world, &[("OPENAI_API_KEY", "first")]);
    uses(&daemon, "first");
    world.config(&format!("{}env = [\"MY_OPENAI\"]\n", provider.as_openai()));
    let said = reload(&world, &[("MY_OPENAI", "mine")]);
    uses(&daemon, "mine");
    let of = |name: &str| said["changed"].as_array().expect("changed").iter().find(|one| one["name"] == name).cloned();
    assert_eq!(of("MY_OPENAI").expect("a change")["change"], "added", "{said}");
    assert_eq!(of("OPENAI_API_KEY").expect("a change")["change"], "withdrawn", "{said}");
    assert!(said["changed"].as_array().expect("changed").iter().all(|one| one["now_from"] == "pushed"), "{said}");
}

#[test]
fn p15_a_stray_variable_of_a_shell_is_a_warning_that_names_the_nearest_provider() {
    let (world, _parking) = cast();
    let daemon = world.serve().start();
    reload(&world, &[("BITROUTER_OPNAI_API_KEY", "x")]);
    let warning = daemon.warning("unknown_key_variable").expect("a warning");
    let message = warning["message"].as_str().unwrap_or_default();
    assert!(message.contains("BITROUTER_OPNAI_API_KEY") && message.contains("`openai`"), "{warning}");
    reload(&world, &[]);
    assert!(daemon.warning("unknown_key_variable").is_none());
}

#[test]
fn p15_a_token_of_ours_pushes_no_key_out_and_is_explained() {
    let (world, _parking) = cast();
    let daemon = world.serve().start();
    reload(&world, &[("OPENAI_API_KEY", "real")]);
    for ours in ["bitrouter-local", "brk_a.b", "bra_a", "brr_a", "sk-tr-a"] {
        assert_eq!(reload(&world, &[("OPENAI_API_KEY", ours)])["changed"], serde_json::json!([]));
        uses(&daemon, "real");
        let detail = daemon.provider("openai")["detail"].to_string();
        assert!(detail.contains("ignored: "), "{ours}: {detail}");
    }
    let local = reload(&world, &[("BITROUTER_OLLAMA_API_KEY", "brk_c.d")]);
    assert_eq!(local["changed"][0]["change"], "withdrawn", "{local}");
    let detail = daemon.provider("ollama")["detail"].to_string();
    assert!(detail.contains("`brk_…` is a token of bitrouter"), "{detail}");
}

#[test]
fn p15_bad_settings_stay_refused_while_an_env_file_is_edited() {
    let (world, provider) = cast();
    world.env_file("OPENAI_API_KEY=one\n");
    let daemon = world.serve().start();
    world.config("[server]\nlisten_to = 1\n");
    world.cli(["reload"]).expect_code(1);
    let mut reloads = Reloads::of(&daemon);
    reloads.wait_for_one_more(|| {
        world.env_file("OPENAI_API_KEY=two\n");
    });
    uses(&daemon, "two");
    // The file is in force; what is wrong with the settings is still wrong.
    let status = daemon.status();
    assert!(status["reloads"]["last_error"].as_str().is_some_and(|text| text.contains("listen_to")), "{status:#}");
    assert!(daemon.warning("reload_refused").is_some());
    // Once they are right, the next edit cures it.
    world.config(&provider.as_openai());
    reloads.wait_for_one_more(|| {
        world.env_file("OPENAI_API_KEY=three\n");
    });
    assert!(daemon.status()["reloads"]["last_error"].is_null());
    assert!(daemon.warning("reload_refused").is_none());
    uses(&daemon, "three");
}

#[test]
fn p15_a_wrong_argument_is_its_senders_alone() {
    let (world, _parking) = cast();
    let daemon = world.serve().start();
    world.cli(["reload", "--forget", "not-a-variable"]).expect_code(1);
    assert!(daemon.status()["reloads"]["last_error"].is_null());
    assert!(daemon.warning("reload_refused").is_none());
}

#[test]
fn p15_a_session_whose_leader_has_left_still_withdraws_what_it_pushed() {
    let (world, _parking) = cast();
    let daemon = world.serve().start();
    let done = world.path("home/done");
    let script = "export OPENAI_API_KEY=theirs; \"$BITROUTER\" reload; ( trap '' HUP; while kill -0 $$ 2>/dev/null; do :; done; \
                  unset OPENAI_API_KEY; \"$BITROUTER\" reload; : >\"$DONE\" ) & exit";
    let run = world.program("/usr/bin/setsid".as_ref(), ["/bin/bash", "-c", script]);
    let mut leader = run.env("BITROUTER", bitrouter_tests::shared_files::binary()).env("DONE", &done).spawn();
    // Until it is waited for, its number is still taken.
    assert!(leader.wait(wait::PATIENCE).success());
    wait::holds("the session to have reloaded without its leader", || done.exists());
    assert!(daemon.provider("openai")["key_source"].is_null(), "{}", daemon.provider("openai"));
}
