//! What a manifest may hold, and how its mistakes are told.

use super::*;

const GOOD: &str = r#"
id = "x"
kind = "gateway"
endpoint = "https://x.example/v1"
protocol = ["messages", "chat_completions"]
[auth]
env = ["X_KEY"]
[endpoints.chat_completions]
url = "https://x.example/openai"
[[models]]
id = "m"
[models.pricing.input_tokens]
no_cache = 0
"#;

fn parse(text: &str) -> Result<Manifest, RegistryError> {
    Manifest::parse(text, Path::new("dir/x.toml"))
}

#[test]
fn reads_what_the_contract_lists() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(manifest.protocols, [Dialect::Messages, Dialect::ChatCompletions]);
    assert_eq!(manifest.models[0].upstream_id(), "m");
    assert_eq!(manifest.endpoints[&Dialect::ChatCompletions].url, "https://x.example/openai");
}

#[test]
fn r1_20_only_the_id_and_the_address_have_no_default() {
    let manifest = parse("id = \"x\"\nendpoint = \"https://x.example/v1\"\n[[models]]\nid = \"m\"").unwrap();
    assert_eq!((manifest.name.as_str(), manifest.kind), ("x", Kind::Gateway));
    assert_eq!((manifest.protocols, manifest.auth), (vec![Dialect::ChatCompletions], Auth::default()));
    assert_eq!(manifest.models[0].upstream_id(), "m");
    for text in ["id = \"x\"", "endpoint = \"https://x.example/v1\""] {
        assert!(parse(text).unwrap_err().to_string().contains("missing field"), "{text}");
    }
}

#[test]
fn a_stream_asks_for_usage_unless_the_manifest_says_that_the_provider_refuses() {
    assert!(parse(GOOD).unwrap().stream_usage);
    for (written, wanted) in [("true", true), ("false", false)] {
        let text = GOOD.replace("[auth]", &format!("stream_usage = {written}\n[auth]"));
        assert_eq!(parse(&text).unwrap().stream_usage, wanted, "{written}");
    }
    let error = parse(&GOOD.replace("[auth]", "stream_usage = \"no\"\n[auth]")).unwrap_err();
    assert_eq!(error.to_string(), "dir/x.toml:6: `stream_usage` must be a boolean");
}

#[test]
fn r1_16_headers_that_frame_a_message_are_refused_by_name() {
    for name in ["host", "Content-Length", "transfer-encoding", "Connection", "TE", "upgrade", "expect"] {
        let wanted = format!("`{}`", name.to_ascii_lowercase());
        for (from, to, line) in [
            ("env =", format!("header = \"{name}\"\nenv ="), 7),
            ("env =", format!("extra_headers = {{ \"{name}\" = \"1\" }}\nenv ="), 7),
            ("[[models]]", format!("header = \"{name}\"\n[[models]]"), 10),
        ] {
            let text = parse(&GOOD.replace(from, &to)).unwrap_err().to_string();
            assert!(text.starts_with(&format!("dir/x.toml:{line}: ")) && text.contains(&wanted), "{text}");
        }
    }
}

#[test]
fn an_unknown_key_names_file_line_and_the_nearest() {
    let error = parse(&GOOD.replace("no_cache", "nocache")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "dir/x.toml:13: unknown key `models.pricing.input_tokens.nocache`; did you mean `no_cache`"
    );
    let error = parse(&GOOD.replace("endpoint =", "endpiont =")).unwrap_err();
    assert_eq!(error.to_string(), "dir/x.toml:4: unknown key `endpiont`; did you mean `endpoint`");
}

#[test]
fn every_class_of_tokens_has_its_price_and_later_ones_their_date() {
    let text = GOOD.replace(
        "no_cache = 0",
        "no_cache = 1\ncache_read = 2\ncache_write = 3\ncache_write_1h = 4\naudio = 5\nimage = 6\nvideo = 7\n\
         [models.pricing.output_tokens]\ntext = 8\nreasoning = 9\naudio = 10\nimage = 11\n\
         [[models.pricing.changes]]\nfrom = 2027-01-01\ninput_tokens = { no_cache = 2 }\n\
         [[models.pricing.changes.context_tiers]]\nabove_input_tokens = 5\ninput_tokens = { no_cache = 3 }\n\
         [[models.pricing.changes]]\nfrom = 2027-01-01T00:00:01Z",
    );
    let pricing = parse(&text).unwrap().models.remove(0).pricing.unwrap();
    let (input, output) = (pricing.input_tokens, pricing.output_tokens);
    let classes = [
        input.no_cache,
        input.cache_read,
        input.cache_write,
        input.cache_write_1h,
        input.audio,
        input.image,
        input.video,
        output.text,
        output.reasoning,
        output.audio,
        output.image,
    ];
    for (class, usd) in classes.iter().zip(1_u64..) {
        assert_eq!(class.unwrap().micro_usd_per_million(), usd * 1_000_000);
    }
    let new_year = 1_798_761_600;
    assert_eq!(pricing.changes[0].from.unix_seconds(), new_year);
    assert_eq!(pricing.at(new_year - 1), Pricing { changes: Vec::new(), ..pricing.clone() });
    assert_eq!(pricing.at(new_year).context_tiers[0].above_input_tokens, 5);
    assert_eq!(pricing.at(new_year + 1), Pricing::default());
}

