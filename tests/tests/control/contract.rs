//! The contract on the wire, as it was promised, stands in `tests/data/control-v1.bin`. What breaks it fails; what adds
//! to it is recorded there, so that it is a promise from then on.
//!
//! `UPDATE_DESCRIPTORS=1 cargo nextest run --release -p bitrouter-tests --test control` records additions. It does not
//! record a break: who means one raises `PROTOCOL` and removes the file first.

use std::path::{Path, PathBuf};

use bitrouter_proto::wire::DESCRIPTORS;
use bitrouter_tests::descriptors::{breaks, decode};
use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/control-v1.bin")
}

/// What is compiled in, without comments and positions: they promise nothing.
fn compiled() -> FileDescriptorSet {
    promised(DESCRIPTORS)
}

fn promised(bytes: &[u8]) -> FileDescriptorSet {
    let mut set = decode(bytes);
    for file in &mut set.file {
        file.source_code_info = None;
    }
    set.file.sort_by(|one, other| one.name().cmp(other.name()));
    set
}

#[expect(clippy::disallowed_methods, reason = "this test is also the generator")]
fn update(old: Option<&FileDescriptorSet>, new: &FileDescriptorSet) {
    if std::env::var_os("UPDATE_DESCRIPTORS").is_some() && old.is_none_or(|old| breaks(old, new).is_empty()) {
        std::fs::write(file(), new.encode_to_vec()).expect("write the descriptor set");
    }
}

#[test]
fn p15_the_contract_on_the_wire_breaks_nobody() {
    let read = || std::fs::read(file()).ok().map(|bytes| promised(&bytes));
    let new = compiled();
    update(read().as_ref(), &new);
    let old = read().expect("tests/data/control-v1.bin is missing: run this test with UPDATE_DESCRIPTORS=1");
    let found = breaks(&old, &new);
    assert!(
        found.is_empty(),
        "the control API would break clients of this protocol number:\n{}\nadd instead of changing; if it must be, \
         raise `PROTOCOL` and record the set anew",
        found.join("\n")
    );
    assert!(old == new, "additions are not recorded yet: run this test with UPDATE_DESCRIPTORS=1");
}

fn message<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut DescriptorProto {
    let mut all = set.file.iter_mut().flat_map(|file| &mut file.message_type);
    all.find(|message| message.name() == name).unwrap_or_else(|| panic!("no message `{name}`"))
}

fn field<'a>(set: &'a mut FileDescriptorSet, name: &str, of: &str) -> &'a mut FieldDescriptorProto {
    let mut all = message(set, of).field.iter_mut();
    all.find(|field| field.name() == name).unwrap_or_else(|| panic!("no field `{of}.{name}`"))
}

fn method<'a>(set: &'a mut FileDescriptorSet, name: &str) -> &'a mut MethodDescriptorProto {
    let mut all = set.file.iter_mut().flat_map(|file| &mut file.service).flat_map(|service| &mut service.method);
    all.find(|method| method.name() == name).unwrap_or_else(|| panic!("no method `{name}`"))
}

type Change = fn(&mut FileDescriptorSet);

