//! Every host and browser context that the contract names, with its verdict.

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use proptest::prelude::*;

use super::{
    AccessHeaders,
    host::{AllowedHost, HostRefused, ListenerAuthorities, check_host},
    origin::{Door, RequestOrigin},
};
use crate::config::PublicUrl;

fn host(uri: &Uri, headers: &HeaderMap, own: &ListenerAuthorities, allow: &[String]) -> Result<(), HostRefused> {
    check_host(uri, AccessHeaders::of(uri, headers).host, own, allow, None).map(|_| ())
}

static NOWHERE: std::sync::LazyLock<Uri> = std::sync::LazyLock::new(Uri::default);

/// As it is for a request whose `Host` was allowed.
fn origin<'a>(
    headers: &'a HeaderMap,
    own: &ListenerAuthorities,
    allow: &[String],
) -> Result<RequestOrigin<'a>, &'static str> {
    let headers = AccessHeaders::of(&NOWHERE, headers);
    let host = check_host(&NOWHERE, headers.host, own, allow, None)
        .unwrap_or(AllowedHost { is_loopback: false, is_public: false });
    Door { host, public: None, allow, method: &Method::POST, may_be_linked_to: true }.check_origin(&headers)
}

fn own() -> ListenerAuthorities {
    ListenerAuthorities::new("127.0.0.1:4356".parse().unwrap())
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn judge_host(target: &str, hosts: &[&str], allow: &[&str]) -> Result<(), HostRefused> {
    let pairs: Vec<_> = hosts.iter().map(|value| ("host", *value)).collect();
    let allow: Vec<String> = allow.iter().map(ToString::to_string).collect();
    host(&target.parse::<Uri>().unwrap(), &headers(&pairs), &own(), &allow)
}

#[test]
fn our_own_hosts_pass_in_any_case() {
    for name in ["127.0.0.1:4356", "localhost:4356", "LocalHost:4356", "LOCALHOST:4356", "[::1]:4356"] {
        assert_eq!(judge_host("/v1/models", &[name], &[]), Ok(()), "{name}");
    }
}

#[test]
fn other_hosts_are_refused() {
    use HostRefused::{Foreign, Malformed};
    for (name, why) in [
        ("evil.example", Foreign),
        ("evil.example:4356", Foreign),
        ("127.0.0.1", Foreign),
        ("localhost", Foreign),
        ("[::1]", Foreign),
        ("127.0.0.1:4357", Foreign),
        ("localhost:80", Foreign),
        ("127.0.0.2:4356", Foreign),
        ("127.1:4356", Foreign),
        ("0.0.0.0:4356", Foreign),
        ("2130706433:4356", Foreign),
        ("[::ffff:127.0.0.1]:4356", Foreign),
        ("[0:0:0:0:0:0:0:1]:4356", Foreign),
        ("localhost.evil.example:4356", Foreign),
        ("127.0.0.1.nip.io:4356", Foreign),
        ("", Malformed),
        (":4356", Malformed),
        ("localhost:", Malformed),
        ("localhost.:4356", Malformed),
        ("127.0.0.1.:4356", Malformed),
        ("user@127.0.0.1:4356", Malformed),
        ("user:pw@localhost:4356", Malformed),
        ("localhost:4356, evil.example", Malformed),
        ("localhost:4356,localhost:4356", Malformed),
        ("localhost:04356", Malformed),
        ("localhost:+4356", Malformed),
        ("localhost:4356/", Malformed),
        ("localhost:99999", Malformed),
        ("http://localhost:4356", Malformed),
        ("[::1]4356", Malformed),
        ("[::1", Malformed),
        ("::1:4356", Malformed),
        ("[::1%lo]:4356", Malformed),
        ("local host:4356", Malformed),
    ] {
        assert_eq!(judge_host("/v1/models", &[name], &[]), Err(why), "{name}");
    }
    assert_eq!(judge_host("/", &[], &[]), Err(HostRefused::Missing));
    let twice = ["localhost:4356", "localhost:4356"];
    assert_eq!(judge_host("/", &twice, &[]), Err(HostRefused::Duplicate));
    let invalid = {
        let mut map = HeaderMap::new();
        map.insert("host", HeaderValue::from_bytes(b"localh\xf6st:4356").unwrap());
        map
    };
    assert_eq!(host(&Uri::from_static("/"), &invalid, &own(), &[]), Err(Malformed));
}

#[test]
fn an_absolute_request_line_must_agree_with_host() {
    let ours = "localhost:4356";
    for target in ["http://localhost:4356/v1/models", "HTTP://LOCALHOST:4356/", "localhost:4356"] {
        assert_eq!(judge_host(target, &[ours], &[]), Ok(()), "{target}");
    }
    for target in [
        "http://127.0.0.1:4356/",
        "http://evil.example/",
        "http://localhost/",
        "https://localhost:4356/",
        "ftp://localhost:4356/",
        "http://user@localhost:4356/",
        "evil.example:443",
    ] {
        assert_eq!(judge_host(target, &[ours], &[]), Err(HostRefused::Mismatch), "{target}");
    }
    assert_eq!(judge_host("http://evil.example/", &["evil.example"], &[]), Err(HostRefused::Foreign));
}

#[test]
fn allowed_hosts_pass_with_our_port_none_or_the_one_named() {
    let allow = ["box.lan", "tunnel.lan:8080", "localhost:9000", "[fd00::1]", "bad:port", "dot."];
    for (name, passes) in [
        ("box.lan", true),
        ("BOX.lan:4356", true),
        ("box.lan:80", false),
        ("box.lan:8080", false),
        ("box.lan.", false),
        ("tunnel.lan:8080", true),
        ("tunnel.lan", false),
        ("tunnel.lan:4356", false),
        ("localhost:9000", true),
        ("localhost:9001", false),
        ("[fd00::1]:4356", true),
        ("[fd00::2]:4356", false),
        ("other.lan", false),
        ("bad:port", false),
        ("dot.", false),
    ] {
        assert_eq!(judge_host("/", &[name], &allow).is_ok(), passes, "{name}");
    }
}

#[test]
fn each_listener_knows_its_own_port_and_address() {
    let other = ListenerAuthorities::new("[::1]:9999".parse().unwrap());
    let ours = headers(&[("host", "localhost:4356")]);
    assert_eq!(host(&Uri::from_static("/"), &ours, &other, &[]), Err(HostRefused::Foreign));
    assert_eq!(host(&Uri::from_static("/"), &headers(&[("host", "localhost:9999")]), &other, &[]), Ok(()));
    let from = |page| headers(&[("host", "localhost:9999"), ("origin", page)]);
    assert_eq!(origin(&from("http://localhost:9999"), &other, &[]), Ok(RequestOrigin::Own));
    assert!(origin(&from("http://localhost:4356"), &other, &[]).is_err());
    let alone = ListenerAuthorities::new("127.0.0.9:4356".parse().unwrap());
    for (local, url) in [
        ("127.0.0.1:4356", "http://127.0.0.1:4356"),
        ("127.0.0.9:4356", "http://127.0.0.9:4356"),
        ("[::1]:9999", "http://[::1]:9999"),
        ("[::ffff:127.0.0.9]:80", "http://127.0.0.9:80"),
        ("[::]:4356", "http://127.0.0.1:4356"),
        ("192.0.2.7:4356", "http://127.0.0.1:4356"),
    ] {
        assert_eq!(ListenerAuthorities::new(local.parse().unwrap()).base_url(), url);
    }
    // An address of a network is a name only where the settings say so.
    let lists = ["192.0.2.7:4356".to_owned()];
    for local in ["192.0.2.7:4356", "0.0.0.0:4356", "[::]:4356"] {
        let bound = ListenerAuthorities::new(local.parse().unwrap());
        let called = |name: &str, allow| host(&Uri::from_static("/"), &headers(&[("host", name)]), &bound, allow);
        assert_eq!(called(local, &[]), Err(HostRefused::Foreign));
        assert_eq!(called("192.0.2.7:4356", &lists), Ok(()));
        assert_eq!(called("localhost:4356", &[]), Ok(()));
    }
    assert_eq!(host(&Uri::from_static("/"), &headers(&[("host", "127.0.0.9:4356")]), &alone, &[]), Ok(()));
    let web = ListenerAuthorities::new("127.0.0.1:80".parse().unwrap());
    for name in ["localhost", "localhost:80", "[::1]"] {
        assert_eq!(host(&Uri::from_static("/"), &headers(&[("host", name)]), &web, &[]), Ok(()), "{name}");
    }
    let page = headers(&[("host", "localhost"), ("origin", "http://localhost")]);
    assert_eq!(origin(&page, &web, &[]), Ok(RequestOrigin::Own));
}

/// What became of a browser context: passed as our own, passed as an allowed page, or refused.
#[derive(Debug, PartialEq)]
enum OriginVerdict {
    Own,
    Allowed,
    Refused,
}

fn origin_verdict(pairs: &[(&str, &str)]) -> OriginVerdict {
    let allow = ["https://app.example".to_owned(), "http://localhost:5173".to_owned(), "null".to_owned()];
    let mut all = headers(pairs);
    all.entry("host").or_insert(HeaderValue::from_static("127.0.0.1:4356"));
    match origin(&all, &own(), &allow) {
        Ok(RequestOrigin::Own) => OriginVerdict::Own,
        Ok(RequestOrigin::Allowed(_)) => OriginVerdict::Allowed,
        Err(_) => OriginVerdict::Refused,
    }
}

#[test]
fn the_matrix_of_origin_and_sec_fetch_site() {
    let origins = [
        (None, OriginVerdict::Own),
        (Some("http://127.0.0.1:4356"), OriginVerdict::Own),
        (Some("http://localhost:4356"), OriginVerdict::Refused),
        (Some("http://[::1]:4356"), OriginVerdict::Refused),
        (Some("https://app.example"), OriginVerdict::Allowed),
        (Some("http://localhost:5173"), OriginVerdict::Allowed),
        (Some("null"), OriginVerdict::Refused),
        (Some(""), OriginVerdict::Refused),
        (Some("https://evil.example"), OriginVerdict::Refused),
        (Some("http://app.example"), OriginVerdict::Refused),
        (Some("https://app.example:443"), OriginVerdict::Refused),
        (Some("https://app.example/"), OriginVerdict::Refused),
        (Some("https://APP.example"), OriginVerdict::Refused),
        (Some("https://app.example.evil.example"), OriginVerdict::Refused),
        (Some("http://localhost"), OriginVerdict::Refused),
        (Some("https://localhost:4356"), OriginVerdict::Refused),
        (Some("http://localhost:4357"), OriginVerdict::Refused),
        (Some("HTTP://LOCALHOST:4356"), OriginVerdict::Refused),
    ];
    let sites = [
        (None, true),
        (Some("same-origin"), true),
        (Some("none"), true),
        (Some("same-site"), false),
        (Some("cross-site"), false),
        (Some(""), false),
        (Some("Same-Origin"), false),
        (Some("none, none"), false),
        (Some("something-new"), false),
    ];
    for (origin, by_origin) in &origins {
        for (site, site_passes) in &sites {
            let mut pairs = Vec::new();
            pairs.extend(origin.map(|value| ("origin", value)));
            pairs.extend(site.map(|value| ("sec-fetch-site", value)));
            let expected = match by_origin {
                OriginVerdict::Own if *site_passes => OriginVerdict::Own,
                // A page that was allowed may be another site, but it must be one that a browser states.
                OriginVerdict::Allowed if *site_passes || matches!(site, Some("same-site" | "cross-site")) => {
                    OriginVerdict::Allowed
                }
                _ => OriginVerdict::Refused,
            };
            assert_eq!(origin_verdict(&pairs), expected, "{pairs:?}");
        }
    }
}

#[test]
fn browser_headers_that_stand_twice_are_refused() {
    let ours = "http://127.0.0.1:4356";
    assert_eq!(origin_verdict(&[("origin", ours)]), OriginVerdict::Own);
    assert_eq!(origin_verdict(&[("origin", ours), ("origin", ours)]), OriginVerdict::Refused);
    assert_eq!(
        origin_verdict(&[("origin", "https://app.example"), ("origin", "https://app.example")]),
        OriginVerdict::Refused
    );
    assert_eq!(origin_verdict(&[("sec-fetch-site", "none"), ("sec-fetch-site", "none")]), OriginVerdict::Refused);
}

#[test]
fn sec_fetch_mode_alone_means_nothing() {
    for mode in ["cors", "no-cors", "navigate", "websocket"] {
        assert_eq!(
            origin_verdict(&[("sec-fetch-mode", mode), ("sec-fetch-dest", "document")]),
            OriginVerdict::Own,
            "{mode}"
        );
    }
}

#[test]
fn a_page_of_the_allowed_host_itself_is_our_own() {
    let pairs = |host, origin| [("host", host), ("origin", origin)];
    for (host, origin, expected) in [
        ("box.lan", "http://box.lan", OriginVerdict::Own),
        ("box.lan:4356", "http://box.lan:4356", OriginVerdict::Own),
        ("box.lan:4356", "http://box.lan", OriginVerdict::Refused),
        ("box.lan", "https://box.lan", OriginVerdict::Refused),
        ("box.lan", "http://box.lan.evil", OriginVerdict::Refused),
        ("localhost:4356", "http://box.lan", OriginVerdict::Refused),
        ("localhost:4356", "http://localhost:4356", OriginVerdict::Own),
        ("LocalHost:4356", "http://localhost:4356", OriginVerdict::Own),
        ("[::1]:4356", "http://[::1]:4356", OriginVerdict::Own),
        // Another spelling of our address is another page to a browser, and to its cookies.
        ("127.0.0.1:4356", "http://localhost:4356", OriginVerdict::Refused),
        ("localhost:4356", "http://[::1]:4356", OriginVerdict::Refused),
    ] {
        assert_eq!(origin_verdict(&pairs(host, origin)), expected, "{host} {origin}");
    }
    let site = [("host", "box.lan"), ("origin", "http://box.lan"), ("sec-fetch-site", "cross-site")];
    assert_eq!(origin_verdict(&site), OriginVerdict::Refused);
}

#[test]
fn the_public_url_is_a_host_and_the_origin_of_its_pages() {
    let judge = |public: &str, sent: &str, origin: Option<&str>| {
        let public: PublicUrl = public.parse().unwrap();
        let mut pairs = vec![("host", sent)];
        pairs.extend(origin.map(|origin| ("origin", origin)));
        let headers = headers(&pairs);
        let (own, found) = (own(), AccessHeaders::of(&NOWHERE, &headers));
        let host = check_host(&NOWHERE, found.host, &own, &[], Some(&public)).ok()?;
        let door = Door { host, public: Some(&public), allow: &[], method: &Method::POST, may_be_linked_to: false };
        Some((host, door.check_origin(&found).is_ok()))
    };
    let public = AllowedHost { is_loopback: false, is_public: true };
    let https = "https://node.example";
    for (url, sent, origin, expected) in [
        (https, "node.example", None, Some((public, true))),
        (https, "Node.Example", Some(https), Some((public, true))),
        (https, "node.example:443", Some(https), Some((public, true))),
        (https, "node.example", Some("http://node.example"), Some((public, false))),
        (https, "node.example", Some("https://node.example:443"), Some((public, false))),
        (https, "node.example", Some("https://evil.node.example"), Some((public, false))),
        (https, "node.example", Some("http://127.0.0.1:4356"), Some((public, false))),
        (https, "node.example", Some("null"), Some((public, false))),
        (https, "node.example:80", None, None),
        (https, "node.example:4356", None, None),
        (https, "node.example.", None, None),
        (https, "evil.example", None, None),
        (https, "127.0.0.1:4356", Some(https), Some((AllowedHost::OWN, false))),
        (https, "127.0.0.1:4356", Some("http://127.0.0.1:4356"), Some((AllowedHost::OWN, true))),
        ("https://node.example:8443", "node.example:8443", Some("https://node.example:8443"), Some((public, true))),
        ("https://node.example:8443", "node.example", None, None),
        (
            "https://localhost:8443",
            "localhost:8443",
            Some("https://localhost:8443"),
            Some((AllowedHost { is_loopback: true, is_public: true }, true)),
        ),
    ] {
        assert_eq!(judge(url, sent, origin), expected, "{url} {sent} {origin:?}");
    }
}

#[test]
fn a_link_may_lead_to_a_page_and_to_nothing_else() {
    let passes = |method: &Method, may_be_linked_to: bool, pairs: &[(&str, &str)]| {
        let headers = headers(pairs);
        let found = AccessHeaders::of(&NOWHERE, &headers);
        let door = Door { host: AllowedHost::OWN, public: None, allow: &[], method, may_be_linked_to };
        door.check_origin(&found).is_ok()
    };
    let link = |site| [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    for (site, linked) in [
        ("none", true),
        ("same-origin", true),
        ("same-site", true),
        ("cross-site", true),
        ("Cross-Site", false),
        ("", false),
    ] {
        assert_eq!(passes(&Method::GET, true, &link(site)), linked, "{site}");
        let own = matches!(site, "none" | "same-origin");
        assert_eq!(passes(&Method::GET, false, &link(site)), own, "{site}");
        for method in [Method::HEAD, Method::POST, Method::PUT] {
            assert_eq!(passes(&method, true, &link(site)), own, "{method} {site}");
        }
    }
    for (mode, dest) in [
        ("navigate", "iframe"),
        ("navigate", "embed"),
        ("navigate", "empty"),
        ("no-cors", "document"),
        ("cors", "document"),
        ("Navigate", "document"),
        ("nested-navigate", "document"),
    ] {
        let pairs = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)];
        assert!(!passes(&Method::GET, true, &pairs), "{mode} {dest}");
    }
    assert!(!passes(&Method::GET, true, &[("sec-fetch-site", "cross-site")]));
    let mut twice = link("cross-site").to_vec();
    twice.push(("sec-fetch-mode", "navigate"));
    assert!(!passes(&Method::GET, true, &twice));
    // An origin that is told is judged all the same.
    for origin in ["https://evil.example", "null"] {
        let mut pairs = link("cross-site").to_vec();
        pairs.push(("origin", origin));
        assert!(!passes(&Method::GET, true, &pairs), "{origin}");
    }
}