#[test]
fn limits_of_media_the_pace_the_cap_and_the_tools_are_kept() {
    let manifest = parse(GOOD).unwrap();
    assert_eq!(
        (manifest.output_cap, manifest.tools.len(), manifest.models[0].max_output_tps),
        (OutputCap::MaxTokens, 0, None)
    );
    let text = GOOD.replace("[auth]", "output_cap = \"max_completion_tokens\"\n[auth]").replace(
        "[[models]]\nid = \"m\"",
        "[[tools]]\ntype = \"web_search\"\nusd_per_use = 0.01\nmax_input_tokens = 8000\n[[tools]]\ntype = \"x\"\n\
         usd_per_use = 0\n[[models]]\nid = \"m\"\nmax_image_tokens = 1\nmax_audio_tokens = 2\nmax_file_tokens = 3\n\
         max_output_tps = 4\noutput_cap = \"max_tokens\"",
    );
    let manifest = parse(&text).unwrap();
    let (model, tool) = (&manifest.models[0], &manifest.tools[0]);
    assert_eq!((model.max_image_tokens, model.max_audio_tokens, model.max_file_tokens), (Some(1), Some(2), Some(3)));
    assert_eq!((model.max_output_tps.map(u32::from), model.output_cap), (Some(4), Some(OutputCap::MaxTokens)));
    assert_eq!(
        (tool.kind.as_str(), tool.usd_per_use.amount().micros(), tool.max_input_tokens),
        ("web_search", 10_000, Some(8_000))
    );
    assert_eq!(manifest.output_cap.as_str(), "max_completion_tokens");
}

#[test]
fn a_price_that_is_finer_than_a_micro_usd_names_file_line_and_key() {
    let error = parse(&GOOD.replace("no_cache = 0", "no_cache = 0.0000001")).unwrap_err().to_string();
    let expected = "dir/x.toml:13: `models.pricing.input_tokens.no_cache` must be USD per million tokens, from 0 to 1000000 in \
                    whole steps of 0.000001";
    assert_eq!(error, expected);
    let tool = GOOD.replace("[[models]]", "[[tools]]\ntype = \"t\"\nusd_per_use = 0.0000001\n[[models]]");
    let error = parse(&tool).unwrap_err().to_string();
    assert!(error.starts_with("dir/x.toml:12: `tools.usd_per_use` must be USD for one use"), "{error}");
}

#[test]
fn every_other_mistake_names_its_line() {
    for (from, to, line) in [
        ("\"gateway\"", "\"gatewy\"", 3),
        ("id = \"x\"", "id = \"X!\"", 2),
        ("\"X_KEY\"", "\"x key\"", 7),
        ("\"X_KEY\"", "\"BITROUTER_API_KEY\"", 7),
        ("\"X_KEY\"", "'1KEY'", 1),
        ("https://x.example/v1", "http://x.example/v1", 4),
        ("https://x.example/openai", "http://x.example/openai", 9),
        ("https://x.example/openai", "ftp://x", 9),
        ("[[models]]", "header = \"a b\"\n[[models]]", 10),
        ("[[models]]", "scheme = \"a\\nb\"\n[[models]]", 10),
        ("env =", "scheme = \"\\n\"\nenv =", 7),
        ("env =", "header = \"é\"\nenv =", 7),
        ("env =", "extra_headers = { a = \"\\n\" }\nenv =", 7),
        ("no_cache = 0", "no_cache = -1", 13),
        ("no_cache = 0", "no_cache = 0\n[[models.pricing.changes]]\nfrom = \"2027\"", 15),
        ("no_cache = 0", "no_cache = 0\n[[models.pricing.changes]]", 14),
        ("no_cache = 0", "no_cache = 0\n[[models.pricing.changes]]\nfrm = 2027-01-01", 15),
        (
            "no_cache = 0",
            "no_cache = 0\n[[models.pricing.changes]]\nfrom = 2027-01-01\n[[models.pricing.changes]]\nfrom = 2027-01-01",
            11,
        ),
        ("id = \"m\"", "id = \"m\"\nmax_output_tps = 0", 12),
        ("id = \"m\"", "id = \"m\"\noutput_cap = \"max\"", 12),
        ("[[models]]", "[[tools]]\ntype = \"\"\nusd_per_use = 1\n[[models]]", 11),
        ("[[models]]", "[[tools]]\ntype = \"t\"\n[[models]]", 10),
        (
            "[[models]]",
            "[[tools]]\ntype = \"t\"\nusd_per_use = 1\n[[tools]]\ntype = \"t\"\nusd_per_use = 1\n[[models]]",
            11,
        ),
        ("no_cache = 0", "no_cache = ", 13),
        ("[[models]]\nid = \"m\"", "[[models]]\nid = \"m\"\n[[models]]\nid = \"m\"", 11),
    ] {
        let text = parse(&GOOD.replace(from, to)).unwrap_err().to_string();
        assert!(text.starts_with(&format!("dir/x.toml:{line}: ")), "{text}");
    }
}

