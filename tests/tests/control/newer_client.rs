//! A client of another age calls this daemon: only another protocol number is refused, and what is refused has changed
//! nothing.

use bitrouter_proto::{
    PROTOCOL, VERSION,
    wire::{
        ListNamesRequest, ListNamesResponse, LogsRequest, PushRequest, PushResponse, ReloadRequest, ReloadResponse,
        SetLevelRequest, SetLevelResponse, StatusRequest, StatusResponse, StopRequest, StopResponse, Variable,
        WatchEventsRequest, WatchEventsResponse,
    },
};
use bitrouter_tests::{
    Daemon, World,
    control::{Control, Refused},
    wait,
};
use tonic::Code;

use super::methods;

/// Protocol numbers that are not ours, and what is no number at all.
const OTHERS: [&str; 5] = ["0", "2", "999", "18446744073709551616", "one"];

#[track_caller]
fn status(daemon: &Daemon) -> StatusResponse {
    let mut control = Control::connect(&daemon.socket());
    control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status").message
}

#[track_caller]
fn is_a_mismatch(what: &str, protocol: &str, refused: &Refused) {
    let facts = (refused.code, refused.reason.as_str(), refused.domain.as_str());
    assert_eq!(facts, (Code::FailedPrecondition, "VERSION_MISMATCH", "bitrouter"), "{what}: {refused:?}");
    for said in ["9.8.7", protocol, VERSION, &format!("protocol {PROTOCOL}")] {
        assert!(refused.message.contains(said), "{what}: `{said}` is not in `{}`", refused.message);
    }
    assert_eq!(refused.facts.get("command").map(String::as_str), Some("bitrouter restart"), "{what}");
    super::metadata::is_announced(what, &refused.metadata);
}

/// One useful call of every method that a client makes in the course of its life; each must be served.
#[track_caller]
fn everything_is_served(daemon: &Daemon, who: &str, connect: impl Fn() -> Control) {
    let fail = |method: &str, refused: Box<Refused>| -> ! { panic!("{who}: `{method}` was refused: {refused:?}") };
    let mut control = connect();
    let told = control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {});
    let told = told.unwrap_or_else(|refused| fail("Status", refused));
    assert_eq!((told.message.pid, told.message.protocol), (daemon.pid(), PROTOCOL), "{who}");
    super::metadata::is_announced(who, &told.metadata);
    let told = control.call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest::default());
    let told = told.unwrap_or_else(|refused| fail("ListNames", refused));
    assert!(told.message.names.iter().any(|name| name == "OPENAI_API_KEY"), "{who}: {:?}", told.message);
    super::metadata::is_announced(who, &told.metadata);
    let key = daemon.world().canary("handshake");
    let push = PushRequest { variables: vec![Variable { name: "OPENAI_API_KEY".into(), value: Some(key) }] };
    let told = control.call::<PushResponse>("EnvironmentService/Push", &push);
    super::metadata::is_announced(who, &told.unwrap_or_else(|refused| fail("Push", refused)).metadata);
    let level = SetLevelRequest { level: "debug".into() };
    let told = control.call::<SetLevelResponse>("LogService/SetLevel", &level);
    let told = told.unwrap_or_else(|refused| fail("SetLevel", refused));
    assert_eq!(told.message.level, "debug", "{who}");
    super::metadata::is_announced(who, &told.metadata);
    let told = control.call_bytes("DaemonService/Logs", &prost::Message::encode_to_vec(&LogsRequest::default()));
    super::metadata::is_announced(who, &told.unwrap_or_else(|refused| fail("Logs", refused)).metadata);
    // A watcher, and something for it to see.
    let mut watching = connect();
    let mut events = watching.open("DaemonService/WatchEvents", &WatchEventsRequest {});
    let told = control.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default());
    super::metadata::is_announced(who, &told.unwrap_or_else(|refused| fail("Reload", refused)).metadata);
    let event = events.message::<WatchEventsResponse>().unwrap_or_else(|| panic!("{who}: no event"));
    assert!(!event.kind.is_empty(), "{who}: {event:?}");
}

#[test]
fn p15_another_protocol_number_is_refused_on_every_method_but_status_and_stop() {
    let world = World::new();
    let daemon = world.demo();
    let before = status(&daemon);
    for protocol in OTHERS {
        let mut control = Control::connect(&daemon.socket()).announcing("9.8.7", protocol);
        for method in methods::guarded() {
            let what = format!("{method} under protocol {protocol}");
            // An empty message is a legal question of every method; a huge one is refused for its sender all the same.
            for message in [Vec::new(), vec![0xff; 100]] {
                match control.call_bytes(&method, &message) {
                    Ok(told) => panic!("{what} was served: {told:?}"),
                    Err(refused) => is_a_mismatch(&what, protocol, &refused),
                }
            }
        }
        let told = control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status");
        assert_eq!((told.message.pid, told.message.version.as_str()), (daemon.pid(), VERSION), "{protocol}");
        super::metadata::is_announced("Status", &told.metadata);
    }
    let after = status(&daemon);
    let facts = |status: &StatusResponse| {
        (status.reloads.clone().unwrap_or_default().count, status.pushed_variables, status.log_level.clone())
    };
    assert_eq!(facts(&before), facts(&after), "a refused call changed something");
}

#[test]
fn p15_stop_answers_under_any_protocol() {
    for protocol in OTHERS {
        let world = World::new();
        let mut daemon = world.demo();
        let mut control = Control::connect(&daemon.socket()).announcing("9.8.7", protocol);
        let told = control.call::<StopResponse>("DaemonService/Stop", &StopRequest { timeout_ms: Some(0) });
        let told = told.unwrap_or_else(|refused| panic!("`Stop` under protocol {protocol}: {refused:?}"));
        assert_eq!(told.message.pid, daemon.pid(), "{protocol}");
        super::metadata::is_announced("Stop", &told.metadata);
        let ended = daemon.wait(wait::PATIENCE);
        assert!(ended.success(), "protocol {protocol}: {ended}");
    }
}

#[test]
fn p15_a_client_that_announces_nothing_is_served() {
    let world = World::new();
    let daemon = world.demo();
    everything_is_served(&daemon, "announcing nothing", || Control::connect(&daemon.socket()).announcing_nothing());
}

#[test]
fn p15_another_version_with_the_same_protocol_is_served() {
    let protocol = PROTOCOL.to_string();
    for version in ["0.0.1", "99.0.0", "1.2.3-rc.1+build", "not a version"] {
        let world = World::new();
        let daemon = world.demo();
        everything_is_served(&daemon, version, || Control::connect(&daemon.socket()).announcing(version, &protocol));
    }
}

#[test]
fn p15_one_connection_may_change_what_it_announces() {
    let world = World::new();
    let daemon = world.demo();
    let mut control = Control::connect(&daemon.socket());
    for round in 0..3 {
        control = control.announcing("9.8.7", "2");
        let refused = control.call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest::default());
        is_a_mismatch(&format!("round {round}"), "2", &refused.expect_err("served"));
        control = control.announcing(VERSION, &PROTOCOL.to_string());
        control
            .call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest::default())
            .unwrap_or_else(|refused| panic!("a refusal spoiled the connection: {refused:?}"));
    }
}
