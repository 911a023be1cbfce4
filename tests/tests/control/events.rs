//! WatchEvents: what happened, in order, to whoever watches; bounded for whoever watches slowly.

use bitrouter_proto::wire::{
    PushRequest, PushResponse, ReloadRequest, ReloadResponse, StopRequest, StopResponse, Variable, WatchEventsRequest,
    WatchEventsResponse,
};
use bitrouter_tests::{World, control::Control, procfs, wait};

fn variable(value: Option<&str>) -> Variable {
    Variable { name: "GROQ_API_KEY".into(), value: value.map(str::to_owned) }
}

fn push(control: &mut Control, value: Option<&str>) {
    let push = PushRequest { variables: vec![variable(value)] };
    control.call::<PushResponse>("EnvironmentService/Push", &push).expect("a push");
}

#[test]
fn p15_each_thing_that_happens_is_told_in_order() {
    let world = World::new();
    let daemon = world.demo();
    let secret = world.canary("pushed");
    let (mut watcher, mut actor) = (Control::connect(&daemon.socket()), Control::connect(&daemon.socket()));
    let mut events = watcher.open("DaemonService/WatchEvents", &WatchEventsRequest {});
    push(&mut actor, Some(&secret));
    actor.call::<ReloadResponse>("DaemonService/Reload", &ReloadRequest::default()).expect("a reload");
    world.env_file("nonsense\n");
    daemon.warned("reload_refused");
    world.env_file("");
    wait::holds("the cure", || daemon.warning("reload_refused").is_none());
    actor.call::<StopResponse>("DaemonService/Stop", &StopRequest::default()).expect("the end");
    let mut kinds = Vec::new();
    while let Some(event) = events.message::<WatchEventsResponse>() {
        assert!(event.at.ends_with('Z') && !event.message.is_empty(), "{event:?}");
        assert!(!format!("{event:?}").contains(&secret), "an event carries a key");
        kinds.push(event.kind);
    }
    let mut expected =
        ["key_changed", "reload", "warning_raised", "warning_cleared", "draining"].into_iter().peekable();
    for kind in &kinds {
        expected.next_if(|next| next == kind);
    }
    assert_eq!(expected.next(), None, "missing in {kinds:?}");
}

/// Many times what a watcher may be behind.
const PUSHES: u64 = 3_000;

#[test]
fn p05_a_watcher_that_does_not_read_is_told_what_it_missed_and_costs_no_memory() {
    let world = World::new();
    let daemon = world.demo();
    let (mut watcher, mut actor) = (Control::connect(&daemon.socket()), Control::connect(&daemon.socket()));
    let mut events = watcher.open("DaemonService/WatchEvents", &WatchEventsRequest {});
    let before = procfs::rss(daemon.pid()).expect("memory");
    for number in 0..PUSHES {
        push(&mut actor, (number % 2 == 0).then_some("x"));
    }
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 8 << 20, "a slow watcher cost {grown} bytes");
    push(&mut actor, Some("the-last"));
    let mut seen = 0;
    let missed = loop {
        let event: WatchEventsResponse = events.message().expect("an event");
        if event.kind == "lagged" {
            break event;
        }
        seen += 1;
        assert!(seen <= PUSHES, "nothing was missed, so everything was kept");
    };
    let count: u64 = missed.fields.get("missed").and_then(|text| text.parse().ok()).expect("how many");
    assert!(count > 0 && count + seen <= PUSHES + 1, "{missed:?} after {seen}");
}
