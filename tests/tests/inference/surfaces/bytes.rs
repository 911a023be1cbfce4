//! A body keeps every byte but the model's name, whatever it looks like and however long it is.

use bitrouter_tests::dialects::Vendor;

use super::{
    cast::Cast,
    listed::{LIST, Line, posted},
};

/// Odd but valid bodies. `@` stands for what the line needs: its model, where the body names it.
const ODD: [&str; 13] = [
    "{@}",
    "  {  @  }  ",
    "\n{\r\n\t@\r\n}\t\r\n \n",
    r#"{"zeta":1e5,"alpha":-0.0,"big":123456789012345678901234567890,"small":1E-400,"exp":1.0e+05,@}"#,
    r#"{@,"zeta":1e5,"e":1E+5,"f":0.10,"g":-1.5e-7}"#,
    r#"{"text":"\u00e9\/\ud83d\ude00\n \"model\":\"inner\"","lone":"\ud800","raw":"äöü 😀 \" \\ \b\f}{][",@}"#,
    r#"{"metadata":{"model":"deep","stream_options":null,"a":[{"model":1},[{"model":null}]]},@}"#,
    r#"{"dup":1,"dup":2,"dup":{"dup":[]},"":"empty",@,"dup":null,"Model":"y","mod":"el","models":["x"],"model ":"z"}"#,
    r#"{"\u0075nknown":1,"\ud800":2,"e\"scaped":3,"new\nline":4,"\\":5,@,"\u006dodels":[]}"#,
    r#"{"thinking":{"type":"adaptive","display":"x"},"tools":[],"context_management":{"edits":[]},"output_config":{"effort":"low"},@}"#,
    r#"{"signature":"+/-_==","encrypted_content":"gAAA\u002b","content":null,"partial":"{\"a\": 1e5 ",@}"#,
    r#"{ "pretty" : [ 1 , 2 ,{ } , [ ] ] , @ , "last" : { "x" : "y" } }"#,
    r#"{"stream":false,"n":1,"null":null,"yes":true,@,"stream":null}"#,
];

/// Where the name of the model stands in the body of a line, as the caller writes it and as it arrives.
struct Spelling {
    sent: &'static str,
    arrives: &'static str,
}

