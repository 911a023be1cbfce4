//! CVE-2023-44487 (HTTP/2 "rapid reset"): streams that are opened only to be reset, faster than their work can be
//! cancelled.

use bitrouter_tests::{
    World,
    hostile::{Bystander, Hostile, call_headers, flag, frame, idle_again, kind},
    procfs,
};

#[test]
fn cve_2023_44487_streams_that_are_reset_at_once_delay_nobody() {
    let world = World::new();
    let daemon = world.demo();
    let before = procfs::rss(daemon.pid()).expect("memory");
    let mut bystander = Bystander::default();
    let headers = call_headers("DaemonService/Status");
    let mut cut_short = 0;
    for _ in 0..10 {
        let mut client = Hostile::greeted(&daemon.socket());
        let mut stream = 1;
        for _ in 0..200 {
            let mut burst = Vec::new();
            for _ in 0..50 {
                burst.extend(frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &headers));
                burst.extend(frame(kind::RESET, 0, stream, &8_u32.to_be_bytes()));
                stream += 2;
            }
            if !client.say(&burst) {
                cut_short += 1;
                break;
            }
            client.skim();
        }
        bystander.asks(&world);
    }
    bystander.report("rapid resets");
    assert!(cut_short > 0, "100,000 resets and nobody was told to be calm");
    let grown = procfs::rss(daemon.pid()).expect("memory").saturating_sub(before);
    assert!(grown < 24 << 20, "they cost {grown} bytes");
    idle_again(daemon.pid());
}