proptest! {
    #[test]
    fn any_host_is_judged_without_a_panic(value in proptest::collection::vec(0x20u8..=0xff, 0..40)) {
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            let mut map = HeaderMap::new();
            map.insert("host", value);
            let _ = host(&Uri::from_static("/"), &map, &own(), &["a.example".to_owned()]);
        }
    }

    #[test]
    fn nothing_but_the_three_loopback_names_passes(name in "[a-z0-9.:\\[\\]@-]{1,24}") {
        let known = ["127.0.0.1:4356", "localhost:4356", "[::1]:4356"];
        prop_assert_eq!(judge_host("/", &[&name], &[]).is_ok(), known.contains(&name.as_str()));
    }

    #[test]
    fn any_allow_entry_is_read_without_a_panic(entry in ".{0,30}") {
        let _ = judge_host("/", &["a.example:1"], &[&entry]);
    }

    #[test]
    fn any_context_is_judged_without_a_panic(a: Vec<u8>, b: Vec<u8>, c: Vec<u8>) {
        let mut map = HeaderMap::new();
        for (name, value) in [("origin", a), ("sec-fetch-site", b), ("content-type", c)] {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                map.append(HeaderName::from_static(name), value);
            }
        }
        let _ = origin(&map, &own(), &[]);
    }
}
