//! Hostile programs of the same user on the control socket: promises that are never kept, messages without an end,
//! streams that are opened to be reset. Another client's `status` stays quick, and the daemon comes to rest.

use std::time::Duration;

use bitrouter_proto::{clock, wire::StatusRequest};
use bitrouter_tests::{
    Daemon, World,
    control::Control,
    hostile::{Bystander, Hostile, PREFACE, call_headers, flag, frame, idle_again, kind, literal},
    procfs,
};
use prost::Message as _;

use super::socket::report;

/// Runs `attack` in rounds and asks for the status between them; afterwards the daemon must come to rest.
#[track_caller]
fn under(name: &str, rounds: usize, mut attack: impl FnMut(&Daemon, usize)) -> (World, Daemon) {
    let world = World::new();
    let daemon = world.demo();
    let mut bystander = Bystander::default();
    for round in 0..rounds {
        attack(&daemon, round);
        let status = bystander.asks(&world).json();
        assert_eq!(status["pid"], daemon.pid(), "{name}: another daemon answers");
    }
    bystander.report(name);
    idle_again(daemon.pid());
    daemon.http().chat("demo/echo", "x").send().ok();
    (world, daemon)
}

#[test]
fn p05_half_a_handshake_is_closed_after_ten_seconds_and_delays_nobody() {
    let world = World::new();
    let daemon = world.demo();
    let halves: [&[u8]; 6] =
        [b"", b"P", b"PRI * HTTP/2.0\r\n\r\n", PREFACE, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x06\x04", b"\0"];
    let begun = clock::monotonic_now();
    let mut held: Vec<Hostile> = Vec::new();
    for _ in 0..20 {
        for half in halves {
            let mut client = Hostile::connect(&daemon.socket());
            client.say(half);
            held.push(client);
        }
    }
    let mut bystander = Bystander::default();
    for _ in 0..10 {
        bystander.asks(&world);
    }
    bystander.report("120 half handshakes");
    for (number, mut client) in held.into_iter().enumerate() {
        let (_, closed) = client.listen(Duration::from_secs(30));
        assert!(closed, "half a handshake ({:?}) was never closed", halves[number % halves.len()]);
    }
    let took = clock::monotonic_now().saturating_duration_since(begun);
    report("half a handshake is closed after", took);
    assert!(took < Duration::from_secs(40), "{took:?}");
    idle_again(daemon.pid());
}

#[test]
fn p05_another_protocol_on_the_socket_is_closed_at_once() {
    under("HTTP/1.1, TLS and noise", 3, |daemon, _| {
        for said in
            [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", &[0xff; 4096]]
        {
            let mut client = Hostile::connect(&daemon.socket());
            client.say(said);
            let (_, closed) = client.listen(Duration::from_secs(20));
            assert!(closed, "{said:?} was kept");
        }
    });
}

#[test]
fn p05_a_message_of_64_mib_is_refused_by_name_and_costs_no_memory() {
    let world = World::new();
    let daemon = world.demo();
    let before = procfs::rss(daemon.pid()).expect("memory");
    let message = vec![0x12_u8; 64 << 20];
    for method in ["DaemonService/Reload", "EnvironmentService/Push", "LogService/SetLevel", "DaemonService/Status"] {
        let mut control = Control::connect(&daemon.socket());
        let refused = control.call_bytes(method, &message).expect_err("64 MiB were taken");
        assert_eq!(refused.code, tonic::Code::ResourceExhausted, "{method}: {refused:?}");
        assert_eq!((refused.reason.as_str(), refused.domain.as_str()), ("MESSAGE_TOO_LARGE", "bitrouter"), "{method}");
    }
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 24 << 20, "64 MiB messages cost {grown} bytes");
    Bystander::default().asks(&world);
}

#[test]
fn p05_log_streams_that_nobody_reads_hold_a_few_lines_each() {
    let world = World::new();
    let daemon = world.demo();
    // A full log.
    let http = daemon.http();
    for _ in 0..1_200 {
        http.get("/nowhere-in-particular").send().refused(404, "not_found");
    }
    let before = procfs::rss(daemon.pid()).expect("memory");
    let window = 0x7fff_ffff_u32;
    let all_of_it = [&[0, 4][..], &window.to_be_bytes()].concat();
    let request = [&[0, 0, 0, 0, 2][..], &[8, 1]].concat();
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut client = Hostile::connect(&daemon.socket());
        client.say(PREFACE);
        client.say(&frame(kind::SETTINGS, 0, 0, &all_of_it));
        client.say(&frame(kind::WINDOW, 0, 0, &(window - 65_535).to_be_bytes()));
        for stream in 0..64 {
            client.say(&frame(kind::HEADERS, flag::END_HEADERS, 2 * stream + 1, &call_headers("DaemonService/Logs")));
            client.say(&frame(kind::DATA, flag::END_STREAM, 2 * stream + 1, &request));
        }
        held.push(client);
    }
    let mut bystander = Bystander::default();
    for _ in 0..20 {
        bystander.asks(&world);
    }
    bystander.report("1,280 log streams that nobody reads");
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 64 << 20, "they cost {} MiB", grown >> 20);
    drop(held);
    idle_again(daemon.pid());
}

