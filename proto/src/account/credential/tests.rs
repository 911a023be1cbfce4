//! What is read of credential files, and what is written again.

use super::*;

const UNTAGGED: &str = r#"{"access_token":"bra_a","refresh_token":"brr_r","expires_at":"2026-06-01T00:00:00.123456789Z",
    "refresh_token_expires_at":"2026-09-01T02:00:00+02:00","token_type":"Bearer","scope":"usage:read keys:read",
    "client_id":"bitrouter-cli","authorization_server":"https://api.example/","namespace_id":"ns_1","subject":"u",
    "later":{"b":1,"a":[null]}}"#;

#[test]
fn b21_both_eras_are_read_and_unknown_members_survive_a_write() {
    let tagged = UNTAGGED.replacen('{', r#"{"kind":"oauth","#, 1);
    for text in [UNTAGGED, &tagged] {
        let read = Credential::parse(text.as_bytes()).unwrap();
        let written: Value = serde_json::from_str(read.to_text().expose_secret()).unwrap();
        assert_eq!(written["kind"], "oauth");
        assert_eq!(written["later"], serde_json::json!({"b": 1, "a": [null]}));
        assert_eq!(written["authorization_server"], "https://api.example");
        assert_eq!(written["refresh_token_expires_at"], "2026-09-01T00:00:00.000Z");
        assert!(written.get("issued_at").is_none() && written.get("issuer_uid").is_none());
    }
    let key = r#"{"kind":"api_key","api_key":"brk_k","base_url":"https://api.example/","later":1}"#;
    let read = Credential::parse(key.as_bytes()).unwrap();
    assert_eq!(read.server(), "https://api.example");
    let written: Value = serde_json::from_str(read.to_text().expose_secret()).unwrap();
    assert_eq!((&written["api_key"], &written["later"]), (&"brk_k".into(), &1.into()));
}

#[test]
fn a_session_that_another_server_issues_goes_to_the_one_it_is_for() {
    let text =
        UNTAGGED.replacen('{', r#"{"api_url":"https://calls.example/","resource":"https://calls.example/v1","#, 1);
    let read = Credential::parse(text.as_bytes()).unwrap();
    assert_eq!(read.server(), "https://calls.example");
    let written: Value = serde_json::from_str(read.to_text().expose_secret()).unwrap();
    assert_eq!(written["authorization_server"], "https://api.example");
    assert_eq!(
        (&written["api_url"], &written["resource"]),
        (&"https://calls.example".into(), &"https://calls.example/v1".into())
    );
}

#[test]
fn p04_a_session_whose_tokens_are_for_another_server_is_none() {
    for resource in
        ["", r#""resource":"","#, r#""resource":"https://other.example","#, r#""resource":"calls.example","#]
    {
        let text = UNTAGGED.replacen('{', &format!(r#"{{"api_url":"https://calls.example",{resource}"#), 1);
        assert_eq!(Credential::parse(text.as_bytes()).unwrap_err(), BadCredential::Resource, "{resource}");
    }
}

#[test]
fn a_server_is_its_scheme_host_and_port() {
    for (one, other, same) in [
        ("https://a.example", "https://A.example:443/v1", true),
        ("https://a.example/x", "https://a.example/y?z", true),
        ("http://127.0.0.1:1", "http://localhost:1/v1", true),
        ("http://[::1]:1", "http://127.9.9.9:1", true),
        ("http://127.0.0.1:1", "http://localhost:2", false),
        ("https://a.example", "http://a.example", false),
        ("https://a.example", "https://a.example:444", false),
        ("https://a.example", "https://b.example", false),
        ("https://a.example", "https://a.example.evil", false),
        ("https://a.example@b.example", "https://a.example", false),
        ("urn:a", "urn:a", false),
        ("", "", false),
    ] {
        assert_eq!((same_server(one, other), same_server(other, one)), (same, same), "{one} {other}");
    }
}

#[test]
fn an_end_beyond_the_last_instant_that_is_counted_is_that_one() {
    let far = UNTAGGED.replace("2026-06-01T00:00:00.123456789Z", "9999-12-31T23:59:59Z");
    let read = Credential::parse(far.as_bytes()).unwrap();
    let written: Value = serde_json::from_str(read.to_text().expose_secret()).unwrap();
    assert!(written["expires_at"].as_str().unwrap().starts_with("9999-12-30T"), "{written}");
}

#[test]
fn p03_what_is_no_credential_is_refused_without_being_repeated() {
    for (text, expected) in [
        ("", "line 1"),
        ("{}", "not what a sign-in writes"),
        ("[1]", "not what a sign-in writes"),
        (r#"{"kind":"passkey","secret":"hunter2"}"#, "does not know"),
        (r#"{"kind":"api_key","api_key":"","base_url":"https://x"}"#, "`api_key`"),
        (&UNTAGGED.replace("2026-06-01", "hunter2"), "`expires_at`"),
        (&UNTAGGED.replace("\"bra_a\"", "7"), "not what a sign-in writes"),
        (&UNTAGGED.replace("bra_a", ""), "`access_token`"),
        (&UNTAGGED.replace("bra_a", "bra_a\\u0000"), "`access_token`"),
        (&UNTAGGED.replace("bra_a", "bra \u{e9}"), "`access_token`"),
        (r#"{"kind":"api_key","api_key":"a\nb","base_url":"https://x"}"#, "`api_key`"),
    ] {
        let error = Credential::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("hunter2"), "{text}: {error}");
    }
    let read = Credential::parse(UNTAGGED.as_bytes()).unwrap();
    let shown = format!("{read:?}");
    assert!(!shown.contains("bra_a") && !shown.contains("brr_r"), "{shown}");
}
