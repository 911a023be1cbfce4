//! Each event that ends a stream, by its grammar: behind it nothing can break, and before it nothing has ended.

use bitrouter_tests::{
    End, Gate, Reply,
    dialects::{Event, Newline, Turn, responses},
};
use serde_json::{Value, json};

use super::{
    endings::{exactly, failed},
    surface::{RESPONSE, Scene, Surface},
};

fn event(data: &Value) -> String {
    if data["type"].is_string() { Event::typed(data).frame(Newline::Lf) } else { Event::data(data).frame(Newline::Lf) }
}

/// Whether a stream of these events may be taken for a whole one, whatever becomes of its connection.
#[track_caller]
fn is_whole(scene: &Scene, surface: Surface, events: &[Value], whole: bool) {
    let text: String = events.iter().map(event).collect();
    let ways: [fn(Reply, &Gate) -> Reply; 3] =
        [|reply, _| reply.end(), |reply, _| reply.close(), |reply, gate| reply.gate(gate).reset()];
    for way in ways {
        let gate = Gate::new();
        let answer = scene.gated(surface, way(surface.head().piece(&text), &gate), &gate, &text);
        if whole {
            exactly(surface, &answer, &text);
        } else {
            failed(surface, &answer, &text, events.len(), "upstream_interrupted");
        }
    }
}

#[test]
fn p13_of_a_response() {
    let scene = Scene::new("");
    let created = json!({"type": "response.created", "sequence_number": 0, "response": {"id": RESPONSE}});
    for (kind, whole) in [
        ("response.completed", true),
        ("response.incomplete", true),
        ("response.failed", true),
        ("response.cancelled", true),
        ("error", true),
        ("response.in_progress", false),
        ("response.output_text.done", false),
        ("response.output_item.done", false),
        ("response.completed.later", false),
    ] {
        let last = json!({"type": kind, "sequence_number": 1, "response": {"id": RESPONSE}, "error": {"code": "x"}});
        is_whole(&scene, Surface::Responses, &[created.clone(), last], whole);
    }
}

#[test]
fn p13_of_a_message() {
    let scene = Scene::new("");
    let start = json!({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 1}}});
    let delta = json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}});
    for (last, whole) in [
        (json!({"type": "message_stop"}), true),
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}), true),
        (json!({"type": "ping"}), false),
        (json!({"type": "content_block_stop", "index": 0}), false),
    ] {
        is_whole(&scene, Surface::Messages, &[start.clone(), delta.clone(), last], whole);
    }
}

#[test]
fn p13_of_content() {
    let scene = Scene::new("");
    let said = |index: u64| json!({"content": {"parts": [{"text": "x"}]}, "index": index});
    let ended = |index: u64, reason: &str| json!({"content": {}, "finishReason": reason, "index": index});
    let chunk = |candidates: Value| json!({"candidates": candidates});
    let counted = json!({"usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 1}});
    for (chunks, whole) in [
        (vec![chunk(json!([said(0)])), chunk(json!([ended(0, "MAX_TOKENS")]))], true),
        (vec![chunk(json!([ended(0, "SAFETY")])), counted.clone()], true),
        (vec![chunk(json!([said(0), said(1)])), chunk(json!([ended(0, "STOP")]))], false),
        (
            vec![chunk(json!([said(0), said(1)])), chunk(json!([ended(1, "STOP")])), chunk(json!([ended(0, "STOP")]))],
            true,
        ),
        (vec![chunk(json!([ended(0, "STOP"), ended(1, "OTHER")])), counted.clone()], true),
        (vec![json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}), counted.clone()], true),
        (vec![json!({"promptFeedback": {"safetyRatings": []}}), counted.clone()], false),
        (vec![counted], false),
    ] {
        is_whole(&scene, Surface::GoogleEvents, &chunks, whole);
        let text = format!("[{}", chunks.iter().map(Value::to_string).collect::<Vec<_>>().join(","));
        let answer = scene.call(Surface::GoogleArray, true, Surface::GoogleArray.head().piece(&text).close()).send();
        if whole {
            exactly(Surface::GoogleArray, &answer, &(text + "]"));
        } else {
            failed(Surface::GoogleArray, &answer, &text, chunks.len(), "upstream_interrupted");
        }
    }
}

/// What keeps a connection alive is no event: numbers go on behind it, and an error of the provider's own stays the last one.
#[test]
fn p13_keep_alives_change_nothing() {
    let scene = Scene::new("");
    for surface in Surface::ALL.into_iter().filter(|surface| *surface != Surface::GoogleArray) {
        for alive in [": keep-alive\n\n", "\n", "\r\n", ":\r\n\r\n", "id: 9\n\n", "retry: 100\n\n"] {
            let frames = surface.frames(&Turn::sample(), Newline::Lf);
            let text = frames[..4].join(alive) + alive;
            for reply in [Reply::close, |reply: Reply| reply.piece(": al").close()] {
                let answer = scene.call(surface, true, reply(surface.head().piece(&text))).send();
                failed(surface, &answer, &text, 4, "upstream_interrupted");
            }
            let error = json!({"type": "error", "error": {"code": 500, "message": "own", "status": "INTERNAL"}});
            let text = text + &event(&error) + alive + alive;
            let answer = scene.call(surface, true, surface.head().piece(&text).close()).send();
            exactly(surface, &answer, &text);
        }
    }
}

/// A stream that goes on with a stored response need not tell its id again, and counts nothing.
#[test]
fn p13_of_a_stored_response_that_is_taken_up_again() {
    let scene = Scene::new("");
    let made = Reply::json(200, responses::whole(&Turn::sample(), "m", RESPONSE).to_string());
    scene.call(Surface::Responses, false, made).send().ok();
    let before = scene.tokens();
    let events: Vec<String> = Surface::Responses.frames(&Turn::sample(), Newline::Lf)[4..8].to_vec();
    let path = format!("/v1/responses/{RESPONSE}?stream=true&starting_after=3");
    let call = scene.daemon.http().get(&path);
    let answer = scene.played(call, Surface::Responses.head().piece(events.concat()).close()).send();
    failed(Surface::Responses, &answer, &events.concat(), 8, "upstream_interrupted");
    assert_eq!((scene.tokens(), answer.end), (before, End::Complete));
}
