//! Which address is listened at.

use bitrouter_tests::World;

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
