//! P3: no secret in a log, an error, an argument list or another process's view. Every world watches; here the daemon
//! is made to talk as much as it can.

use std::time::Duration;

use bitrouter_tests::{Provider, Reply, World, logs, procfs};

#[test]
fn p03_no_secret_is_printed_at_trace_level_whatever_goes_wrong() {
    let world = World::new();
    let provider = Provider::start();
    let (environment, file, caller) = (world.canary("environment"), world.canary("file"), world.canary("caller"));
    let body = world.canary("body");
    world.config(&format!("[log]\nlevel = \"trace\"\n{}{}", provider.as_openai(), provider.as_provider("groq")));
    world.env_file(&format!("GROQ_API_KEY={file}\n"));
    let serve =
        world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &environment).env("BITROUTER_LOG", "trace");
    let daemon = serve.start();
    for reply in [
        Reply::json(200, "{}"),
        Reply::json(401, format!(r#"{{"error":{{"message":"bad key {environment}"}}}}"#)),
        Reply::body(500, "text/html", format!("<p>{environment}</p>")),
        Reply::raw(format!("garbage {environment}\r\n\r\n")).close(),
        Reply::nothing().reset(),
        Reply::stream().token("x").reset(),
    ] {
        provider.next(reply);
        let answer = daemon.http().chat("openai:m", &body).bearer(&caller).send();
        assert!(!answer.text().contains(&environment), "{}", answer.text());
    }
    daemon.http().chat("groq:m", "x").header("x-api-key", &caller).send();
    daemon.http().post(&format!("/v1/chat/completions?key={caller}")).json(format!("{{\"x\":\"{body}\"")).send();
    daemon.http().get(&format!("/{caller}")).send();
    daemon.http().get("/health").host(&format!("{caller}.example")).send();
    daemon.http().get("/health").header("origin", &format!("http://{caller}.example")).send();
    daemon.http().raw(format!("GET / HTTP/1.1\r\n{caller}\r\n\r\n"));
    world.env_file(&format!("GROQ_API_KEY={file}\nnonsense {file}\n"));
    world.cli(["reload"]).expect_code(1);
    for args in [&["status"][..], &["status", "--json"], &["logs"], &["reload", "--json"]] {
        world.cli(args);
    }
    let metrics = daemon.http().get("/metrics").send().ok().text();
    for secret in [&environment, &file, &caller, &body] {
        assert!(!metrics.contains(secret.as_str()), "a secret in the metrics");
    }
    logs::wait_for(&daemon, "request", 6);
    daemon.stop();
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn p03_no_core_is_dumped_and_nobody_may_look_inside() {
    let world = World::new();
    let daemon = world.demo();
    let limit = procfs::limit(daemon.pid(), "Max core file size").expect("limits");
    assert_eq!(limit, ("0".to_owned(), "0".to_owned()));
    let shown = world.program("/bin/cat".as_ref(), [format!("/proc/{}/environ", daemon.pid())]).run();
    assert_ne!(shown.code, 0, "the environment of the daemon can be read by other processes of its user");
}

#[test]
fn p03_nothing_leaves_the_machine_by_itself() {
    let world = World::new();
    let key = world.canary("openai");
    let daemon = world.serve().env("OPENAI_API_KEY", &key).env("GROQ_API_KEY", &key).start();
    daemon.http().get("/v1/models").send().ok();
    world.cli(["status"]).expect_code(0);
    bitrouter_tests::wait::stays("silence", Duration::from_millis(300), || {
        let hits = world.network_trap().take();
        assert!(hits.is_empty(), "{hits:?}");
        true
    });
}

#[test]
fn p03_a_credential_in_the_place_of_a_model_is_in_no_log_no_row_and_no_error() {
    let world = World::new();
    let provider = Provider::start();
    world.config(&provider.as_openai());
    let key = world.canary("openai");
    let daemon = world.serve().args(["--log-format", "json"]).env("OPENAI_API_KEY", &key).start();
    for (name, start) in [("key", "brk_"), ("token", "bra_"), ("renewal", "brr_")] {
        let secret = format!("{start}{}", world.canary(name));
        provider.next(Reply::json(200, "{}"));
        // Who asks for it gets it: a provider decides what its models are called.
        daemon.http().chat(&format!("openai:{secret}"), "x").send().ok();
        assert_eq!(provider.last().request.model(), secret);
        for unknown in [secret.clone(), format!("openai/{secret}"), format!("groq:{secret}")] {
            let answer = daemon.http().chat(&unknown, "x").send();
            assert!(answer.status >= 400 && !answer.text().contains(&secret), "{}", answer.text());
        }
        let answer = daemon.http().get(&format!("/v1/models/{secret}")).send();
        assert!(answer.status == 404 && !answer.text().contains(&secret), "{}", answer.text());
    }
    let rows = bitrouter_tests::wait::until("three rows", || {
        let page = world.cli(["cloud", "requests", "--local", "--json"]).with_code(0).json();
        page["data"].as_array().filter(|rows| rows.len() == 3).cloned()
    });
    assert!(rows.iter().all(|row| row["requested_model"] == "[redacted]"), "{rows:?}");
    let lines = logs::wait_for(&daemon, "request", 12);
    assert!(lines.iter().all(|line| line["model"] == "[redacted]"), "{lines:?}");
    daemon.stop();
    assert_eq!(world.leaks(), Vec::<String>::new());
}
