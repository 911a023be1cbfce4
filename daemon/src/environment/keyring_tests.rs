//! Which value becomes a provider's key, compared with a plain reference over all sources and names.

use bitrouter_proto::env::Environment;
use proptest::prelude::*;
use secrecy::ExposeSecret as _;

use super::*;
use crate::environment::{EnvFile, Parent, Pushed, Session};

/// Everything that supplies values, as a test writes it.
#[derive(Clone, Debug, Default)]
struct World {
    /// Pushes in their order: session, name, value.
    pushes: Vec<(u32, &'static str, String)>,
    files: Vec<Vec<(&'static str, String)>>,
    own: Vec<(&'static str, String)>,
    /// What the parent shows now; it showed what we have at our start.
    parent: Option<Vec<(&'static str, String)>>,
    forgotten: Vec<&'static str>,
}

fn is_usable(value: &str) -> bool {
    !(value.is_empty()
        || ["brk_", "bra_", "brr_", "sk-tr-"].iter().any(|start| value.starts_with(start))
        || value == "bitrouter-local"
        || value.chars().any(|c| c.is_control() || !c.is_ascii()))
}

const PROVIDERS: [(&str, &[&str]); 3] =
    [("google", &["GOOGLE_API_KEY", "GEMINI_API_KEY"]), ("openai", &["OPENAI_API_KEY"]), ("x-ai", &[])];

fn providers() -> Vec<KeyNames> {
    PROVIDERS.iter().map(|(id, passthrough)| KeyNames::new(id, passthrough.iter().copied())).collect()
}

impl World {
    fn ring(&self) -> KeyRing {
        self.ring_of(&providers())
    }

    fn ring_of(&self, providers: &[KeyNames]) -> KeyRing {
        fn pairs<'a>(values: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
            values.iter().map(|(name, value)| (*name, value.as_str())).collect()
        }
        let known = KnownNames::of(providers);
        let mut pushed = Pushed::default();
        for (sid, name, value) in &self.pushes {
            let session = Session { sid: *sid, leader_start: Some(1) };
            pushed.delta(session, vec![((*name).to_owned(), Some(value.as_str().into()))], &known).unwrap();
        }
        pushed.forget(self.forgotten.iter().copied());
        let files: Vec<_> =
            self.files.iter().enumerate().map(|(n, values)| EnvFile::of(&format!("/e{n}"), &pairs(values))).collect();
        let process: Environment = pairs(&self.own).into_iter().collect();
        let parent = self.parent.as_ref().map(|now| {
            // A block without any variable is no environment.
            let with_path = |values: &[(&'static str, String)]| {
                let mut values = values.to_vec();
                values.push(("PATH", "/bin".into()));
                values
            };
            Parent::of(9, &pairs(&with_path(&self.own)), &pairs(&with_path(now)), &known)
        });
        let layers = Layers { pushed: &pushed, env_files: &files, process: &process, parent: parent.as_ref() };
        KeyRing::build(providers, &layers)
    }

    /// The reference: every value with its rank, and the smallest rank among those that may be keys.
    fn expected(&self, provider: usize) -> Option<(String, String, KeySourceKind)> {
        let (id, passthrough) = PROVIDERS[provider];
        let mut names = vec![format!("BITROUTER_{}_API_KEY", id.to_uppercase().replace('-', "_"))];
        names.extend(passthrough.iter().map(|name| (*name).to_owned()));
        let mut ranked = Vec::new();
        for (at, name) in names.iter().enumerate().filter(|(_, name)| !self.forgotten.contains(&name.as_str())) {
            for (push, (sid, pushed, value)) in self.pushes.iter().enumerate() {
                let replaced =
                    self.pushes[push + 1..].iter().any(|(s, n, v)| (s, n) == (sid, pushed) && is_usable(v.trim()));
                if pushed == name && !replaced {
                    ranked.push(((at, 0, usize::MAX - push), name.clone(), value.clone(), KeySourceKind::Pushed));
                }
            }
            for (n, file) in self.files.iter().enumerate() {
                if let Some((_, value)) = file.iter().rev().find(|(other, _)| other == name) {
                    ranked.push(((at, 1, usize::MAX - n), name.clone(), value.clone(), KeySourceKind::EnvFile));
                }
            }
            let of = |values: &[(&str, String)]| values.iter().find(|(n, _)| n == name).map(|(_, value)| value.clone());
            let own = of(&self.own);
            let shown = self.parent.as_ref().and_then(|now| of(now)).filter(|shown| Some(shown) != own.as_ref());
            let value = shown.filter(|shown| is_usable(shown.trim())).or(own);
            if let Some(value) = value {
                ranked.push(((at, 2, 0), name.clone(), value, KeySourceKind::Environment));
            }
        }
        let mut ranked: Vec<_> = ranked
            .into_iter()
            .map(|(rank, name, value, kind)| (rank, name, value.trim().to_owned(), kind))
            .filter(|(_, _, value, _)| is_usable(value))
            .collect();
        ranked.sort_by_key(|(rank, ..)| *rank);
        ranked.into_iter().next().map(|(_, name, value, kind)| (name, value, kind))
    }
}

const NAMES: [&str; 5] =
    ["BITROUTER_GOOGLE_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY", "BITROUTER_X_AI_API_KEY"];

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "[a-c]{1,2}".prop_map(|text| format!("sk-{text}")),
        1 => Just("brk_1".to_owned()),
        1 => Just("sk-tr-2".to_owned()),
        1 => Just("bitrouter-local".to_owned()),
        1 => Just("a\nb".to_owned()),
        1 => Just(" sk-trimmed\n".to_owned()),
        1 => Just("  ".to_owned()),
        1 => Just(String::new()),
    ]
}

fn values(most: usize) -> impl Strategy<Value = Vec<(&'static str, String)>> {
    proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), value(), 0..most)
        .prop_map(|values| values.into_iter().collect())
}

