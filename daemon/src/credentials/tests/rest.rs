//! Calls of the account's REST that change something: what is sent, and what is sent again.

use ::http::HeaderValue;
use bitrouter_proto::codes::Reason;

use super::*;

const SPEC: &str = r#"{"name":"cap","spec":{ "limit_micro_usd" : 5, "limit_micro_usd" : 6 }}"#;

fn create() -> RestCall {
    let call = RestCall::post(RestPath::in_namespace("/policies"));
    call.with_body(SPEC.to_owned()).once(HeaderValue::from_static("once-1"))
}

#[tokio::test]
async fn a_call_is_sent_as_it_is_meant() {
    let rig = Rig::new().await;
    rig.write(&rig.content(3600));
    let odd = "{ \"id\":\"p\",\n \"later\" : 1.50 }";
    for (call, line, kind, body) in [
        (create(), "POST /v1/namespaces/ns_1/policies", Some("application/json"), SPEC),
        (
            RestCall::put(RestPath::in_namespace("/budgets/p")).with_body("{}".to_owned()),
            "PUT /v1/namespaces/ns_1/budgets/p",
            Some("application/json"),
            "{}",
        ),
        (
            RestCall::post(RestPath::in_namespace("/policies/p/enable")),
            "POST /v1/namespaces/ns_1/policies/p/enable",
            None,
            "",
        ),
        (
            RestCall::delete(RestPath::in_namespace("/sessions/s").with("keys", Some("keep"))),
            "DELETE /v1/namespaces/ns_1/sessions/s?keys=keep",
            None,
            "",
        ),
        (RestCall::get(RestPath::new("/v1/billing/balance")).at_once(), "GET /v1/billing/balance", None, ""),
    ] {
        rig.issuer.next_rest(200, odd);
        assert_eq!(rig.keeper.json(&call).await.unwrap(), odd, "{line}");
        let sent = rig.issuer.rest_sent("content-type").pop().unwrap();
        assert_eq!((sent.0.as_str(), sent.1.as_deref(), sent.2.as_str()), (line, kind, body));
    }
    let keys: Vec<_> = rig.issuer.rest_sent("idempotency-key").into_iter().map(|(_, key, _)| key).collect();
    assert_eq!(keys, [Some("once-1".to_owned()), None, None, None, None]);
}

#[tokio::test]
async fn what_makes_something_is_sent_again_with_the_same_key_where_its_reply_is_lost() {
    let rig = Rig::new().await;
    rig.write(&rig.content(3600));
    rig.issuer.lose_rest();
    rig.issuer.next_rest(200, r#"{"id":"p"}"#);
    assert_eq!(rig.keeper.json(&create()).await.unwrap(), r#"{"id":"p"}"#);
    // One 401, one renewal, and the same call.
    rig.issuer.next_rest(401, r#"{"error":"unauthorized"}"#);
    rig.issuer.next_rest(200, "{}");
    assert_eq!(rig.keeper.json(&create()).await.unwrap(), "{}");
    assert_eq!(rig.issuer.shown().len(), 1);
    let sent = rig.issuer.rest_sent("idempotency-key");
    assert_eq!(sent.len(), 4);
    assert!(sent.iter().all(|(_, key, body)| key.as_deref() == Some("once-1") && body == SPEC), "{sent:?}");
    // A second loss is told.
    rig.issuer.lose_rest();
    rig.issuer.lose_rest();
    let error = rig.keeper.json(&create()).await.unwrap_err();
    assert_eq!(error.reason, Reason::ServerUnreachable);
    assert!(error.message.contains("whether it was done is not known"), "{}", error.message);
    assert_eq!(rig.issuer.rest_sent("").len(), 6);
}

#[tokio::test]
async fn nothing_else_that_changes_is_sent_twice() {
    let rig = Rig::new().await;
    rig.write(&rig.content(3600));
    let path = || RestPath::in_namespace("/keys/k");
    for call in [RestCall::delete(path()), RestCall::put(path()).with_body("{}".to_owned()), RestCall::post(path())] {
        rig.issuer.lose_rest();
        let error = rig.keeper.json(&call).await.unwrap_err();
        assert!(error.message.contains("whether it was done is not known"), "{}", error.message);
    }
    rig.issuer.lose_rest();
    let error = rig.keeper.json(&RestCall::get(path())).await.unwrap_err();
    assert!(!error.message.contains("whether"), "{}", error.message);
    assert_eq!(rig.issuer.rest_sent("").len(), 4);
}

#[tokio::test]
async fn whoever_does_not_wait_has_no_token_renewed() {
    let rig = Rig::new().await;
    let call = RestCall::get(RestPath::in_namespace("/keys")).at_once();
    assert_eq!(rig.keeper.json(&call).await.unwrap_err().reason, Reason::NotSignedIn);
    rig.write(&rig.content(3600));
    rig.keeper.json(&RestCall::get(RestPath::in_namespace("/keys"))).await.unwrap();
    rig.issuer.next_rest(401, r#"{"error":"unauthorized"}"#);
    let error = rig.keeper.json(&call).await.unwrap_err();
    assert_eq!((error.status, rig.issuer.shown().len()), (Some(401), 0));
}
