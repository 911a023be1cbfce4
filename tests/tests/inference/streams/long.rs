//! Events longer than what is held of one: they pass as they come, and end and usage are what they are of any other.

use bitrouter_tests::{
    End, Gate, Reply,
    dialects::{Event, Newline, Turn, google},
};
use serde_json::{Value, json};

use super::{
    endings::{exactly, failed},
    surface::{RESPONSE, Scene, Surface},
};

const LONG: usize = 3 << 20;

/// What becomes of a connection; a reset waits for the gate.
const WAYS: [fn(Reply, &Gate) -> Reply; 3] =
    [|reply, _| reply.end(), |reply, _| reply.close(), |reply, gate| reply.gate(gate).reset()];

/// Ends what has begun in each way; none is a failure, and the counts are those of the last event.
#[track_caller]
fn ends_well(scene: &Scene, surface: Surface, frames: &[String], tokens: [Option<u64>; 2]) {
    let text = frames.concat();
    let bracket = if surface == Surface::GoogleArray { "]" } else { "" };
    for way in [WAYS[0], WAYS[1], WAYS[2], |reply, _| reply.stall()] {
        let gate = Gate::new();
        let answer = scene.gated(surface, way(surface.head().piece(&text), &gate), &gate, &text);
        exactly(surface, &answer, &(text.clone() + bracket));
        let line = scene.line(&answer);
        line.says(200, None, false);
        assert_eq!(line.tokens(), tokens, "{surface:?}");
    }
}

/// Breaks off behind whole events, in each way.
#[track_caller]
fn ends_badly(scene: &Scene, surface: Surface, frames: &[String], tokens: [Option<u64>; 2]) {
    let text = frames.concat();
    for way in [WAYS[0], WAYS[1], WAYS[2], |reply, _| reply.piece("data: {\"x").end()] {
        let gate = Gate::new();
        let answer = scene.gated(surface, way(surface.head().piece(&text), &gate), &gate, &text);
        failed(surface, &answer, &text, frames.len(), "upstream_interrupted");
        let line = scene.line(&answer);
        line.says(200, Some("upstream_interrupted"), false);
        assert_eq!(line.tokens(), tokens, "{surface:?}");
    }
}

const SHORT: &str = "[timeouts]\nbetween_chunks = \"2s\"\n";

