//! Every input with a secret in it, every fault, every output searched.

use std::{collections::BTreeMap, time::Duration};

use bitrouter_proto::wire::{
    LogsRequest, LogsResponse, PushRequest, PushResponse, ReloadRequest, ReloadResponse, Variable, WatchEventsRequest,
    WatchEventsResponse,
};
use bitrouter_tests::{Daemon, End, Provider, Reply, World, canary, control::Control, http::Call, logs, procfs};
use rustix::process::Signal;

/// One secret for each way in.
struct Secrets {
    by_way: BTreeMap<&'static str, String>,
}

impl Secrets {
    fn new(world: &World) -> Self {
        let ways = [
            "environment",
            "named",
            "file",
            "more",
            "pushed",
            "hooked",
            "config",
            "authorization",
            "apikey",
            "goog",
            "query",
            "body",
            "prompt",
            "path",
            "header",
            "host",
            "origin",
            "cookie",
            "forget",
            "badline",
            "stranger",
        ];
        Self { by_way: ways.into_iter().map(|way| (way, world.canary(way))).collect() }
    }

    fn of(&self, way: &str) -> &str {
        &self.by_way[way]
    }

    fn all(&self) -> Vec<String> {
        self.by_way.values().cloned().collect()
    }
}

struct Scene {
    world: World,
    provider: Provider,
    daemon: Daemon,
    secrets: Secrets,
}

fn scene(format: &str) -> Scene {
    let world = World::new();
    let provider = Provider::start();
    let secrets = Secrets::new(&world);
    let more = world.write("more.env", format!("MISTRAL_API_KEY={}\n", secrets.of("more")));
    world.config(&format!(
        "# {}\n[log]\nlevel = \"trace\"\n[timeouts]\nfirst_byte = \"400ms\"\n{}{}{}",
        secrets.of("config"),
        provider.as_openai(),
        provider.as_provider("groq"),
        provider.as_provider("mistral"),
    ));
    world.env_file(&format!("GROQ_API_KEY='{}'\nUNRELATED_PASSWORD={}\n", secrets.of("file"), secrets.of("stranger")));
    let serve = world.serve().args(["--demo", "--log-format", format]).arg("--env-file").arg(more);
    let serve = serve.env("OPENAI_API_KEY", secrets.of("environment")).env("BITROUTER_LOG", "trace");
    let daemon = serve.env("BITROUTER_NOBODY_API_KEY", secrets.of("named")).start();
    Scene { world, provider, daemon, secrets }
}

impl Scene {
    /// A call that carries a secret wherever a caller can put one.
    fn loaded(&self, model: &str) -> Call {
        let body = serde_json::json!({
            "model": model,
            "user": self.secrets.of("body"),
            "messages": [{"role": "user", "content": self.secrets.of("prompt")}],
        });
        let call = self.daemon.http().post(&format!("/v1/chat/completions?key={}", self.secrets.of("query")));
        call.json(body.to_string())
            .bearer(self.secrets.of("authorization"))
            .header("x-api-key", self.secrets.of("apikey"))
            .header("x-goog-api-key", self.secrets.of("goog"))
            .header("cookie", &format!("session={}", self.secrets.of("cookie")))
            .header("x-anything", self.secrets.of("header"))
    }

