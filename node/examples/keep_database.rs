//! Makes the directory that `tests/data/node/<migration>` keeps of a release: a node as this release leaves it.
//!
//! `cargo run -p bitrouter-node --example keep_database tests/data/node/0001` once, when a release has a new migration; what is
//! kept is never made again.

use std::{path::PathBuf, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bitrouter_node::{
    Machine, Node, NodeOptions, Settings,
    clock::{ManualClock, Moment},
    leases::NewLease,
    people::{Password, namespaces},
};
use bitrouter_proto::{
    account::{MicroUsd, Role},
    tasks::Tasks,
};
use http::Request;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::args_os().nth(1).map(PathBuf::from).ok_or("which directory?")?;
    let clock = Arc::new(ManualClock::new(Moment::from_millis(1_790_000_000_000)));
    let options = NodeOptions {
        dir: dir.clone(),
        owner_name: "owner".to_owned(),
        database: None,
        settings: Arc::new(ArcSwap::from_pointee(Settings::default())),
        clock,
        tasks: Tasks::new(),
        outbound: Arc::new(bitrouter_node::outbound::NoOutbound),
    };
    let node = Node::open_on(options, Machine { id: "a".repeat(32), ..Machine::this() }).await?;
    let password = || Password::new("correct horse".into());
    for name in ["Ada", "Eve"] {
        node.add_user(name.parse()?, password()?).await?;
    }
    let work = namespaces::create(&node, node.owner(), "work").await?;
    node.set_member("work", "Ada", Role::Member).await?;
    node.mint_operator_key("grafana", None).await?;
    for (below, body) in [
        ("keys", r#"{"display_name":"ci","scopes":["inference:invoke"]}"#),
        ("oauth/clients", r#"{"client_name":"tool","client_type":"public","allowed_grant_types":["refresh_token"]}"#),
        ("policies", r#"{"name":"cap","kind":"budget","spec":{"window":"day","limit_micro_usd":5000000}}"#),
    ] {
        let request = Request::post(format!("/v1/namespaces/{}/{below}", work.id));
        let request = request.header("content-type", "application/json").body(body.into())?;
        let made = Arc::clone(&node).answer_owner(request).await;
        assert!(made.status().is_success(), "{below}: {}", made.status());
    }
    let lease = NewLease {
        name: "exec agent".to_owned(),
        namespace: work.id,
        budget: Some(MicroUsd::new(2_000_000)),
        models: vec!["demo/*".to_owned()],
        lasts: Duration::from_hours(24),
    };
    // Nobody claims it: it is left open.
    let (_, hold) = node.open_lease(lease, Arc::new(|| false)).await?;
    let old = namespaces::create(&node, node.owner(), "old").await?;
    namespaces::delete(&node, node.owner(), &old.id.to_string()).await?;
    node.remove_user("Eve").await?;
    node.close().await;
    drop(hold);
    std::fs::remove_file(dir.join("node.lock"))?;
    Ok(())
}
