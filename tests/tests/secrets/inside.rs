//! Nobody looks inside: not through `/proc`, not with a debugger, not even as the same user.

use bitrouter_tests::{World, procfs};

#[test]
fn p03_no_process_of_the_same_user_reads_its_environment_or_memory() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    let pid = daemon.pid();
    for name in ["environ", "mem", "maps", "auxv", "stack"] {
        let file = format!("/proc/{pid}/{name}");
        let output = world.program("/usr/bin/head".as_ref(), ["-c", "64", &file]).run();
        assert_ne!(output.code, 0, "`{file}` can be read by another process of its user: {}", output.stdout);
    }
    let output = world.program("/bin/ls".as_ref(), [format!("/proc/{pid}/fd")]).run();
    assert_ne!(output.code, 0, "its descriptors can be listed: {}", output.stdout);
}

#[test]
fn p03_no_debugger_of_the_same_user_attaches() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().arg("--demo").env("OPENAI_API_KEY", &key).start();
    let pid = daemon.pid().to_string();
    let output = world.program("/usr/bin/timeout".as_ref(), ["5", "/usr/bin/strace", "-p", &pid]).run();
    assert!(output.code != 0 && output.code != 124, "it attached: {}", output.stderr);
    assert!(output.stderr.contains("Operation not permitted"), "{}", output.stderr);
    assert_eq!(daemon.http().chat("demo/echo", "hi").send().ok().content(), "hi");
}

#[test]
fn p03_a_detached_daemon_is_as_closed_as_one_in_the_foreground() {
    let world = World::new();
    let key = world.canary("openai");
    let start = world.command(["start", "--demo", "--listen", "127.0.0.1:0"]).env("OPENAI_API_KEY", &key);
    start.run().expect_code(0);
    let daemon = world.detached();
    let limit = procfs::limit(daemon.pid(), "Max core file size").expect("limits");
    assert_eq!(limit, ("0".to_owned(), "0".to_owned()));
    let file = format!("/proc/{}/environ", daemon.pid());
    world.program("/usr/bin/head".as_ref(), ["-c", "64", &file]).run().expect_code(1);
    daemon.stop();
}
