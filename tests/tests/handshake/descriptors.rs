//! The control API as it was released under protocol 1 (`tests/data/control-v1.bin`) beside the one that is built now: a
//! field that was removed, renumbered, renamed or retyped fails here, and so does a method that is gone. Additions are
//! fine.
//!
//! `UPDATE_CONTROL_V1=1 cargo test --release -p bitrouter-tests --test handshake` writes the file anew: with a release,
//! and together with another protocol number where something really has to break.

use std::path::Path;

use bitrouter_proto::{env::Environment, files, wire::DESCRIPTORS};
use bitrouter_tests::descriptors::{breaks, decode};
use prost_types::{FileDescriptorSet, field_descriptor_proto::Type};

const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/control-v1.bin");

fn released() -> FileDescriptorSet {
    if Environment::of_process().text("UPDATE_CONTROL_V1").is_some() {
        let path = Path::new(RELEASED);
        let flags = rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::CLOEXEC;
        let dir =
            rustix::fs::open(path.parent().expect("a directory"), flags, rustix::fs::Mode::empty()).expect("open");
        files::replace(&dir, "control-v1.bin", DESCRIPTORS, path).expect("write");
        rustix::fs::chmodat(&dir, "control-v1.bin", 0o644.into(), rustix::fs::AtFlags::empty()).expect("chmod");
    }
    decode(&std::fs::read(RELEASED).expect("tests/data/control-v1.bin"))
}

#[test]
fn the_control_api_breaks_nothing_that_was_released() {
    let found = breaks(&released(), &decode(DESCRIPTORS));
    assert!(found.is_empty(), "this breaks clients and daemons of protocol 1:\n{}", found.join("\n"));
}

#[test]
fn each_method_has_a_message_of_its_own() {
    let set = decode(DESCRIPTORS);
    let services =
        set.file.iter().filter(|file| file.package() == "bitrouter.control.v1").flat_map(|file| &file.service);
    let mut seen = std::collections::BTreeSet::new();
    for method in services.flat_map(|service| &service.method) {
        for (message, suffix) in [(method.input_type(), "Request"), (method.output_type(), "Response")] {
            assert!(seen.insert(message.to_owned()), "two methods share `{message}`");
            assert_eq!(message, format!(".bitrouter.control.v1.{}{suffix}", method.name()));
        }
    }
    assert!(seen.len() >= 16, "{seen:?}");
}

/// What the check says after one change to the set that is built now.
fn after(change: impl FnOnce(&mut FileDescriptorSet)) -> Vec<String> {
    let old = decode(DESCRIPTORS);
    let mut new = old.clone();
    change(&mut new);
    breaks(&old, &new)
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut prost_types::DescriptorProto {
    let messages = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    messages.into_iter().find(|message| message.name() == name).expect(name)
}

fn service<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut prost_types::ServiceDescriptorProto {
    let services = set.file.iter_mut().flat_map(|file| &mut file.service);
    services.into_iter().find(|service| service.name() == name).expect(name)
}

#[test]
fn each_kind_of_break_is_noticed() {
    type Change = fn(&mut FileDescriptorSet);
    let cases: [(&str, Change); 13] = [
        ("field `.*pid` is gone", |set| message(set, "StatusResponse").field.retain(|field| field.name() != "pid")),
        ("was number 2, is 200", |set| message(set, "StatusResponse").field[1].number = Some(200)),
        ("is now called `process`", |set| message(set, "StatusResponse").field[1].name = Some("process".into())),
        ("was Uint32, is String", |set| message(set, "StatusResponse").field[1].set_type(Type::String)),
        ("was .bitrouter.control.v1.Reloads, is .bitrouter.control.v1.Warning", |set| {
            let field = message(set, "StatusResponse").field.iter_mut().find(|field| field.name() == "reloads");
            field.expect("reloads").type_name = Some(".bitrouter.control.v1.Warning".into());
        }),
        ("was single, is repeated", |set| {
            message(set, "StatusResponse").field[1].set_label(prost_types::field_descriptor_proto::Label::Repeated);
        }),
        ("was optional, is single", |set| {
            let field = &mut message(set, "StopRequest").field[0];
            (field.proto3_optional, field.oneof_index) = (None, None);
        }),
        ("message `.*KeyChange` is gone", |set| {
            set.file.iter_mut().for_each(|file| file.message_type.retain(|one| one.name() != "KeyChange"));
        }),
        ("method `.*DaemonService/Logs` is gone", |set| {
            service(set, "DaemonService").method.retain(|method| method.name() != "Logs");
        }),
        ("method `.*LogService/SetLevel` is gone", |set| {
            set.file.iter_mut().for_each(|file| file.service.retain(|one| one.name() != "LogService"));
        }),
        ("DaemonService/Logs` was .* -> stream ", |set| {
            let method = service(set, "DaemonService").method.iter_mut().find(|method| method.name() == "Logs");
            method.expect("Logs").server_streaming = Some(false);
        }),
        ("DaemonService/Stop` was ", |set| {
            let method = service(set, "DaemonService").method.iter_mut().find(|method| method.name() == "Stop");
            method.expect("Stop").output_type = Some(".bitrouter.control.v1.StatusResponse".into());
        }),
        ("is gone", |set| set.file.iter_mut().for_each(|file| file.package = Some("bitrouter.control.v2".into()))),
    ];
    for (expected, change) in cases {
        let found = after(change);
        let parts: Vec<&str> = expected.split(".*").collect();
        let hit = found.iter().any(|sentence| parts.iter().all(|part| sentence.contains(part)));
        assert!(hit, "`{expected}` was not noticed: {found:?}");
    }
}

#[test]
fn additions_and_other_words_for_people_are_no_break() {
    assert_eq!(after(|_| {}), Vec::<String>::new());
    let found = after(|set| {
        let mut field = message(set, "StatusResponse").field[0].clone();
        (field.name, field.number, field.json_name) = (Some("brand_new".into()), Some(999), None);
        message(set, "StatusResponse").field.push(field);
        let mut method = service(set, "DaemonService").method[0].clone();
        method.name = Some("BrandNew".into());
        service(set, "DaemonService").method.push(method);
        set.file.iter_mut().for_each(|file| file.source_code_info = None);
    });
    assert_eq!(found, Vec::<String>::new());
}
