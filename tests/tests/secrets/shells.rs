//! The way of a key from a shell to the daemon: never an argument, never in the environment of a child, never in the
//! code that the shell runs.

use bitrouter_tests::{World, canary, procfs, shared_files, terminal::Terminal, wait};

/// Every argument list that `strace` saw a shell start.
fn arguments(trace: &std::path::Path) -> String {
    std::fs::read_to_string(trace).unwrap_or_default()
}

#[test]
fn p03_the_hook_passes_names_and_never_values() {
    let shells: [(&str, &[&str], &str, &str); 3] = [
        (
            "/bin/bash",
            &["--noprofile", "--norc", "-i"],
            "eval \"$(\"$BITROUTER\" hook bash)\"",
            "export OPENAI_API_KEY=$NEXT",
        ),
        ("/usr/bin/zsh", &["-f", "-i"], "eval \"$(\"$BITROUTER\" hook zsh)\"", "export OPENAI_API_KEY=$NEXT"),
        ("/usr/bin/fish", &["--no-config", "-i"], "$BITROUTER hook fish | source", "set -gx OPENAI_API_KEY $NEXT"),
    ];
    for (program, args, load, export) in shells {
        let world = World::new();
        let key = world.canary("pushed");
        let daemon = world.serve().start();
        let trace = world.path("home/trace");
        let (file, binary) =
            (trace.to_string_lossy().into_owned(), shared_files::binary().to_string_lossy().into_owned());
        let mut all = vec!["-f", "-qq", "-s", "4096", "-o", &file, "-e", "trace=execve", program];
        all.extend(args);
        let window = Terminal::open(
            &world,
            "/usr/bin/strace".as_ref(),
            &all,
            &[("BITROUTER", &binary), ("NEXT", &key), ("PS1", "$ ")],
        );
        window.run(load);
        window.run(export);
        wait::holds("the push", || daemon.provider("openai")["key_source"] == "pushed");
        let text = arguments(&trace);
        assert!(text.contains("__push") && text.contains("OPENAI_API_KEY"), "{program}: no push in\n{text}");
        assert_eq!(canary::find(std::slice::from_ref(&key), "an argument list", text.as_bytes()), Vec::<String>::new());
        assert_eq!(canary::find(&[key], "the terminal", window.text().as_bytes()), Vec::<String>::new());
    }
}

#[test]
fn p03_reload_and_start_put_nothing_into_argument_lists_or_children() {
    let world = World::new();
    let key = world.canary("openai");
    let trace = world.path("home/trace");
    let (file, binary) = (trace.to_string_lossy().into_owned(), shared_files::binary().to_string_lossy().into_owned());
    let mut pid = serde_json::Value::Null;
    for args in [&["start", "--demo", "--listen", "127.0.0.1:0"][..], &["reload"], &["restart"], &["status", "--json"]]
    {
        let mut all = vec!["-f", "-qq", "-s", "4096", "-A", "-o", &file, "-e", "trace=execve", &binary];
        all.extend(args);
        // `start` leaves a daemon behind, which strace would follow: it is not waited for.
        let strace = world.program("/usr/bin/strace".as_ref(), &all).env("OPENAI_API_KEY", &key).spawn();
        let text = strace.stdout();
        if args[0] == "start" || args[0] == "restart" {
            // After `restart` it is not the old one that must be there.
            wait::holds("another daemon", || world.until_running()["pid"] != pid);
            pid = world.until_running()["pid"].clone();
        } else {
            text.ends_within(wait::PATIENCE);
        }
        bitrouter_tests::process::kill(strace.pid(), rustix::process::Signal::TERM);
    }
    world.until_running();
    let text = arguments(&trace);
    assert!(text.contains("execve("), "{text}");
    assert_eq!(canary::find(std::slice::from_ref(&key), "an argument list", text.as_bytes()), Vec::<String>::new());
    let daemon = world.detached();
    assert_eq!(procfs::children(daemon.pid()), Vec::<u32>::new());
}
