//! What is found out of a body that is judged, in each dialect.

use proptest::prelude::*;

use super::*;
use crate::protocol::{Dialect, Kind};

const CHAT: Dialect = Dialect::ChatCompletions;
const RESPONSES: Dialect = Dialect::Responses;
const MESSAGES: Dialect = Dialect::Messages;
const GOOGLE: Dialect = Dialect::GenerateContent;

fn judged(dialect: Dialect, body: &str) -> Judged {
    serde_json::from_str::<serde::de::IgnoredAny>(body).unwrap();
    dialect.rules().judge(body)
}

/// The provider's tools, as `name kind uses`.
fn tools(dialect: Dialect, tools: &str) -> Vec<String> {
    let body = format!("{{\"tools\":{tools}}}");
    let found = judged(dialect, &body).tools;
    let uses = |tool: &ProviderTool| tool.uses.map(|uses| format!(" {uses}")).unwrap_or_default();
    found.iter().map(|tool| format!("{} {}{}", tool.name, tool.kind, uses(tool))).collect()
}

#[test]
fn a_repeated_member_is_found_in_every_dialect() {
    for dialect in Dialect::ALL {
        assert_eq!(judged(dialect, r#"{"a":[{"b":{"c":1,"\u0063":2}}]}"#).repeated.as_deref(), Some("c"));
        let both = judged(dialect, r#"{"generation_config":{},"generationConfig":{}}"#).repeated;
        assert_eq!(both.is_some(), dialect == GOOGLE);
        for free in ["args", "response", "parameters", "labels", "_responseJsonSchema"] {
            let body = format!("{{\"x\":{{\"{free}\":{{\"file_uri\":1,\"fileUri\":2}}}}}}");
            assert_eq!(judged(dialect, &body).repeated, None);
        }
    }
}

#[test]
fn a_cap_or_count_is_a_whole_number_of_a_size() {
    let bad = |dialect, body: String| judged(dialect, &body).bad_number;
    for (value, is_bad) in [
        ("1", false),
        ("2147483647", false),
        ("null", false),
        ("0", true),
        ("-1", true),
        ("1.0", true),
        ("1e3", true),
        ("\"5\"", true),
        ("2147483648", true),
        ("4611686018427387904", true),
        ("99999999999999999999999", true),
        ("true", true),
        ("[1]", true),
        ("{}", true),
    ] {
        for dialect in [CHAT, RESPONSES, MESSAGES] {
            for name in ["max_tokens", "max_completion_tokens", "max_output_tokens", "n", "best_of"] {
                assert_eq!(bad(dialect, format!("{{\"{name}\" : {value} }}")), is_bad.then_some(name), "{value}");
            }
        }
        assert_eq!(bad(RESPONSES, format!("{{\"max_tool_calls\":{value}}}")), is_bad.then_some("max_tool_calls"));
        assert_eq!(bad(CHAT, format!("{{\"max_tool_calls\":{value}}}")), None);
        for (spelt, name) in [
            ("maxOutputTokens", "maxOutputTokens"),
            ("max_output_tokens", "maxOutputTokens"),
            ("candidateCount", "candidateCount"),
            ("candidate_count", "candidateCount"),
        ] {
            for config in ["generationConfig", "generation_config"] {
                let body = format!("{{\"{config}\":{{\"{spelt}\":{value}}}}}");
                assert_eq!(bad(GOOGLE, body), is_bad.then_some(name), "{value}");
            }
            assert_eq!(bad(GOOGLE, format!("{{\"{spelt}\":{value}}}")), None);
        }
        let uses = format!("{{\"tools\":[{{\"type\":\"web_search_20250305\",\"max_uses\":{value}}}]}}");
        assert_eq!(bad(MESSAGES, uses), is_bad.then_some("max_uses"));
    }
    assert_eq!(bad(CHAT, r#"{"m\u0061x_tokens":0,"n":0}"#.into()), Some("max_tokens"));
    for config in ["7", "[]", "\"x\""] {
        assert_eq!(bad(GOOGLE, format!("{{\"generationConfig\":{config}}}")), Some("generationConfig"));
    }
}

#[test]
fn a_stated_budget_for_thinking_is_read() {
    for (dialect, body, thinking, bad) in [
        (MESSAGES, r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#, Some(2048), None),
        (MESSAGES, r#"{"thinking":{"budget_tokens":2048,"type":"en\u0061bled"}}"#, Some(2048), None),
        (MESSAGES, r#"{"thinking":{"type":"adaptive","budget_tokens":2048}}"#, None, None),
        (MESSAGES, r#"{"thinking":{"type":"disabled"}}"#, None, None),
        (MESSAGES, r#"{"thinking":{"type":"enabled","budget_tokens":1e3}}"#, None, Some("budget_tokens")),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":512}}}"#, Some(512), None),
        (GOOGLE, r#"{"generation_config":{"thinking_config":{"thinking_budget":512}}}"#, Some(512), None),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-1}}}"#, None, None),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}}"#, None, None),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":null}}}"#, None, None),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":-2}}}"#, None, Some("thinkingBudget")),
        (GOOGLE, r#"{"generationConfig":{"thinkingConfig":{"thinkingBudget":"5"}}}"#, None, Some("thinkingBudget")),
        (CHAT, r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#, Some(2048), None),
        (CHAT, r#"{"reasoning":{"max_tokens":2000}}"#, Some(2000), None),
        (CHAT, r#"{"reasoning":{"effort":"high"}}"#, None, None),
        (CHAT, r#"{"reasoning":{"max_tokens":"x"}}"#, None, Some("reasoning.max_tokens")),
        (RESPONSES, r#"{"thinking":{"type":"enabled","budget_tokens":2048}}"#, None, None),
    ] {
        let found = judged(dialect, body);
        assert_eq!((found.thinking, found.bad_number), (thinking, bad), "{body}");
    }
}

#[test]
fn what_a_reply_is_to_be_besides_text_is_named_as_it_stands_there() {
    let (chat, google) = ("modalities", "generationConfig.responseModalities");
    for (dialect, body, expected) in [
        (CHAT, r#"{"modalities":["text"]}"#, &[][..]),
        (CHAT, r#"{"modalities":null,"audio":null}"#, &[]),
        (CHAT, r#"{"modalities":["text","audio","Audio"],"audio":{"voice":"x"}}"#, &[(Kind::Audio, chat)]),
        (CHAT, r#"{"audio":{"voice":"x"}}"#, &[(Kind::Audio, "audio")]),
        (CHAT, r#"{"modalities":["im\u0061ge","video"]}"#, &[(Kind::Image, chat), (Kind::Video, chat)]),
        (CHAT, r#"{"modalities":"audio"}"#, &[(Kind::Audio, chat)]),
        (CHAT, r#"{"modalities":["smell"]}"#, &[(Kind::File, chat)]),
        (CHAT, r#"{"messages":[{"audio":{"id":"x"},"modalities":["audio"]}]}"#, &[]),
        (RESPONSES, r#"{"modalities":["audio"]}"#, &[(Kind::Audio, chat)]),
        (MESSAGES, r#"{"modalities":["image"]}"#, &[(Kind::Image, chat)]),
        (GOOGLE, r#"{"generationConfig":{"responseModalities":["TEXT"]}}"#, &[]),
        (GOOGLE, r#"{"generationConfig":{"responseModalities":[0,1,null],"speechConfig":null}}"#, &[]),
        (GOOGLE, r#"{"generationConfig":{"responseModalities":["Text","Image"]}}"#, &[(Kind::Image, google)]),
        (
            GOOGLE,
            r#"{"generationConfig":{"responseModalities":[3,2]}}"#,
            &[(Kind::Audio, google), (Kind::Image, google)],
        ),
        (
            GOOGLE,
            r#"{"generation_config":{"response_modalities":["AUDIO"]}}"#,
            &[(Kind::Audio, "generation_config.response_modalities")],
        ),
        (GOOGLE, r#"{"generationConfig":{"speechConfig":{}}}"#, &[(Kind::Audio, "generationConfig.speechConfig")]),
        (GOOGLE, r#"{"generationConfig":{"image_config":{}}}"#, &[(Kind::Image, "generationConfig.image_config")]),
    ] {
        let found = judged(dialect, body);
        let wanted: Vec<_> = found.wanted.iter().map(|wanted| (wanted.kind, wanted.name.as_str())).collect();
        assert_eq!((wanted.as_slice(), found.choosing), (expected, None), "{body}");
    }
}

#[test]
fn a_provider_may_bring_in_what_no_body_holds() {
    for (dialect, body, brings) in [
        (CHAT, r#"{"tools":[{"type":"function","function":{}}],"prompt":["a"]}"#, false),
        (CHAT, r#"{"service_tier":"priority","models":["a"]}"#, false),
        (CHAT, r#"{"models":["a"],"plugins":[{"id":"web"}]}"#, true),
        (CHAT, r#"{"preset":"x"}"#, true),
        (CHAT, r#"{"web_search_options":{}}"#, true),
        (RESPONSES, r#"{"tools":[{"type":"web_search"}]}"#, true),
        (MESSAGES, r#"{"tools":[{"name":"f"}]}"#, false),
        (MESSAGES, r#"{"mcp_servers":[{}]}"#, true),
        (GOOGLE, r#"{"tools":[{"googleSearch":{}}]}"#, true),
    ] {
        assert_eq!(judged(dialect, body).brings_more(), brings, "{body}");
    }
}

#[test]
fn what_chooses_is_named_as_it_stands_there() {
    for dialect in Dialect::ALL {
        for name in CHOOSING {
            for (value, chooses) in
                [("\"x\"", true), ("{}", true), ("[1]", true), ("false", true), ("null", false), ("[ ]", false)]
            {
                let found = judged(dialect, &format!("{{\"{name}\":{value}}}")).choosing;
                assert_eq!(found.as_deref(), chooses.then_some(name), "{value}");
            }
        }
        for tier in PLAIN_TIERS {
            assert_eq!(judged(dialect, &format!("{{\"service_tier\":\"{tier}\"}}")).choosing, None);
            let speed = judged(dialect, &format!("{{\"speed\":\"{tier}\"}}")).choosing;
            assert_eq!(speed.is_none(), tier == "standard");
        }
        let found = judged(dialect, r#"{"x":{"models":["a"]},"messages":[{"provider":"x"}]}"#);
        assert_eq!(found.choosing, None);
    }
    for (dialect, body, expected) in [
        (CHAT, r#"{"s\u0065rvice_tier":"prio\u0072ity","models":["a"]}"#, Some("service_tier")),
        (CHAT, r#"{"service_tier":"\u0061uto"}"#, None),
        (CHAT, r#"{"serviceTier":"priority"}"#, None),
        (CHAT, r#"{"compound_custom":{"models":{}}}"#, Some("compound_custom")),
        (GOOGLE, r#"{"serviceTier":"priority"}"#, Some("serviceTier")),
        (GOOGLE, r#"{"service_tier":"priority"}"#, Some("service_tier")),
        (GOOGLE, r#"{"serviceTier":"flex"}"#, None),
        (GOOGLE, r#"{"generationConfig":{"routing_config":{}}}"#, Some("generationConfig.routing_config")),
        (GOOGLE, r#"{"generation_config":{"modelConfig":{}}}"#, Some("generation_config.modelConfig")),
        (
            RESPONSES,
            r#"{"tools":[{"type":"function"},{"type":"image_generation","model":"x"}]}"#,
            Some("tools[1].model"),
        ),
        (RESPONSES, r#"{"tools":[{"type":"image_generation","model":null}]}"#, None),
        (RESPONSES, r#"{"tools":[{"type":"x:image","parameters":{"models":["x"]}}]}"#, Some("tools[0].models")),
        (RESPONSES, r#"{"tools":[{"type":"function","parameters":{"properties":{"model":{}}}}]}"#, None),
        (
            RESPONSES,
            r#"{"tools":[{"type":"namespace","tools":[{"type":"custom","model":"x"}]}]}"#,
            Some("tools[0].tools[0].model"),
        ),
        (MESSAGES, r#"{"tools":[{"type":"advisor_20260301","model":"claude"}]}"#, Some("tools[0].model")),
        (MESSAGES, r#"{"tools":[{"name":"f","input_schema":{"properties":{"model":{}}}}]}"#, None),
        (GOOGLE, r#"{"tools":[{"googleSearch":{"model":"x"}}]}"#, Some("tools[0].googleSearch.model")),
        (GOOGLE, r#"{"tools":[{"model":"x"}]}"#, Some("tools[0].model")),
        (GOOGLE, r#"{"tools":[{"function_declarations":[],"models":["x"]}]}"#, Some("tools[0].models")),
        (GOOGLE, r#"{"tools":[{"model":null}]}"#, None),
    ] {
        assert_eq!(judged(dialect, body).choosing.as_deref(), expected, "{body}");
    }
}

#[test]
fn what_has_no_bound_is_named_as_it_stands_there() {
    for dialect in Dialect::ALL {
        for (body, unbounded, background) in [
            (r#"{"background":true}"#, Some("background"), true),
            // Some servers take these for true.
            (r#"{"background":"true"}"#, Some("background"), true),
            (r#"{"background":1}"#, Some("background"), true),
            (r#"{"background":false}"#, None, false),
            (r#"{"background":null}"#, None, false),
            (r#"{"mcp_servers":[{}]}"#, Some("mcp_servers"), false),
            (r#"{"mcp_servers":[]}"#, None, false),
            // An empty object turns a search on.
            (r#"{"web_search_options":{}}"#, Some("web_search_options"), false),
            (r#"{"web_search_options":null}"#, None, false),
            (r#"{"search_parameters":{"mode":"auto"}}"#, Some("search_parameters"), false),
            (r#"{"mcp_servers":[{}],"b\u0061ckground":true}"#, Some("mcp_servers"), true),
            (r#"{"metadata":{"background":true}}"#, None, false),
        ] {
            let found = judged(dialect, body);
            assert_eq!((found.unbounded.as_deref(), found.background), (unbounded, background), "{body}");
        }
    }
    assert_eq!(judged(GOOGLE, r#"{"mcpServers":[{}]}"#).unbounded.as_deref(), Some("mcpServers"));
}

#[test]
fn tools_of_openais_that_the_caller_runs_are_free() {
    for dialect in [CHAT, RESPONSES] {
        for free in [
            r#"{"type":"function","function":{"name":"f"}}"#,
            r#"{"type":"custom"}"#,
            r#"{"type":"namespace","tools":[{"type":"function"},{"type":"custom"}]}"#,
            r#"{"type":"namespace"}"#,
            r#"{"type":"local_shell"}"#,
            r#"{"type":"apply_patch"}"#,
            r#"{"type":"computer_use_preview"}"#,
            r#"{"type":"shell","environment":{"type":"local"}}"#,
            r#"{"t\u0079pe":"fun\u0063tion"}"#,
        ] {
            assert_eq!(tools(dialect, &format!("[{free}]")), Vec::<String>::new(), "{free}");
        }
        for (tool, found) in [
            (r#"{"type":"web_search"}"#, "tools[0] web_search"),
            (r#"{"type":"web_search","max_uses":1}"#, "tools[0] web_search"),
            (r#"{"type":"shell"}"#, "tools[0] shell"),
            (r#"{"type":"shell","environment":{"type":"container_auto"}}"#, "tools[0] shell"),
            (r#"{"type":"shell","environment":"local"}"#, "tools[0] shell"),
            (r#"{"type":"functions"}"#, "tools[0] functions"),
            (r#"{"type":"Function"}"#, "tools[0] Function"),
            (r#"{"type":"mcp"}"#, "tools[0] mcp"),
            (r#"{"type":"namespace","tools":[{"type":"custom"},{"type":"mcp"}]}"#, "tools[0].tools[1] mcp"),
            (r#"{"type":"namespace","tools":[{"type":"namespace","tools":[]}]}"#, "tools[0].tools[0] namespace"),
            ("{}", "tools[0] "),
            (r#"{"type":null}"#, "tools[0] "),
            (r#"{"type":7}"#, "tools[0] "),
            ("\"web_search\"", "tools[0] "),
            ("null", "tools[0] "),
        ] {
            assert_eq!(tools(dialect, &format!("[{tool}]")), [found], "{tool}");
        }
        assert_eq!(tools(dialect, "null").len() + tools(dialect, "[]").len(), 0);
        assert_eq!(tools(dialect, "\"x\""), ["tools "]);
        assert_eq!(tools(dialect, r#"{"type":"web_search"}"#), ["tools web_search"]);
    }
    assert_eq!(judged(CHAT, r#"{"functions":[{"name":"f"}]}"#).tools.len(), 0);
}

#[test]
fn tools_of_anthropics_that_the_caller_runs_are_free() {
    for kind in [
        "custom",
        "bash_20250124",
        "text_editor_20250728",
        "computer_20251124",
        "memory_20250818",
        "tool_search_tool_regex_20251119",
    ] {
        assert_eq!(tools(MESSAGES, &format!("[{{\"type\":\"{kind}\"}}]")), Vec::<String>::new(), "{kind}");
    }
    let free = r#"[{"name":"f","input_schema":{"type":"object","max_uses":0}},{"type":null}]"#;
    assert_eq!(tools(MESSAGES, free), Vec::<String>::new());
    let found = tools(
        MESSAGES,
        r#"[{"name":"f"},{"type":"web_search_20250305","max_uses":5},{"type":"web_fetch_20260318","max_uses":null},
            {"type":"code_execution_20260120"},{"type":"mcp_toolset"},{"type":"bash"},{"type":7}]"#,
    );
    let expected = [
        "tools[1] web_search_20250305 5",
        "tools[2] web_fetch_20260318",
        "tools[3] code_execution_20260120",
        "tools[4] mcp_toolset",
        "tools[5] bash",
        "tools[6] ",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_tool_of_googles_is_what_its_members_say() {
    let found = tools(
        GOOGLE,
        r#"[{"functionDeclarations":[{"name":"f","parameters":{"model":1}}]},{"function_declarations":[]},{"computer_use":{}},
            {"computerUse":{},"google_search":{},"urlContext":null},{"code_execution":{}},{},7]"#,
    );
    assert_eq!(found, ["tools[3].google_search googleSearch", "tools[4].code_execution codeExecution", "tools[6] "]);
    assert_eq!(tools(GOOGLE, r#"{"googleMaps":{}}"#), ["tools.googleMaps googleMaps"]);
}

#[test]
fn where_a_tool_stands_is_known() {
    let body = r#"{"model":"m","tools":[ {"type":"namespace","tools":[{"type":"mcp"}]} ,{"type":"web_search"}]}"#;
    let found = judged(RESPONSES, body).tools;
    let texts: Vec<&str> = found.iter().map(|tool| &body[tool.at.clone()]).collect();
    assert_eq!(texts, [r#"{"type":"mcp"}"#, r#"{"type":"web_search"}"#]);
}

#[test]
fn the_uses_of_a_tool_are_the_least_of_its_bounds() {
    let tool = |uses| ProviderTool { kind: String::new(), name: String::new(), uses, at: 0..0 };
    for (own, callers, spliced, expected) in [
        (None, None, None, None),
        (Some(3), None, None, Some(3)),
        (None, Some(20), Some(TOOL_CALLS), Some(20)),
        (None, None, Some(TOOL_CALLS), Some(8)),
        (Some(3), Some(2), None, Some(2)),
    ] {
        let judged = Judged { max_tool_calls: callers, ..Judged::default() };
        assert_eq!(judged.uses_of(&tool(own), spliced), expected);
    }
    assert_eq!(judged(RESPONSES, r#"{"max_tool_calls":3}"#).max_tool_calls, Some(3));
    assert_eq!(judged(CHAT, r#"{"max_tool_calls":3}"#).max_tool_calls, None);
    assert!(RESPONSES.rules().caps_tool_calls() && !CHAT.rules().caps_tool_calls());
}

#[test]
fn more_tools_than_are_looked_at_may_be_anything() {
    let list = |tool: &str, count: usize| format!("{{\"tools\":[{}]}}", vec![tool; count].join(","));
    let found = judged(RESPONSES, &list(r#"{"type":"mcp"}"#, 70));
    assert_eq!((found.tools.len(), found.unbounded.as_deref(), found.choosing), (64, Some("tools[64]"), None));
    let free = judged(MESSAGES, &list("{}", 4_096));
    assert_eq!((free.tools.len(), free.unbounded, free.choosing), (0, None, None));
    let many = judged(MESSAGES, &list("{}", 4_097));
    assert_eq!((many.unbounded.as_deref(), many.choosing.as_deref()), (Some("tools"), Some("tools")));
    let members: Vec<String> = (0..70).map(|number| format!("\"m{number}\":{{}}")).collect();
    let wide = judged(GOOGLE, &format!("{{\"tools\":[{{{}}}]}}", members.join(",")));
    assert_eq!((wide.tools.len(), wide.choosing.as_deref()), (64, Some("tools[0]")));
    let deep = format!("{{\"tools\":[{}{}]}}", "[".repeat(500), "]".repeat(500));
    assert_eq!(judged(RESPONSES, &deep).tools.len(), 1);
}

#[test]
fn a_plain_body_says_nothing() {
    let bodies = [
        (CHAT, r#"{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"temperature":0.5,"n":1}"#),
        (RESPONSES, r#"{"model":"m","input":"x","tools":[{"type":"function","name":"f"}],"service_tier":"auto"}"#),
        (MESSAGES, r#"{"model":"m","max_tokens":5,"messages":[],"tools":[{"name":"f"}],"metadata":{}}"#),
        (GOOGLE, r#"{"contents":[],"generationConfig":{"temperature":1,"maxOutputTokens":5},"toolConfig":{}}"#),
    ];
    for (dialect, body) in bodies {
        assert_eq!(Judged { caps: Vec::new(), ..judged(dialect, body) }, Judged::default(), "{body}");
    }
}

proptest! {
    #[test]
    fn any_body_is_judged_without_a_panic(
        text in "(\"(tools|type|model|generationConfig|thinking|max_tokens|background|environment)\":|[\\[\\]{}\",:a-z_0-9\\\\ é]){0,40}",
    ) {
        for dialect in Dialect::ALL {
            let _ = dialect.rules().judge(&text);
            let _ = dialect.rules().judge(&format!("{{{text}"));
            let _ = dialect.rules().judge(&format!("{{\"tools\":[{{{text}"));
        }
    }
}