/// Changes that break somebody, and what must be said of each.
const BREAKS: [(&str, Change, &str); 18] = [
    ("a removed field", |set| message(set, "StatusResponse").field.retain(|f| f.name() != "pid"), "StatusResponse.pid"),
    ("a renumbered field", |set| field(set, "pid", "StatusResponse").number = Some(77), "number 2, is 77"),
    (
        "two fields swapped",
        |set| {
            field(set, "version", "StatusResponse").number = Some(9);
            field(set, "config", "StatusResponse").number = Some(3);
        },
        "StatusResponse.version",
    ),
    ("a number given to another", |set| field(set, "pid", "StatusResponse").name = Some("id".into()), "called `id`"),
    ("a retyped field", |set| field(set, "pid", "StatusResponse").set_type(Type::String), "Uint32, is String"),
    ("a wider number", |set| field(set, "protocol", "StatusResponse").set_type(Type::Uint64), "Uint32, is Uint64"),
    (
        "another message in a field",
        |set| {
            field(set, "reloads", "StatusResponse").type_name = Some(".bitrouter.control.v1.Warning".into());
        },
        "control.v1.Warning",
    ),
    ("single made repeated", |set| field(set, "socket", "StatusResponse").set_label(Label::Repeated), "repeated"),
    ("repeated made single", |set| field(set, "listen", "StatusResponse").set_label(Label::Optional), "was repeated"),
    (
        "optional made plain",
        |set| {
            let field = field(set, "timeout_ms", "StopRequest");
            (field.proto3_optional, field.oneof_index) = (None, None);
        },
        "was optional, is single",
    ),
    (
        "a removed message",
        |set| {
            for file in &mut set.file {
                file.message_type.retain(|message| message.name() != "KeyChange");
            }
        },
        "KeyChange` is gone",
    ),
    (
        "a removed method",
        |set| {
            for service in set.file.iter_mut().flat_map(|file| &mut file.service) {
                service.method.retain(|method| method.name() != "Push");
            }
        },
        "EnvironmentService/Push` is gone",
    ),
    ("a renamed method", |set| method(set, "SetLevel").name = Some("Level".into()), "SetLevel` is gone"),
    (
        "a removed service",
        |set| {
            for file in &mut set.file {
                file.service.retain(|service| service.name() != "LogService");
            }
        },
        "LogService/SetLevel` is gone",
    ),
    (
        "another request",
        |set| {
            method(set, "Status").input_type = Some(".bitrouter.control.v1.StopRequest".into());
        },
        "DaemonService/Status` was",
    ),
    (
        "another reply",
        |set| {
            method(set, "Stop").output_type = Some(".bitrouter.control.v1.StatusResponse".into());
        },
        "DaemonService/Stop` was",
    ),
    ("a stream made one answer", |set| method(set, "Logs").server_streaming = Some(false), "DaemonService/Logs` was"),
    (
        "another package",
        |set| set.file.iter_mut().for_each(|f| f.package = Some("bitrouter.control.v2".into())),
        "gone",
    ),
];

/// Changes that everybody survives.
const ADDITIONS: [(&str, Change); 5] = [
    ("nothing", |_| ()),
    ("a new field", |set| {
        let new =
            FieldDescriptorProto { name: Some("new".into()), number: Some(900), ..FieldDescriptorProto::default() };
        message(set, "StatusResponse").field.push(new);
    }),
    ("a new message", |set| {
        let new = DescriptorProto { name: Some("New".into()), ..DescriptorProto::default() };
        set.file[0].message_type.push(new);
    }),
    ("a new method", |set| {
        let new = MethodDescriptorProto { name: Some("New".into()), ..method(set, "Status").clone() };
        let service = set.file.iter_mut().flat_map(|file| &mut file.service).next().expect("a service");
        service.method.push(new);
    }),
    ("another order", |set| message(set, "StatusResponse").field.reverse()),
];

#[test]
fn p15_every_kind_of_break_is_noticed_and_no_addition_is() {
    let old = compiled();
    for (name, change, said) in BREAKS {
        let mut new = old.clone();
        change(&mut new);
        assert!(new != old, "{name}: the change changed nothing");
        let found = breaks(&old, &new);
        assert!(found.iter().any(|sentence| sentence.contains(said)), "{name}: `{said}` was not said: {found:?}");
    }
    for (name, change) in ADDITIONS {
        let mut new = old.clone();
        change(&mut new);
        let found = breaks(&old, &new);
        assert!(found.is_empty(), "{name}: {found:?}");
        // The other way round an addition is a removal, which the check must see.
        assert_eq!(breaks(&new, &old).is_empty(), new == old || name == "another order", "{name} taken back");
    }
}

#[test]
fn p15_a_message_to_the_client_stream_would_be_noticed() {
    let old = compiled();
    for name in ["Status", "Reload", "Stop", "WatchEvents", "Logs", "ListNames", "Push", "Compare", "SetLevel"] {
        let mut new = old.clone();
        method(&mut new, name).client_streaming = Some(true);
        assert_eq!(breaks(&old, &new).len(), 1, "{name}");
    }
}

#[test]
fn p15_each_method_has_messages_of_its_own() {
    let set = compiled();
    let mut seen = std::collections::BTreeSet::new();
    for method in set.file.iter().flat_map(|file| &file.service).flat_map(|service| &service.method) {
        for (kind, name) in [("Request", method.input_type()), ("Response", method.output_type())] {
            assert!(name.ends_with(&format!(".{}{kind}", method.name())), "`{}` uses `{name}`", method.name());
            assert!(seen.insert(name.to_owned()), "`{name}` is used twice");
        }
    }
}
