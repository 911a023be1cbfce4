//! Every input carries a secret of its own; all journeys, errors included; then the search.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use bitrouter_tests::{
    Daemon, Gate, Provider, Reply, World, canary, logs, procfs, provider::Request, shared_files, terminal::Terminal,
    wait,
};
use rustix::process::Signal;

/// One secret for each way in.
struct Secrets {
    all: Vec<String>,
    world: World,
}

impl Secrets {
    fn new(world: &World) -> Self {
        Self { all: Vec::new(), world: world.clone() }
    }

    fn one(&mut self, name: &str) -> String {
        let secret = self.world.canary(name);
        self.all.push(secret.clone());
        secret
    }

    /// Nothing of it in `bytes`.
    #[track_caller]
    fn absent(&self, place: &str, bytes: &[u8]) {
        assert_eq!(canary::find(&self.all, place, bytes), Vec::<String>::new());
    }
}

/// Everything a provider can say, each with the key that it was sent and a secret of its own.
fn says(number: usize, request: &Request, own: &str) -> Reply {
    let key = request.key().unwrap_or("none").to_owned();
    let json = [("content-type", "application/json")];
    match number % 12 {
        0 => Reply::json(401, format!(r#"{{"error":{{"message":"bad key {key} {own}"}}}}"#)),
        1 => Reply::body(500, "text/html", format!("<p>{key} {own}</p>")),
        2 => Reply::raw(format!("garbage {key} {own}\r\n\r\n")).close(),
        3 => Reply::nothing().reset(),
        4 => Reply::stream().token(own).reset(),
        5 => Reply::stream().token(own).piece(format!("data: {{\"half {own}")).close(),
        6 => Reply::with(429, &[json[0], ("retry-after", "7"), ("x-echo", own)], format!("not json {own}")),
        7 => Reply::redirect(&format!("https://{own}.invalid/?key={key}")),
        8 => Reply::with(200, &[json[0], ("set-cookie", own)], format!(r#"{{"said":"{own}"}}"#)),
        9 => Reply::stream_with(200, &json).piece(format!("{{\"{own}")).reset(),
        10 => Reply::raw(format!("HTTP/1.1 200 {own}\r\nx {own}: y\r\n\r\n")).close(),
        _ => Reply::stream().token(own).done(),
    }
}

/// Calls with a secret in every header, in the query and in the body.
#[track_caller]
fn calls(daemon: &Daemon, secrets: &mut Secrets) {
    let caller = secrets.one("caller");
    let body = secrets.one("body");
    let (api, google, query) = (secrets.one("x-api-key"), secrets.one("x-goog"), secrets.one("query"));
    let (cookie, header, tool) = (secrets.one("cookie"), secrets.one("header"), secrets.one("tool"));
    let http = daemon.http();
    let dressed = |path: &str| {
        http.post(&format!("{path}?key={query}"))
            .bearer(&caller)
            .header("x-api-key", &api)
            .header("x-goog-api-key", &google)
            .header("cookie", &format!("session={cookie}"))
            .header("x-custom", &header)
            .header("user-agent", &header)
    };
    for stream in [false, true] {
        for _ in 0..12 {
            let text = format!(
                r#"{{"model":"openai:m","stream":{stream},"user":"{tool}","messages":[{{"role":"user","content":"{body}"}}]}}"#
            );
            dressed("/v1/chat/completions").json(text).send();
        }
    }
    dressed("/v1/embeddings").json(format!(r#"{{"model":"groq:m","input":"{body}"}}"#)).send();
    // Refusals of every kind; only what is addressed to the caller may repeat what the caller said.
    dressed("/v1/chat/completions").json(format!(r#"{{"x":"{body}""#)).send();
    dressed("/v1/chat/completions").header("content-type", "text/plain").body(&body).send();
    dressed("/v1/chat/completions").json(format!(r#"{{"model":"openai:m","x":"{}"}}"#, body.repeat(8000))).send();
    dressed("/v1/chat/completions").json(r#"{"model":"anthropic:m","messages":[]}"#).send();
    dressed("/v1/chat/completions").host(&format!("{header}.example")).json("{}").send();
    dressed("/v1/chat/completions").header("origin", &format!("https://{header}.example")).json("{}").send();
    dressed(&format!("/{header}")).json("{}").send();
    http.get(&format!("/v1/models?key={query}")).bearer(&caller).send();
    http.get(&format!("/v1/models/{header}")).bearer(&caller).send();
    http.request(&format!("X{}", header.to_uppercase()), "/health").send();
    http.raw(format!("GET / HTTP/1.1\r\n{header}\r\n\r\n"));
    http.raw(format!("GET /{header} HTTP/9.9\r\nauthorization: Bearer {caller}\r\n\r\n"));
    http.raw(format!("{caller}\r\n\r\n"));
    if let Some(foreign) = daemon.world().user().foreign() {
        let other = http.as_user(foreign).post("/v1/chat/completions").bearer(&caller);
        other.json(format!(r#"{{"model":"openai:m","messages":["{body}"]}}"#)).send().refused(401, "api_key_required");
    }
}

/// A caller that leaves in mid-stream and one that leaves before the head.
#[track_caller]
fn leaves(daemon: &Daemon, provider: &Provider, own: &str, text: &str) {
    provider.next(Reply::stream().token(own).stall());
    let before = provider.count();
    let mut open = daemon.http().chat_stream("openai:m", text).open();
    open.until_contains(own);
    drop(open);
    provider.exchange(before).wait_left();
    provider.next(Reply::json(200, own).after(&Gate::new()));
    let stream = daemon.http().chat("openai:m", text).fire();
    let exchange = provider.exchange(before + 1);
    drop(stream);
    exchange.wait_left();
}

/// Keys that come, go and are refused: by push, hook, file and signal, in every output form.
#[track_caller]
fn rotates(world: &World, daemon: &Daemon, secrets: &mut Secrets, config: &str) {
    let file = secrets.one("next-file");
    for word in [&["reload"][..], &["reload", "--json"], &["reload", "--forget", "OPENAI_API_KEY", "--json"]] {
        let pushed = secrets.one("pushed");
        let own = secrets.one("pushed-own");
        let run = world.command(word).env("OPENAI_API_KEY", &pushed).env("BITROUTER_GROQ_API_KEY", &own);
        run.env("BITROUTER_OPENIA_API_KEY", secrets.one("misspelt")).run();
        let status = daemon.status().to_string();
        secrets.absent("status --json", status.as_bytes());
    }
    // The hook, as a real shell runs it.
    let hooked = secrets.one("hooked");
    let binary = shared_files::binary().to_string_lossy().into_owned();
    let variables = [("BITROUTER", binary.as_str()), ("PS1", "$ "), ("NEXT", hooked.as_str())];
    let window = Terminal::open(world, Path::new("/bin/bash"), &["--noprofile", "--norc", "-i"], &variables);
    window.run("eval \"$(\"$BITROUTER\" hook bash)\"");
    window.run("export DEEPSEEK_API_KEY=$NEXT");
    wait::holds("the hook's push", || daemon.provider("deepseek")["key_source"] == "pushed");
    secrets.absent("the terminal", window.text().as_bytes());
    drop(window);
    // Bad lines, in the file and in the settings.
    for line in [format!("nonsense {file}"), format!("GROQ_API_KEY='{file}"), format!("{file}=x"), format!("={file}")] {
        world.env_file(&format!("{line}\n"));
        world.cli(["reload"]).expect_code(1);
        world.cli(["reload", "--json"]).expect_code(1);
        world.cli(["status"]);
    }
    let settings = secrets.one("settings");
    for line in [
        format!("env_files = [\"{settings}\"] {settings}"),
        format!("[providers.openai]\nkey = \"{settings}\""),
        format!("[aliases\n# {settings}"),
        format!("[providers.openai]\nbase_url = \"{settings}\""),
        format!("[providers.openai]\nbase_url = \"https://user:{settings}@host.invalid/v1\""),
        format!("[server]\nkeyless = \"{settings}\""),
    ] {
        world.config(&line);
        let human = world.cli(["reload"]);
        let json = world.cli(["reload", "--json"]);
        human.expect_code(1);
        json.expect_code(1);
    }
    world.config(config);
    world.env_file(&format!("GROQ_API_KEY={file} # a comment with {file}\n"));
    daemon.reload();
    daemon.hangup();
    daemon.signal(Signal::HUP);
    wait::holds("a counted reload", || daemon.status()["reloads"]["last_error"].is_null());
}

/// What anybody can look at while the daemon runs.
#[track_caller]
fn search(world: &World, daemon: &Daemon, secrets: &Secrets) {
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["logs", "--json"],
        &["logs", "-n", "5"],
        &["--json", "status"],
        &["nonsense", "--json"],
        &["hook", "bash"],
        &["hook", "zsh"],
        &["hook", "fish"],
        &["--help"],
    ] {
        let output = world.cli(args);
        secrets.absent(&output.shown, output.text().as_bytes());
    }
    let http = daemon.http();
    for path in ["/metrics", "/v1/models", "/health", "/ping"] {
        secrets.absent(path, &http.get(path).send().body);
    }
    let all = world.processes();
    assert!(all.contains(&daemon.pid()), "{all:?}");
    for pid in all {
        secrets.absent("arguments", procfs::cmdline(pid).unwrap_or_default().as_bytes());
    }
    assert_eq!(procfs::children(daemon.pid()), Vec::<u32>::new(), "a child of the daemon inherits its environment");
    secrets.absent("stderr", &daemon.stderr().bytes());
    secrets.absent("stdout", &daemon.stdout().bytes());
}

#[track_caller]
fn nowhere(format: &str) {
    let world = World::new();
    let provider = Provider::start();
    let mut secrets = Secrets::new(&world);
    let own = secrets.one("provider-says");
    let (environment, parent) = (secrets.one("environment"), secrets.one("own-name"));
    let comment = secrets.one("comment");
    let config = format!(
        "# {comment}\n[log]\nlevel = \"trace\" # {comment}\n[server]\nmax_body = \"64 KiB\"\n{}{}",
        provider.as_openai(),
        provider.as_provider("groq")
    );
    world.config(&config);
    world.write("config/bitrouter/registry/own.toml", own_manifest(&provider, &comment));
    world.env_file(&format!("# {comment}\nGROQ_API_KEY={}\n", secrets.one("file")));
    let extra = world.write("extra.env", format!("export OWN_TOKEN=\"{}\"\n", secrets.one("extra")));
    let daemon = world
        .serve()
        .args(["--log-format", format])
        .arg("--env-file")
        .arg(&extra)
        .env("OPENAI_API_KEY", &environment)
        .env("BITROUTER_OPENAI_API_KEY", &parent)
        .env("BITROUTER_LOG", "trace")
        .env("UNRELATED_SECRET", secrets.one("unrelated"))
        .env("MISTRAL_API_KEY", format!("brk_{}", secrets.one("ours")))
        .start();
    let mine = own.clone();
    let turn = AtomicUsize::new(0);
    provider.always(move |request| says(turn.fetch_add(1, Ordering::Relaxed), request, &mine));
    calls(&daemon, &mut secrets);
    leaves(&daemon, &provider, &own, &comment);
    rotates(&world, &daemon, &mut secrets, &config);
    daemon.http().chat("own:m", &comment).bearer(&own).send();
    search(&world, &daemon, &secrets);
    // The log did talk: otherwise the search proves nothing.
    let log = daemon.stderr().text();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "nothing at trace level: {log}");
    if format == "json" {
        assert!(logs::with_message(&log, "request").len() >= 24, "{log}");
    }
    daemon.stop();
    assert_eq!(world.leaks(), Vec::<String>::new());
}

fn own_manifest(provider: &Provider, comment: &str) -> String {
    format!(
        "# {comment}\nid = \"own\"\nname = \"own\"\nkind = \"gateway\"\nendpoint = \"{}\"\nprotocol = \"chat_completions\"\n\
         [auth]\nenv = [\"OWN_TOKEN\"]\n",
        provider.base_url()
    )
}

#[test]
fn p03_no_secret_of_any_input_is_in_any_output_in_json() {
    nowhere("json");
}

#[test]
fn p03_no_secret_of_any_input_is_in_any_output_for_people() {
    nowhere("human");
}

#[test]
fn p03_no_secret_is_in_the_files_of_a_detached_daemon() {
    let world = World::new();
    let provider = Provider::start();
    let mut secrets = Secrets::new(&world);
    let own = secrets.one("provider-says");
    world.config(&format!("[log]\nlevel = \"trace\"\n{}{}", provider.as_openai(), provider.as_provider("groq")));
    let parent = secrets.one("parent");
    let start = world.command(["start", "--listen", "127.0.0.1:0"]).env("OPENAI_API_KEY", &parent);
    start.env("BITROUTER_LOG", "trace").run().expect_code(0);
    let daemon = world.detached();
    let turn = AtomicUsize::new(0);
    provider.always(move |request| says(turn.fetch_add(1, Ordering::Relaxed), request, &own));
    calls(&daemon, &mut secrets);
    let again = world.command(["restart"]).env("OPENAI_API_KEY", secrets.one("restarted"));
    again.run().expect_code(0);
    drop(daemon);
    let daemon = world.detached();
    calls(&daemon, &mut secrets);
    let log = std::fs::read(world.path("state/bitrouter/daemon.log")).expect("a log");
    assert!(log.len() > 1000, "the log says nothing");
    secrets.absent("daemon.log", &log);
    secrets.absent("daemon.json", &std::fs::read(world.daemon_json()).expect("daemon.json"));
    daemon.stop();
    assert_eq!(world.leaks(), Vec::<String>::new());
}