    /// Everything that can go wrong with a provider, each time with the key in what it says.
    fn faults(&self) -> Vec<Reply> {
        let key = self.secrets.of("environment").to_owned();
        vec![
            Reply::json(200, "{}"),
            Reply::json(401, format!(r#"{{"error":{{"message":"bad key {key}","code":null}}}}"#)),
            Reply::with(403, &[("content-type", "text/plain"), ("x-key", &key)], format!("no: {key}")),
            Reply::body(500, "text/html", format!("<p>{key}</p>")),
            Reply::raw(format!("{key} garbage {key}\r\n\r\n")).close(),
            Reply::raw(format!("HTTP/1.1 200 OK\r\n{key}: {key}\r\n\r\n")).close(),
            Reply::nothing().reset(),
            Reply::nothing().stall(),
            Reply::redirect(&format!("http://{key}.example/{key}")),
            Reply::stream().token("x").reset(),
            Reply::stream().token("x").send(format!("{key} no chunk\r\n")).close(),
        ]
    }

    /// Pushes over the control socket, with streams of logs and events open; what those said.
    fn control(&self) -> String {
        let socket = self.daemon.socket();
        let (mut watcher, mut follower, mut actor) =
            (Control::connect(&socket), Control::connect(&socket), Control::connect(&socket));
        let mut events = watcher.open("DaemonService/WatchEvents", &WatchEventsRequest {});
        let mut logs = follower.open("DaemonService/Logs", &LogsRequest { follow: false, tail: None });
        let variable = |name: &str, value: &str| Variable { name: name.into(), value: Some(value.into()) };
        let push = PushRequest { variables: vec![variable("GROQ_API_KEY", self.secrets.of("hooked"))] };
        actor.call::<PushResponse>("EnvironmentService/Push", &push).expect("a push");
        let reload = ReloadRequest {
            variables: vec![variable("OPENAI_API_KEY", self.secrets.of("pushed"))],
            forget: vec![self.secrets.of("forget").to_owned()],
        };
        // A name to forget that is no name is ignored or refused, never repeated.
        let mut said = vec![format!("{:?}", actor.call::<ReloadResponse>("DaemonService/Reload", &reload))];
        let nonsense = PushRequest { variables: vec![variable(self.secrets.of("forget"), self.secrets.of("pushed"))] };
        said.push(format!("{:?}", actor.call::<PushResponse>("EnvironmentService/Push", &nonsense)));
        let huge = PushRequest { variables: vec![variable("GROQ_API_KEY", &self.secrets.of("hooked").repeat(3_000))] };
        said.push(format!("{:?}", actor.call::<PushResponse>("EnvironmentService/Push", &huge)));
        said.push(format!("{:?}", events.message::<WatchEventsResponse>()));
        while let Some(line) = logs.message::<LogsResponse>() {
            said.push(line.line);
        }
        said.join("\n")
    }
}

#[track_caller]
fn clean(secrets: &Secrets, place: &str, text: &str) {
    let found = canary::find(&secrets.all(), place, text.as_bytes());
    assert!(found.is_empty(), "{found:?}");
}

#[track_caller]
fn everything(format: &str) {
    let scene = scene(format);
    let (world, daemon, secrets) = (&scene.world, &scene.daemon, &scene.secrets);
    for reply in scene.faults() {
        scene.provider.next(reply);
        let answer = scene.loaded("openai:m").send();
        // A body that passed byte for byte is the provider's word; the key in it is not.
        let found = canary::find(&[secrets.of("environment").to_owned()], "an answer", answer.text().as_bytes());
        assert!(found.is_empty() || answer.status == 200, "{found:?}: {}", answer.text());
    }
    for model in ["groq:m", "mistral:m", "demo/echo", "anthropic:m", "no-such-model"] {
        let answer = scene.loaded(model).send();
        if model != "demo/echo" {
            clean(secrets, model, &answer.text());
        }
    }
    // Requests that are refused before anybody reads them.
    let http = daemon.http();
    for answer in [
        http.get(&format!("/{}", secrets.of("path"))).send(),
        http.get(&format!("/v1/models/{}", secrets.of("path"))).send(),
        http.get("/health").host(&format!("{}.example", secrets.of("host"))).send(),
        http.get("/health").header("origin", &format!("http://{}.example", secrets.of("origin"))).send(),
        http.post("/v1/chat/completions").json(format!("{{\"x\":\"{}\"", secrets.of("body"))).send(),
        http.post("/v1/chat/completions").json(format!("{{\"model\":{{\"{}\":1}}}}", secrets.of("body"))).send(),
        http.post("/v1/chat/completions").header("content-type", secrets.of("header")).body("{}").send(),
        http.post("/v1/chat/completions").json("{}").header("content-encoding", secrets.of("header")).send(),
        http.request(&secrets.of("path").to_uppercase(), "/v1/models").send(),
        http.raw(format!("GET / HTTP/1.1\r\n{}\r\n\r\n", secrets.of("header"))),
        http.raw(format!("{}\r\n\r\n", secrets.of("path"))),
        http.get("/metrics").send(),
        http.get("/v1/models").send(),
    ] {
        assert_ne!(answer.end, End::Stalled);
        // An unknown path or model may be named to whoever asked for it, as it stood in the request; a secret of
        // somebody else may not.
        let own = [secrets.of("path").to_owned(), secrets.of("body").to_owned(), secrets.of("header").to_owned()];
        let others: Vec<String> = secrets.all().into_iter().filter(|one| !own.contains(one)).collect();
        let found = canary::find(&others, "an answer", answer.text().as_bytes());
        assert!(found.is_empty(), "{found:?}");
    }
    clean(secrets, "the control API", &scene.control());
    // Bad lines in every file, each read by command, watch and signal.
    world.env_file(&format!("GROQ_API_KEY=\"{}\nGROQ_API_KEY {}\n", secrets.of("badline"), secrets.of("badline")));
    world.command(["reload"]).env("OPENAI_API_KEY", secrets.of("pushed")).run().expect_code(1);
    daemon.signal(Signal::HUP);
    daemon.warned("reload_refused");
    let secret = secrets.of("config");
    for bad in [
        format!("[providers.openai]\napi_key = \"{secret}\"\n"),
        format!("[providers.openai]\nbase_url = \"https://user:{secret}@host.example/v1\"\n"),
        format!("[providers.openai]\nenabled = \"{secret}\"\n"),
        format!("[server]\nlisten = \"127.0.0.1:0\" # {secret}\n= {secret}\n"),
    ] {
        world.config(&bad);
        let output = world.cli(["reload"]);
        assert_eq!(output.code, 1);
        world.cli(["reload", "--json"]).expect_code(1);
    }
    // Below `info` it did talk, before `logs --level trace` could make it: otherwise the search proves nothing. (Nothing
    // of ours speaks at `trace` itself.)
    let log = daemon.stderr().text();
    assert!(log.contains("DEBUG"), "the log was not at trace level: {log}");
    for args in [
        &["status"][..],
        &["status", "--json"],
        &["logs"],
        &["logs", "--json"],
        &["logs", "--level", "trace"],
        &["reload", "--json"],
        &["start", "--json"],
        &["serve"],
        &["hook", "bash"],
        &["--version"],
    ] {
        let run = world.command(args).env("OPENAI_API_KEY", secrets.of("pushed"));
        clean(secrets, &args.join(" "), &run.run().text());
    }
    clean(secrets, "the metrics", &http.get("/metrics").send().ok().text());
    let lines = if format == "json" { logs::wait_for(daemon, "request", 11).len() } else { 11 };
    assert!(lines >= 11);
    clean(secrets, "stderr", &daemon.stderr().text());
    clean(secrets, "stdout", &daemon.stdout().text());
    // Argument lists and children of everything that runs in this world.
    for pid in world.processes() {
        clean(secrets, "an argument list", &procfs::cmdline(pid).unwrap_or_default());
    }
    assert_eq!(procfs::children(daemon.pid()), Vec::<u32>::new(), "the daemon has children");
    let mut daemon = scene.daemon;
    world.cli(["stop"]).expect_code(0);
    daemon.wait(Duration::from_secs(20));
    assert_eq!(world.leaks(), Vec::<String>::new());
}

#[test]
fn p03_nothing_is_printed_at_trace_level_as_json() {
    everything("json");
}

#[test]
fn p03_nothing_is_printed_at_trace_level_for_people() {
    everything("human");
}

#[test]
fn p03_the_log_file_of_a_detached_daemon_holds_no_secret() {
    let world = World::new();
    let provider = Provider::start();
    let (key, caller) = (world.canary("openai"), world.canary("caller"));
    world.config(&format!("[log]\nlevel = \"trace\"\n{}", provider.as_openai()));
    world.command(["start", "--listen", "127.0.0.1:0"]).env("OPENAI_API_KEY", &key).run().expect_code(0);
    let daemon = world.detached();
    provider.next(Reply::body(500, "text/plain", format!("{key} {caller}")));
    daemon.http().chat("openai:m", &caller).bearer(&caller).send();
    daemon.http().chat("openai:m", &caller).bearer(&caller).send().ok();
    daemon.stop();
    let log = std::fs::read(world.path("state/bitrouter/daemon.log")).expect("a log");
    assert!(log.len() > 1_000, "the log is not at trace level: {} bytes", log.len());
    assert_eq!(canary::find(&[key, caller], "the log file", &log), Vec::<String>::new());
}

#[test]
fn p03_a_key_that_goes_upstream_goes_in_its_header_only() {
    let scene = scene("json");
    scene.loaded("openai:m").send().ok();
    let request = &scene.provider.exchange(0).request;
    assert_eq!(request.key(), Some(scene.secrets.of("environment")));
    let head = String::from_utf8_lossy(&request.head).into_owned();
    assert_eq!(head.matches(scene.secrets.of("environment")).count(), 1, "the key stands elsewhere too");
    for way in ["authorization", "apikey", "goog", "query", "cookie"] {
        assert!(!head.contains(scene.secrets.of(way)), "the caller's `{way}` was forwarded");
    }
}