/// The spellings to try: several where the model stands in the body, one that names none where it stands in the path.
fn spellings(line: &Line) -> Vec<Spelling> {
    let spelling = |sent, arrives| Spelling { sent, arrives };
    match line.vendor {
        Vendor::OpenAi => vec![
            spelling(r#""model":"openai:odd""#, r#""model":"odd""#),
            spelling(r#""model" : "openai\u003aodd""#, r#""model" : "odd""#),
            spelling(r#""mod\u0065l":"openai:a/b:c""#, r#""mod\u0065l":"a/b:c""#),
            spelling("\"model\"\n:\t\"openai:quote\\\"d \\\\ ü\"", "\"model\"\n:\t\"quote\\\"d \\\\ ü\""),
        ],
        Vendor::Anthropic => vec![
            spelling(r#""model":"anthropic:odd""#, r#""model":"odd""#),
            spelling(r#""\u006dodel":"anthropic:claude\/x""#, r#""\u006dodel":"claude/x""#),
        ],
        Vendor::Google => vec![spelling(r#""contents":[]"#, r#""contents":[]"#)],
    }
}

/// What reaches the provider of `line` when `body` is sent.
#[track_caller]
fn sent(cast: &Cast, line: &Line, body: &str) -> Vec<u8> {
    let call = cast.http().request(line.method, line.path).json(body);
    cast.arrives(line, call).0.request.body.clone()
}

#[track_caller]
fn arrives_as(cast: &Cast, line: &Line, body: &str, expected: &str) {
    let found = sent(cast, line, body);
    if found != expected.as_bytes() {
        let same = found.iter().zip(expected.as_bytes()).take_while(|(a, b)| a == b).count();
        let shown = |bytes: &[u8]| {
            let (from, to) = (same.saturating_sub(60).min(bytes.len()), (same + 60).min(bytes.len()));
            String::from_utf8_lossy(&bytes[from..to]).into_owned()
        };
        panic!("{}: changed at byte {same}:\n{}\n{}", line.path, shown(expected.as_bytes()), shown(&found));
    }
}

#[test]
fn odd_bodies_arrive_byte_for_byte_in_every_line() {
    let cast = Cast::new();
    for line in posted() {
        for spelling in spellings(line) {
            for odd in ODD {
                arrives_as(&cast, line, &odd.replace('@', spelling.sent), &odd.replace('@', spelling.arrives));
            }
        }
    }
}

#[test]
fn a_name_that_is_the_providers_own_leaves_the_whole_body_as_it_is() {
    let cast = Cast::new();
    for (path, model) in [
        ("/v1/chat/completions", "gpt-5.5"),
        ("/v1/responses", "gpt-5.5"),
        ("/v1/embeddings", "text-embedding-3-small"),
        ("/v1/messages", "claude-opus-5-5"),
        ("/v1/messages/count_tokens", "claude-opus-5-5"),
    ] {
        let line = LIST.iter().find(|line| line.path == path).expect("a line");
        let model = model.chars().fold(String::new(), |text, c| format!("{text}\\u{:04x}", u32::from(c)));
        let body = format!(r#"{{ "x":1e5, "\u006dodel" : "{model}" , "y":[] }} "#);
        arrives_as(&cast, line, &body, &body);
    }
}

#[test]
fn deep_nests_arrive_as_they_are() {
    let cast = Cast::new();
    for line in posted() {
        let spelling = &spellings(line)[0];
        for depth in [100, 130, 5_000, 100_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                let nest = format!("{}1{}", open.repeat(depth), close.repeat(depth));
                let body = |name: &str| format!(r#"{{"deep":{nest},{name},"again":{nest}}}"#);
                arrives_as(&cast, line, &body(spelling.sent), &body(spelling.arrives));
            }
        }
    }
}

#[test]
fn long_bodies_arrive_as_they_are() {
    let cast = Cast::new();
    let text = r#"0123456789 \u00e9 ä \" "#;
    for line in posted() {
        let spelling = &spellings(line)[0];
        // Around the length from which a body is no longer copied, and above that from which it is read elsewhere.
        for length in [65_400, 65_600, 1_048_400, 1_300_000] {
            let pad = text.repeat(length / text.len());
            for body in [
                |pad: &str, name: &str| format!(r#"{{"pad":"{pad}",{name}}}"#),
                |pad: &str, name: &str| format!(r#"{{{name},"pad":["{pad}"]}}"#),
            ] {
                arrives_as(&cast, line, &body(&pad, spelling.sent), &body(&pad, spelling.arrives));
            }
        }
    }
}

#[test]
fn a_body_in_chunks_arrives_with_the_same_bytes() {
    let cast = Cast::new();
    for line in posted() {
        let spelling = &spellings(line)[0];
        let body = |name: &str| format!(r#" {{ "x" : 1e5, {name} , "ä":"😀" }} "#);
        for size in [1, 7, 1000] {
            let call = cast.http().request(line.method, line.path).json(body(spelling.sent)).chunked(size);
            let (exchange, _) = cast.arrives(line, call);
            assert_eq!(exchange.request.body, body(spelling.arrives).as_bytes(), "{}", line.path);
        }
    }
}

/// Google repeats the model's name in the body, as `models/NAME`; a provider refuses one that is not the path's.
#[test]
fn googles_bodies_name_the_model_as_their_provider_does() {
    let cast = Cast::new();
    // `@` is where the name stands.
    let table = [
        ("generateContent", r#"{"model":@,"contents":[{"parts":[{"text":"models/google:m"}]}]}"#),
        ("streamGenerateContent", r#"{"contents":[{"model":"models/google:m"}] , "model" : @ }"#),
        ("embedContent", r#"{ "content":{"model":"models/google:m"} , "mod\u0065l" : @ }"#),
        ("embedContent", r#"{"taskType":"X","content":{},"model":@}"#),
        (
            "batchEmbedContents",
            r#"{"requests":[{"model":@,"content":{"parts":[{"text":"a"}]}}, {"content":{},"model":@,"x":1e5},{}]}"#,
        ),
        ("batchEmbedContents", r#"{"requ\u0065sts":[{"\u006dodel":@}],"model":@}"#),
        ("batchEmbedContents", r#"{"requests":[{"model":@,"request":{"model":"models/google:m"}}]}"#),
        ("countTokens", r#"{"generateContentRequest":{"model":@,"contents":[{"model":"models/google:m"}]}}"#),
        ("countTokens", r#"{"generate_content_request":{"contents":[],"model" :  @ }, "n":1e5}"#),
        ("countTokens", r#"{"generateContentRequest":{"generateContentRequest":{"model":"models/google:m"}}}"#),
        ("countTokens", r#"{"model":@,"contents":[]}"#),
    ];
    for (verb, body) in table {
        for version in ["v1", "v1beta"] {
            let path = format!("/{version}/models/google:m:{verb}");
            let line = LIST.iter().find(|line| line.path == path).expect("a line");
            for written in [r#""models/google:m""#, r#""models\/google\u003am""#, r#""models/another""#] {
                arrives_as(&cast, line, &body.replace('@', written), &body.replace('@', r#""models/m""#));
            }
        }
    }
    // A hundred of them in a body that is longer than what is copied.
    let line = LIST.iter().find(|line| line.path.ends_with(":batchEmbedContents")).expect("a line");
    let one = |model: &str| {
        format!(r#"{{"model":"models/{model}","content":{{"parts":[{{"text":"{}"}}]}}}}"#, "x".repeat(20_000))
    };
    let all = |model: &str| format!(r#"{{"requests":[{}]}}"#, vec![one(model); 100].join(" ,\n"));
    arrives_as(&cast, line, &all("google:m"), &all("m"));
}

/// Names are found beside, and never within, what lies deeper than a stack would go.
#[test]
fn googles_names_are_found_beside_deep_nests() {
    let cast = Cast::new();
    for depth in [130, 100_000] {
        let nest = format!("{}\"model\"{}", "[".repeat(depth), "]".repeat(depth));
        for (verb, body) in [
            (
                "batchEmbedContents",
                format!(r#"{{"requests":[{{"content":{nest},"model":@}},{nest},{{"model":@,"x":{nest}}}]}}"#),
            ),
            ("countTokens", format!(r#"{{"generateContentRequest":{{"contents":{nest},"model":@}},"x":{nest}}}"#)),
            ("embedContent", format!(r#"{{"content":{nest},"model":@}}"#)),
        ] {
            let path = format!("/v1beta/models/google:m:{verb}");
            let line = LIST.iter().find(|line| line.path == path).expect("a line");
            let written = |name: &str| body.replace('@', name);
            arrives_as(&cast, line, &written(r#""models/google:m""#), &written(r#""models/m""#));
        }
    }
}

#[test]
fn what_google_shall_judge_is_left_as_it_is() {
    let cast = Cast::new();
    let line = LIST.iter().find(|line| line.path.ends_with(":batchEmbedContents")).expect("a line");
    for body in [
        r#"{"requests":null,"model":5,"generateContentRequest":"x"}"#,
        r#"{"requests":{"model":"a"},"generateContentRequest":[{"model":"a"}]}"#,
        r#"{"requests":[1,null,"model",[{"model":"a"}],{"model":null}]}"#,
        "{}",
    ] {
        arrives_as(&cast, line, body, body);
    }
}
