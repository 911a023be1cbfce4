//! The seeds of each target, and bytes at random. The targets themselves are built by `make fuzz`.

use std::path::Path;

use proptest::prelude::*;

/// A name, and what is called.
type Target = (&'static str, fn(&[u8]));

const TARGETS: [Target; 5] = [
    ("sse", super::sse),
    ("json_scan", super::json_scan),
    ("request", super::request),
    ("reply_stream", super::reply_stream),
    ("document", super::document),
];

fn folder(below: &str) -> Vec<(String, Vec<u8>)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(below);
    let files = std::fs::read_dir(&path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()));
    let files = files.map(|file| file.unwrap());
    files.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[test]
fn each_target_calls_what_is_named_like_it() {
    let mut files = folder("fuzz_targets");
    files.sort();
    let mut names = TARGETS.map(|(name, _)| format!("{name}.rs"));
    names.sort();
    assert_eq!(files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), names);
    for (name, text) in files {
        let call = format!("fuzz_target!(|data: &[u8]| fuzzing::{}(data));", name.trim_end_matches(".rs"));
        assert!(String::from_utf8(text).unwrap().contains(&call), "{name}");
    }
}

#[test]
fn the_seeds_hold() {
    for (name, target) in TARGETS {
        let seeds = folder(&format!("seeds/{name}"));
        assert!(seeds.len() >= 3, "{name}");
        for (seed, text) in seeds {
            println!("{name}/{seed}");
            target(&text);
            for end in 0..text.len() {
                target(&text[..end]);
            }
        }
    }
}

proptest! {
    #[test]
    fn bytes_at_random_hold(
        control in prop::array::uniform4(any::<u8>()),
        text in "(data: |event: |id: |\"(usage|usageMetadata|model|stream|stream_options|max_tokens|max_completion_tokens|max_output_tokens|max_tool_calls|generationConfig|generation_config|maxOutputTokens|max_output_tokens|tools|thinking|n|include_usage|type|response|candidates|finishReason|message)\":|\"message_(start|stop|delta)\"|null|true|false|5|-1|\\[DONE\\]|[{}\\[\\]\",:\r\n\\\\ 1ué\u{feff}])*",
    ) {
        let data = [&control[..], text.as_bytes()].concat();
        for (_, target) in TARGETS {
            target(&data);
        }
    }
}
