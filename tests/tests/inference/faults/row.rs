//! One row of the table: the cast, what the caller must see, what the log must say. It must never know why something
//! fails.

use std::{net::SocketAddr, thread};

use bitrouter_tests::{Answer, Daemon, End, Gate, MODEL, Provider, Reply, World, http::Call, logs};
use serde_json::{Value, json};

/// Which call meets the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// A chat completion in one piece.
    Whole,
    /// A streamed one.
    Stream,
}

/// What the caller must see.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Sees {
    /// A complete error of ours: status and code, in the shape of the dialect.
    Refusal(u16, &'static str),
    /// The provider's own error, byte for byte.
    Passed(u16, &'static str),
    /// 200, what came before, then the dialect's error event with this code, an orderly end and no `[DONE]`.
    Event(&'static str),
    /// 200 and an answer that nobody can take for a whole one; where everything breaks at once, not even a head.
    Cut,
}

/// What the request's log line must say: status and error code; `cancelled` is always false where the caller stayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Says(pub(crate) u16, pub(crate) Option<&'static str>);

/// A daemon with two providers: `openai` is where things fail, `groq` is healthy.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) key: String,
    pub(crate) world: World,
    healthy: Provider,
}

impl Scene {
    /// `[providers.openai] base_url`, more settings, a changed daemon.
    #[track_caller]
    pub(crate) fn build(
        base_url: &str,
        settings: &str,
        change: impl FnOnce(bitrouter_tests::Serve) -> bitrouter_tests::Serve,
    ) -> Self {
        Self::within(World::new(), base_url, settings, change)
    }

    /// The same in a world that was prepared.
    #[track_caller]
    pub(crate) fn within(
        world: World,
        base_url: &str,
        settings: &str,
        change: impl FnOnce(bitrouter_tests::Serve) -> bitrouter_tests::Serve,
    ) -> Self {
        let healthy = Provider::start();
        let key = world.canary("openai");
        let broken = format!("[providers.openai]\nbase_url = \"{base_url}\"\n");
        world.config(&format!("{settings}\n{broken}{}", healthy.as_provider("groq")));
        let serve = world.serve().env("OPENAI_API_KEY", &key).env("GROQ_API_KEY", "healthy");
        let daemon = change(serve.args(["--log-format", "json"])).start();
        Self { daemon, key, world, healthy }
    }

    #[track_caller]
    pub(crate) fn at(base_url: &str, settings: &str) -> Self {
        Self::build(base_url, settings, |serve| serve)
    }

    #[track_caller]
    pub(crate) fn ask(&self, asks: Asks) -> Answer {
        self.call(asks).send()
    }

    fn call(&self, asks: Asks) -> Call {
        let http = self.daemon.http();
        match asks {
            Asks::Whole => http.chat(MODEL, "x"),
            Asks::Stream => http.chat_stream(MODEL, "x"),
        }
    }

    /// Checks the only request line so far.
    #[track_caller]
    pub(crate) fn said(&self, says: Says, cancelled: bool) -> Value {
        let lines = logs::wait_for(&self.daemon, "request", 1);
        let line = lines[0].clone();
        let member = |name| logs::member(&line, name).clone();
        assert_eq!(member("status"), says.0, "status: {line}");
        assert_eq!(member("error_code"), json!(says.1), "error_code: {line}");
        assert_eq!(member("cancelled"), cancelled, "cancelled: {line}");
        assert!(member("request_id").as_str().is_some_and(|id| id.starts_with("req_")), "{line}");
        assert!(member("total_ms").is_u64(), "{line}");
        line
    }

    /// The next request is served, in one piece and as a stream.
    #[track_caller]
    pub(crate) fn goes_on(&self) {
        let before = self.healthy.count();
        self.daemon.http().chat("groq:m", "next").send().ok();
        let text = self.daemon.http().chat_stream("groq:m", "next").send().ok().text();
        assert!(text.ends_with("data: [DONE]\n\n"), "{text}");
        assert_eq!(self.healthy.count(), before + 2);
    }
}

impl Sees {
    #[track_caller]
    pub(crate) fn check(self, answer: &Answer) {
        let text = answer.text();
        match self {
            Self::Refusal(status, code) => {
                let error = answer.refused(status, code);
                assert!(error["type"].is_string(), "{error}");
                let json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
                assert!(json, "{:?}", answer.headers);
            }
            Self::Passed(status, body) => {
                assert_eq!((answer.status, text.as_str(), answer.end), (status, body, End::Complete));
            }
            Self::Event(code) => {
                assert_eq!((answer.status, answer.end), (200, End::Complete), "{text}");
                assert!(text.contains("\"before\""), "what was received is missing: {text}");
                assert!(!text.contains("[DONE]") && text.ends_with("\n\n"), "{text}");
                let last = answer.events().pop().unwrap_or_default();
                let event: Value = serde_json::from_str(&last).unwrap_or_else(|e| panic!("{e}: {text}"));
                assert_eq!(event["error"]["code"], code, "{text}");
                for member in ["message", "type", "param"] {
                    assert!(event["error"].get(member).is_some(), "no `{member}`: {text}");
                }
            }
            Self::Cut => {
                let cut = match answer.end {
                    End::Truncated | End::Reset => answer.status == 200,
                    End::Nothing => answer.status == 0,
                    End::Complete | End::Stalled | End::Malformed => false,
                };
                assert!(cut, "{} {:?} {text}", answer.status, answer.end);
            }
        }
    }
}

/// A provider at `openai` that answers once with `reply`.
#[track_caller]
pub(crate) fn meets(settings: &str, asks: Asks, reply: Reply, sees: Sees, says: Says) {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), settings);
    provider.next(reply);
    let answer = scene.ask(asks);
    checked(&provider, &scene, &answer, sees, says);
}

/// The same with a reply that waits at a gate, which opens once the caller has read `needle`.
#[track_caller]
pub(crate) fn breaks_off(asks: Asks, reply: impl FnOnce(&Gate) -> Reply, needle: &str, sees: Sees, says: Says) {
    let provider = Provider::start();
    let scene = Scene::at(&provider.base_url(), "");
    let gate = Gate::new();
    provider.next(reply(&gate));
    let mut open = scene.call(asks).open();
    let (begun, _) = open.until_contains(needle);
    gate.open();
    let mut answer = open.finish();
    answer.body.splice(..0, begun.into_bytes());
    checked(&provider, &scene, &answer, sees, says);
}

#[track_caller]
fn checked(provider: &Provider, scene: &Scene, answer: &Answer, sees: Sees, says: Says) {
    sees.check(answer);
    scene.said(says, false);
    assert_eq!(provider.count(), 1, "it was sent again, and may be charged twice");
    scene.goes_on();
    scene.daemon.http().chat(MODEL, "the same provider again").send().ok();
}

/// A listener that answers the first bytes of each connection with `bytes` and closes.
pub(crate) fn answering(bytes: &'static [u8]) -> SocketAddr {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 4096];
            let _some = stream.read(&mut buffer);
            stream.write_all(bytes).ok();
        }
    });
    addr
}

/// Rows in which a provider's reply fails. Each becomes one test.
macro_rules! replies {
    ($($name:ident { $(settings: $settings:expr,)? asks: $asks:ident, provider: $reply:expr, caller: $sees:expr, log: $says:expr $(,)? })*) => {
        $(#[test]
        fn $name() {
            let settings = "";
            $(let settings = { let _: &str = settings; $settings };)?
            $crate::faults::row::meets(settings, $crate::faults::row::Asks::$asks, $reply, $sees, $says);
        })*
    };
}
pub(crate) use replies;
