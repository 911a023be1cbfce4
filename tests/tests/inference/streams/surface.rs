//! The six surfaces that stream, each with its request and with the frames of a scripted stream; a daemon whose provider
//! plays, for each call, what that call says.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use bitrouter_tests::{
    Answer, Daemon, Gate, Provider, Reply, Serve, World,
    dialects::{Event, Newline, Turn, Vendor, chat, google, messages, responses},
    http::{Call, Client, Opened},
    logs,
    provider::Exchange,
};
use serde_json::{Value, json};

/// The id of the response that the scripted streams speak of.
pub(crate) const RESPONSE: &str = "resp_scripted7";

/// One way to ask for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    Chat,
    Completions,
    Messages,
    Responses,
    GoogleEvents,
    GoogleArray,
}

impl Surface {
    pub(crate) const ALL: [Self; 6] =
        [Self::Chat, Self::Completions, Self::Messages, Self::Responses, Self::GoogleEvents, Self::GoogleArray];

    /// Where a stream, or a whole reply, is asked for.
    pub(crate) fn path(self, stream: bool) -> &'static str {
        match (self, stream) {
            (Self::Chat, _) => "/v1/chat/completions",
            (Self::Completions, _) => "/v1/completions",
            (Self::Messages, _) => "/v1/messages",
            (Self::Responses, _) => "/v1/responses",
            (Self::GoogleEvents, true) => "/v1beta/models/google:m:streamGenerateContent?alt=sse",
            (Self::GoogleArray, true) => "/v1beta/models/google:m:streamGenerateContent",
            (Self::GoogleEvents | Self::GoogleArray, false) => "/v1beta/models/google:m:generateContent",
        }
    }

    /// The body of a request; where usage must be asked for, it is.
    pub(crate) fn body(self, stream: bool) -> Value {
        let user = json!([{"role": "user", "content": "x"}]);
        let options = if stream { json!({"include_usage": true}) } else { Value::Null };
        match self {
            Self::Chat => json!({"model": "openai:m", "messages": user, "stream": stream, "stream_options": options}),
            Self::Completions => {
                json!({"model": "openai:m", "prompt": "x", "stream": stream, "stream_options": options})
            }
            Self::Messages => json!({"model": "anthropic:m", "max_tokens": 99, "messages": user, "stream": stream}),
            Self::Responses => json!({"model": "openai:m", "input": "x", "stream": stream}),
            Self::GoogleEvents | Self::GoogleArray => json!({"contents": [{"role": "user", "parts": [{"text": "x"}]}]}),
        }
    }

    /// The frames of a whole stream: events, or the elements of an array with what stands before them, and its end.
    /// With CRLF an array is written as Google does it: each element over several lines.
    pub(crate) fn frames(self, turn: &Turn, newline: Newline) -> Vec<String> {
        let frames = |events: &[Event]| events.iter().map(|event| event.frame(newline)).collect();
        match self {
            Self::Chat => frames(&chat::events(turn, "m", true)),
            Self::Completions => frames(&completions(turn)),
            Self::Messages => frames(&messages::events(turn, "m")),
            Self::Responses => frames(&responses::events(turn, "m", RESPONSE)),
            Self::GoogleEvents => frames(&google::events(turn, "m")),
            Self::GoogleArray if newline == Newline::Lf => google::array(&google::answers(turn, "m")),
            Self::GoogleArray => {
                let answers = google::answers(turn, "m");
                let element = |(number, answer): (usize, &Value)| {
                    format!("{}{answer:#}", if number == 0 { "[" } else { "\n,\r\n" })
                };
                answers.iter().enumerate().map(element).chain(["\n]\n".to_owned()]).collect()
            }
        }
    }

    /// How many of the frames must have come so that nothing is missing.
    pub(crate) fn complete_after(self, frames: usize) -> usize {
        if self == Self::GoogleArray { frames - 1 } else { frames }
    }

    /// The whole reply that says and counts the same.
    pub(crate) fn whole(self, turn: &Turn) -> Value {
        match self {
            Self::Chat => chat::whole(turn, "m"),
            Self::Completions => {
                let usage = chat::whole(turn, "m")["usage"].clone();
                let choice = json!({"index": 0, "text": turn.all_text(), "finish_reason": "stop", "logprobs": null});
                json!({"id": "cmpl", "object": "text_completion", "created": 1, "choices": [choice], "usage": usage})
            }
            Self::Messages => messages::whole(turn, "m"),
            Self::Responses => responses::whole(turn, "m", RESPONSE),
            Self::GoogleEvents | Self::GoogleArray => google::whole(turn, "m"),
        }
    }

    /// The head of a stream, to which pieces are added.
    pub(crate) fn head(self) -> Reply {
        Reply::stream_with(200, &[("content-type", self.media_type())])
    }

    /// The head of a stream that only the end of its connection ends.
    pub(crate) fn head_until_close(self) -> Reply {
        Reply::until_close(200, &[("content-type", self.media_type())])
    }

    fn media_type(self) -> &'static str {
        if self == Self::GoogleArray { "application/json; charset=UTF-8" } else { "text/event-stream; charset=utf-8" }
    }
}