#[test]
fn p05_long_messages_that_are_never_finished_cost_bounded_memory() {
    let world = World::new();
    let daemon = world.demo();
    let before = procfs::rss(daemon.pid()).expect("memory");
    let mut bystander = Bystander::default();
    let (mut held, mut refused) = (Vec::new(), 0);
    for _ in 0..12 {
        let mut client = Hostile::greeted(&daemon.socket());
        for stream in [1, 3] {
            refused += usize::from(!client.begin(stream, "DaemonService/Reload", 4_000_000));
        }
        held.push(client);
        bystander.asks(&world);
    }
    bystander.report("24 messages of 4 MB without their ends");
    assert!(refused >= 16, "only {refused} of 24 were refused");
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 64 << 20, "they cost {} MiB", grown >> 20);
    // What commands send is taken all the same.
    world.command(["reload"]).env("GROQ_API_KEY", "x").run().expect_code(0);
    drop(held);
    // With them the room is free again.
    bitrouter_tests::wait::holds("room for a long message", || {
        let nonsense = Control::connect(&daemon.socket()).call_bytes("LogService/SetLevel", &vec![0x7a; 3 << 20]);
        nonsense.expect_err("nonsense was taken").code != tonic::Code::ResourceExhausted
    });
    idle_again(daemon.pid());
}

#[test]
fn p05_a_length_that_lies_reserves_nothing() {
    let before = std::cell::Cell::new(0);
    let (_, daemon) = under("lying lengths", 5, |daemon, round| {
        if round == 1 {
            before.set(procfs::rss(daemon.pid()).expect("memory"));
        }
        for length in [u32::MAX, 64 << 20, 4 << 20] {
            let mut client = Hostile::greeted(&daemon.socket());
            client.say(&frame(kind::HEADERS, flag::END_HEADERS, 1, &call_headers("DaemonService/Reload")));
            let mut lie = vec![0];
            lie.extend_from_slice(&length.to_be_bytes());
            client.say(&frame(kind::DATA, 0, 1, &lie));
            client.skim();
        }
        // A frame that is larger than HTTP/2 allows without asking.
        let mut client = Hostile::greeted(&daemon.socket());
        client.say(&[0xff, 0xff, 0xff, kind::DATA, 0, 0, 0, 0, 1]);
        let (_, closed) = client.listen(Duration::from_secs(20));
        assert!(closed, "a frame of 16 MiB was waited for");
    });
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before.get());
    assert!(grown < 16 << 20, "lying lengths cost {grown} bytes");
}

#[test]
fn p05_giant_metadata_is_refused() {
    under("giant metadata", 5, |daemon, _| {
        let mut client = Hostile::greeted(&daemon.socket());
        let mut block = call_headers("DaemonService/Status");
        for number in 0..64 {
            block.extend(literal(&format!("x-{number}"), &"v".repeat(4_000)));
        }
        let mut pieces = block.chunks(16_000).peekable();
        client.say(&frame(kind::HEADERS, 0, 1, pieces.next().expect("a piece")));
        while let Some(piece) = pieces.next() {
            let last = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
            if !client.say(&frame(kind::CONTINUATION, last, 1, piece)) {
                break;
            }
        }
        let (answer, _) = client.listen(Duration::from_millis(500));
        assert!(!String::from_utf8_lossy(&answer).contains("running"), "256 KiB of metadata were served");
    });
}

