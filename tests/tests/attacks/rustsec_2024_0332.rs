//! RUSTSEC-2024-0332 (h2 before 0.4.4): a header block that is continued for ever kept the server busy for ever.

use bitrouter_tests::{
    World,
    hostile::{Bystander, Hostile, call_headers, frame, idle_again, kind, literal},
    procfs,
};

#[test]
fn rustsec_2024_0332_the_locked_version_is_past_it() {
    super::locked_at_least("h2", [0, 4, 4]);
}

#[test]
fn rustsec_2024_0332_a_header_block_without_an_end_is_ended() {
    let world = World::new();
    let daemon = world.demo();
    let before = procfs::rss(daemon.pid()).expect("memory");
    let mut bystander = Bystander::default();
    for piece in [Vec::new(), literal("x", &"v".repeat(100)).repeat(100)] {
        let mut client = Hostile::greeted(&daemon.socket());
        client.say(&frame(kind::HEADERS, 0, 1, &call_headers("DaemonService/Status")));
        let more = frame(kind::CONTINUATION, 0, 1, &piece).repeat(10);
        let ended = (0..20_000).any(|_| {
            client.skim();
            !client.say(&more)
        });
        assert!(ended, "200,000 continuations of {} bytes were taken", piece.len());
        bystander.asks(&world);
    }
    bystander.report("header blocks without an end");
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 24 << 20, "they cost {grown} bytes");
    idle_again(daemon.pid());
}
