//! A daemon of another age, or one with ill intent: it listens where the real one would, announces another protocol, or
//! answers what no daemon of ours would. What it was asked is remembered.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bitrouter_proto::{
    PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER,
    tasks::Tasks,
    wire::{ListNamesResponse, PushRequest, PushResponse, ReloadRequest, ReloadResponse, StatusResponse, StopResponse},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use rustix::process::Signal;
use tokio::{net::UnixListener, sync::Notify};

use crate::{as_uid, process, process::Process, world::World};

/// A control server that is none of ours.
#[derive(Debug)]
pub struct FakeDaemon {
    socket: PathBuf,
    state: Arc<State>,
    _body: Process,
}

#[derive(Debug)]
struct State {
    version: &'static str,
    protocol: u32,
    pid: u32,
    answers: Option<Answers>,
    calls: Mutex<Vec<String>>,
    sent: Mutex<Vec<String>>,
    ended: Notify,
}

/// What a daemon answers that knows our methods.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// Its status.
    pub status: StatusResponse,
    /// The variables that it asks for.
    pub names: Vec<String>,
}

impl FakeDaemon {
    /// Listens at the world's usual socket as release `version` with protocol number `protocol`. Its process, as far
    /// as a client can tell, is an idle one that ends when `Stop` is called; nobody listens after that.
    #[track_caller]
    pub fn start(world: &World, version: &'static str, protocol: u32) -> Self {
        Self::listen(world, version, protocol, None)
    }

    /// One of our release that answers as it likes.
    #[track_caller]
    pub fn answering(world: &World, answers: Answers) -> Self {
        Self::listen(world, VERSION, PROTOCOL, Some(answers))
    }

    #[track_caller]
    fn listen(world: &World, version: &'static str, protocol: u32, answers: Option<Answers>) -> Self {
        let body = world.program("/bin/sleep".as_ref(), ["600"]).spawn();
        let state = Arc::new(State {
            version,
            protocol,
            pid: body.pid(),
            answers,
            calls: Mutex::default(),
            sent: Mutex::default(),
            ended: Notify::new(),
        });
        world.directory("run/bitrouter");
        let socket = world.socket();
        let (path, shared, user) = (socket.clone(), Arc::clone(&state), world.user());
        let (listening, is_listening) = std::sync::mpsc::sync_channel(1);
        thread::Builder::new()
            .name("fake daemon".into())
            .spawn(move || {
                as_uid::switch_thread(user);
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async move {
                    let listener = UnixListener::bind(&path).expect("bind");
                    rustix::fs::chmod(&path, 0o600.into()).expect("chmod");
                    listening.send(()).expect("somebody waits");
                    serve(listener, &shared).await;
                    std::fs::remove_file(&path).ok();
                });
            })
            .expect("a thread for the fake daemon");
        is_listening.recv().expect("a fake daemon that listens");
        Self { socket, state, _body: body }
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The process that it says it is.
    pub fn pid(&self) -> u32 {
        self.state.pid
    }

    /// The methods that were called, in their order.
    pub fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The names of the variables that it was sent with a value.
    pub fn sent(&self) -> Vec<String> {
        self.state.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(listener: UnixListener, state: &Arc<State>) {
    let tasks = Tasks::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => accepted.expect("accept").0,
            () = state.ended.notified() => break,
        };
        let state = Arc::clone(state);
        tasks.spawn("connection", async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let state = Arc::clone(&state);
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request
                        .into_body()
                        .collect()
                        .await
                        .map(http_body_util::Collected::to_bytes)
                        .unwrap_or_default();
                    Ok::<_, Infallible>(answer(&state, &path, &body))
                }
            });
            http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await.ok();
        });
    }
    drop(listener);
    tasks.wait().await;
}

fn answer(state: &State, path: &str, body: &[u8]) -> Response<BoxBody<Bytes, Infallible>> {
    let method = path.trim_start_matches("/bitrouter.control.v1.").to_owned();
    let message = body.get(5..).unwrap_or_default();
    let variables = match method.as_str() {
        "DaemonService/Reload" => ReloadRequest::decode(message).map(|request| request.variables).unwrap_or_default(),
        "EnvironmentService/Push" => PushRequest::decode(message).map(|request| request.variables).unwrap_or_default(),
        _ => Vec::new(),
    };
    let sent = variables.into_iter().filter(|variable| variable.value.is_some()).map(|variable| variable.name);
    state.sent.lock().unwrap_or_else(PoisonError::into_inner).extend(sent);
    let message = match (method.as_str(), &state.answers) {
        ("DaemonService/Status", Some(answers)) => Some(answers.status.encode_to_vec()),
        ("EnvironmentService/ListNames", Some(answers)) => {
            Some(ListNamesResponse { names: answers.names.clone() }.encode_to_vec())
        }
        ("DaemonService/Reload", Some(_)) => Some(ReloadResponse::default().encode_to_vec()),
        ("EnvironmentService/Push", Some(_)) => Some(PushResponse::default().encode_to_vec()),
        ("DaemonService/Status", None) => Some(
            StatusResponse {
                state: "running".into(),
                pid: state.pid,
                version: state.version.into(),
                protocol: state.protocol,
                started_at: "2020-01-01T00:00:00.000Z".into(),
                ..StatusResponse::default()
            }
            .encode_to_vec(),
        ),
        ("DaemonService/Stop", _) => {
            process::kill(state.pid, Signal::KILL);
            state.ended.notify_one();
            Some(StopResponse { pid: state.pid }.encode_to_vec())
        }
        _ => None,
    };
    state.calls.lock().unwrap_or_else(PoisonError::into_inner).push(method);
    let mut trailers = HeaderMap::new();
    let mut framed = BytesMut::new();
    if let Some(message) = message {
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).expect("a small message"));
        framed.put_slice(&message);
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
    } else {
        // Another age may not even know the method.
        trailers.insert("grpc-status", HeaderValue::from_static("12"));
    }
    let body = Full::new(framed.freeze()).with_trailers(async move { Some(Ok(trailers)) }).boxed();
    Response::builder()
        .header("content-type", "application/grpc")
        .header(VERSION_HEADER, state.version)
        .header(PROTOCOL_HEADER, state.protocol)
        .body(body)
        .expect("a response")
}
