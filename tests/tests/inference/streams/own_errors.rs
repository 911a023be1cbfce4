//! An error of the provider's own is the last event of its stream, in every dialect: nothing of ours follows, whatever becomes
//! of the connection then.

use bitrouter_tests::{
    Gate, Reply,
    dialects::{Event, Newline, Turn, google, messages, responses},
};
use serde_json::json;

use super::{
    endings::exactly,
    surface::{RESPONSE, Scene, Surface},
};

/// What the provider says when it fails behind so many events: one frame or more, in each of the forms that it uses.
fn words(surface: Surface, after: usize) -> Vec<Vec<String>> {
    let frames = |events: &[Event]| events.iter().map(|event| event.frame(Newline::Lf)).collect::<Vec<_>>();
    match surface {
        Surface::Chat | Surface::Completions => {
            let detail =
                json!({"message": "The server had an error", "type": "server_error", "param": null, "code": null});
            let object = Event::data(&json!({"error": detail}));
            let text = Event::data(&json!({"id": "x", "choices": [], "error": "overloaded"}));
            vec![frames(std::slice::from_ref(&object)), frames(&[text]), frames(&[object, Event::done()])]
        }
        Surface::Messages => vec![frames(&[Event::typed(&messages::error(529, "Overloaded"))])],
        Surface::Responses => {
            let both = responses::failure(&responses::whole(&Turn::sample(), "m", RESPONSE), after);
            vec![frames(&both[..1]), frames(&both[1..]), frames(&both)]
        }
        Surface::GoogleEvents => vec![frames(&[Event::data(&google::error(503, "overloaded", None))])],
        Surface::GoogleArray => {
            let before = if after == 0 { "[" } else { ",\r\n" };
            let error = format!("{before}{}", google::error(503, "overloaded", None));
            vec![vec![error.clone()], vec![error, "\n]".to_owned()]]
        }
    }
}

/// Half an event behind it.
fn halves(surface: Surface) -> [fn(Reply, &Gate) -> Reply; 2] {
    match surface {
        Surface::GoogleArray => {
            [|reply, _| reply.piece(",\n{\"cand").end(), |reply, gate| reply.piece(",\n{\"cand").gate(gate).reset()]
        }
        _ => [|reply, _| reply.piece("data: {\"mo").end(), |reply, gate| reply.piece("data: {\"mo").gate(gate).reset()],
    }
}

#[track_caller]
fn last_in_every_way(surface: Surface) {
    let scene = Scene::new("");
    let frames = surface.frames(&Turn::sample(), Newline::Lf);
    for after in 0..surface.complete_after(frames.len()) {
        for words in words(surface, after) {
            let text = [&frames[..after], &words].concat().concat();
            let is_closed = text.ends_with(']');
            let needs = surface == Surface::GoogleArray && !is_closed;
            let expected = if needs { format!("{text}]") } else { text.clone() };
            let seen = text.strip_suffix("\n]").unwrap_or(&text);
            let mut ways: Vec<fn(Reply, &Gate) -> Reply> =
                vec![|reply, _| reply.end(), |reply, _| reply.close(), |reply, gate| reply.gate(gate).reset()];
            if !is_closed {
                ways.extend(halves(surface));
            }
            for way in ways {
                let gate = Gate::new();
                let answer = scene.gated(surface, way(surface.head().piece(&text), &gate), &gate, seen);
                exactly(surface, &answer, &expected);
                // What passed is no failure of ours.
                scene.line(&answer).says(200, None, false);
            }
        }
    }
}

#[test]
fn p13_of_a_chat() {
    last_in_every_way(Surface::Chat);
}

#[test]
fn p13_of_a_completion() {
    last_in_every_way(Surface::Completions);
}

#[test]
fn p13_of_a_message() {
    last_in_every_way(Surface::Messages);
}

#[test]
fn p13_of_a_response() {
    last_in_every_way(Surface::Responses);
}

#[test]
fn p13_of_google_events() {
    last_in_every_way(Surface::GoogleEvents);
}

#[test]
fn p13_of_a_google_array() {
    last_in_every_way(Surface::GoogleArray);
}

/// Nobody waits for long behind it, and a forced stop adds nothing.
#[test]
fn p13_silence_behind_it_is_no_second_failure() {
    let mut scene = Scene::new("[timeouts]\nbetween_chunks = \"2s\"\n");
    let stalls = || {
        Surface::ALL.into_iter().map(|surface| {
            let frames = surface.frames(&Turn::sample(), Newline::Lf);
            let text = [&frames[..3], &words(surface, 3)[0]].concat().concat();
            let reply: Reply = surface.head().piece(&text).stall();
            (surface, if surface == Surface::GoogleArray { format!("{text}]") } else { text }, reply)
        })
    };
    for (surface, expected, reply) in stalls() {
        exactly(surface, &scene.call(surface, true, reply).send(), &expected);
    }
    let open: Vec<_> = stalls()
        .map(|(surface, expected, reply)| {
            let mut open = scene.call(surface, true, reply).open();
            let begun = open.piece().expect("a beginning");
            (surface, expected, open, begun)
        })
        .collect();
    scene.world.cli(["stop", "--timeout", "1"]).expect_code(0);
    assert!(!scene.daemon.is_running());
    for (surface, expected, open, begun) in open {
        let mut answer = open.finish();
        answer.body.splice(..0, begun);
        exactly(surface, &answer, &expected);
    }
}
