//! Every error of the control API says why in a word of the closed set, and none is of the kind "unknown".

use bitrouter_proto::{
    codes::{DOMAIN, Reason},
    wire::{ReloadRequest, SetLevelRequest, StatusRequest, StatusResponse},
};
use bitrouter_tests::{
    World,
    control::{Control, Refused},
};
use prost::Message as _;
use tonic::Code;

use super::methods;

/// Bytes that one message may have.
const LIMIT: usize = 4 << 20;

#[track_caller]
fn has_reason(what: &str, refused: &Refused) -> Reason {
    assert_ne!(refused.code, Code::Unknown, "{what}: {refused:?}");
    assert_eq!(refused.domain, DOMAIN, "{what}: {refused:?}");
    let reason = Reason::parse(&refused.reason);
    let reason = reason.unwrap_or_else(|| panic!("{what}: `{}` is in no list: {refused:?}", refused.reason));
    assert_eq!(refused.code, reason.code(), "{what}: {refused:?}");
    assert!(!refused.message.is_empty(), "{what}: {refused:?}");
    super::metadata::is_announced(what, &refused.metadata);
    reason
}

/// A message of exactly `size` bytes that is legal to every method: one field that nobody knows.
fn unknown_field(size: usize) -> Vec<u8> {
    // Field 1000, length-delimited; a length of four bytes in front of the rest.
    let payload = size - 6;
    let mut message = vec![0xc2, 0x3e];
    message.extend([0_u32, 7, 14, 21].map(|shift| {
        let more = if shift == 21 { 0 } else { 0x80 };
        u8::try_from((payload >> shift) & 0x7f).expect("seven bits") | more
    }));
    message.resize(size, b'x');
    message
}

#[test]
fn p05_a_message_of_more_than_4_mib_is_refused_on_every_method() {
    let world = World::new();
    let daemon = world.demo();
    for method in methods::all() {
        for size in [LIMIT + 1, 2 * LIMIT] {
            let what = format!("{method} with {size} bytes");
            let mut control = Control::connect(&daemon.socket());
            let refused = match control.call_bytes(&method, &unknown_field(size)) {
                Ok(told) => panic!("{what} was taken: {:?}", told.metadata),
                Err(refused) => refused,
            };
            assert_eq!(refused.code, Code::ResourceExhausted, "{what}: {refused:?}");
            assert_eq!(has_reason(&what, &refused), Reason::MessageTooLarge, "{what}");
        }
    }
    assert_eq!(daemon.status()["state"], "running", "a message that was too large stopped the daemon");
}

#[test]
fn p05_a_message_of_exactly_4_mib_is_served() {
    let world = World::new();
    let daemon = world.demo();
    let mut control = Control::connect(&daemon.socket());
    for method in methods::all() {
        // What ends the daemon, and what never ends, are not asked.
        if ["/Stop", "/WatchEvents", "/WatchActivity"].iter().any(|endless| method.ends_with(endless)) {
            continue;
        }
        match control.call_bytes(&method, &unknown_field(LIMIT)) {
            Ok(told) => super::metadata::is_announced(&method, &told.metadata),
            // An empty question may be refused for what it asks, never for its size.
            Err(refused) => {
                let reason = has_reason(&method, &refused);
                let asked = [Reason::InvalidArgument, Reason::NotFound, Reason::NotSignedIn].contains(&reason);
                assert!(asked, "{method}: {refused:?}");
            }
        }
    }
}

#[test]
fn p05_every_error_says_why() {
    let world = World::new();
    let daemon = world.demo();
    let mut control = Control::connect(&daemon.socket());
    // What does not exist.
    let nowhere = [
        "DaemonService/Nonsense",
        "DaemonService/status",
        "DaemonService/",
        "NoService/Status",
        "DaemonService/Status/More",
        "LogService/Status",
    ];
    for method in nowhere {
        let refused = control.call_bytes(method, &[]).expect_err(method);
        assert_eq!(has_reason(method, &refused), Reason::Unimplemented, "{method}");
    }
    // What is no message: a tag that promises more than there is.
    for method in methods::all() {
        let what = format!("nonsense to {method}");
        let refused = match control.call_bytes(&method, &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]) {
            Ok(told) => panic!("{what} was taken: {told:?}"),
            Err(refused) => refused,
        };
        let reason = has_reason(&what, &refused);
        assert!(matches!(reason, Reason::InvalidArgument | Reason::Internal), "{what}: {reason}");
    }
    // What is a message and makes no sense.
    for level in ["", "loud", "INFO ", "off"] {
        let question = SetLevelRequest { level: level.into() }.encode_to_vec();
        let refused = control.call_bytes("LogService/SetLevel", &question).expect_err(level);
        assert_eq!(has_reason("SetLevel", &refused), Reason::InvalidArgument, "`{level}`");
    }
    assert_eq!(daemon.status()["state"], "running");
}

#[test]
fn p05_a_refused_reload_says_why() {
    for (broken, reason) in [
        ("[server]\nlisten = \"127.0.0.1:1\"\n", Reason::RestartNeeded),
        ("[server\n", Reason::ConfigInvalid),
        ("[nonsense]\nx = 1\n", Reason::ConfigInvalid),
    ] {
        let world = World::new();
        // `--listen` on the command line would win over every file, so that a file changed nothing.
        world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
        let daemon = world.serve().arg("--demo").listen_as_configured().start();
        let mut control = Control::connect(&daemon.socket());
        world.config(broken);
        let question = ReloadRequest::default().encode_to_vec();
        let refused = control.call_bytes("DaemonService/Reload", &question).expect_err(broken);
        assert_eq!(has_reason(broken, &refused), reason, "{broken}: {refused:?}");
        let told = control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status");
        super::metadata::is_announced("Status after a refused reload", &told.metadata);
    }
}

#[test]
fn p05_no_reason_stands_for_the_code_unknown() {
    for reason in Reason::ALL {
        assert!(!matches!(reason.code(), Code::Unknown | Code::Ok), "{reason}");
        assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
    }
}
