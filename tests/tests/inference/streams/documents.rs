//! A reply that is no stream and breaks behind its first byte ends with its connection, in each dialect: half a document is
//! never taken for a whole one, and nothing of ours stands in it.

use bitrouter_tests::{Answer, End, Gate, Reply, dialects::Turn};

use super::surface::{Scene, Surface};

const WAYS: [fn(Reply, &Gate) -> Reply; 3] =
    [|reply, gate| reply.gate(gate).close(), |reply, gate| reply.gate(gate).reset(), |reply, _| reply.stall()];

#[track_caller]
fn is_cut(surface: Surface, answer: &Answer, before: &str) {
    // What was on its way may go with the connection.
    assert!(answer.status == 200 && before.starts_with(&answer.text()), "{surface:?}: {}", answer.text());
    assert!(matches!(answer.end, End::Truncated | End::Reset), "{surface:?}: {:?}", answer.end);
}

#[test]
fn p13_half_a_document_is_told_by_its_connection() {
    let scene = Scene::new("[timeouts]\nbetween_chunks = \"1s\"\n");
    for surface in Surface::ALL {
        let whole = surface.whole(&Turn::sample()).to_string();
        let half = &whole[..20];
        for (number, way) in WAYS.into_iter().enumerate() {
            let json = [("content-type", "application/json")];
            for head in [Reply::stream_with(200, &json), with_length(&whole)] {
                let gate = Gate::new();
                let reply = way(head.piece(half), &gate);
                let mut open = scene.call(surface, false, reply).open();
                let begun = open.piece().expect("a beginning");
                gate.open();
                let mut answer = open.finish();
                answer.body.splice(..0, begun);
                is_cut(surface, &answer, half);
                let code = if number == 2 { "upstream_timeout" } else { "upstream_interrupted" };
                scene.line(&answer).says(200, Some(code), false);
            }
        }
    }
}

#[test]
fn p15_a_forced_stop_cuts_a_document() {
    let mut scene = Scene::new("");
    let open: Vec<_> = Surface::ALL
        .into_iter()
        .map(|surface| {
            let whole = surface.whole(&Turn::sample()).to_string();
            let reply = with_length(&whole).piece(&whole[..20]).stall();
            let mut open = scene.call(surface, false, reply).open();
            let begun = open.piece().expect("a beginning");
            (surface, whole, open, begun)
        })
        .collect();
    scene.world.cli(["stop", "--timeout", "1"]).expect_code(0);
    assert!(!scene.daemon.is_running());
    for (surface, whole, open, begun) in open {
        let mut answer = open.finish();
        answer.body.splice(..0, begun);
        is_cut(surface, &answer, &whole[..20]);
    }
}

/// The head of a document that tells its length.
fn with_length(whole: &str) -> Reply {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
    Reply::raw(format!("{head}{}\r\n\r\n", whole.len()))
}
