//! A `base_url` that leads back to the agent: directly, through another agent, through a forwarder.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use bitrouter_proto::clock;
use bitrouter_tests::{Answer, Client, InferenceFixture, MODEL, World, wait};

/// A port that is free now.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// A model that the registry lists: by its bare name it leads to the same provider at every station of the circle.
#[track_caller]
fn listed_model(http: Client) -> String {
    let list = http.get("/v1/models").send().ok().json();
    list["data"][0]["id"].as_str().expect("a model").to_owned()
}

#[track_caller]
fn is_a_loop(answer: &Answer) {
    let error = answer.refused(508, "loop_detected");
    assert!(error["message"].as_str().is_some_and(|text| text.contains("base_url")), "{error}");
}

#[test]
fn r1_02_two_agents_that_lead_to_each_other() {
    let world = World::new();
    let (one, other) = (free_port(), free_port());
    let settings = |own: u16, next: u16| {
        format!(
            "[server]\nlisten = \"127.0.0.1:{own}\"\n[providers.openai]\nbase_url = \"http://127.0.0.1:{next}/v1\"\n"
        )
    };
    world.config(&settings(one, other));
    world.write("other/bitrouter/config.toml", settings(other, one));
    let key = world.canary("openai");
    let mut second = world.serve().listen_as_configured().env("OPENAI_API_KEY", &key);
    for (variable, below) in [
        ("CONFIG_HOME", "other"),
        ("DATA_HOME", "other/data"),
        ("STATE_HOME", "other/state"),
        ("RUNTIME_DIR", "other/run"),
    ] {
        second = second.env(format!("XDG_{variable}"), world.directory(below));
    }
    let _second = second.spawn();
    let second = Client::new(SocketAddr::from(([127, 0, 0, 1], other)), world.user());
    wait::holds("the second agent", || second.try_connect().is_ok());
    let first = world.serve().listen_as_configured().env("OPENAI_API_KEY", &key).start();
    let model = listed_model(first.http());
    let start = clock::monotonic_now();
    for http in [first.http(), second] {
        is_a_loop(&http.chat(&model, "x").send());
        is_a_loop(&http.chat_stream(&model, "x").send());
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    first.http().get("/health").send().ok();
}

#[test]
fn calls_go_out_under_the_id_of_the_node() {
    let fixture = InferenceFixture::new();
    let metadata = fixture.http().get("/.well-known/oauth-authorization-server").send().ok().json();
    let node = metadata["node_id"].as_str().expect("an id").to_owned();
    fixture.http().chat(MODEL, "x").header("x-bitrouter-hop", "other").send().ok();
    assert_eq!(fixture.provider.last().request.header("x-bitrouter-hop"), Some(format!("other, {node}").as_str()));
    is_a_loop(&fixture.http().chat(MODEL, "x").header("x-bitrouter-hop", &node).send());
}

/// Passes connections on to where `target` says, from sockets of that caller's user.
fn forwarder(target: Arc<Mutex<Option<Client>>>) -> SocketAddr {
    fn copy(mut from: TcpStream, mut to: TcpStream) {
        io::copy(&mut from, &mut to).ok();
        to.shutdown(Shutdown::Write).ok();
    }
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("an address");
    thread::spawn(move || {
        for front in listener.incoming().flatten() {
            let Some(client) = *target.lock().expect("no panic") else { continue };
            let back = client.connect();
            let (front2, back2) = (front.try_clone().expect("a copy"), back.try_clone().expect("a copy"));
            thread::spawn(move || copy(front, back));
            thread::spawn(move || copy(back2, front2));
        }
    });
    addr
}

#[test]
fn r1_02_a_forwarder_in_front_of_ourselves() {
    let target = Arc::default();
    let addr = forwarder(Arc::clone(&target));
    let world = World::new();
    world.config(&format!(
        "[server]\nallow_hosts = [\"{addr}\"]\n[providers.openai]\nbase_url = \"http://{addr}/v1\"\n"
    ));
    let daemon = world.serve().env("OPENAI_API_KEY", world.canary("openai")).start();
    *target.lock().expect("no panic") = Some(daemon.http());
    let model = listed_model(daemon.http());
    let start = clock::monotonic_now();
    is_a_loop(&daemon.http().chat(&model, "x").send());
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn r1_02_hops_are_counted_and_ours_is_added() {
    let fixture = InferenceFixture::new();
    fixture
        .http()
        .chat(MODEL, "x")
        .header("x-bitrouter-hop", "1,2, 3")
        .header("x-bitrouter-hop", "4,5,6,7,8")
        .send()
        .ok();
    let sent = fixture.provider.last();
    let hops: Vec<&str> = sent.request.header("x-bitrouter-hop").expect("the hops").split(", ").collect();
    assert_eq!(hops[..8], ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert!(hops.len() == 9 && hops[8].len() >= 16, "{hops:?}");
    fixture.http().chat(MODEL, "x").send().ok();
    let alone = fixture.provider.last();
    assert_eq!(alone.request.header("x-bitrouter-hop"), Some(hops[8]), "one id for the life of the daemon");
    for list in ["1,2,3,4,5,6,7,8,9", hops[8]] {
        is_a_loop(&fixture.http().chat(MODEL, "x").header("x-bitrouter-hop", list).send());
        is_a_loop(&fixture.http().get("/v1/models").header("x-bitrouter-hop", list).send());
    }
    assert_eq!(fixture.provider.count(), 2);
}

#[test]
fn of_several_addresses_that_could_lead_back_no_list_is_given_to_callers() {
    let world = World::new();
    let at = |id: &str| format!("[providers.{id}]\nbase_url = \"https://{id}.example/v1\"\n");
    world.config(&format!("{}{}", at("openai"), at("groq")));
    let daemon = world.serve().arg("--demo").start();
    let call = daemon.http().chat("openai:m", "x").header("x-bitrouter-hop", "a,b,c,d,e,f,g,h,i");
    let answer = call.send();
    is_a_loop(&answer);
    assert!(!answer.text().contains("providers.") && answer.text().contains("api_base"), "{}", answer.text());
    daemon.stop();
}
