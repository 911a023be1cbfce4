//! Every method of the control API, read from the compiled contract, so that none is forgotten.

use bitrouter_proto::wire::DESCRIPTORS;
use bitrouter_tests::{World, control::Control, descriptors};

/// What a client of any age may call.
pub(crate) const ANY_AGE: [&str; 2] = ["DaemonService/Status", "DaemonService/Stop"];

/// All of them, as in `DaemonService/Status`.
pub(crate) fn all() -> Vec<String> {
    let set = descriptors::decode(DESCRIPTORS);
    let mut methods = Vec::new();
    for file in set.file.iter().filter(|file| file.package() == "bitrouter.control.v1") {
        for service in &file.service {
            methods.extend(service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())));
        }
    }
    assert!(methods.len() >= 8, "the contract lost its methods: {methods:?}");
    methods
}

/// All but those that answer under any protocol.
pub(crate) fn guarded() -> Vec<String> {
    all().into_iter().filter(|method| !ANY_AGE.contains(&method.as_str())).collect()
}

#[test]
fn the_two_methods_of_any_age_exist() {
    assert_eq!(all().len(), guarded().len() + ANY_AGE.len());
}

#[test]
fn reflection_speaks_its_first_version_too() {
    let world = World::new();
    let daemon = world.demo();
    // `list_services`, field 7, empty.
    for version in ["v1", "v1alpha"] {
        let method = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        let told = Control::connect(&daemon.socket()).call_bytes(&method, &[0x3a, 0]).expect("an answer");
        let text = String::from_utf8_lossy(&told.message).into_owned();
        for service in ["bitrouter.control.v1.DaemonService", "bitrouter.control.v1.EnvironmentService"] {
            assert!(text.contains(service), "{version}: `{service}` is not in {text:?}");
        }
    }
}
