//! Words that mean something in one place mean nothing in another: what models write, what tools are called with, and members
//! of the same name elsewhere neither count nor end a stream.

use bitrouter_tests::dialects::{Call, Newline, Stop, Turn, Usage};
use serde_json::{Value, json};

use super::{
    endings::failed,
    surface::{Scene, Surface},
};

/// Everything that counts or ends something, somewhere.
fn bait() -> Value {
    json!({
        "usage": {"prompt_tokens": 90001, "completion_tokens": 90002, "total_tokens": 180_003,
            "input_tokens": 90003, "output_tokens": 90004},
        "usageMetadata": {"promptTokenCount": 90005, "candidatesTokenCount": 90006, "totalTokenCount": 180_011},
        "type": "message_stop", "finishReason": "STOP", "finish_reason": "stop", "error": {"message": "planted", "code": 500},
        "promptFeedback": {"blockReason": "SAFETY"}, "sequence_number": 90007, "id": "resp_planted",
        "response": {"id": "resp_planted", "usage": {"input_tokens": 90008, "output_tokens": 90009}},
        "message": {"usage": {"input_tokens": 90010, "output_tokens": 90011}},
    })
}

/// A turn that says and calls nothing but bait.
fn turn() -> Turn {
    let bait = bait().to_string();
    let escaped = bait.replace('u', "\\u0075");
    let call = |id: &str, arguments: String| Call { id: id.to_owned(), name: "usage".to_owned(), arguments };
    Turn {
        text: vec![bait.clone(), "data: [DONE]\n\n".to_owned(), format!("event: message_stop\ndata: {bait}\n\n")],
        calls: vec![call("one", bait), call("two", escaped)],
        usage: Usage { input: 11, cache_read: 5, output: 7, reasoning: 3, ..Usage::default() },
        stop: Stop::Tools,
        ..Turn::default()
    }
}

/// Adds bait to each object that is not read, at whatever depth.
fn with_bait(value: &mut Value) {
    const READ: [&str; 6] = ["usage", "usageMetadata", "error", "promptFeedback", "response", "message"];
    fn deeper(value: &mut Value, put: bool) {
        match value {
            Value::Array(all) => all.iter_mut().for_each(|one| deeper(one, put)),
            Value::Object(members) => {
                members.values_mut().for_each(|one| deeper(one, true));
                if put {
                    members.insert("x_bait".to_owned(), bait());
                }
            }
            _ => {}
        }
    }
    let Value::Object(members) = value else { return };
    for (name, member) in members.iter_mut() {
        match name.as_str() {
            "candidates" | "choices" => {
                for one in member.as_array_mut().into_iter().flatten() {
                    one["x_bait"] = bait();
                    one.as_object_mut().into_iter().flatten().for_each(|(_, inner)| deeper(inner, true));
                }
            }
            "response" | "message" => {
                for (name, inner) in member.as_object_mut().into_iter().flatten() {
                    if !READ.contains(&name.as_str()) {
                        deeper(inner, true);
                    }
                }
                member["x_bait"] = bait();
            }
            name if READ.contains(&name) => {}
            _ => deeper(member, true),
        }
    }
    members.insert("a_bait".to_owned(), json!({"x": bait(), "list": [bait()]}));
}

/// The frames of a stream of bait.
fn frames(surface: Surface) -> Vec<String> {
    let frames = surface.frames(&turn(), Newline::Lf);
    let baited = frames.iter().map(|frame| {
        let (Some(begin), Some(end)) = (frame.find('{'), frame.rfind('}')) else { return frame.clone() };
        let mut data: Value = serde_json::from_str(&frame[begin..=end]).expect("JSON");
        with_bait(&mut data);
        format!("{}{data}{}", &frame[..begin], &frame[end + 1..])
    });
    baited.collect()
}

#[test]
fn planted_members_count_nothing() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        let before = scene.tokens();
        let text = frames(surface).concat();
        let answer = scene.call(surface, true, surface.head().piece(&text).end()).send().ok();
        assert_eq!(answer.text(), text, "{surface:?}");
        assert_eq!(scene.line(&answer).tokens(), [Some(16), Some(10)], "{surface:?}");
        let mut whole = surface.whole(&turn());
        with_bait(&mut whole);
        let reply = bitrouter_tests::Reply::json(200, whole.to_string());
        let answer = scene.call(surface, false, reply).send().ok();
        assert_eq!(answer.json(), whole);
        assert_eq!(scene.line(&answer).tokens(), [Some(16), Some(10)], "{surface:?}");
        let classes: Vec<u64> = scene.tokens().iter().zip(before).map(|(now, before)| now - before).collect();
        assert_eq!(classes, [22, 10, 0, 0, 14, 6], "{surface:?}");
    }
}

/// A stream that closes behind bait has not ended, in chat where only its connection ends it.
#[test]
fn p13_planted_members_end_nothing() {
    let scene = Scene::new("");
    for surface in Surface::ALL {
        let frames = frames(surface);
        // Before the chunk that says why it ends, in chat.
        let complete = match surface {
            Surface::Chat | Surface::Completions => frames.len() - 2,
            _ => surface.complete_after(frames.len()),
        };
        for after in 1..complete {
            let text = frames[..after].concat();
            let answer = scene.call(surface, true, surface.head_until_close().piece(&text).close()).send();
            failed(surface, &answer, &text, after, "upstream_interrupted");
            scene.line(&answer).says(200, Some("upstream_interrupted"), false);
        }
    }
}