/// The events of a stream of `/v1/completions`.
fn completions(turn: &Turn) -> Vec<Event> {
    let chunk = |choices: Value, usage: Value| {
        let head = json!({"id": "cmpl", "object": "text_completion", "created": 1, "model": "m", "choices": choices});
        let mut chunk = head;
        chunk["usage"] = usage;
        Event::data(&chunk)
    };
    let text =
        |text: &str, reason: Value| json!([{"index": 0, "text": text, "finish_reason": reason, "logprobs": null}]);
    let said = turn.text.iter().map(|piece| chunk(text(piece, Value::Null), Value::Null));
    let counted = chat::whole(turn, "m")["usage"].clone();
    let end = [chunk(text("", json!("stop")), Value::Null), chunk(json!([]), counted), Event::done()];
    said.chain(end).collect()
}

/// A daemon with keys for three vendors, all of them played by one provider.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) daemon: Daemon,
    pub(crate) world: World,
    provider: Provider,
    plays: Arc<Mutex<HashMap<String, Reply>>>,
    calls: AtomicUsize,
}

impl Scene {
    #[track_caller]
    pub(crate) fn new(settings: &str) -> Self {
        Self::build(settings, |serve| serve)
    }

    #[track_caller]
    pub(crate) fn build(settings: &str, change: impl FnOnce(Serve) -> Serve) -> Self {
        let (world, provider) = (World::new(), Provider::start());
        let plays: Arc<Mutex<HashMap<String, Reply>>> = Arc::default();
        let scripts = Arc::clone(&plays);
        provider.always(move |request| {
            let play = request.header("x-play").unwrap_or_default();
            scripts.lock().unwrap_or_else(PoisonError::into_inner).remove(play).expect("something to play")
        });
        let vendors: String = Vendor::ALL.iter().map(|vendor| vendor.settings(&provider)).collect();
        world.config(&format!("{settings}\n{vendors}"));
        let serve = Vendor::ALL.iter().fold(world.serve(), |serve, vendor| serve.env(vendor.variable(), "a-key"));
        let daemon = change(serve.args(["--log-format", "json"])).start();
        Self { daemon, world, provider, plays, calls: AtomicUsize::new(0) }
    }

    /// A call that the provider answers with `reply`.
    pub(crate) fn call(&self, surface: Surface, stream: bool, reply: Reply) -> Call {
        self.post(surface.path(stream), &surface.body(stream), reply)
    }

    /// A call of any path.
    pub(crate) fn post(&self, path: &str, body: &Value, reply: Reply) -> Call {
        self.played(self.http().post(path).json(body.to_string()), reply)
    }

    /// Has the provider answer `call` with `reply`.
    pub(crate) fn played(&self, call: Call, reply: Reply) -> Call {
        let play = self.calls.fetch_add(1, Ordering::Relaxed).to_string();
        self.plays.lock().unwrap_or_else(PoisonError::into_inner).insert(play.clone(), reply);
        call.header("x-play", &play)
    }

    fn http(&self) -> Client {
        self.daemon.http()
    }

    /// The only exchange that plays so far, or the last one.
    pub(crate) fn exchange(&self, number: usize) -> Arc<Exchange> {
        self.provider.exchange(number)
    }

    /// Plays `reply` up to `gate`, which opens once the caller has all of `before`; the whole answer.
    #[track_caller]
    pub(crate) fn gated(&self, surface: Surface, reply: Reply, gate: &Gate, before: &str) -> Answer {
        let mut open = self.call(surface, true, reply).open();
        let begun = until_length(&mut open, before.len());
        gate.open();
        let mut answer = open.finish();
        answer.body.splice(..0, begun);
        answer
    }

    /// The log line of an answer's request.
    #[track_caller]
    pub(crate) fn line(&self, answer: &Answer) -> Line {
        self.line_of(answer.header("x-bitrouter-request-id").expect("an id"))
    }

    /// The log line of the request with this id.
    #[track_caller]
    pub(crate) fn line_of(&self, id: &str) -> Line {
        let of = |text: &str| {
            logs::with_message(text, "request").into_iter().find(|line| logs::member(line, "request_id") == id)
        };
        let text = self.daemon.stderr().until("the request's line", |text| of(text).is_some());
        Line(of(&text).expect("just seen"))
    }

    /// The counters of `bitrouter_tokens_total`: input, cache read, cache write, cache write for an hour, output, reasoning.
    #[track_caller]
    pub(crate) fn tokens(&self) -> [u64; 6] {
        let text = self.http().get("/metrics").send().ok().text();
        ["input", "cache_read", "cache_write", "cache_write_1h", "output", "reasoning"].map(|class| {
            let name = format!("bitrouter_tokens_total{{class=\"{class}\"}} ");
            let line = text.lines().find_map(|line| line.strip_prefix(&name));
            line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
        })
    }
}

/// Reads until at least so many bytes of the body have come.
pub(crate) fn until_length(open: &mut Opened, length: usize) -> Vec<u8> {
    let mut body = Vec::new();
    while body.len() < length {
        let Some(piece) = open.piece() else { break };
        body.extend(piece);
    }
    body
}

/// What the log says of one request.
#[derive(Debug)]
pub(crate) struct Line(Value);

impl Line {
    pub(crate) fn member(&self, name: &str) -> Value {
        logs::member(&self.0, name).clone()
    }

    /// Input and output tokens.
    pub(crate) fn tokens(&self) -> [Option<u64>; 2] {
        [self.member("input_tokens").as_u64(), self.member("output_tokens").as_u64()]
    }

    /// Checks status, error code and whether the caller left.
    #[track_caller]
    pub(crate) fn says(&self, status: u16, code: Option<&str>, cancelled: bool) {
        let found = (self.member("status"), self.member("error_code"), self.member("cancelled"));
        assert_eq!(found, (json!(status), json!(code), json!(cancelled)), "{}", self.0);
    }
}
