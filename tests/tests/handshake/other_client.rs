//! The real daemon and clients of other ages: another protocol number is refused by name, another release is not, and
//! Status and Stop answer under any.

use bitrouter_proto::{
    PROTOCOL, PROTOCOL_HEADER, VERSION, VERSION_HEADER,
    wire::{
        self, ListNamesRequest, ListNamesResponse, ReloadRequest, ReloadResponse, StatusRequest, StatusResponse,
        StopRequest, StopResponse,
    },
};
use bitrouter_tests::{Daemon, World, control::Control, descriptors};
use http::HeaderMap;
use tonic::Code;

/// Protocol numbers that are not ours, some of them none at all.
const OTHERS: [&str; 7] = ["0", "2", "99", "4294967296", "-1", "one", "1.0"];

#[track_caller]
fn announces_us(metadata: &HeaderMap) {
    let text = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert_eq!((text(VERSION_HEADER), text(PROTOCOL_HEADER)), (VERSION, PROTOCOL.to_string().as_str()));
}

fn demo() -> (World, Daemon) {
    let world = World::new();
    let daemon = world.demo();
    (world, daemon)
}

/// Every method of the control API, from its own descriptors: `DaemonService/Status` and so on.
fn methods() -> Vec<(String, bool)> {
    let set = descriptors::decode(wire::DESCRIPTORS);
    let services =
        set.file.iter().filter(|file| file.package() == "bitrouter.control.v1").flat_map(|file| &file.service);
    let methods = services.flat_map(|service| {
        service.method.iter().map(|method| (format!("{}/{}", service.name(), method.name()), method.server_streaming()))
    });
    methods.collect()
}

#[test]
fn every_reply_announces_version_and_protocol() {
    let (_world, daemon) = demo();
    let mut control = Control::connect(&daemon.socket());
    announces_us(
        &control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status").metadata,
    );
    announces_us(
        &control
            .call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest {})
            .expect("names")
            .metadata,
    );
    for method in ["DaemonService/Nothing", "LogService/SetLevel", "No/Service"] {
        announces_us(&control.call_bytes(method, &[]).expect_err("a refusal").metadata);
    }
    let mut old = Control::connect(&daemon.socket()).announcing("0.0.1", "99");
    announces_us(&old.call_bytes("DaemonService/Reload", &[]).expect_err("a refusal").metadata);
}

#[test]
fn another_protocol_is_refused_by_every_method_but_two() {
    let (_world, daemon) = demo();
    let methods = methods();
    assert!(methods.len() >= 8, "{methods:?}");
    for other in OTHERS {
        let mut client = Control::connect(&daemon.socket()).announcing("9.8.7", other);
        for (method, _) in methods.iter().filter(|(method, _)| method != "DaemonService/Stop") {
            let answer = client.call_bytes(method, &[]);
            if method == "DaemonService/Status" {
                announces_us(
                    &answer.unwrap_or_else(|refused| panic!("{method} under `{other}`: {refused:?}")).metadata,
                );
                continue;
            }
            let refused = answer.expect_err("served");
            assert_eq!(refused.code, Code::FailedPrecondition, "{method} under `{other}`: {refused:?}");
            assert_eq!(
                (refused.reason.as_str(), refused.domain.as_str()),
                ("VERSION_MISMATCH", "bitrouter"),
                "{method}"
            );
            // Both versions, both numbers, and the one command that cures it.
            for part in ["9.8.7", other, VERSION, &PROTOCOL.to_string()] {
                assert!(refused.message.contains(part), "{method}: `{part}` is not in `{}`", refused.message);
            }
            assert_eq!(refused.facts.get("command").map(String::as_str), Some("bitrouter restart"), "{refused:?}");
        }
    }
    assert_eq!(daemon.status()["reloads"]["count"], 0);
}

#[test]
fn another_release_of_the_same_protocol_is_served() {
    let (_world, daemon) = demo();
    for version in ["0.0.1", "99.99.99", "0.1.0-nightly+x", "", "not a version"] {
        let mut client = Control::connect(&daemon.socket()).announcing(version, &PROTOCOL.to_string());
        client.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default()).expect(version);
    }
}

#[test]
fn a_client_that_announces_nothing_is_served() {
    let (_world, daemon) = demo();
    let mut client = Control::connect(&daemon.socket()).announcing_nothing();
    client.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default()).expect("a reload");
    let names = client.call::<ListNamesResponse>("EnvironmentService/ListNames", &ListNamesRequest {}).expect("names");
    assert!(names.message.names.contains(&"OPENAI_API_KEY".to_owned()), "{:?}", names.message.names);
}

#[test]
fn stop_answers_under_any_protocol() {
    for other in ["0", "99", "one"] {
        let (_world, mut daemon) = demo();
        let mut client = Control::connect(&daemon.socket()).announcing("0.0.1", other);
        let stopped = client.call::<StopResponse>("DaemonService/Stop", &StopRequest::default()).expect("an end");
        assert_eq!(stopped.message.pid, daemon.pid());
        daemon.wait(bitrouter_tests::wait::PATIENCE);
    }
}

#[test]
fn fields_and_messages_of_a_later_age_are_ignored() {
    let (_world, daemon) = demo();
    let mut client = Control::connect(&daemon.socket());
    // Field 2000, a string; field 2001, a varint: what a later release may add to any request.
    let later = [0x82, 0x7d, 0x03, b'n', b'e', b'w', 0x88, 0x7d, 0x2a];
    for method in
        ["DaemonService/Status", "DaemonService/Reload", "EnvironmentService/ListNames", "EnvironmentService/Push"]
    {
        client.call_bytes(method, &later).unwrap_or_else(|refused| panic!("{method}: {refused:?}"));
    }
}

#[test]
fn the_status_says_the_protocol_in_json() {
    let (_world, daemon) = demo();
    let status = daemon.status();
    assert_eq!((&status["protocol"], &status["version"]), (&PROTOCOL.into(), &VERSION.into()));
}
