//! Another user on the same machine: cannot connect, list, replace or spend, and cannot crowd the owner out.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use bitrouter_proto::wire::{StatusRequest, StatusResponse};
use bitrouter_tests::{
    InferenceFixture, MODEL, User, World, as_uid,
    control::Control,
    descriptors,
    hostile::{Bystander, Hostile, PREFACE, call_headers, flag, frame, kind},
    logs, shared_files,
};

fn open_everything(world: &World) {
    for path in ["", "run", "run/bitrouter", "state", "state/bitrouter"] {
        let dir = std::fs::File::open(world.path(path)).expect("open");
        dir.set_permissions(std::fs::Permissions::from_mode(0o777)).expect("chmod");
    }
    rustix::fs::chmod(world.socket(), 0o666.into()).expect("chmod");
}

#[test]
fn p05_another_user_can_neither_connect_nor_list_nor_replace() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let _daemon = world.demo();
    // The directories above would keep him out already; here only ours does.
    for path in ["", "run", "state"] {
        let dir = std::fs::File::open(world.path(path)).expect("open");
        dir.set_permissions(std::fs::Permissions::from_mode(0o755)).expect("chmod");
    }
    let (socket, run, state) = (world.socket(), world.path("run/bitrouter"), world.path("state/bitrouter"));
    as_uid::run(foreign, || {
        let denied = |what: &str, error: Option<std::io::Error>| {
            let kind = error.map(|error| error.kind());
            assert_eq!(kind, Some(std::io::ErrorKind::PermissionDenied), "{what}");
        };
        denied("connect", std::os::unix::net::UnixStream::connect(&socket).err());
        denied("list the runtime directory", std::fs::read_dir(&run).err());
        denied("list the state directory", std::fs::read_dir(&state).err());
        denied("remove the socket", std::fs::remove_file(&socket).err());
        denied("rename the socket", std::fs::rename(&socket, run.join("x")).err());
        denied("bind beside it", std::os::unix::net::UnixListener::bind(run.join("y")).err());
        denied("read daemon.json", std::fs::read(state.join("daemon.json")).err());
        denied("open the lock", std::fs::File::open(state.join("daemon.lock")).err());
    });
}

#[test]
fn p05_another_user_is_closed_at_accept_whatever_the_modes_say() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let daemon = world.serve().args(["--demo", "--log-format", "json"]).start();
    open_everything(&world);
    let socket = world.socket();
    as_uid::run(foreign, || {
        let mut client = Hostile::connect(&socket);
        client.say(PREFACE);
        client.say(&frame(kind::SETTINGS, 0, 0, &[]));
        let (answer, closed) = client.listen(Duration::from_secs(5));
        assert!(closed && answer.is_empty(), "answered {answer:?}");
    });
    let text = daemon.stderr().until("the refusal", |text| text.contains("peer_uid"));
    let line = text.lines().find(|line| line.contains("peer_uid")).expect("a line");
    let line: serde_json::Value = serde_json::from_str(line).expect("a JSON log line");
    assert_eq!(logs::member(&line, "peer_uid"), foreign.uid(), "{line}");
    assert_eq!(logs::member(&line, "peer_pid"), std::process::id(), "{line}");
    // Root may.
    let mut control = Control::connect(&socket);
    let told = control.call::<StatusResponse>("DaemonService/Status", &StatusRequest {});
    assert_eq!(told.expect("a status").message.pid, daemon.pid());
}

/// The methods that an empty message tells too little.
const NEED_A_NAME: [&str; 24] = [
    "ByokService/DeleteStoredKey",
    "AuthService/Login",
    "EverydayService/EndKey",
    "EverydayService/TopUp",
    "EverydayService/ShowUsage",
    "EverydayService/TryModel",
    "ExplainService/Explain",
    "LeaseService/HoldLease",
    "LeaseService/EndLease",
    "LogService/SetLevel",
    "NamespaceService/CreateNamespace",
    "NamespaceService/RenameNamespace",
    "NamespaceService/DeleteNamespace",
    "PersonService/AddPerson",
    "PersonService/SetPassword",
    "PersonService/RemovePerson",
    "UsageService/GetCall",
    "BillingService/GrantCredit",
    "MemberService/ListMembers",
    "MemberService/AddMember",
    "MemberService/RemoveMember",
    "NodeService/BackUp",
    "OperatorKeyService/MintOperatorKey",
    "OperatorKeyService/RevokeOperatorKey",
];

/// The services of an account whose methods need somebody who is signed in, once they know what is meant.
const OF_AN_ACCOUNT: [&str; 6] =
    ["KeyService/", "PolicyService/", "BudgetService/", "PresetService/", "SessionService/", "OauthClientService/"];

/// What needs somebody who is signed in.
const NEED_AN_ACCOUNT: [&str; 14] = [
    "ByokService/GetSealingKey",
    "ByokService/ListStoredKeys",
    "ByokService/SubmitStoredKey",
    "EverydayService/ShowIdentity",
    "EverydayService/CreateKey",
    "EverydayService/ListOwnKeys",
    "EverydayService/ShowBalance",
    "NamespaceService/ListAccountNamespaces",
    "UsageService/GetUsage",
    "UsageService/ListCalls",
    "UsageService/FollowCalls",
    "BillingService/GetBalance",
    "BillingService/ListTransactions",
    "BillingService/CreateCheckout",
];