#[test]
fn p03_a_value_is_never_quoted() {
    let mut seen = 0;
    for (from, to) in [
        ("\"gateway\"", "\"gateway-SECRET\""),
        ("id = \"x\"", "id = \"SECRET\""),
        ("id = \"x\"", "id = 'SECRET key'"),
        ("\"https://x.example/v1\"", "\"https://u:SECRET@h/v1\""),
        ("\"https://x.example/v1\"", "\"SECRET\""),
        ("\"https://x.example/v1\"", "SECRET"),
        ("\"https://x.example/v1\"", "[\"SECRET\"]"),
        ("\"https://x.example/v1\"", "\"SECRET"),
        ("\"https://x.example/v1\"", "\"\"\"SECRET\n"),
        ("[\"messages\", \"chat_completions\"]", "[\"messages\", \"SECRET\"]"),
        ("[\"messages\", \"chat_completions\"]", "\"SECRET, expected SECRET\""),
        ("[\"messages\", \"chat_completions\"]", "{ a = \"SECRET\" }"),
        ("\"X_KEY\"", "\"sk-SECRET\""),
        ("\"X_KEY\"", "1, \"SECRET\""),
        ("[\"X_KEY\"]", "\"SECRET, expected SECRET\""),
        ("env =", "header = \"a bSECRET\"\nenv ="),
        ("env =", "scheme = \"SECRET\\n\"\nenv ="),
        ("env =", "scheme = [\"SECRET\"]\nenv ="),
        ("env =", "extra_headers = { Authorization = \"SECRET\\n\" }\nenv ="),
        ("env =", "extra_headers = { \"SECRET x\" = \"y\" }\nenv ="),
        ("env =", "extra_headers = \"SECRET\"\nenv ="),
        ("env =", "env = [\"SECRET\"]\nenv ="),
        ("\"https://x.example/openai\"", "\"https://u:SECRET@h/v1\""),
        ("[[models]]", "header = \"a bSECRET\"\n[[models]]"),
        ("[[models]]", "[payment]\nmodes = \"SECRET\"\n[[models]]"),
        ("id = \"m\"", "id = \"m\"\nmax_input_tokens = \"SECRET\""),
        ("id = \"m\"", "id = \"m\"\ncapabilities = \"SECRET\""),
        ("no_cache = 0", "no_cache = \"SECRET\""),
        ("no_cache = 0", "no_cache = 0SECRET"),
        ("no_cache = 0", "no_cache = \"\\SECRET\""),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let error = parse(&GOOD.replacen(from, to, 1)).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("dir/x.toml:"), "{to}: {text}");
        assert!(!text.contains("SECRET") && !format!("{error:?}").contains("SECRET"), "{to}: {text}");
        seen += 1;
    }
    assert_eq!(seen, 30);
    for (from, to, expected) in [
        ("[\"X_KEY\"]", "\"SECRET\"", "dir/x.toml:7: `auth.env` must be a sequence"),
        (
            "id = \"m\"",
            "id = \"m\"\nmax_input_tokens = \"1\"",
            "dir/x.toml:12: `models.max_input_tokens` must be a whole number",
        ),
        (
            "\"https://x.example/v1\"",
            "\"https://u:p@h\"",
            "dir/x.toml:4: `endpoint` must not carry a user name or password; keys come from variables",
        ),
    ] {
        assert_eq!(parse(&GOOD.replacen(from, to, 1)).unwrap_err().to_string(), expected);
    }
}
