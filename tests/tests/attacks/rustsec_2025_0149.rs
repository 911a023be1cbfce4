//! RUSTSEC-2025-0149 (below): a log directory that everybody could write, and a `chmod` by path through a link that
//! somebody put there: any file became writable.

use std::{
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::Path,
};

use bitrouter_tests::World;

fn mode(path: &Path) -> u32 {
    std::fs::symlink_metadata(path).expect("metadata").mode() & 0o777
}

#[test]
fn rustsec_2025_0149_the_log_directory_is_private_and_no_link_in_it_is_followed() {
    for name in ["daemon.log", "daemon.log.1", "daemon.log.2", "daemon.lock", "daemon.json"] {
        let world = World::new();
        let target = world.write_mode("home/precious", "mine", 0o640);
        world.directory("state/bitrouter");
        symlink(&target, world.path(&format!("state/bitrouter/{name}"))).expect("symlink");
        let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]);
        assert!(matches!(output.code, 0 | 1), "{name}: {}", output.text());
        assert_eq!(mode(&target), 0o640, "{name}: the mode of a linked file was changed");
        assert_eq!(std::fs::read_to_string(&target).expect("read"), "mine", "{name}: it was written through");
        if output.code == 0 {
            drop(world.detached());
        }
    }
}

#[test]
fn rustsec_2025_0149_a_directory_that_others_can_write_is_refused() {
    let world = World::new();
    let dir = world.directory("state/bitrouter");
    let open = std::fs::File::open(&dir).expect("open");
    open.set_permissions(std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).with_code(1);
    assert!(output.stderr.contains("chmod 700"), "{}", output.stderr);
    // Refused, not repaired: what stands in it may be somebody's already.
    assert_eq!(mode(&dir), 0o777);
    open.set_permissions(std::fs::Permissions::from_mode(0o700)).expect("chmod");
    world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).expect_code(0);
    assert_eq!(mode(&world.path("state/bitrouter/daemon.log")), 0o600);
    drop(world.detached());
}
