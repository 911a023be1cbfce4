//! What another process could see: the environment, memory, core dumps, the words of a crash.

use std::{io::Write as _, os::unix::process::ExitStatusExt as _, path::Path, time::Duration};

use bitrouter_tests::{Provider, User, World, canary, logs, process, procfs, shared_files, wait};
use rustix::process::Signal;

/// Whether a process of the daemon's own user can read this file.
fn readable(world: &World, path: &str) -> bool {
    world.program(Path::new("/bin/cat"), [path]).run().code == 0
}

#[test]
fn p03_no_other_process_of_the_user_can_look_inside() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    let pid = daemon.pid();
    for file in ["environ", "mem", "maps", "auxv", "syscall"] {
        assert!(!readable(&world, &format!("/proc/{pid}/{file}")), "/proc/{pid}/{file} can be read");
    }
    // What everybody may see holds no secret.
    for file in ["cmdline", "status", "stat", "comm"] {
        let text = world.program(Path::new("/bin/cat"), [format!("/proc/{pid}/{file}")]).run().stdout;
        assert!(canary::find(std::slice::from_ref(&key), file, text.as_bytes()).is_empty());
    }
    let attach = world.program(Path::new("/usr/bin/strace"), ["-p", &pid.to_string()]).run();
    assert_ne!(attach.code, 0, "a debugger of the same user could attach: {}", attach.text());
    let limit = procfs::limit(pid, "Max core file size").expect("limits");
    assert_eq!(limit, ("0".to_owned(), "0".to_owned()));
}

#[test]
fn p03_a_crash_leaves_no_core_and_no_word() {
    for signal in [Signal::SEGV, Signal::ABORT, Signal::QUIT, Signal::BUS] {
        let world = World::new();
        let key = world.canary("openai");
        // The shell allows cores, so that it is the daemon that forbids them.
        let script = "ulimit -c unlimited; exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0";
        let run = world.program(Path::new("/bin/sh"), ["-c", script]).env("BITROUTER", shared_files::binary());
        let mut crashed = run.env("OPENAI_API_KEY", &key).spawn();
        let daemon = world.detached();
        daemon.http().chat("demo/echo", &key).send().ok();
        // A first SIGSEGV from outside only takes the runtime's stack guard away.
        wait::holds("the crash", || {
            process::kill(daemon.pid(), signal);
            crashed.status().is_some()
        });
        let status = crashed.wait(Duration::from_secs(20));
        assert!(!status.core_dumped(), "{signal:?}: {status}");
        crashed.stderr().ends_within(Duration::from_secs(5));
        let text = crashed.stderr().text();
        assert!(canary::find(&[key], "stderr of a crash", text.as_bytes()).is_empty());
        let cores = std::fs::read_dir(world.path("home")).expect("list").flatten();
        let cores: Vec<_> = cores.filter(|entry| entry.file_name().to_string_lossy().starts_with("core")).collect();
        assert!(cores.is_empty(), "{cores:?}");
    }
}

#[test]
fn p03_memory_that_runs_out_says_no_secret() {
    let world = World::new();
    let key = world.canary("openai");
    let provider = Provider::start();
    world.config(&provider.as_openai());
    // So little address space that something must fail: at start or under load, with a panic or an abort.
    let script = "ulimit -v 400000; exec \"$BITROUTER\" serve --demo --listen 127.0.0.1:0";
    let run = world.program(Path::new("/bin/sh"), ["-c", script]).env("BITROUTER", shared_files::binary());
    let mut process = run.env("OPENAI_API_KEY", &key).env("BITROUTER_LOG", "trace").spawn();
    wait::holds("an end or an answer", || process.status().is_some() || world.daemon_file().is_some());
    if process.status().is_none() {
        let daemon = world.detached();
        let big = "x".repeat(40 << 20);
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    if let Ok(mut stream) = daemon.http().try_connect() {
                        let call = daemon.http().chat("openai:m", &format!("{key}{big}")).bearer(&key);
                        stream.write_all(&call.bytes()).ok();
                        bitrouter_tests::http::Opened::read(stream).finish();
                    }
                });
            }
        });
        process::kill(daemon.pid(), Signal::KILL);
    }
    process.wait(Duration::from_secs(20));
    process.stderr().ends_within(Duration::from_secs(5));
    let text = process.stderr().text();
    assert_eq!(canary::find(&[key], "stderr", text.as_bytes()), Vec::<String>::new());
}

