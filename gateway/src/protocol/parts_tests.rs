//! What each dialect's bodies hold besides text, and what they name.

use serde_json::json;

use super::*;
use crate::protocol::Dialect;

fn parts(dialect: Dialect, body: &serde_json::Value) -> BodyParts {
    dialect.rules().parts(&body.to_string())
}

fn media(parts: &BodyParts) -> [(u64, u64); 4] {
    [Kind::Image, Kind::Audio, Kind::File, Kind::Video].map(|kind| {
        let Media { count, base64 } = parts.media(kind);
        (count, base64)
    })
}

/// Members and ids, as a walk finds them.
fn named(dialect: Dialect, text: &str) -> Vec<String> {
    let parts = dialect.rules().parts(text);
    parts.names.iter().map(|named| format!("{} {}", named.member, named.id(text.as_bytes()))).collect()
}

#[test]
fn media_of_a_chat_are_found_with_their_bytes() {
    let found = parts(
        Dialect::ChatCompletions,
        &json!({"model": "m", "tools": [{}], "messages": [
            {"role": "system", "content": "image_url"},
            {"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/x.png", "detail": "low"}},
                {"type": "image_url", "image_url": "DATA:image/jpeg;base64,AAAAAAAA"},
                {"type": "input_audio", "input_audio": {"data": "AAAAAA==", "format": "wav"}},
                {"type": "file", "file": {"filename": "x.pdf", "file_data": "data:application/pdf;base64,AAAA"}},
                // Text, however it is written, is as long as it is.
                {"type": "file", "file": {"filename": "x.txt", "file_data": "data:text/plain;base64,AAAA"}},
                {"type": "video_url", "video_url": {"url": "https://example.com/x.mp4"}},
            ]},
            // What a tool was called with means nothing.
            {"role": "assistant", "tool_calls": [{"function": {"arguments": {"image_url": "data:image/png;base64,AAAA"}}}]},
        ]}),
    );
    assert_eq!(media(&found), [(3, 12), (1, 8), (1, 4), (1, 0)]);
    assert_eq!((found.messages, found.has_tools, found.names.len()), (3, true, 0));
}

#[test]
fn media_of_responses_are_found_with_their_bytes() {
    let found = parts(
        Dialect::Responses,
        &json!({"model": "m", "tools": [], "input": [
            {"role": "user", "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AAAA"},
                {"type": "input_image", "image_url": "https://example.com/x.png"},
                {"type": "input_file", "file_data": "data:application/pdf;base64,AAAAAAAA"},
                {"type": "input_file", "file_url": "https://example.com/x.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
            ]},
            {"type": "computer_call_output", "output": {"type": "computer_screenshot", "image_url": "data:image/png;base64,AA"}},
        ]}),
    );
    assert_eq!(media(&found), [(3, 6), (1, 4), (2, 8), (0, 0)]);
    assert_eq!((found.messages, found.has_tools), (2, false));
    assert_eq!(parts(Dialect::Responses, &json!({"input": "one"})).messages, 1);
}

#[test]
fn media_of_messages_are_found_whatever_comes_first() {
    let found = parts(
        Dialect::Messages,
        &json!({"model": "m", "messages": [{"role": "user", "content": [
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
            {"source": {"url": "https://example.com/x.png", "type": "url"}, "type": "image"},
            {"source": {"data": "AAAAAA", "media_type": "application/pdf", "type": "base64"}, "type": "document"},
            {"type": "document", "source": {"type": "url", "url": "https://example.com/x.pdf"}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "only text"}},
            {"type": "tool_result", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
            ]},
            {"type": "document", "source": {"type": "content", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAAAAAA"}},
            ]}},
            {"type": "tool_use", "input": {"source": {"type": "base64", "data": "AAAA"}, "file_id": "file_1"}},
        ]}]}),
    );
    assert_eq!(media(&found), [(4, 14), (0, 0), (2, 6), (0, 0)]);
    assert_eq!((found.messages, found.names.len()), (1, 0));
}

