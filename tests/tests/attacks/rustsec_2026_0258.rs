//! RUSTSEC-2026-0258 (h2 before 0.4.16): empty DATA frames were queued without a limit, so that a stream nobody drained
//! cost memory without bound.

use bitrouter_tests::{
    World,
    hostile::{Bystander, Hostile, call_headers, flag, frame, idle_again, kind},
    procfs,
};

#[test]
fn rustsec_2026_0258_the_locked_version_is_past_it() {
    super::locked_at_least("h2", [0, 4, 16]);
}

#[test]
fn rustsec_2026_0258_a_flood_of_empty_data_frames_costs_nothing() {
    let world = World::new();
    let daemon = world.demo();
    let before = procfs::rss(daemon.pid()).expect("memory");
    let mut bystander = Bystander::default();
    let empty = frame(kind::DATA, 0, 1, &[]).repeat(5_000);
    for _ in 0..8 {
        let mut client = Hostile::greeted(&daemon.socket());
        client.say(&frame(kind::HEADERS, flag::END_HEADERS, 1, &call_headers("DaemonService/Reload")));
        for _ in 0..40 {
            if !client.say(&empty) {
                break;
            }
            client.skim();
        }
        bystander.asks(&world);
    }
    bystander.report("floods of empty DATA frames");
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 24 << 20, "1,600,000 empty frames cost {grown} bytes");
    idle_again(daemon.pid());
}