#[test]
fn p03_a_panic_prints_no_secret() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a uid of its own: the limit counts all processes of a user");
    }
    let (own, file) = (world.canary("openai"), world.canary("groq"));
    world.env_file(&format!("GROQ_API_KEY={file}\n"));
    // Too few threads for one part or another, which panics: which one depends on how many it wants.
    let mut panics = 0;
    for threads in 1..=8 {
        let limit = format!("--nproc={threads}:{threads}");
        let uid = world.user().uid().to_string();
        let (user, group) = (format!("--reuid={uid}"), format!("--regid={uid}"));
        let binary = shared_files::binary().to_string_lossy().into_owned();
        let owner = ["/usr/bin/setpriv", &user, &group, "--clear-groups"];
        let serve = [binary.as_str(), "serve", "--demo", "--listen", "127.0.0.1:0"];
        let args: Vec<&str> = [limit.as_str()].into_iter().chain(owner).chain(serve).collect();
        let run = world.program(Path::new("/usr/bin/prlimit"), args).as_user(User::root());
        let run = run.env("OPENAI_API_KEY", &own).env("BITROUTER_LOG", "trace").env("RUST_BACKTRACE", "full");
        let mut process = run.spawn();
        wait::holds("an end, a panic or readiness", || {
            let said = process.stderr().text().contains("stack backtrace");
            said || process.status().is_some() || world.daemon_file().is_some()
        });
        process.kill();
        process.stderr().ends_within(Duration::from_secs(5));
        let text = process.stderr().text();
        panics += usize::from(text.contains("panicked at"));
        let found = canary::find(&[own.clone(), file.clone()], "the words of a panic", text.as_bytes());
        assert_eq!(found, Vec::<String>::new(), "with {threads} threads");
        std::fs::remove_file(world.daemon_json()).ok();
    }
    assert!(panics > 0, "nothing panicked: this proves nothing");
}

#[test]
fn p03_messages_that_carry_keys_print_only_their_names() {
    // What an `unwrap` would print of them.
    let variable = bitrouter_proto::wire::Variable { name: "OPENAI_API_KEY".into(), value: Some("sk-secret".into()) };
    let push = bitrouter_proto::wire::PushRequest { variables: vec![variable.clone()] };
    let reload = bitrouter_proto::wire::ReloadRequest { variables: vec![variable.clone()], forget: Vec::new() };
    for text in [format!("{variable:?}"), format!("{push:?}"), format!("{reload:?}")] {
        assert!(text.contains("OPENAI_API_KEY") && !text.contains("sk-secret"), "{text}");
    }
}

#[test]
fn p03_status_and_logs_name_sources_never_values() {
    let world = World::new();
    let keys: Vec<String> = (0..4).map(|number| world.canary(&format!("source{number}"))).collect();
    world.env_file(&format!("GROQ_API_KEY={}\nOPENAI_API_KEY=brk_{}\n", keys[0], keys[1]));
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).env("GROQ_API_KEY", &keys[2]).start();
    world.command(["reload"]).env("GROQ_API_KEY", &keys[3]).run().expect_code(0);
    let status = world.cli(["status", "--json"]).with_code(0).stdout;
    let text = world.cli(["status"]).with_code(0).stdout;
    logs::wait_for(&daemon, "reload", 1);
    for shown in [&status, &text, &daemon.stderr().text()] {
        assert_eq!(canary::find(&keys, "what is shown", shown.as_bytes()), Vec::<String>::new());
        // Not even a beginning that would help a guess.
        for key in &keys {
            assert!(!shown.contains(&key[..key.len() - 4]), "all but the end of a key is shown");
        }
    }
}