#[test]
fn googles_media_are_found_in_both_spellings() {
    let found = parts(
        Dialect::GenerateContent,
        &json!({"contents": [{"parts": [
            {"inlineData": {"mimeType": "image/png", "data": "AAAA"}},
            {"inline_data": {"data": "AAAAAA", "mime_type": "audio/wav"}},
            {"inlineData": {"mimeType": "text/plain", "data": "AAAAAAAA"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA"}},
            {"fileData": {"mimeType": "video/mp4", "fileUri": "https://youtu.be/x"}},
            {"file_data": {"file_uri": "https://generativelanguage.googleapis.com/v1beta/files/x", "mime_type": "image/png"}},
            {"functionResponse": {"response": {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}}},
        ]}], "tools": [{"functionDeclarations": []}]}),
    );
    assert_eq!(media(&found), [(2, 4), (1, 6), (1, 2), (1, 0)]);
    let uris: Vec<_> = found.names.iter().map(|named| (named.member, named.reference)).collect();
    assert_eq!(uris, [("fileUri", Reference::Link), ("fileUri", Reference::Link)]);
    assert!(found.has_tools);
}

#[test]
fn what_a_provider_has_stored_is_found_at_any_depth_and_in_any_spelling() {
    for (dialect, body, expected) in [
        (
            Dialect::Responses,
            r#"{"conversation":"conv_1","previous_response_id":"resp_1"}"#,
            &["conversation conv_1", "previous_response_id resp_1"][..],
        ),
        (
            Dialect::Responses,
            r#"{"conversation":{"id":"conv_1"},"previous_response_id":null}"#,
            &["conversation conv_1"],
        ),
        (
            Dialect::Responses,
            r#"{"prompt":{"version":"2","id":"pmpt_1","variables":{"x":{"type":"input_file","file_id":"file-1"}}}}"#,
            &["prompt pmpt_1", "file_id file-1"],
        ),
        (Dialect::Responses, r#"{"input":[{"id":"msg_1","type":"item\u005freference"}]}"#, &["item_reference msg_1"]),
        (
            Dialect::Responses,
            r#"{"input":[{"id":"msg_1"},{"id":"msg_2","type":null}]}"#,
            &["item_reference msg_1", "item_reference msg_2"],
        ),
        // An item that says what it is holds what it says.
        (
            Dialect::Responses,
            r#"{"input":[{"id":"msg_1","type":"message","role":"assistant","content":[]},{"id":"x","role":"user"}]}"#,
            &[],
        ),
        (
            Dialect::Responses,
            r#"{"input":[{"content":[{"file\u005fid":"file\u002d1"}]}],"tools":[{"type":"file_search","vector_store_ids":["vs_1","vs_2"]}]}"#,
            &["file_id file-1", "vector_store_ids vs_1", "vector_store_ids vs_2"],
        ),
        (
            Dialect::Responses,
            r#"{"tools":[{"type":"code_interpreter","container":"cntr_1"},{"container":{"type":"auto","file_ids":["file-1"]}},{"connector_id":"connector_x"},{"environment":{"type":"container_reference","container_id":"cntr_2"}}]}"#,
            &["container cntr_1", "file_ids file-1", "connector_id connector_x", "container_id cntr_2"],
        ),
        (
            Dialect::Responses,
            r#"{"tools":[{"type":"shell","environment":{"type":"container_auto","skills":[{"type":"skill_reference","skill_id":"skill_1"}]}}]}"#,
            &["skills skill_1"],
        ),
        // What callers may write as they like names nothing.
        (
            Dialect::Responses,
            r#"{"metadata":{"file_id":"x"},"tools":[{"parameters":{"properties":{"file_id":{"default":"x"},"container":"x"}}}],"text":{"format":{"schema":{"container":"x"}}}}"#,
            &[],
        ),
        (
            Dialect::ChatCompletions,
            r#"{"prompt":"text","messages":[{"content":[{"type":"file","file":{"file_id":"file-1"}}]}]}"#,
            &["file_id file-1"],
        ),
        (
            Dialect::ChatCompletions,
            r#"{"messages":[{"content":"file_id"}],"conversation":"conv_1"}"#,
            &["conversation conv_1"],
        ),
        (
            Dialect::Messages,
            r#"{"container":"c_1","messages":[{"content":[{"type":"image","source":{"type":"file","file_id":"file_1"}},{"type":"container_upload","file_id":"file_2"}]}]}"#,
            &["container c_1", "file_id file_1", "file_id file_2"],
        ),
        (
            Dialect::Messages,
            r#"{"container":{"id":"c_1","skills":[{"type":"custom","skill_id":"skill_1","version":"latest"}]}}"#,
            &["container c_1", "skills skill_1"],
        ),
        (
            Dialect::GenerateContent,
            r#"{"cachedContent":"cachedContents/x","contents":[]}"#,
            &["cachedContent cachedContents/x"],
        ),
        (
            Dialect::GenerateContent,
            r#"{"cached_content":"cachedContents/x","generateContentRequest":{"cachedContent":"y"}}"#,
            &["cachedContent cachedContents/x", "cachedContent y"],
        ),
    ] {
        assert_eq!(named(dialect, body), expected, "{body}");
    }
}

#[test]
fn wishes_to_cache_and_texts_to_be_continued_are_counted() {
    let caches = |body: serde_json::Value| {
        let found = parts(Dialect::Messages, &body);
        (found.asks_cache, found.asks_cache_1h)
    };
    assert_eq!(caches(json!({"system": [{"text": "1h", "cache_control": null}]})), (false, false));
    assert_eq!(caches(json!({"system": [{"cache_control": {"type": "ephemeral"}}], "ttl": "1h"})), (true, false));
    assert_eq!(caches(json!({"tools": [{"cache_control": {"type": "ephemeral", "ttl": "1h"}}]})), (true, true));
    let prompts = |body: serde_json::Value| parts(Dialect::ChatCompletions, &body).prompts;
    assert_eq!(prompts(json!({"prompt": "one"})), 1);
    assert_eq!(prompts(json!({"prompt": ["a", "b", "c"]})), 3);
    assert_eq!(prompts(json!({"prompt": [1, 2, 3]})), 0);
    assert_eq!(prompts(json!({"prompt": [[1, 2], [3]]})), 2);
}

#[test]
fn what_is_kept_of_a_body_has_a_bound() {
    let ids: Vec<String> = (0..5_000).map(|number| format!("vs_{number}")).collect();
    let found = parts(Dialect::Responses, &json!({"tools": [{"vector_store_ids": ids}]}));
    assert_eq!((found.names.len(), found.has_more_names), (MOST_NAMES, true));
}

proptest::proptest! {
    #[test]
    fn any_body_is_walked_without_a_panic(text in "[\\[\\]{}\",:a-z_0-9\\\\ ]{0,60}", name in "(source|data|image_url|file|url|id|type)") {
        for dialect in Dialect::ALL {
            let _ = dialect.rules().parts(&text);
            let _ = dialect.rules().parts(&format!("{{\"{name}\":{{\"{name}\":\"{name}\",\"{name}\":[{text}"));
        }
    }
}
