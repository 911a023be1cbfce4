//! RUSTSEC-2024-0376 (tonic before 0.12.3): one connection that failed while it was accepted ended the accept loop, and
//! with it the service.

use bitrouter_tests::{
    World,
    hostile::{Bystander, Hostile, idle_again},
};

#[test]
fn rustsec_2024_0376_the_locked_version_is_past_it() {
    super::locked_at_least("tonic", [0, 12, 3]);
}

#[test]
fn rustsec_2024_0376_connections_that_fail_at_accept_end_nothing() {
    let world = World::new();
    let daemon = world.demo();
    let mut bystander = Bystander::default();
    for _ in 0..5 {
        for number in 0..400 {
            // Gone before anybody accepted it, or just after.
            let control = Hostile::connect(&daemon.socket());
            let tcp = daemon.http().connect();
            if number % 2 == 0 {
                rustix::net::sockopt::set_socket_linger(&tcp, Some(std::time::Duration::ZERO)).expect("linger");
            }
            drop((control, tcp));
        }
        bystander.asks(&world);
        daemon.http().chat("demo/echo", "x").send().ok();
    }
    bystander.report("connections that fail at accept");
    idle_again(daemon.pid());
}

#[test]
fn rustsec_2024_0376_injected_accept_errors_end_nothing() {
    let world = World::new();
    let trace = world.path("home/trace").to_string_lossy().into_owned();
    let binary = bitrouter_tests::shared_files::binary().to_string_lossy().into_owned();
    // Accepts fail again and again, each time with another reason.
    for error in ["ECONNABORTED", "EMFILE", "ENOBUFS", "EPROTO", "EPERM"] {
        let inject = format!("inject=accept4:error={error}:when=7+9");
        let args = [
            "-f",
            "-qq",
            "-o",
            &trace,
            "-e",
            "trace=accept4",
            "-e",
            &inject,
            &binary,
            "serve",
            "--demo",
            "--listen",
            "127.0.0.1:0",
        ];
        let process = world.program("/usr/bin/strace".as_ref(), args).spawn();
        let mut daemon = world.detached();
        for _ in 0..10 {
            world.until_running();
            daemon.http().chat("demo/echo", "x").send().ok();
        }
        daemon.kill();
        drop(process);
    }
}
