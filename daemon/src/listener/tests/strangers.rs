//! What is the node's, and what a proxy in between makes of a caller.

use std::sync::Arc;

use super::rig::{code, header, status, usual};
use crate::listener::ListenerSettings;

#[tokio::test]
async fn what_is_the_nodes_goes_to_the_node_with_its_visitor() {
    let rig = usual();
    let close = "Connection: close\r\n\r\n";
    let uid = rustix::process::geteuid().as_raw();
    for path in ["/oauth/device", "/login", "/console", "/v1/namespaces", "/.well-known/x", "/openapi.json"] {
        let reply = rig.exchange(rig.request(&format!("GET {path}"), close)).await;
        assert_eq!(status(&reply), "200", "{path}: {reply}");
        assert!(reply.contains(&format!("{path} Anyone Visitor {{ uid: Some({uid}), is_own_user: true")), "{reply}");
        assert!(reply.contains(&format!("authority: \"{}\"", rig.addr)), "{reply}");
    }
    assert!(rig.reasons().is_empty());
    let reply = rig.exchange(rig.request("GET /login", &format!("X-Forwarded-For: 203.0.113.7\r\n{close}"))).await;
    assert!(reply.contains("uid: None, is_own_user: false, address: 127.0.0.1"), "{reply}");
    assert_eq!(rig.reasons(), ["proxy"]);
}

#[tokio::test]
async fn the_nodes_refusals_come_in_its_shape() {
    let rig = usual();
    let close = "Connection: close\r\n\r\n";
    let foreign = format!("Origin: https://evil.example\r\n{close}");
    for (line, headers, expected, error) in [
        ("GET /v1/namespaces", foreign.as_str(), "403", "origin_not_allowed"),
        ("POST /oauth/token", foreign.as_str(), "403", "origin_not_allowed"),
        ("GET /v1/account", &format!("x-api-key: brk_x\r\n{close}"), "401", "unauthorized"),
        ("GET /v1/account?key=brk_y", &format!("x-api-key: brk_x\r\n{close}"), "400", "bad_request"),
        ("GET /login/off", close, "503", "unavailable"),
    ] {
        let reply = rig.exchange(rig.request(line, headers)).await;
        let body = reply.split_once("\r\n\r\n").unwrap().1;
        let json: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{line}: {reply}"));
        assert_eq!((status(&reply), json["error"].as_str()), (expected, Some(error)), "{line}");
        assert!(json["error_description"].as_str().is_some_and(|text| !text.is_empty()), "{reply}");
        assert_eq!(header(&reply, "www-authenticate").is_some(), expected == "401", "{line}");
    }
    let reply = rig.exchange(format!("GET /v1/account HTTP/1.1\r\nHost: evil.example\r\n{close}")).await;
    assert!(status(&reply) == "403" && reply.contains(r#""error":"host_not_allowed""#), "{reply}");
    // An open path asks nobody for a credential.
    let reply = rig.exchange(rig.request("POST /oauth/revoke", &format!("x-api-key: brk_x\r\n{close}"))).await;
    assert_eq!(status(&reply), "200", "{reply}");
}

#[tokio::test]
async fn a_proxy_makes_a_stranger_of_its_caller() {
    let rig = usual();
    let close = "Connection: close\r\n\r\n";
    rig.settings.store(Arc::new(ListenerSettings {
        allow_hosts: vec!["box.lan".to_owned()],
        public_url: Some("https://node.example".parse().unwrap()),
        ..ListenerSettings::default()
    }));
    let via = format!("X-Real-IP: 127.0.0.1\r\n{close}");
    for path in ["/id", "/metrics"] {
        let reply = rig.exchange(rig.request(&format!("GET {path}"), &via)).await;
        assert_eq!((status(&reply), code(&reply).as_str()), ("401", "api_key_required"), "{path}");
        assert!(reply.contains("`x-real-ip`") && reply.contains("trusted_proxies"), "{reply}");
        for host in ["box.lan", "node.example"] {
            let reply = rig.exchange(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{close}")).await;
            assert_eq!((status(&reply), code(&reply).as_str()), ("401", "api_key_required"), "{path} {host}");
            assert!(reply.contains(&format!("`{host}`")), "{reply}");
        }
    }
    assert_eq!(rig.reasons().iter().filter(|reason| **reason == "proxy").count(), 6);
    assert_eq!(status(&rig.exchange(rig.request("GET /health", &via)).await), "200");
    let trusted =
        ListenerSettings { trusted_proxies: vec!["127.0.0.1".parse().unwrap()], ..ListenerSettings::default() };
    rig.settings.store(Arc::new(trusted));
    assert_eq!(status(&rig.exchange(rig.request("GET /id", &via)).await), "200");
    let from_elsewhere = format!("X-Real-IP: 203.0.113.7\r\n{close}");
    assert_eq!(status(&rig.exchange(rig.request("GET /id", &from_elsewhere)).await), "401");
    let reply = rig.exchange(rig.request("GET /login", &from_elsewhere)).await;
    assert!(reply.contains("uid: None, is_own_user: false, address: 203.0.113.7"), "{reply}");
    assert_eq!(rig.reasons().iter().filter(|reason| **reason == "proxy").count(), 6);
}
