//! A model's name in a path: every spelling of a name means that name, and no spelling of it means another path.

use bitrouter_tests::{Answer, Daemon, Provider, Reply, World, dialects::Vendor};

use super::{cast::Cast, listed::posted, voice::Voice};

/// A provider of Google's dialect that lists no models, so that `gem/…` is any name.
struct Gem {
    daemon: Daemon,
    provider: Provider,
    _world: World,
}

impl Gem {
    fn new() -> Self {
        let world = World::new();
        let provider = Provider::start();
        provider.always(|_| Reply::json(200, "{}"));
        let manifest = format!(
            "id = \"gem\"\nendpoint = \"http://{}/base/v1beta\"\nprotocol = \"generate_content\"\n",
            provider.addr()
        );
        world.write("config/bitrouter/registry/gem.toml", manifest);
        world.config("[aliases]\nquick = \"gem:al/ias\"\n\"a:b/c\" = \"gem:colons\"\n");
        let daemon = world.serve().env("BITROUTER_GEM_API_KEY", world.canary("gem")).start();
        Self { daemon, provider, _world: world }
    }

    fn post(&self, path: &str) -> Answer {
        self.daemon.http().post(path).json("{}").send()
    }
}

#[test]
fn every_spelling_of_a_name_means_it() {
    let gem = Gem::new();
    let table = [
        ("models/gem:m", "m"),
        ("gem:m", "m"),
        ("gem/m", "m"),
        ("models/gem/m", "m"),
        ("models/gem%2Fm", "m"),
        ("models/gem%2fm", "m"),
        ("models/gem%3Am", "m"),
        ("models%2Fgem%3Am", "m"),
        ("models/%67em:%6D", "m"),
        ("models/gem:a:b:c", "a%3Ab%3Ac"),
        ("models/gem:a/b/c", "a/b/c"),
        ("models/gem%2Fa%2Fb%3Ac", "a/b%3Ac"),
        ("models/gem:gemini-4_neon~1.0", "gemini-4_neon~1.0"),
        ("models/gem:m%C3%A9l", "m%C3%A9l"),
        ("models/gem:a%20b", "a%20b"),
        ("models/gem:a+b", "a%2Bb"),
        ("models/gem:a;v=1,2@3", "a%3Bv%3D1%2C2%403"),
        ("models/gem:a%5C..%5Cb", "a%5C..%5Cb"),
        ("models/gem:a%22%3C%3E%5E%60%7B%7C%7D", "a%22%3C%3E%5E%60%7B%7C%7D"),
        ("models/gem:...", "..."),
        ("models/gem:a/.b/..c/d..", "a/.b/..c/d.."),
        ("models/gem:generateContent", "generateContent"),
        ("models/gem:x:generateContent", "x%3AgenerateContent"),
        ("models/quick", "al/ias"),
        ("models/a:b/c", "colons"),
        ("models/a%3Ab%2Fc", "colons"),
    ];
    for version in ["v1", "v1beta"] {
        for (name, model) in table {
            for verb in ["generateContent", "countTokens", "batchEmbedContents"] {
                for colon in [":", "%3A", "%3a"] {
                    let path = format!("/{version}/{name}{colon}{verb}");
                    let answer = gem.post(&path);
                    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
                    let target = &gem.provider.last().request.target;
                    assert_eq!(*target, format!("/base/v1beta/models/{model}:{verb}"), "{path}");
                }
            }
        }
    }
}

#[test]
fn a_run_of_slashes_in_a_name_is_one() {
    let gem = Gem::new();
    assert_eq!(gem.post("//v1beta//models//gem:a//b:generateContent").status, 200);
    assert_eq!(gem.provider.last().request.target, "/base/v1beta/models/a/b:generateContent");
}

#[test]
fn p13_a_name_that_could_be_another_path_is_400() {
    let gem = Gem::new();
    let long = "m".repeat(513);
    let names = [
        "gem:a%3Fb",
        "gem:a%3fkey=x",
        "gem:a%23b",
        "gem:a%25b",
        "gem:a%252Fb",
        "gem:a%252e%252e%252fb",
        "gem:a%00b",
        "gem:a%0Ab",
        "gem:a%0D%0Ax-injected:%201",
        "gem:a%7Fb",
        "gem:a%C2%85b",
        "gem:a%FFb",
        "gem:a%C3",
        "gem:..",
        "gem:.",
        "gem:../b",
        "gem:./b",
        "gem:a/..",
        "gem:a/.",
        "gem:a/../b",
        "gem:a/./b",
        "gem:a/%2E%2E/b",
        "gem:a%2F..%2Fb",
        "gem:a%2f%2e%2e%2fb",
        "gem:..%2F..%2Fv1%2Ffiles",
        "gem%3A..%2Fb",
        "gem/../b",
        "gem%2F..%2Fb",
        "gem/./b",
        "..%2Fgem:a",
        "../gem:a",
        "./gem:a",
        "models/../gem:a",
        "nobody:../x",
        "gem:a%",
        "gem:a%zz",
        long.as_str(),
    ];
    for version in ["v1", "v1beta"] {
        for prefix in ["models/", ""] {
            for name in names {
                for verb in ["generateContent", "embedContent"] {
                    let path = format!("/{version}/{prefix}{name}:{verb}");
                    let answer = gem.post(&path);
                    assert_eq!(answer.status, 400, "{path}: {}", answer.text());
                    Voice::Google.refused(&answer, 400, "invalid_request");
                }
            }
        }
    }
    assert_eq!(gem.provider.count(), 0);
    let longest = "m".repeat(508);
    assert_eq!(gem.post(&format!("/v1beta/models/gem:{longest}:generateContent")).status, 200);
}