/// A chunk with a picture, which is perhaps the last one.
fn picture(reason: Value) -> Value {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "A".repeat(LONG)}});
    let call = json!({"functionCall": {"name": "x", "args": {"finishReason": "STOP", "usageMetadata": {"promptTokenCount": 9}}}});
    let mut candidate = json!({"content": {"parts": [image, call], "role": "model"}, "index": 0});
    if !reason.is_null() {
        candidate["finishReason"] = reason;
    }
    let usage = json!({"promptTokenCount": 5, "candidatesTokenCount": 1290, "totalTokenCount": 1295});
    json!({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m"})
}

#[test]
fn a_picture_of_google_that_is_the_last_chunk() {
    let scene = Scene::new(SHORT);
    let text = google::answers(&Turn::saying("here it is"), "m")[0].clone();
    for newline in [Newline::Lf, Newline::CrLf] {
        let frames = [Event::data(&text).frame(newline), Event::data(&picture(json!("STOP"))).frame(newline)];
        ends_well(&scene, Surface::GoogleEvents, &frames, [Some(5), Some(1290)]);
    }
    let frames = google::array(&[text, picture(json!("STOP"))]);
    ends_well(&scene, Surface::GoogleArray, &frames[..2], [Some(5), Some(1290)]);
    let answer =
        scene.call(Surface::GoogleArray, true, Surface::GoogleArray.head().piece(frames.concat()).end()).send();
    exactly(Surface::GoogleArray, &answer, &frames.concat());
}

#[test]
fn p13_a_picture_of_google_that_is_not_the_last_chunk() {
    let scene = Scene::new("");
    let text = google::answers(&Turn::saying("here it is"), "m")[0].clone();
    let chunks = [picture(Value::Null), text];
    for after in 1..=2 {
        let events: Vec<String> = chunks[..after].iter().map(|chunk| Event::data(chunk).frame(Newline::Lf)).collect();
        let tokens = if after == 1 { [Some(5), Some(1290)] } else { [Some(0), Some(1)] };
        ends_badly(&scene, Surface::GoogleEvents, &events, tokens);
    }
    let array = google::array(&chunks);
    for after in 1..=2 {
        let text = array[..after].concat();
        let answer = scene.call(Surface::GoogleArray, true, Surface::GoogleArray.head().piece(&text).end()).send();
        failed(Surface::GoogleArray, &answer, &text, after, "upstream_interrupted");
    }
}

#[test]
fn a_long_response_that_is_completed() {
    let scene = Scene::new(SHORT);
    let mut turn = Turn::sample();
    turn.text = vec!["x".repeat(LONG)];
    turn.calls[0].arguments =
        json!({"usage": {"output_tokens": 9}, "rows": vec![json!({"type": "error"}); 50_000]}).to_string();
    let frames = Surface::Responses.frames(&turn, Newline::Lf);
    assert!(frames.last().expect("an end").len() > LONG);
    ends_well(&scene, Surface::Responses, &frames, [Some(16), Some(10)]);
}

/// Instructions come back in the first events; id and numbers are known all the same.
#[test]
fn p13_a_response_that_begins_with_long_events() {
    let scene = Scene::new("");
    let event = |number: usize, kind: &str| {
        let response = json!({
            "id": RESPONSE, "instructions": "be brief ".repeat(LONG / 9), "created_at": 1_770_000_123, "model": "m-2026",
            "metadata": {"id": "resp_planted"}, "status": "in_progress", "usage": null,
        });
        Event::typed(&json!({"type": kind, "sequence_number": number, "response": response})).frame(Newline::Lf)
    };
    let frames = [event(0, "response.created"), event(1, "response.in_progress")];
    for after in 1..=2 {
        ends_badly(&scene, Surface::Responses, &frames[..after], [None, None]);
    }
    let answer = scene.call(Surface::Responses, true, Surface::Responses.head().piece(&frames[0]).end()).send();
    let text = answer.text();
    let last = text.trim_end().rsplit("data: ").next().unwrap_or_default();
    let failed: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(
        (&failed["response"]["created_at"], &failed["response"]["model"]),
        (&json!(1_770_000_123), &json!("m-2026"))
    );
}

#[test]
fn p13_a_long_event_of_a_message_ends_nothing_and_counts_nothing() {
    let scene = Scene::new(SHORT);
    let frames = Surface::Messages.frames(&Turn::sample(), Newline::Lf);
    let result = json!({"type": "web_search_tool_result", "content": "x".repeat(LONG), "usage": {"input_tokens": 9},
        "message_stop": {"type": "message_stop"}});
    let long = json!({"type": "content_block_start", "index": 0, "content_block": result});
    let long = Event::typed(&long).frame(Newline::Lf);
    ends_badly(&scene, Surface::Messages, &[frames[0].clone(), long.clone()], [Some(16), Some(1)]);
    let mut all = frames.clone();
    all.insert(1, long);
    ends_well(&scene, Surface::Messages, &all, [Some(16), Some(10)]);
}

#[test]
fn a_long_chunk_of_a_chat_counts_and_announces_its_end() {
    let scene = Scene::new("");
    let chunk = |reason: Value| {
        let image = json!([{"type": "image_url", "image_url": {"url": "A".repeat(LONG)}, "finish_reason": "no"}]);
        let choice = json!({"index": 0, "delta": {"content": "", "images": image}, "finish_reason": reason});
        let usage = json!({"prompt_tokens": 5, "completion_tokens": 1290, "total_tokens": 1295});
        Event::data(&json!({"id": "x", "choices": [choice], "usage": usage})).frame(Newline::Lf)
    };
    for (reason, code) in [(json!("stop"), None), (Value::Null, Some("upstream_interrupted"))] {
        let text = chunk(reason);
        let answer = scene.call(Surface::Chat, true, Surface::Chat.head_until_close().piece(&text).close()).send();
        match code {
            None => exactly(Surface::Chat, &answer, &text),
            Some(code) => failed(Surface::Chat, &answer, &text, 1, code),
        }
        assert_eq!(scene.line(&answer).tokens(), [Some(5), Some(1290)]);
    }
}

/// Nothing makes half of a long event whole again: events go on behind it, an array is cut.
#[test]
fn p13_a_long_event_that_breaks_off_is_never_taken_for_a_whole_one() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        let frames = surface.frames(&Turn::sample(), Newline::Lf);
        let half = match surface {
            Surface::GoogleArray => format!(",\n{{\"candidates\":[{{\"content\":\"{}", "x".repeat(LONG)),
            _ => format!("data: {{\"x\":\"{}", "x".repeat(LONG)),
        };
        let text = frames[0].clone() + &half;
        for reply in [Reply::close, Reply::end] {
            let answer = scene.call(surface, true, reply(surface.head().piece(&text))).send();
            if surface == Surface::GoogleArray {
                assert!(matches!(answer.end, End::Truncated | End::Reset), "{:?}", answer.end);
                assert!(text.as_bytes().starts_with(&answer.body));
                continue;
            }
            assert!(answer.body.starts_with(text.as_bytes()), "{surface:?}");
            // The empty line ends what cannot be taken back; the rest is as behind any other event.
            assert_eq!(&answer.body[text.len()..text.len() + 2], b"\n\n", "{surface:?}");
            failed(surface, &answer, &(text.clone() + "\n\n"), 1, "upstream_interrupted");
        }
    }
}
