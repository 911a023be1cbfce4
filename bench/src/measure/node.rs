//! The node, in this process: the binary limits how often a device may ask, and this asks how often it could.

use std::{net::Ipv4Addr, sync::Arc, time::Instant};

use bitrouter_gateway::http::{Caller, ResponseBody};
use bitrouter_node::{
    Node, NodeOptions,
    clock::SystemClock,
    http::{Entrance, Visitor},
    oauth::approval::Decision,
};
use bitrouter_proto::{account::ScopeSet, clock, tasks::Tasks};
use bytes::Bytes;
use http::{Method, Request, Response, header};
use http_body_util::BodyExt as _;
use serde_json::Value;

use crate::{
    args::Options,
    bound::{Bound, Row, Unit},
    error::BenchError,
    stats::number,
};

const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How many threads check tokens at once, where the machine has so many cores.
const THREADS: u64 = 4;

/// Sign-ins, refreshes, and checks of the tokens that came of them.
pub(super) async fn rows(options: &Options) -> Result<Vec<Row>, BenchError> {
    let root = tempfile::tempdir().map_err(BenchError::io("make a directory"))?;
    let node = Node::open(NodeOptions {
        dir: root.path().join("node"),
        owner_name: "bench".to_owned(),
        database: None,
        settings: Arc::default(),
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(),
        outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
    });
    let node = node.await.map_err(|error| unexpected(&error))?;

    // No more than a person's sessions in a namespace: beyond, each ends another.
    let grants = options.pick(90, 30);
    let started = clock::monotonic_now();
    let mut tokens = Vec::new();
    for device in 0..grants {
        tokens.push(sign_in(&node, device).await?);
    }
    let signed_in = per_second(u64::from(grants), started);

    let started = clock::monotonic_now();
    for (access, refresh) in &mut tokens {
        (*access, *refresh) = pair(&ask(&node, &refresh_form(refresh), "/oauth/token", 0).await?)?;
    }
    let refreshed = per_second(u64::from(grants), started);

    let access: Arc<Vec<String>> = Arc::new(tokens.into_iter().map(|(access, _)| access).collect());
    let checks = options.pick(400_000, 100_000);
    let alone = check(&node, &access, checks)?;
    let started = clock::monotonic_now();
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (node, access) = (Arc::clone(&node), Arc::clone(&access));
            std::thread::spawn(move || check(&node, &access, checks))
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| BenchError::Unexpected("a thread broke off".to_owned()))??;
    }
    let together = per_second(THREADS * checks, started);
    node.close().await;
    Ok(vec![
        Row::new("token check", Unit::Micros, alone, Some(Bound::deadline(5.0))),
        Row::new(format!("token checks, {THREADS} threads"), Unit::PerSecond, together, None),
        Row::new("device grants: start, approval, tokens", Unit::PerSecond, signed_in, None),
        Row::new("refreshes", Unit::PerSecond, refreshed, None),
    ])
}

/// Microseconds of one check.
fn check(node: &Node, tokens: &[String], times: u64) -> Result<f64, BenchError> {
    let started = clock::monotonic_now();
    for (_, token) in (0..times).zip(tokens.iter().cycle()) {
        node.judge(std::hint::black_box(token.as_bytes())).map_err(|error| unexpected(&error))?;
    }
    Ok(1e6 / per_second(times, started))
}

/// One whole device grant. Each device asks from an address of its own, so that no limit concerns it.
async fn sign_in(node: &Arc<Node>, device: u32) -> Result<(String, String), BenchError> {
    let code = ask(node, "client_id=bitrouter-cli", "/oauth/device_authorization", device).await?;
    let text = |name: &str| {
        code[name].as_str().map(str::to_owned).ok_or_else(|| BenchError::Unexpected(format!("no {name}: {code}")))
    };
    let decision = Decision { namespace: node.first_namespace(), scopes: ScopeSet::DEFAULT, own_device: true };
    let approved = node.approve_code(&text("user_code")?, node.owner(), &visitor(device), decision).await;
    approved.map_err(|error| unexpected(&error))?;
    let form = format!("client_id=bitrouter-cli&grant_type={DEVICE_GRANT}&device_code={}", text("device_code")?);
    pair(&ask(node, &form, "/oauth/token", device).await?)
}

fn refresh_form(token: &str) -> String {
    format!("client_id=bitrouter-cli&grant_type=refresh_token&refresh_token={token}")
}

fn pair(document: &Value) -> Result<(String, String), BenchError> {
    match (document["access_token"].as_str(), document["refresh_token"].as_str()) {
        (Some(access), Some(refresh)) => Ok((access.to_owned(), refresh.to_owned())),
        _ => Err(BenchError::Unexpected(format!("no tokens: {document}"))),
    }
}

async fn ask(node: &Arc<Node>, form: &str, path: &str, device: u32) -> Result<Value, BenchError> {
    let request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::copy_from_slice(form.as_bytes()))
        .map_err(|error| unexpected(&error))?;
    let reply: Response<ResponseBody> = Arc::clone(node).answer_whole(request, Caller::Anyone, visitor(device)).await;
    let body = reply.into_body().collect().await.map_err(|error| unexpected(&error))?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| unexpected(&error))
}

/// Somebody in the network that is kept for benchmarks (RFC 2544).
fn visitor(device: u32) -> Visitor {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(198, 18, 0, 0).to_bits() + device);
    Visitor { uid: None, is_own_user: false, address: address.into(), entrance: Entrance::Public }
}

fn per_second(times: u64, started: Instant) -> f64 {
    number(times) / clock::monotonic_now().saturating_duration_since(started).as_secs_f64()
}

fn unexpected(error: &dyn std::fmt::Display) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