fn world() -> impl Strategy<Value = World> {
    // A pushed value of nothing but blanks withdraws, which the reference knows nothing of.
    let pushed = (0..3u32, proptest::sample::select(&NAMES[..]), value().prop_filter("set", |v| !v.trim().is_empty()));
    (
        proptest::collection::vec(pushed, 0..5),
        proptest::collection::vec(values(3), 0..3),
        values(5),
        proptest::option::weighted(0.5, values(5)),
        proptest::collection::vec(proptest::sample::select(&NAMES[..]), 0..2),
    )
        .prop_map(|(pushes, files, own, parent, forgotten)| World { pushes, files, own, parent, forgotten })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn agrees_with_the_reference(world in world()) {
        let ring = world.ring();
        for (index, (id, _)) in PROVIDERS.iter().enumerate() {
            let status = ring.status(id);
            let got = ring.secret(id).map(|value| {
                (status.variable.clone().unwrap(), value.expose_secret().to_owned(), status.source.unwrap())
            });
            prop_assert_eq!(status.active_key, got.is_some());
            prop_assert_eq!(got, world.expected(index), "{}", &status.detail);
        }
    }

    #[test]
    fn a_difference_is_reported_exactly_where_a_key_differs(old in world(), new in world()) {
        let (old, new) = (old.ring(), new.ring());
        let changes = KeyRing::diff(&old, &new);
        for (id, _) in PROVIDERS {
            let key = |ring: &KeyRing| ring.secret(id).map(|value| value.expose_secret().to_owned());
            let name = |ring: &KeyRing| ring.status(id).variable.clone();
            let reported = changes.iter().filter(|change| change.provider == id).collect::<Vec<_>>();
            if key(&old) != key(&new) {
                prop_assert!(!reported.is_empty());
            } else if name(&old) == name(&new) {
                prop_assert!(reported.is_empty(), "{:?}", reported);
            }
            for change in reported {
                prop_assert_eq!(change.now_from, new.status(id).source);
            }
        }
        prop_assert!(KeyRing::diff(&new, &new).is_empty());
    }

    #[test]
    fn nothing_printed_holds_a_value(world in world()) {
        let ring = world.ring();
        let text = format!("{ring:?} {:?}", KeyRing::diff(&KeyRing::default(), &ring));
        for value in ["sk-a", "sk-b", "sk-c", "trimmed", "brk_1", "sk-tr-2"] {
            prop_assert!(!text.contains(value), "{}", text);
        }
    }
}

/// Every pair of (source, name) against every other.
#[test]
fn each_combination_of_source_and_name() {
    let sources = ["pushed", "later file", "earlier file", "environment"];
    let names = ["BITROUTER_GOOGLE_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY"];
    let put = |world: &mut World, source: usize, name: usize, value: &str| {
        let entry = (names[name], value.to_owned());
        match source {
            0 => world.pushes.push((1, entry.0, entry.1)),
            1 => world.files[1].push(entry),
            2 => world.files[0].push(entry),
            _ => world.own.push(entry),
        }
    };
    for (a, b) in (0..12).flat_map(|a| (0..12).map(move |b| (a, b))).filter(|(a, b)| a != b) {
        let mut world = World { files: vec![vec![], vec![]], ..World::default() };
        let (a, b) = ((a / 4, a % 4), (b / 4, b % 4));
        put(&mut world, a.1, a.0, "first");
        put(&mut world, b.1, b.0, "second");
        let ring = world.ring();
        let winner = if a < b { "first" } else { "second" };
        let context = format!("{} from {} against {} from {}", names[a.0], sources[a.1], names[b.0], sources[b.1]);
        assert_eq!(ring.secret("google").unwrap().expose_secret(), winner, "{context}");
    }
}

