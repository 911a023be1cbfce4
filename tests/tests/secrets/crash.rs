//! A crash leaves nothing behind: no core, no memory in a message.

use std::time::Duration;

use bitrouter_tests::{World, canary, process::shell_code, wait};
use rustix::process::Signal;

/// Every name below the world, for a look at what a crash left.
pub(super) fn names(world: &World) -> Vec<String> {
    let mut open = vec![world.root().to_owned()];
    let mut names = Vec::new();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            }
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names
}

#[test]
fn p03_a_crash_leaves_no_core() {
    for (signal, code) in [(Signal::ABORT, 134), (Signal::SEGV, 139), (Signal::QUIT, 131), (Signal::BUS, 135)] {
        let world = World::new();
        let key = world.canary("openai");
        // Even where its user wants cores.
        let script = "ulimit -c unlimited 2>/dev/null; exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0";
        let run = world.program("/bin/sh".as_ref(), ["-c", script]).env("OPENAI_API_KEY", &key);
        let mut process =
            run.env("BITROUTER", bitrouter_tests::shared_files::binary()).env("BITROUTER_LOG", "trace").spawn();
        let daemon = world.detached();
        daemon.http().chat("demo/echo", &key).send().ok();
        // A runtime that handles the signal to name a stack overflow ends at the second one.
        wait::holds("the end", || {
            process.signal(signal);
            process.status().is_some()
        });
        let status = process.wait(Duration::from_secs(10));
        assert_eq!(shell_code(status), code, "{signal:?}: {status}");
        assert!(!std::os::unix::process::ExitStatusExt::core_dumped(&status), "{signal:?}: {status}");
        process.stderr().ends_within(Duration::from_secs(5));
        let said = process.stderr().bytes();
        assert_eq!(canary::find(std::slice::from_ref(&key), "stderr", &said), Vec::<String>::new());
        let cores: Vec<_> = names(&world).into_iter().filter(|name| name.starts_with("core")).collect();
        assert!(cores.is_empty(), "{signal:?}: {cores:?}");
        assert_eq!(world.leaks(), Vec::<String>::new());
    }
}

#[test]
fn p03_a_daemon_that_cannot_start_names_no_secret() {
    let world = World::new();
    let (environment, file) = (world.canary("environment"), world.canary("file"));
    let cases = [
        ("a bad line", format!("GROQ_API_KEY=\"{file}\n"), "", 1),
        ("a bad setting", format!("GROQ_API_KEY={file}\n"), "[server]\nlisen = 1\n", 1),
        ("a bad address", format!("GROQ_API_KEY={file}\n"), "[server]\nlisten = \"127.0.0.1:1\"\n", 1),
    ];
    for (name, env, config, code) in cases {
        world.env_file(&env);
        world.config(config);
        for args in [&["serve"][..], &["serve", "--log-format", "json"], &["start"], &["start", "--json"]] {
            let run = world.command(args).env("OPENAI_API_KEY", &environment).env("BITROUTER_LOG", "trace").run();
            assert_eq!(run.code, code, "{name}: {}", run.text());
            let secrets = [environment.clone(), file.clone()];
            assert_eq!(canary::find(&secrets, name, run.text().as_bytes()), Vec::<String>::new());
        }
    }
    assert_eq!(world.leaks(), Vec::<String>::new());
}
