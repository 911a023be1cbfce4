//! Loopback only: another address is refused while there are no keys to ask for.

use bitrouter_tests::World;

#[test]
fn an_address_that_is_not_loopback_is_refused() {
    for addr in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let world = World::new();
        let text = world.serve().listen_as_configured().args(["--demo", "--listen", addr]).refused();
        assert!(text.contains("listen") || text.contains("loopback"), "{addr}: {text}");
    }
    let world = World::new();
    world.config("[server]\nlisten = \"0.0.0.0:0\"\n");
    let text = world.serve().listen_as_configured().refused();
    assert!(text.contains("server.listen") || text.contains("listen"), "{text}");
}

#[test]
fn the_configured_address_is_used_and_a_flag_beats_it() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = holder.local_addr().expect("an address");
    let world = World::new();
    world.config("[server]\nlisten = \"127.0.0.1:0\"\n");
    world.serve().listen_as_configured().arg("--demo").start().stop();
    world.config(&format!("[server]\nlisten = \"{taken}\"\n"));
    world.cli(["serve", "--demo"]).expect_code(1);
    world.demo().http().get("/health").send().ok();
}
