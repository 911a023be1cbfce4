//! The scripted provider: answers at once what the model of the request asks for, and counts who came and who left.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bitrouter_proto::tasks::Tasks;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{Sleep, sleep},
};

use crate::{
    dialect::Dialect,
    sse::{self, EVENTS, FIFTY, FLOOD, KEY_PREFIX, Script},
};

/// Between two events of [`Script::Paced`]: longer than a process under valgrind needs for one.
const PAUSE: Duration = Duration::from_millis(12);

/// What the benchmark asks for in between.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    /// Requests of [`Script::Hold`] and [`Script::Silent`] that came.
    arrived: u64,
    /// Of those, whose connection went.
    left: u64,
    /// Bytes of [`Script::Flood`] that were taken.
    produced: u64,
}

struct Provider {
    counts: watch::Sender<Counts>,
    completions: Vec<(Dialect, Bytes)>,
    block: Bytes,
}

pub(super) async fn run(listener: TcpListener, tasks: Tasks) {
    let provider = Arc::new(Provider {
        counts: watch::Sender::default(),
        completions: Dialect::ALL.into_iter().map(|dialect| (dialect, dialect.completion())).collect(),
        block: sse::block(),
    });
    loop {
        let stream = super::accept(&listener).await;
        let provider = Arc::clone(&provider);
        tasks.spawn("provider", async move {
            let service = service_fn(|request| answer(Arc::clone(&provider), request));
            http1::Builder::new().serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
}

async fn answer(provider: Arc<Provider>, request: Request<Incoming>) -> Result<Response<Scripted>, hyper::Error> {
    let (head, body) = request.into_parts();
    if head.method == http::Method::GET {
        return Ok(Response::new(Scripted::Whole(provider.tell(head.uri.path()).await)));
    }
    let body = body.collect().await?.to_bytes();
    let dialect = Dialect::of_path(head.uri.path());
    let Some(script) = dialect.script(head.uri.path(), &body) else {
        let mut reply =
            Response::new(Scripted::Whole(Bytes::from_static(b"{\"error\":{\"message\":\"no such script\"}}")));
        *reply.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(reply);
    };
    let body = match script {
        Script::Plain => Scripted::Whole(provider.completion(dialect)),
        Script::Key => Scripted::Whole(key(&head.headers)),
        Script::Events => Scripted::Events { dialect, left: EVENTS, is_next_due: true },
        Script::Fifty => Scripted::Events { dialect, left: FIFTY, is_next_due: true },
        Script::Paced => Scripted::Paced { dialect, left: FIFTY, pause: Box::pin(sleep(PAUSE)) },
        Script::Hold => Scripted::Hold { event: Some(dialect.event()), _visit: Visit::of(&provider) },
        Script::Silent => {
            let _visit = Visit::of(&provider);
            return std::future::pending().await;
        }
        Script::Flood => Scripted::Flood { left: FLOOD, provider: Arc::clone(&provider) },
    };
    let kind = if matches!(body, Scripted::Whole(_)) { "application/json" } else { "text/event-stream" };
    let mut reply = Response::new(body);
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply.headers_mut().insert("x-request-id", HeaderValue::from_static("req_bench"));
    Ok(reply)
}

fn key(headers: &HeaderMap) -> Bytes {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let end = key.rsplit_once(KEY_PREFIX).map_or("none", |(_, end)| end);
    Bytes::from(format!("{{\"key\":\"{end}\"}}"))
}

impl Provider {
    fn completion(&self, dialect: Dialect) -> Bytes {
        let found = self.completions.iter().find(|(other, _)| *other == dialect);
        found.map(|(_, completion)| completion.clone()).unwrap_or_default()
    }

    /// `/arrived`, `/left`, `/produced`: the count; with a number behind it, as soon as the count is above that.
    async fn tell(&self, path: &str) -> Bytes {
        let mut parts = path.trim_start_matches('/').split('/');
        let count: fn(&Counts) -> u64 = match parts.next() {
            Some("arrived") => |counts| counts.arrived,
            Some("left") => |counts| counts.left,
            _ => |counts| counts.produced,
        };
        let mut counts = self.counts.subscribe();
        if let Some(above) = parts.next().and_then(|text| text.parse().ok()) {
            counts.wait_for(|counts| count(counts) > above).await.ok();
        }
        let now = count(&counts.borrow());
        Bytes::from(now.to_string())
    }
}

/// Somebody who waits; dropping it says that they left.
struct Visit(Arc<Provider>);

impl Visit {
    fn of(provider: &Arc<Provider>) -> Self {
        provider.counts.send_modify(|counts| counts.arrived += 1);
        Self(Arc::clone(provider))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.left += 1);
    }
}

/// A scripted body.
enum Scripted {
    Whole(Bytes),
    Events { dialect: Dialect, left: usize, is_next_due: bool },
    Paced { dialect: Dialect, left: usize, pause: Pin<Box<Sleep>> },
    Hold { event: Option<Bytes>, _visit: Visit },
    Flood { left: u64, provider: Arc<Provider> },
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let data = match self.get_mut() {
            Self::Whole(bytes) => std::mem::take(bytes),
            Self::Events { dialect, left, is_next_due } => {
                if !*is_next_due {
                    // A pause of one turn, so that each event is a write of its own.
                    *is_next_due = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                *is_next_due = false;
                match *left {
                    0 => Bytes::new(),
                    1 => {
                        *left = 0;
                        dialect.done()
                    }
                    _ => {
                        *left -= 1;
                        dialect.event()
                    }
                }
            }
            Self::Paced { dialect, left, pause } => {
                ready!(pause.as_mut().poll(cx));
                pause.set(sleep(PAUSE));
                let data = match *left {
                    0 => Bytes::new(),
                    1 => dialect.done(),
                    _ => dialect.event(),
                };
                *left = left.saturating_sub(1);
                data
            }
            Self::Hold { event, .. } => match event.take() {
                Some(event) => event,
                None => return Poll::Pending,
            },
            Self::Flood { left, provider } => {
                let block = provider.block.clone();
                let length = block.len() as u64;
                if *left < length {
                    Bytes::new()
                } else {
                    *left -= length;
                    provider.counts.send_modify(|counts| counts.produced += length);
                    block
                }
            }
        };
        Poll::Ready((!data.is_empty()).then(|| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            _ => SizeHint::default(),
        }
    }
}