#[test]
fn p05_every_method_is_asked_as_every_class() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    let daemon = world.demo();
    open_everything(&world);
    let socket = world.socket();
    let set = descriptors::decode(bitrouter_proto::wire::DESCRIPTORS);
    let services =
        set.file.iter().filter(|file| file.package() == "bitrouter.control.v1").flat_map(|file| &file.service);
    let methods: Vec<String> = services
        .flat_map(|service| service.method.iter().map(|method| format!("{}/{}", service.name(), method.name())))
        .filter(|method| method != "DaemonService/Stop" && method != "DaemonService/WatchEvents")
        .chain(["DaemonService/Stop".to_owned()])
        .collect();
    assert!(methods.len() >= 7, "{methods:?}");
    for method in &methods {
        // Another user is not answered at all, whatever he asks for.
        let answered = as_uid::run(foreign, || {
            let mut client = Hostile::connect(&socket);
            client.say(PREFACE);
            client.say(&frame(kind::SETTINGS, 0, 0, &[]));
            client.say(&frame(kind::HEADERS, flag::END_HEADERS, 1, &call_headers(method)));
            client.say(&frame(kind::DATA, flag::END_STREAM, 1, &[0; 5]));
            client.listen(Duration::from_secs(5))
        });
        assert_eq!(answered, (Vec::new(), true), "{method} was answered to another user");
    }
    for user in [world.user(), User::root()] {
        for method in methods.iter().filter(|method| *method != "DaemonService/Stop") {
            // `once`: the others end by themselves.
            let message: &[u8] = if method == "ActivityService/WatchActivity" { &[8, 1] } else { &[] };
            let refused = as_uid::run(user, || Control::connect(&socket).call_bytes(method, message).err());
            // What an empty message does not name is missed by those that need it; everything else takes it.
            let code = refused.as_ref().map(|refused| refused.code);
            let is_missed = matches!(code, Some(tonic::Code::InvalidArgument | tonic::Code::NotFound));
            let is_right = if OF_AN_ACCOUNT.iter().any(|service| method.starts_with(service)) {
                is_missed || code == Some(tonic::Code::Unauthenticated)
            } else if NEED_AN_ACCOUNT.contains(&method.as_str()) {
                // Nobody is signed in here.
                code == Some(tonic::Code::Unauthenticated)
            } else if NEED_A_NAME.contains(&method.as_str()) {
                is_missed
            } else {
                code.is_none()
            };
            assert!(is_right, "{method} as {user:?}: {refused:?}");
        }
    }
    as_uid::run(world.user(), || Control::connect(&socket).call_bytes("DaemonService/Stop", &[]).map(drop))
        .expect("the end");
    let mut daemon = daemon;
    daemon.wait(Duration::from_secs(20));
}

#[test]
fn p06_another_user_spends_nothing_over_http_and_each_refusal_is_counted() {
    let fixture = InferenceFixture::new();
    let Some(foreign) = fixture.world.user().foreign() else { return };
    let before = super::refusals(&fixture.daemon, "api_key_required");
    let mut sent = 0;
    for user in [foreign, User::root()] {
        for call in [
            fixture.http().as_user(user).chat(MODEL, "x"),
            fixture.http().as_user(user).chat(MODEL, "x").bearer(&fixture.key),
            fixture.http().as_user(user).chat_stream(MODEL, "x"),
            fixture.http().as_user(user).get("/v1/models"),
            fixture.http().as_user(user).get("/metrics"),
        ] {
            call.send().refused(401, "api_key_required");
            sent += 1;
        }
    }
    assert_eq!(super::refusals(&fixture.daemon, "api_key_required") - before, sent);
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_the_overflow_uid_is_nobody() {
    let fixture = InferenceFixture::new();
    if !fixture.world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    let request = "POST /v1/chat/completions HTTP/1.1\\r\\nHost: 127.0.0.1:$PORT\\r\\nContent-Type: application/json\\r\\n\
                   Content-Length: 34\\r\\nConnection: close\\r\\n\\r\\n{\"model\":\"openai:m\",\"messages\":[]}";
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/$PORT; printf \"{}\" >&3; cat <&3", request.replace('"', "\\\""));
    let args = ["--reuid=65534", "--regid=65534", "--clear-groups", "/bin/bash", "-c", &script];
    let run = fixture.world.program("/usr/bin/setpriv".as_ref(), args).as_user(User::root());
    let output = run.env("PORT", fixture.daemon.port().to_string()).in_directory("/".as_ref()).run();
    assert!(
        output.stdout.starts_with("HTTP/1.1 401") && output.stdout.contains("api_key_required"),
        "{}",
        output.text()
    );
    assert_eq!(fixture.provider.count(), 0);
}

#[test]
fn p06_heavy_another_users_connections_do_not_crowd_the_owner_out() {
    let fixture = InferenceFixture::new();
    let Some(foreign) = fixture.world.user().foreign() else { return };
    bitrouter_tests::hostile::raise_descriptors();
    let stranger = fixture.http().as_user(foreign);
    let mut held = Vec::new();
    for _ in 0..6_000 {
        match stranger.try_connect() {
            Ok(stream) => held.push(stream),
            Err(_) => break,
        }
    }
    let mut bystander = Bystander::default();
    for _ in 0..5 {
        fixture.http().chat(MODEL, "x").send().ok();
        bystander.asks(&fixture.world);
    }
    bystander.report("another user's connections");
    drop(held);
}
