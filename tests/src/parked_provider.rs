//! A provider that can hold thousands of streams at once: asynchronous, on one thread, with nothing to script. A call
//! for the model `parked` gets its first token and waits for the release; every other call is answered at once. Each
//! answer names the key it was called with by its fingerprint.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use bitrouter_proto::tasks::Tasks;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use crate::openai::{self, KEY_HEADER};

/// The model whose streams wait.
pub const PARKED: &str = "openai:parked";

/// The provider.
#[derive(Debug)]
pub struct ParkedProvider {
    addr: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    released: watch::Sender<bool>,
    parked: AtomicUsize,
    /// How often each fingerprint was seen.
    keys: Mutex<BTreeMap<String, usize>>,
}

impl ParkedProvider {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let shared = Arc::new(Shared {
            released: watch::Sender::new(false),
            parked: AtomicUsize::new(0),
            keys: Mutex::default(),
        });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port for the provider");
        let addr = listener.local_addr().expect("the provider's address");
        listener.set_nonblocking(true).expect("nonblocking");
        let serving = Arc::clone(&shared);
        thread::Builder::new()
            .name("parked provider".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
                runtime.block_on(async move {
                    let listener = TcpListener::from_std(listener).expect("a listener");
                    let tasks = Tasks::new();
                    loop {
                        // Out of descriptors, say: the next accept tells it again.
                        let Ok((stream, _)) = listener.accept().await else {
                            tokio::task::yield_now().await;
                            continue;
                        };
                        let shared = Arc::clone(&serving);
                        tasks.spawn("parked provider connection", async move {
                            serve(stream, &shared).await;
                        });
                    }
                });
            })
            .expect("a thread for the provider");
        Self { addr, shared }
    }

    /// Settings that send the calls for `id` here.
    pub fn as_provider(&self, id: &str) -> String {
        format!("[providers.{id}]\nbase_url = \"http://{}/v1\"\n", self.addr)
    }

    /// Settings that send the calls for `openai` here.
    pub fn as_openai(&self) -> String {
        self.as_provider("openai")
    }

    /// How many streams wait.
    pub fn parked(&self) -> usize {
        self.shared.parked.load(Ordering::SeqCst)
    }

    /// Lets every waiting stream end, and those to come at once.
    pub fn release(&self) {
        self.shared.released.send_replace(true);
    }

    /// How many calls came, by the fingerprint of their key.
    pub fn keys(&self) -> BTreeMap<String, usize> {
        self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many calls came.
    pub fn calls(&self) -> usize {
        self.keys().values().sum()
    }
}

async fn serve(mut stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).ok();
    let mut bytes = Vec::new();
    while let Some((head, body)) = read(&mut stream, &mut bytes).await {
        let key = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("authorization").then(|| value.trim().trim_start_matches("Bearer ").to_owned())
        });
        let print = key.map_or_else(|| "none".to_owned(), |key| openai::fingerprint(&key));
        *shared.keys.lock().unwrap_or_else(PoisonError::into_inner).entry(print.clone()).or_default() += 1;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let model = body["model"].as_str().unwrap_or("?").to_owned();
        let answered = if body["stream"] == true {
            streamed(&mut stream, shared, &print, model == "parked").await
        } else {
            let body = openai::completion(&model, &format!("key {print}")).to_string();
            let length = body.len();
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
            let head = format!("{head}{KEY_HEADER}: {print}\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all(format!("{head}{body}").as_bytes()).await
        };
        if answered.is_err() {
            return;
        }
    }
}

async fn streamed(stream: &mut TcpStream, shared: &Shared, print: &str, wait: bool) -> std::io::Result<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n";
    let mut text = format!("{head}{KEY_HEADER}: {print}\r\n\r\n");
    text += &event(&openai::chunk("before "));
    stream.write_all(text.as_bytes()).await?;
    if wait {
        let mut released = shared.released.subscribe();
        shared.parked.fetch_add(1, Ordering::SeqCst);
        // The sender lives as long as the provider.
        released.wait_for(|released| *released).await.ok();
        shared.parked.fetch_sub(1, Ordering::SeqCst);
    }
    let mut text = event(&openai::chunk(&format!("key {print}")));
    text += &event(&openai::last_chunk());
    text += &event("[DONE]");
    text += "0\r\n\r\n";
    stream.write_all(text.as_bytes()).await
}

fn event(data: &str) -> String {
    let event = format!("data: {data}\n\n");
    format!("{:x}\r\n{event}\r\n", event.len())
}

/// The next request: head and body. `None` where none comes whole. Bodies come with their length.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<(String, Vec<u8>)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
            });
            let whole = end + 4 + length.unwrap_or(0);
            if bytes.len() >= whole {
                let body = bytes[end + 4..whole].to_vec();
                bytes.drain(..whole);
                return Some((head, body));
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
