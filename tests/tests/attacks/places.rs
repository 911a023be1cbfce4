//! Places that somebody prepared: directories, links, files and sockets where ours should stand. Refused with the
//! reason, and nothing of them is followed, changed or removed.

use std::{
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
        net::UnixListener,
    },
    path::Path,
};

use bitrouter_tests::{World, as_uid, shared_files};

/// Puts something where ours should stand.
type Prepare<'a> = &'a dyn Fn(&World);
/// Puts something at this path.
type PrepareAt<'a> = &'a dyn Fn(&World, &Path);

/// Starts a daemon that must refuse, and say these words.
#[track_caller]
fn refused(world: &World, name: &str, words: &[&str]) {
    let text = world.serve().arg("--demo").refused();
    for word in words {
        assert!(text.contains(word), "{name}: `{word}` is not in {text}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    let file = std::fs::File::open(path).expect("open");
    file.set_permissions(std::fs::Permissions::from_mode(mode)).expect("chmod");
}

#[test]
fn p05_a_prepared_runtime_directory_is_refused() {
    let dir = "run/bitrouter";
    let world = World::new();
    symlink(world.directory("elsewhere"), world.path(dir)).expect("symlink");
    refused(&world, "a symlink", &[dir, "symlink"]);
    assert_eq!(std::fs::read_dir(world.path("elsewhere")).expect("list").count(), 0, "the link was followed");

    let world = World::new();
    symlink("/nonexistent/place", world.path(dir)).expect("symlink");
    refused(&world, "a dangling symlink", &[dir]);

    let world = World::new();
    world.write(dir, "a file");
    refused(&world, "a file", &[dir, "directory"]);

    let world = World::new();
    set_mode(&world.directory(dir), 0o770);
    refused(&world, "a directory that others can write", &[dir, "chmod 700"]);

    let world = World::new();
    if let Some(foreign) = world.user().foreign() {
        let dir = world.directory(dir);
        set_mode(&dir, 0o755);
        foreign.own_path(&dir);
        refused(&world, "a directory of somebody else", &["run/bitrouter", "belongs to uid"]);
    }
}

#[test]
fn p05_a_directory_that_is_merely_open_to_read_is_made_private() {
    let world = World::new();
    set_mode(&world.directory("run/bitrouter"), 0o755);
    let daemon = world.demo();
    assert_eq!(std::fs::metadata(world.path("run/bitrouter")).expect("metadata").mode() & 0o777, 0o700);
    daemon.stop();
}

#[test]
fn p05_what_stands_at_the_sockets_path_is_refused_and_stays() {
    let table: [(&str, Prepare<'_>, &str); 6] = [
        ("a dangling symlink", &|world| symlink("/nonexistent", world.socket()).expect("symlink"), "symlink"),
        (
            "a symlink to a live socket",
            &|world| {
                let real = world.path("home/real.sock");
                // Kept for the life of the test process.
                std::mem::forget(UnixListener::bind(&real).expect("bind"));
                symlink(real, world.socket()).expect("symlink");
            },
            "symlink",
        ),
        ("a file", &|world| drop(world.write("run/bitrouter/control.sock", "x")), "no socket"),
        ("a directory", &|world| drop(world.directory("run/bitrouter/control.sock")), "no socket"),
        (
            "a pipe",
            &|world| {
                let run = world.program("/usr/bin/mkfifo".as_ref(), [world.socket()]);
                run.run().expect_code(0);
            },
            "no socket",
        ),
        (
            "a socket with a second name",
            &|world| {
                drop(UnixListener::bind(world.socket()).expect("bind"));
                world.user().own_path(&world.socket());
                std::fs::hard_link(world.socket(), world.path("home/second")).expect("link");
            },
            "hard link",
        ),
    ];
    for (name, prepare, word) in table {
        let world = World::new();
        world.directory("run/bitrouter");
        prepare(&world);
        let inode = || std::fs::symlink_metadata(world.socket()).expect("what was prepared").ino();
        let before = inode();
        refused(&world, name, &["control.sock", word]);
        assert_eq!(inode(), before, "{name}: it was replaced");
    }
}

#[test]
fn p05_a_socket_of_somebody_else_is_refused_and_stays() {
    let world = World::new();
    let Some(foreign) = world.user().foreign() else { return };
    world.directory("run/bitrouter");
    drop(UnixListener::bind(world.socket()).expect("bind"));
    foreign.own_path(&world.socket());
    refused(&world, "a foreign socket", &["control.sock", "belongs to uid"]);
    assert!(world.socket().exists());
}

#[test]
fn p05_prepared_state_files_are_refused_and_not_followed() {
    for name in ["daemon.lock", "daemon.log"] {
        let cases: [(&str, PrepareAt<'_>); 5] = [
            ("symlink", &|world, path| symlink(world.write("home/target", "mine"), path).expect("symlink")),
            ("directory", &|world, _| drop(world.directory(&format!("state/bitrouter/{name}")))),
            ("hard link", &|world, path| {
                std::fs::hard_link(world.write("home/target", "mine"), path).expect("link");
            }),
            ("FIFO", &|world, path| {
                world.program("/usr/bin/mkfifo".as_ref(), [path]).run().expect_code(0);
            }),
            ("foreign", &|world, path| {
                world.write(&format!("state/bitrouter/{name}"), "");
                if let Some(foreign) = world.user().foreign() {
                    foreign.own_path(path);
                }
                set_mode(path, 0o666);
            }),
        ];
        for (case, prepare) in cases {
            let world = World::new();
            if case == "foreign" && world.user().foreign().is_none() {
                continue;
            }
            world.directory("state/bitrouter");
            let path = world.path(&format!("state/bitrouter/{name}"));
            prepare(&world, &path);
            let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]);
            assert_eq!(output.code, 1, "{name}, {case}: {}", output.text());
            assert!(output.stderr.contains(name), "{name}, {case}: {}", output.stderr);
            if ["symlink", "hard link"].contains(&case) {
                assert_eq!(std::fs::read_to_string(world.path("home/target")).expect("read"), "mine");
            }
        }
    }
}

#[test]
fn p05_what_stands_in_the_place_of_a_note_is_neither_read_nor_waited_for() {
    for name in ["daemon.json", "pushed-names"] {
        for kind in ["symlink", "FIFO"] {
            let world = World::new();
            world.directory("state/bitrouter");
            let path = world.path(&format!("state/bitrouter/{name}"));
            if kind == "symlink" {
                symlink(world.write("home/target", "SECRET_OF_MINE\n"), &path).expect("symlink");
            } else {
                world.program("/usr/bin/mkfifo".as_ref(), [&path]).run().expect_code(0);
            }
            assert_eq!(world.cli(["status"]).code, 1, "{name}, {kind}");
            let output = world.cli(["start", "--demo", "--listen", "127.0.0.1:0"]).with_code(0);
            assert!(!output.text().contains("SECRET_OF_MINE"), "{name}, {kind}");
            let status = world.cli(["status", "--json"]).with_code(0).stdout;
            assert!(!status.contains("SECRET_OF_MINE"), "{name}, {kind}: {status}");
            world.cli(["stop"]).expect_code(0);
        }
    }
}

#[test]
fn p05_a_linked_daemon_json_is_replaced_not_written_through() {
    let world = World::new();
    let target = world.write("home/target", "mine");
    world.directory("state/bitrouter");
    symlink(&target, world.daemon_json()).expect("symlink");
    let daemon = world.demo();
    assert_eq!(std::fs::read_to_string(&target).expect("read"), "mine");
    let meta = std::fs::symlink_metadata(world.daemon_json()).expect("metadata");
    assert!(meta.is_file() && meta.mode() & 0o777 == 0o600, "{meta:?}");
    daemon.stop();
}

#[test]
fn p05_inputs_that_are_no_files_are_refused_without_a_hang() {
    for name in ["config.toml", "env"] {
        let world = World::new();
        world.directory("config/bitrouter");
        let path = world.path(&format!("config/bitrouter/{name}"));
        world.program("/usr/bin/mkfifo".as_ref(), [&path]).run().expect_code(0);
        refused(&world, name, &[name]);
        std::fs::remove_file(&path).expect("remove");
        symlink("/dev/zero", &path).expect("symlink");
        refused(&world, name, &[name]);
    }
}

#[test]
fn p05_a_client_checks_the_place_before_it_says_a_word() {
    let world = World::new();
    world.directory("run/bitrouter");
    let path = world.socket();
    let listener = as_uid::run(world.user(), || UnixListener::bind(&path).expect("bind"));
    listener.set_nonblocking(true).expect("nonblocking");
    let untouched = |case: &str| {
        let output = world.cli(["status"]);
        assert_eq!(output.code, 1, "{case}: {}", output.text());
        assert!(output.stderr.contains("will not talk to"), "{case}: {}", output.stderr);
        assert!(listener.accept().is_err(), "{case}: it connected");
    };
    rustix::fs::chmod(&path, 0o660.into()).expect("chmod");
    untouched("a socket that a group can write");
    rustix::fs::chmod(&path, 0o600.into()).expect("chmod");
    set_mode(&world.path("run/bitrouter"), 0o770);
    untouched("a directory that a group can write");
    set_mode(&world.path("run/bitrouter"), 0o700);
    if let Some(foreign) = world.user().foreign() {
        foreign.own_path(&path);
        untouched("a socket of somebody else");
        world.user().own_path(&path);
    }
    let real = world.path("run/bitrouter/real.sock");
    std::fs::rename(&path, &real).expect("rename");
    symlink(&real, &path).expect("symlink");
    untouched("a symlink");
    std::fs::remove_file(&path).expect("remove");
    std::fs::rename(world.path("run/bitrouter"), world.path("run/real")).expect("rename");
    symlink(world.path("run/real"), world.path("run/bitrouter")).expect("symlink");
    std::fs::rename(world.path("run/real/real.sock"), world.path("run/real/control.sock")).expect("rename");
    untouched("a symlinked directory");
}

#[test]
fn p05_a_process_of_somebody_else_behind_our_own_socket_is_noticed() {
    let world = World::new();
    if !world.user().is_exclusive() {
        return shared_files::lacks("a second uid: the tests do not run as root");
    }
    world.directory("run/bitrouter");
    // The file is ours, the listener is root's.
    let listener = UnixListener::bind(world.socket()).expect("bind");
    world.user().own_path(&world.socket());
    rustix::fs::chmod(world.socket(), 0o600.into()).expect("chmod");
    let output = world.cli(["status"]);
    assert_eq!(output.code, 1, "{}", output.text());
    assert!(output.stderr.contains("another user"), "{}", output.stderr);
    drop(listener);
}
