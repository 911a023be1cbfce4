//! CVE-2024-6587 (LiteLLM): the caller named the upstream URL, and the provider's key was sent there. Nothing that a
//! caller says decides where a key goes.

use bitrouter_tests::{InferenceFixture, MODEL, Provider, Reply};

#[test]
fn cve_2024_6587_the_caller_never_chooses_where_the_key_goes() {
    let fixture = InferenceFixture::new();
    let attacker = Provider::start();
    let url = attacker.base_url();
    let evil = attacker.addr();
    for field in
        ["api_base", "base_url", "api_url", "endpoint", "url", "custom_api_base", "openai_api_base", "azure_endpoint"]
    {
        let body = format!("{{\"model\":\"openai:m\",\"messages\":[],\"{field}\":\"{url}\"}}");
        fixture.http().post("/v1/chat/completions").json(body).send();
        fixture
            .http()
            .post(&format!("/v1/chat/completions?{field}={url}"))
            .json(r#"{"model":"openai:m","messages":[]}"#)
            .send();
        let call = fixture.http().chat(MODEL, "x").header(&format!("x-{}", field.replace('_', "-")), &url);
        call.header(&field.replace('_', "-"), &url).send();
    }
    for model in [
        format!("openai:{url}"),
        format!("openai/{url}"),
        format!("{url}/m"),
        format!("openai@{evil}:m"),
        "openai:../../x".to_owned(),
    ] {
        fixture.http().chat(&model, "x").send();
    }
    for target in [
        format!("/v1//{evil}/chat/completions"),
        format!("/v1/chat/completions/../../{evil}"),
        format!("//{evil}/v1/chat/completions"),
        format!("/v1/@{evil}"),
    ] {
        fixture.http().post(&target).json(r#"{"model":"openai:m","messages":[]}"#).send();
    }
    fixture.http().chat(MODEL, "x").host(&evil.to_string()).send().refused(403, "host_not_allowed");
    let body = r#"{"model":"openai:m","messages":[]}"#;
    fixture.http().raw(format!(
        "POST {url}/chat/completions HTTP/1.1\r\nhost: {evil}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    ));
    assert_eq!((attacker.count(), attacker.connections()), (0, 0), "the attacker was called");
    for number in 0..fixture.provider.count() {
        let target = fixture.provider.exchange(number).request.target.clone();
        assert_eq!(target.split('?').next(), Some("/v1/chat/completions"), "{target}");
    }
}

#[test]
fn cve_2024_6587_a_providers_redirect_is_not_followed_with_the_key() {
    let fixture = InferenceFixture::new();
    let attacker = Provider::start();
    for status in [301, 302, 303, 307, 308] {
        let location = [("location", format!("{}/chat/completions", attacker.base_url()))];
        let headers: Vec<(&str, &str)> = location.iter().map(|(name, value)| (*name, value.as_str())).collect();
        fixture.provider.next(Reply::with(status, &headers, ""));
        let answer = fixture.http().chat(MODEL, "x").send();
        assert_eq!(answer.status, 502, "{status}: {}", answer.text());
        assert!(answer.header("location").is_none(), "{status}: the caller was sent there");
        answer.error();
    }
    assert_eq!((attacker.count(), attacker.connections()), (0, 0), "a redirect was followed");
}
