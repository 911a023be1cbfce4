//! The table of callers on both listeners: the local endpoint, and a team's.

use std::{net::SocketAddr, sync::Arc};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use super::rig::{GOOD_KEY, PATIENCE, Rig, code, header, read_all, start_for_a_team, status};
use crate::listener::{Limits, ListenerSettings};

const CLOSE: &str = "Connection: close\r\n\r\n";

fn team() -> Rig {
    let public_url = Some("https://node.example".parse().unwrap());
    start_for_a_team(Limits::default(), ListenerSettings { public_url, ..ListenerSettings::default() })
}

async fn exchange(at: SocketAddr, host: &str, line: &str, headers: &str) -> String {
    let mut stream = timeout(PATIENCE, TcpStream::connect(at)).await.unwrap().unwrap();
    stream.write_all(format!("{line} HTTP/1.1\r\nHost: {host}\r\n{headers}{CLOSE}").as_bytes()).await.unwrap();
    read_all(&mut stream).await
}

/// The request line and the headers of a call that presents `key` in each of the four places.
fn places(key: &str) -> [(String, String); 4] {
    let path = "GET /id";
    [
        (path.to_owned(), format!("Authorization: Bearer {key}\r\n")),
        (path.to_owned(), format!("x-api-key: {key}\r\n")),
        (path.to_owned(), format!("x-goog-api-key: {key}\r\n")),
        (format!("{path}?key={key}"), String::new()),
    ]
}

#[tokio::test]
async fn p06_the_table_of_callers_on_both_listeners_and_in_all_places_of_a_key() {
    let rig = team();
    let required = ("401", "api_key_required");
    for (at, stranger) in [(rig.addr, ("200", "")), (rig.team, required)] {
        let host = at.to_string();
        let mut table = vec![(("GET /id".to_owned(), String::new()), stranger)];
        for (key, expected) in [
            ("sk-any", stranger),
            ("bitrouter-local", stranger),
            ("brr_x", stranger),
            (GOOD_KEY, ("200", "")),
            ("brk_bad", ("401", "invalid_api_key")),
            ("bra_bad", ("401", "invalid_api_key")),
        ] {
            table.extend(places(key).map(|place| (place, expected)));
        }
        for (line, headers) in places("brk_bad") {
            table.push((
                (line, format!("{headers}x-api-key: {GOOD_KEY}\r\nx-goog-api-key: bra_x\r\n")),
                ("400", "invalid_request"),
            ));
        }
        for ((line, headers), (expected, why)) in table {
            let reply = exchange(at, &host, &line, &headers).await;
            assert_eq!(status(&reply), expected, "{at} {line} {headers}: {reply}");
            // A key in Google's place makes the caller one of Google's.
            let said = reply.to_lowercase();
            assert!(why.is_empty() || said.contains(why), "{at} {line} {headers}: {reply}");
            assert_eq!(header(&reply, "www-authenticate").is_some(), expected == "401", "{reply}");
        }
        for path in ["/health", "/oauth/token", "/login", "/.well-known/x"] {
            assert_eq!(status(&exchange(at, &host, &format!("GET {path}"), "").await), "200", "{path}");
        }
        assert_eq!(status(&exchange(at, &host, "GET /metrics", "").await), stranger.0);
    }
}

#[tokio::test]
async fn a_teams_listener_is_called_by_its_public_name_and_believes_only_its_own_proxies() {
    let rig = team();
    for host in ["node.example", "NODE.example:443", &format!("localhost:{}", rig.team.port())] {
        assert_eq!(status(&exchange(rig.team, host, "GET /health", "").await), "200", "{host}");
    }
    for host in ["evil.example", "node.example:8443", &format!("localhost:{}", rig.addr.port())] {
        let reply = exchange(rig.team, host, "GET /health", "").await;
        assert_eq!((status(&reply), code(&reply).as_str()), ("403", "host_not_allowed"), "{host}");
        assert!(reply.contains("use https://node.example,"), "{reply}");
    }
    let from = "X-Forwarded-For: 203.0.113.7\r\n";
    let reply = exchange(rig.team, "node.example", "GET /login", from).await;
    assert!(reply.contains("uid: None, is_own_user: false, address: 127.0.0.1, entrance: Public"), "{reply}");
    assert_eq!(rig.reasons().iter().filter(|reason| **reason == "proxy").count(), 1);
    let settings = ListenerSettings::clone(&rig.settings.load());
    let trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    rig.settings.store(Arc::new(ListenerSettings { trusted_proxies, ..settings }));
    let reply = exchange(rig.team, "node.example", "GET /login", from).await;
    assert!(reply.contains("uid: None, is_own_user: false, address: 203.0.113.7, entrance: Public"), "{reply}");
    // A proxy of this machine that speaks for this machine alone still makes nobody its user.
    let local = "X-Forwarded-For: 127.0.0.1\r\n";
    let host = rig.team.to_string();
    let reply = exchange(rig.team, &host, "GET /id", local).await;
    assert_eq!((status(&reply), code(&reply).as_str()), ("401", "api_key_required"), "{reply}");
    assert_eq!(rig.reasons().iter().filter(|reason| **reason == "proxy").count(), 1);
}

#[tokio::test]
async fn strangers_who_fill_a_teams_listener_lock_out_nobody_of_this_machine() {
    let rig = start_for_a_team(Limits { connections: 16, ..Limits::default() }, ListenerSettings::default());
    let mut idle = Vec::new();
    for _ in 0..24 {
        idle.push(timeout(PATIENCE, TcpStream::connect(rig.team)).await.unwrap().unwrap());
    }
    let host = rig.addr.to_string();
    for _ in 0..4 {
        assert_eq!(status(&exchange(rig.addr, &host, "GET /id", "").await), "200");
    }
    assert!(rig.server.connections() <= 16);
    drop(idle);
    let host = rig.team.to_string();
    assert_eq!(status(&exchange(rig.team, &host, "GET /health", "").await), "200");
}
