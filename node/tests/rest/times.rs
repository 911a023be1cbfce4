//! Times at the ends of what can be written.

use bitrouter_proto::account::ScopeSet;
use http::Method;
use serde_json::json;

use super::{caller::Scene, keys::mint};

#[tokio::test]
async fn a_key_ends_at_the_time_that_was_told_however_far_it_is() {
    let scene = Scene::new().await;
    let session = scene.token(scene.owner.namespace, ScopeSet::GRANTABLE);
    for (asked, told) in [
        ("2027-01-01T05:30:00.25+05:30", "2027-01-01T00:00:00.250Z"),
        ("9999-12-30T00:00:00Z", "9999-12-30T00:00:00.000Z"),
        ("9999-12-31T23:59:59Z", "9999-12-30T22:00:00.000Z"),
        ("9999-12-31T23:59:59.999999-23:59", "9999-12-30T22:00:00.000Z"),
    ] {
        let body = json!({"display_name": "k", "scopes": ["usage:read"], "expires_at": asked});
        let made = mint(&scene, session, &body).await.ok();
        assert_eq!(made["expires_at"], told, "{asked}");
        assert!(scene.test.opens(made["token"].as_str().unwrap()), "{asked}");
    }
    for asked in ["10000-01-01T00:00:00Z", "-2027-01-01T00:00:00Z", "0000-01-01T00:00:00+23:59", "2027-01-01T00:00:00"]
    {
        let body = json!({"display_name": "k", "scopes": ["usage:read"], "expires_at": asked});
        let refused = mint(&scene, session, &body).await;
        assert_eq!((refused.status.as_u16(), refused.json()["field"].as_str()), (400, Some("expires_at")), "{asked}");
    }
    let used =
        async |query: &str| scene.send(session, &Method::GET, &format!("/v1/namespaces/me/usage?{query}"), "").await;
    let whole = used("from=0000-01-01T00:00:00Z&to=9999-12-31T23:59:59.9999Z").await.ok();
    assert_eq!(
        (&whole["from"], &whole["to"]),
        (&json!("0000-01-01T00:00:00.000Z"), &json!("9999-12-30T22:00:00.000Z"))
    );
    assert_eq!(used("to=0000-01-02T00:00:00Z").await.ok()["from"], "0000-01-01T00:00:00.000Z");
    for query in
        ["from=9999-12-31T23:59:59Z", "to=0000-01-01T00:00:00Z", "from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59Z"]
    {
        assert_eq!(used(query).await.json()["field"], "from", "{query}");
    }
}