#[test]
fn what_stands_behind_a_name_in_the_query_is_none_of_it() {
    let gem = Gem::new();
    // A `?` ends the path, so that there is no verb in it.
    let answer = gem.post("/v1beta/models/gem:a?b:generateContent");
    assert!(matches!(answer.status, 404 | 405), "{} {}", answer.status, answer.text());
    assert_eq!(gem.provider.count(), 0);
    for query in ["?x=/../y", "?alt=sse&y=:countTokens", "?alt=json&#"] {
        let answer = gem.post(&format!("/v1beta/models/gem:a:streamGenerateContent{query}"));
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        let target = &gem.provider.last().request.target;
        assert!(
            target.starts_with("/base/v1beta/models/a:streamGenerateContent") && !target.contains(".."),
            "{target}"
        );
    }
}

/// Where the name stands in the body it is only a name: no spelling of it changes the path.
#[test]
fn p13_a_name_in_a_body_has_a_bound_and_leads_nowhere_else() {
    let cast = Cast::new();
    let named = |path: &str| !path.contains("google:");
    for line in posted().filter(|line| named(line.path)) {
        let body = |name: &str| format!(r#"{{"model":"{}:{name}"}}"#, line.vendor.id());
        for name in ["../../x", "a?b#c%2F", "/", "http://evil.example/", "a\\r\\nx: y", &"m".repeat(490)] {
            let call = cast.http().post(line.path).json(body(name));
            let (exchange, _) = cast.arrives(line, call);
            assert_eq!(exchange.request.target, line.target, "{name}");
        }
        let before = cast.arrivals();
        for long in ["m".repeat(513), "\\u006d".repeat(513), "é".repeat(256)] {
            let answer = cast.http().post(line.path).json(body(&long)).send();
            line.voice.refused(&answer, 400, "invalid_request");
        }
        assert_eq!(cast.arrivals(), before);
    }
}

#[test]
fn p13_a_body_without_one_clear_document_is_400_in_every_line() {
    let cast = Cast::new();
    for line in posted() {
        let id = line.vendor.id();
        let model = format!(r#""model":"{id}:m""#);
        let mut bodies = vec![
            String::new(),
            " \n".to_owned(),
            "{".to_owned(),
            "[]".to_owned(),
            "\"x\"".to_owned(),
            "null".to_owned(),
            format!("{{{model}}} x"),
            format!("{{{model}}}{{}}"),
            format!("{{{model}}}\u{0}"),
            format!("{{{model},}}"),
            format!("{{{model},\"x\":01}}"),
            format!("{{{model},\"x\":\"\\q\"}}"),
            format!("{{{model},\"x\":\"\u{1}\"}}"),
            format!("\u{feff}{{{model}}}"),
            format!("{{{model},\"x\":NaN}}"),
            format!("{{{model} \"x\":1}}"),
        ];
        if line.vendor != Vendor::Google {
            bodies.extend([
                "{}".to_owned(),
                r#"{"messages":[{"model":"openai:m"}]}"#.to_owned(),
                r#"{"model":null}"#.to_owned(),
                r#"{"model":5}"#.to_owned(),
                r#"{"model":""}"#.to_owned(),
                r#"{"model":["openai:m"]}"#.to_owned(),
                format!("{{{model},{model}}}"),
                format!(r#"{{{model},"mod\u0065l":"{id}:m"}}"#),
                format!(r#"{{{model},"model":null}}"#),
            ]);
        }
        for body in bodies {
            let answer = cast.http().post(line.path).json(&body).send();
            assert_eq!(answer.status, 400, "{} {body:?}: {}", line.path, answer.text());
            line.voice.refused(&answer, 400, "invalid_request");
        }
        let broken = [b"{\"model\":\"x\",\"y\":\"".as_slice(), &[0xff, 0xfe], b"\"}"].concat();
        line.voice.refused(&cast.http().post(line.path).json(broken).send(), 400, "invalid_request");
    }
    assert_eq!(cast.arrivals(), 0);
}
