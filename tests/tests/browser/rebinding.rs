//! DNS rebinding as it happens: the page comes from the attacker under a name of his; then the same name and port lead
//! to the daemon, and for the browser every request is same-origin.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use bitrouter_tests::{
    Provider, Reply, World,
    browser::{ATTACKER, Browser, REBOUND},
    wait,
};

use super::{Attacker, html, refusals};

const PAGE: &str = include_str!("rebound.html");

#[test]
fn p06_a_page_that_rebinds_its_name_reads_and_spends_nothing() {
    let world = World::new();
    let provider = Provider::start();
    let key = world.canary("openai");
    world.config(&provider.as_openai());
    let go = Arc::new(AtomicBool::new(false));
    let asked = Arc::new(AtomicBool::new(false));
    let (may, heard) = (Arc::clone(&go), Arc::clone(&asked));
    let home = Attacker::serving("", move |_| {
        heard.store(true, Ordering::SeqCst);
        let answer = if may.load(Ordering::SeqCst) { "go" } else { "wait" };
        Some(Reply::with(200, &[("content-type", "text/plain"), ("access-control-allow-origin", "*")], answer))
    });
    // The attacker's server, on the port that the daemon will have.
    let lure = Provider::start_at(world.user().port());
    lure.always(|_| html(PAGE));
    let port = lure.addr().port();
    let url = format!("http://{REBOUND}:{port}/?home=http://{ATTACKER}:{}", home.port());
    let browser = Browser::open(&world, &url);
    wait::until_within("the page to run", super::PATIENCE, || asked.load(Ordering::SeqCst).then_some(()));
    // The name now leads elsewhere: the attacker's server is gone, the daemon is there.
    drop(lure);
    wait::holds("the port to be free", || std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    let serve = world.serve().listen_as_configured().args(["--listen", &format!("127.0.0.1:{port}")]);
    let daemon = serve.env("OPENAI_API_KEY", &key).start();
    let before = refusals(&daemon, "host_not_allowed");
    go.store(true, Ordering::SeqCst);
    let report = home.report();
    drop(browser);
    for name in ["list", "health", "metrics", "spend", "stream"] {
        assert_eq!(report[name]["status"], 403, "{name}: {report:#}");
        let text = report[name]["text"].as_str().expect("text");
        assert!(text.contains("host_not_allowed") && !text.contains("openai"), "{name}: {report:#}");
    }
    assert_eq!(provider.count(), 0, "the page spent something: {report:#}");
    assert!(refusals(&daemon, "host_not_allowed") - before >= 5, "{report:#}");
}