#[test]
fn p05_floods_of_pings_and_settings_are_ended_or_cost_nothing() {
    let (_, daemon) = under("floods of PING and SETTINGS", 4, |daemon, round| {
        let mut client = Hostile::greeted(&daemon.socket());
        let flood = if round % 2 == 0 {
            frame(kind::PING, 0, 0, &[7; 8]).repeat(1_000)
        } else {
            frame(kind::SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 100]).repeat(1_000)
        };
        // Nobody reads the answers, so that they pile up somewhere.
        for _ in 0..40 {
            if !client.say(&flood) {
                break;
            }
            client.skim();
        }
    });
    assert!(procfs::rss(daemon.pid()).expect("memory") < 64 << 20);
}

#[test]
fn p05_streams_that_never_end_hold_up_nobody() {
    let held = std::cell::RefCell::new(Vec::new());
    under("64 open streams on each of 30 connections", 3, |daemon, _| {
        for _ in 0..10 {
            let mut client = Hostile::greeted(&daemon.socket());
            for stream in 0..64 {
                let number = stream * 2 + 1;
                client.say(&frame(kind::HEADERS, flag::END_HEADERS, number, &call_headers("DaemonService/Reload")));
                client.say(&frame(kind::DATA, 0, number, &[0, 0, 0]));
            }
            held.borrow_mut().push(client);
        }
    });
}

#[test]
fn p05_a_client_that_reads_nothing_is_not_waited_for() {
    let held = std::cell::RefCell::new(Vec::new());
    let (_, daemon) = under("followers that read nothing", 3, |daemon, _| {
        for _ in 0..20 {
            let mut client = Hostile::greeted(&daemon.socket());
            let question = bitrouter_proto::wire::LogsRequest { follow: true, tail: None }.encode_to_vec();
            let mut message = vec![0];
            message.extend_from_slice(&u32::try_from(question.len()).expect("small").to_be_bytes());
            message.extend_from_slice(&question);
            client.say(&frame(kind::HEADERS, flag::END_HEADERS, 1, &call_headers("DaemonService/Logs")));
            client.say(&frame(kind::DATA, flag::END_STREAM, 1, &message));
            held.borrow_mut().push(client);
        }
        for _ in 0..200 {
            daemon.http().chat("demo/echo", "x").send().ok();
        }
    });
    assert!(procfs::rss(daemon.pid()).expect("memory") < 64 << 20);
}

#[test]
fn p05_unknown_methods_and_nonsense_have_a_reason() {
    let world = World::new();
    let daemon = world.demo();
    let mut control = Control::connect(&daemon.socket());
    for (method, code) in [
        ("DaemonService/Nothing", tonic::Code::Unimplemented),
        ("NoService/Status", tonic::Code::Unimplemented),
        ("LogService/SetLevel", tonic::Code::InvalidArgument),
    ] {
        let refused = control.call_bytes(method, &[]).expect_err(method);
        assert_eq!((refused.code, refused.domain.as_str()), (code, "bitrouter"), "{method}: {refused:?}");
        assert!(bitrouter_proto::codes::Reason::parse(&refused.reason).is_some(), "{method}: {refused:?}");
    }
    // Bytes that are no message: an error of the closed set, never `Unknown`.
    let refused = control.call_bytes("DaemonService/Reload", &[0xff; 64]).expect_err("nonsense was taken");
    assert_ne!(refused.code, tonic::Code::Unknown, "{refused:?}");
    assert!(bitrouter_proto::codes::Reason::parse(&refused.reason).is_some(), "no reason: {refused:?}");
    control.call::<bitrouter_proto::wire::StatusResponse>("DaemonService/Status", &StatusRequest {}).expect("a status");
}