fn own(values: &[(&'static str, &str)]) -> World {
    World { own: values.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(), ..World::default() }
}

#[test]
fn status_says_where_the_key_comes_from_and_why_nothing_else_counts() {
    let detail = |world: &World, id: &str| world.ring().status(id).detail;
    assert_eq!(
        detail(&World::default(), "google"),
        "no key: set `BITROUTER_GOOGLE_API_KEY` or `GOOGLE_API_KEY` or `GEMINI_API_KEY`"
    );
    let mut world = own(&[("OPENAI_API_KEY", "sk-1")]);
    assert_eq!(detail(&world, "openai"), "`OPENAI_API_KEY` from the daemon's own environment");

    world.files = vec![vec![("OPENAI_API_KEY", "sk-2".into())], vec![("OPENAI_API_KEY", "sk-3".into())]];
    world.parent = Some(vec![("OPENAI_API_KEY", "sk-4".into())]);
    world.pushes = vec![(41, "OPENAI_API_KEY", "sk-5".into()), (42, "OPENAI_API_KEY", "sk-6".into())];
    assert_eq!(
        detail(&world, "openai"),
        "`OPENAI_API_KEY` from terminal 42; `OPENAI_API_KEY` from terminal 41 \
         is shadowed: a newer push comes first; `OPENAI_API_KEY` from env file `/e1` is shadowed: a pushed value comes \
         first; `OPENAI_API_KEY` from env file `/e0` is shadowed: a pushed value comes first; `OPENAI_API_KEY` from its \
         parent's environment (pid 9) is shadowed: a pushed value comes first; `OPENAI_API_KEY` from the daemon's own \
         environment is overridden: its parent (pid 9) sets it differently now"
    );
    world.pushes.clear();
    assert!(detail(&world, "openai").contains("`/e0` is shadowed: the later env file `/e1` comes first"));
    world.forgotten = vec!["OPENAI_API_KEY"];
    let status = world.ring().status("openai");
    assert!(!status.active_key && status.source.is_none() && status.variable.is_none());
    assert!(status.detail.contains("`/e1` is hidden by `bitrouter reload --forget` until it is pushed again"));

    world.forgotten = vec!["BITROUTER_OPENAI_API_KEY"];
    let text = detail(&world, "openai");
    let hidden = "; `BITROUTER_OPENAI_API_KEY` is hidden by `bitrouter reload --forget` until it is pushed again";
    assert!(text.starts_with("`OPENAI_API_KEY` from env file") && text.ends_with(hidden), "{text}");

    let world = own(&[("GOOGLE_API_KEY", "sk-1"), ("GEMINI_API_KEY", "sk-2"), ("BITROUTER_GOOGLE_API_KEY", "brk_x")]);
    assert_eq!(
        detail(&world, "google"),
        "`GOOGLE_API_KEY` from the daemon's own environment; `BITROUTER_GOOGLE_API_KEY` from the daemon's own \
         environment is ignored: `brk_…` is a token of bitrouter, not a provider's key; `GEMINI_API_KEY` from the \
         daemon's own environment is shadowed: `GOOGLE_API_KEY` comes first"
    );
    let world = own(&[("OPENAI_API_KEY", "bitrouter-local")]);
    assert!(detail(&world, "openai").ends_with("is ignored: `bitrouter-local` only stands in for a key"));
    assert_eq!(
        world.ring().rejected().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["`OPENAI_API_KEY` from the daemon's own environment is ignored: `bitrouter-local` only stands in for a key"]
    );
    assert!(own(&[("OPENAI_API_KEY", "sk-1")]).ring().rejected().is_empty());
}

#[test]
fn many_sources_are_counted_rather_than_named() {
    let pushes = (0..100).map(|sid| (sid, "OPENAI_API_KEY", "sk-1".to_owned())).collect();
    let ring = World { pushes, ..World::default() }.ring();
    assert!(ring.status("openai").detail.ends_with("; and 91 more"));
}

#[test]
fn a_provider_that_is_switched_off_or_needs_no_key() {
    let mut names = providers();
    names[1].enabled = false;
    names[2].needs_key = false;
    let ring = own(&[("OPENAI_API_KEY", "sk-1")]).ring_of(&names);
    assert!(ring.secret("openai").is_none());
    let detail = ring.status("openai").detail;
    assert!(detail.starts_with("switched off") && detail.ends_with("own environment is not used"), "{detail}");
    assert_eq!(ring.status("x-ai").detail, "needs no key");
    assert_eq!(ring.status("nobody").detail, "no such provider");
}

#[test]
fn a_change_names_the_variable_and_where_the_key_comes_from_now() {
    let change = |name: &str, provider: &str, change, now_from| KeyRingChange {
        name: name.to_owned(),
        provider: provider.to_owned(),
        change,
        now_from,
    };
    let environment = Some(KeySourceKind::Environment);
    let none = World::default();
    let one = own(&[("OPENAI_API_KEY", "sk-1")]);
    let pushed = World { pushes: vec![(1, "OPENAI_API_KEY", "sk-2".into())], ..one.clone() };
    let same = World { pushes: vec![(1, "OPENAI_API_KEY", "sk-1".into())], ..one.clone() };
    let stronger = own(&[("OPENAI_API_KEY", "sk-1"), ("BITROUTER_OPENAI_API_KEY", "sk-3")]);
    let google = own(&[("GOOGLE_API_KEY", "sk-1"), ("GEMINI_API_KEY", "sk-2")]);
    let gemini = own(&[("GEMINI_API_KEY", "sk-2")]);
    for (old, new, expected) in [
        (&none, &one, vec![change("OPENAI_API_KEY", "openai", Change::Added, environment)]),
        (&one, &none, vec![change("OPENAI_API_KEY", "openai", Change::Withdrawn, None)]),
        (&one, &pushed, vec![change("OPENAI_API_KEY", "openai", Change::Changed, Some(KeySourceKind::Pushed))]),
        (&pushed, &one, vec![change("OPENAI_API_KEY", "openai", Change::Changed, environment)]),
        (&one, &same, vec![]),
        (&one, &stronger, vec![change("BITROUTER_OPENAI_API_KEY", "openai", Change::Added, environment)]),
        (&stronger, &one, vec![change("BITROUTER_OPENAI_API_KEY", "openai", Change::Withdrawn, environment)]),
        (&google, &gemini, vec![change("GOOGLE_API_KEY", "google", Change::Withdrawn, environment)]),
        (&gemini, &google, vec![change("GOOGLE_API_KEY", "google", Change::Added, environment)]),
    ] {
        assert_eq!(KeyRing::diff(&old.ring(), &new.ring()), expected, "{old:?} {new:?}");
    }
    let unknown_before = KeyRing::diff(&KeyRing::default(), &one.ring());
    assert_eq!(unknown_before, [change("OPENAI_API_KEY", "openai", Change::Added, environment)]);
}

#[test]
fn the_accounts_key_goes_to_the_server_that_its_variable_says_or_nowhere() {
    const KEY: &str = "BITROUTER_API_KEY";
    const URL: &str = "BITROUTER_API_URL";
    let account = [KeyNames::new("bitrouter", Vec::<String>::new())];
    let held = |world: &World| {
        let ring = world.ring_of(&account);
        let key = ring.secret("bitrouter").map(|key| key.expose_secret().to_owned());
        (key, ring.account_server().map(str::to_owned), ring)
    };
    let key = || Some("brk_1.x".to_owned());
    let (found, server, ring) = held(&own(&[(KEY, "brk_1.x")]));
    assert_eq!((found, server, ring.rejected().len()), (key(), None, 0));
    assert_eq!(ring.status("bitrouter").variable.as_deref(), Some(KEY));

    let mut world = own(&[(KEY, "brk_1.x"), (URL, "https://weaker.example")]);
    assert_eq!(held(&world).1.as_deref(), Some("https://weaker.example"));
    world.pushes = vec![(1, URL, "http://127.0.0.1:9/".to_owned())];
    assert_eq!(held(&world).1.as_deref(), Some("http://127.0.0.1:9"));
    let changes = KeyRing::diff(&own(&[(KEY, "brk_1.x")]).ring_of(&account), &world.ring_of(&account));
    let (name, provider) = (URL.to_owned(), "bitrouter".to_owned());
    let now_from = Some(KeySourceKind::Pushed);
    assert_eq!(changes, [KeyRingChange { name, provider, change: Change::Added, now_from }]);

    // One that is no server: the key does not go where a weaker source, or nobody, would send it.
    world.pushes = vec![(1, URL, "http://canary.example".to_owned())];
    let (found, server, ring) = held(&world);
    assert_eq!((found, server), (None, None));
    let status = ring.status("bitrouter");
    assert!(!status.active_key && status.detail.contains("goes nowhere"), "{}", status.detail);
    assert_eq!(ring.rejected().iter().map(|value| value.name.as_str()).collect::<Vec<_>>(), [URL]);
    assert!(!format!("{status:?}{:?}", ring.rejected()).contains("canary"));
    world.forgotten = vec![URL];
    assert_eq!((held(&world).0, held(&world).1), (key(), None));
}

#[test]
fn keys_of_nobody_are_named_with_the_nearest_provider() {
    let mut world = own(&[
        ("BITROUTER_OPENIA_API_KEY", "sk-1"),
        ("BITROUTER_API_KEY", "brk_1"),
        ("BITROUTER_JSON", "1"),
        ("BITROUTER_BEDROCK_API_KEY", "brk_1"),
        ("BITROUTER_OPENAI_API_KEY", "sk-1"),
    ]);
    world.forgotten = vec!["BITROUTER_GOGLE_API_KEY"];
    world.files = vec![vec![("BITROUTER_X_AL_API_KEY", "sk-1".into()), ("BITROUTER_GOGLE_API_KEY", "sk-1".into())]];
    let ring = world.ring();
    let text: Vec<_> = ring.unknown_variables().iter().map(ToString::to_string).collect();
    assert_eq!(
        text,
        [
            "`BITROUTER_BEDROCK_API_KEY` from the daemon's own environment belongs to no known provider",
            "`BITROUTER_OPENIA_API_KEY` from the daemon's own environment belongs to no known provider; did you mean \
             `openai` (`BITROUTER_OPENAI_API_KEY`)?",
            "`BITROUTER_X_AL_API_KEY` from env file `/e0` belongs to no known provider; did you mean \
             `x-ai` (`BITROUTER_X_AI_API_KEY`)?",
        ]
    );
    assert_eq!(ring.unknown_variables()[1].nearest.as_deref(), Some("openai"));
}

#[test]
fn a_token_of_ours_pushes_no_key_out_and_is_explained() {
    let push = |values: &[&str]| World {
        pushes: values.iter().map(|value| (7, "OPENAI_API_KEY", (*value).to_owned())).collect(),
        ..own(&[("OPENAI_API_KEY", "sk-own")])
    };
    for (pushes, expected, source) in [
        (&["sk-real", "bitrouter-local"][..], "sk-real", KeySourceKind::Pushed),
        (&["sk-real", "brk_a.b", "sk-tr-1"], "sk-real", KeySourceKind::Pushed),
        (&["sk-real", "brk_a.b", "sk-new"], "sk-new", KeySourceKind::Pushed),
        (&["brk_a.b"], "sk-own", KeySourceKind::Environment),
        (&["brk_a.b", "sk-new"], "sk-new", KeySourceKind::Pushed),
    ] {
        let ring = push(pushes).ring();
        let status = ring.status("openai");
        assert_eq!(ring.secret("openai").unwrap().expose_secret(), expected, "{pushes:?}");
        assert_eq!(status.source, Some(source), "{pushes:?}");
        assert_eq!(status.detail.contains("is ignored: "), pushes.last() != Some(&"sk-new"), "{}", status.detail);
    }
}

#[test]
fn a_token_of_ours_in_the_parent_overrides_nothing() {
    let mut world = own(&[("OPENAI_API_KEY", "sk-own")]);
    world.parent = Some(vec![("OPENAI_API_KEY", "brk_a.b".to_owned())]);
    let ring = world.ring();
    assert_eq!(ring.secret("openai").unwrap().expose_secret(), "sk-own");
    assert!(ring.status("openai").detail.contains("`brk_…` is a token of bitrouter"));
}

#[cfg(unix)]
#[test]
fn a_value_that_is_no_text_is_explained() {
    use std::os::unix::ffi::OsStringExt as _;
    let value = std::ffi::OsString::from_vec(b"latin\xfc".to_vec());
    let process = Environment::from_iter([("OPENAI_API_KEY", value)]);
    let pushed = Pushed::default();
    let layers = Layers { pushed: &pushed, env_files: &[], process: &process, parent: None };
    let ring = KeyRing::build(&providers(), &layers);
    assert!(ring.secret("openai").is_none());
    assert!(ring.status("openai").detail.ends_with("is ignored: it holds a character that no HTTP header can carry"));
}
