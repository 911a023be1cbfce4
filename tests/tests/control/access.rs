//! Every method of the control API, asked by every class of peer.

use std::os::unix::fs::PermissionsExt as _;

use bitrouter_tests::{User, World, as_uid, control::Control, procfs, shared_files};

use super::methods;

/// The head of the answer to each method, `None` where there is no answer; the one that ends the daemon comes last.
fn heads(world: &World, user: User) -> Vec<(String, Option<http::HeaderMap>)> {
    let socket = world.socket();
    let mut all = methods::all();
    all.sort_by_key(|method| method.ends_with("/Stop"));
    as_uid::run(user, || {
        let ask = |method: &String| Control::try_connect(&socket).ok()?.head(method, &[]);
        all.iter().map(|method| (method.clone(), ask(method))).collect()
    })
}

/// The code in the head, where the answer ends with it.
fn code(head: &http::HeaderMap) -> Option<i32> {
    head.get("grpc-status")?.to_str().ok()?.parse().ok()
}

#[test]
fn p05_the_owner_and_root_may_call_every_method() {
    let world = World::new();
    let mut classes = vec![world.user()];
    if world.user().is_exclusive() {
        classes.push(User::root());
    } else {
        shared_files::lacks("a second uid: the tests do not run as root");
    }
    for class in classes {
        let mut daemon = world.demo();
        for (method, head) in heads(&world, class) {
            let head = head.unwrap_or_else(|| panic!("`{method}` was not answered to {class:?}"));
            let refused = [tonic::Code::PermissionDenied, tonic::Code::Unimplemented].map(|code| code as i32);
            assert!(code(&head).is_none_or(|code| !refused.contains(&code)), "`{method}` for {class:?}: {head:?}");
        }
        daemon.wait(std::time::Duration::from_secs(20));
    }
}

#[test]
fn p05_another_user_gets_no_answer_to_any_method() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let daemon = world.demo();
    for path in ["", "run", "run/bitrouter"] {
        let dir = std::fs::File::open(world.path(path)).expect("open");
        dir.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    rustix::fs::chmod(world.socket(), 0o666.into()).expect("chmod");
    for (method, head) in heads(&world, foreign) {
        assert!(head.is_none(), "`{method}` was answered: {head:?}");
    }
    assert!(procfs::is_running(daemon.pid()));
}

#[test]
fn a_method_that_no_table_names_is_not_there() {
    let world = World::new();
    let daemon = world.demo();
    for method in ["DaemonService/Nonsense", "/nonsense", "/grpc.health.v1.Health/Nonsense"] {
        let refused = Control::connect(&daemon.socket()).call_bytes(method, &[]).expect_err("a refusal");
        assert_eq!((refused.code, refused.reason.as_str()), (tonic::Code::Unimplemented, "UNIMPLEMENTED"), "{method}");
    }
}
