//! Families that come late or never, and settings that say little.

use bitrouter_proto::clock;
use futures_util::{StreamExt as _, future};
use tokio::{net::UdpSocket, time::Instant};

use super::*;

fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The paused clock.
fn now() -> Instant {
    tokio::time::sleep(Duration::ZERO).deadline()
}

fn at(millis: u64, found: Result<&[&str], &str>) -> Query {
    let found = found.map(addresses).map_err(str::to_owned);
    async move {
        tokio::time::sleep(Duration::from_millis(millis)).await;
        found
    }
    .boxed()
}

#[test]
fn literals_and_localhost_need_no_resolver() {
    assert_eq!(without_asking("::1"), Some(vec![Ipv6Addr::LOCALHOST.into()]));
    assert_eq!(without_asking("10.1.2.3"), Some(vec![Ipv4Addr::new(10, 1, 2, 3).into()]));
    assert_eq!(without_asking("api.LOCALHOST.").unwrap().len(), 2);
    assert_eq!(without_asking("localhost.example"), None);
}

#[tokio::test(start_paused = true)]
async fn families_take_turns_and_the_late_one_costs_little() {
    let never = || future::pending().boxed();
    // Answers about IPv6 and IPv4; the order of the addresses, and when the first and the last of them came.
    for (six, four, expected, first, last) in [
        (at(1, Ok(&["::1"])), at(1, Ok(&["1.1.1.1", "2.2.2.2"])), &["::1", "1.1.1.1", "2.2.2.2"][..], 1, 1),
        (never(), at(3, Ok(&["1.1.1.1", "2.2.2.2"])), &["1.1.1.1", "2.2.2.2"], 53, 53),
        (at(5, Ok(&["::1"])), never(), &["::1"], 5, 5),
        (at(30, Ok(&["::1"])), at(3, Ok(&["1.1.1.1"])), &["::1", "1.1.1.1"], 30, 30),
        (at(90, Ok(&["::1"])), at(3, Ok(&["1.1.1.1"])), &["1.1.1.1", "::1"], 53, 90),
        (at(2, Ok(&["::1"])), at(90, Ok(&["1.1.1.1"])), &["::1", "1.1.1.1"], 2, 90),
        (at(8, Err("no")), at(3, Ok(&["1.1.1.1"])), &["1.1.1.1"], 8, 8),
        (at(8, Ok(&[])), at(9, Err("no")), &[], 0, 0),
    ] {
        let start = now();
        let mut lookup = Lookup::asked(six, four);
        let mut came = Vec::new();
        while came.len() < expected.len() {
            let address = lookup.next().await.unwrap();
            came.push((address.to_string(), u64::try_from((now() - start).as_millis()).unwrap()));
        }
        let order: Vec<&str> = came.iter().map(|(address, _)| address.as_str()).collect();
        assert_eq!(order, expected);
        let times = (came.first().map_or(0, |(_, at)| *at), came.last().map_or(0, |(_, at)| *at));
        assert_eq!(times, (first, last), "{expected:?}");
        if expected.is_empty() {
            assert!(lookup.next().await.is_none() && lookup.failure() == "no" && !lookup.has_given());
        }
    }
    let known: Vec<_> = Lookup::known(without_asking("localhost").unwrap()).collect().await;
    assert_eq!(known, addresses(&["127.0.0.1", "::1"]));
}

#[test]
fn a_resolv_conf_without_a_server_means_this_machine() {
    for text in ["", "# nothing\n", "search lan\noptions ndots:2\n"] {
        let (config, options) = settings(text.as_bytes());
        let servers: Vec<_> = config.name_servers().iter().map(|server| server.ip).collect();
        assert_eq!(servers, addresses(&["127.0.0.1"]), "{text:?}");
        assert_eq!(options.ndots, if text.contains("ndots") { 2 } else { 1 });
    }
    let (config, _) = settings(b"nameserver 10.0.0.9\n");
    assert_eq!(config.name_servers()[0].ip, addresses(&["10.0.0.9"])[0]);
}

/// A name server that answers questions for IPv4 and is silent about IPv6.
async fn half_a_server() -> std::net::SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    bitrouter_proto::tasks::Tasks::new().spawn("name server", async move {
        let mut packet = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut packet).await {
            let question = &packet[12..length];
            let end = question.iter().position(|byte| *byte == 0).unwrap() + 5;
            if question[end - 4..end - 2] != [0, 1] {
                continue;
            }
            let mut answer = [&packet[..2], &[0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0], &question[..end]].concat();
            answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7]);
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn r1_12_a_server_that_never_answers_about_ipv6_is_not_waited_for() {
    let server = half_a_server().await;
    let mut name_server = hickory_resolver::config::NameServerConfig::udp(server.ip());
    name_server.connections[0].port = server.port();
    let config = ResolverConfig::from_parts(None, vec![], vec![name_server]);
    let build = |strategy| {
        let mut builder = TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
        builder.options_mut().ip_strategy = strategy;
        builder.build().unwrap()
    };
    let (six, four) = (build(LookupIpStrategy::Ipv6Only), build(LookupIpStrategy::Ipv4Only));
    let host = "half.example.".to_owned();
    let mut lookup = Lookup::asked(ask(six, host.clone()), ask(four, host));
    let start = clock::monotonic_now();
    assert_eq!(lookup.next().await, Some(addresses(&["192.0.2.7"])[0]));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}
