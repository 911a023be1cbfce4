//! Sockets that a service manager bound: with names and without, never unlinked, changed or bound again.

use std::{net::SocketAddr, os::unix::fs::MetadataExt as _, path::PathBuf};

use bitrouter_tests::{Client, World, process::Process, shared_files, wait};

struct Scene {
    world: World,
    path: PathBuf,
    http: SocketAddr,
}

fn scene() -> Scene {
    let world = World::new();
    let path = world.directory("run/bitrouter").join("control.sock");
    let http = SocketAddr::from(([127, 0, 0, 1], world.user().port()));
    Scene { world, path, http }
}

impl Scene {
    /// `systemd-socket-activate` with both sockets, which starts the binary on the first connection.
    #[track_caller]
    fn activate(&self, more: &[&str], serve: &[&str]) -> Process {
        let (path, http) = (self.path.to_string_lossy().into_owned(), self.http.to_string());
        let mut args = vec!["-l".to_owned(), path, "-l".to_owned(), http];
        args.extend(more.iter().map(|arg| (*arg).to_owned()));
        for (name, value) in self.world.environment() {
            args.push("-E".to_owned());
            args.push(format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
        }
        args.push(shared_files::binary().to_string_lossy().into_owned());
        args.extend(["serve", "--demo"].into_iter().chain(serve.iter().copied()).map(str::to_owned));
        let script = "umask 077; exec systemd-socket-activate \"$@\"";
        let all = ["-c".to_owned(), script.to_owned(), "sh".to_owned()].into_iter().chain(args);
        let process = self.world.program("/bin/sh".as_ref(), all).spawn();
        process.stderr().until_contains(&format!("Listening on {}", self.http));
        process
    }

    fn client(&self) -> Client {
        Client::new(self.http, self.world.user())
    }

    fn inode(&self) -> (u64, u32) {
        let meta = std::fs::symlink_metadata(&self.path).expect("the socket");
        (meta.ino(), meta.mode())
    }
}

#[track_caller]
fn serves(more: &[&str]) {
    let scene = scene();
    let mut process = scene.activate(more, &[]);
    let before = scene.inode();
    // The connection that starts it is answered by it.
    let answer = scene.client().chat("demo/echo", "who is there").send().ok();
    assert_eq!(answer.content(), "who is there");
    let status = scene.world.cli(["status", "--json"]).with_code(0).json();
    assert_eq!(status["pid"], process.pid(), "{status}");
    assert_eq!(status["socket"], scene.path.to_string_lossy().as_ref());
    assert!(status["listen"].as_array().is_some_and(|all| all.contains(&scene.http.to_string().into())), "{status}");
    scene.world.cli(["reload"]).expect_code(0);
    scene.client().get("/health").send().ok();
    assert_eq!(scene.inode(), before, "the passed socket was changed");
    scene.world.cli(["stop"]).expect_code(0);
    assert!(process.wait(wait::PATIENCE).success());
    assert_eq!(scene.inode(), before, "the passed socket was unlinked or changed at the end");
}

#[test]
fn p15_passed_sockets_without_names_are_told_apart_by_family() {
    serves(&[]);
}

#[test]
fn p15_passed_sockets_with_names_are_served() {
    serves(&["--fdname=control:http"]);
}

#[test]
fn p15_the_control_socket_can_start_it_as_well() {
    let scene = scene();
    let mut process = scene.activate(&[], &[]);
    scene.world.until_running();
    scene.client().get("/health").send().ok();
    scene.world.cli(["stop"]).expect_code(0);
    assert!(process.wait(wait::PATIENCE).success());
}

#[test]
fn p15_listen_beside_a_passed_socket_is_an_error() {
    let scene = scene();
    let mut process = scene.activate(&[], &["--listen", "127.0.0.1:0"]);
    let stream = scene.client().connect();
    let status = process.wait(wait::PATIENCE);
    process.stderr().ends_within(wait::PATIENCE);
    let text = process.stderr().text();
    assert_eq!(status.code(), Some(1), "{text}");
    assert!(text.contains("--listen"), "{text}");
    assert!(scene.path.exists(), "the passed socket was unlinked");
    drop(stream);
}

#[test]
fn p15_sockets_for_somebody_else_are_not_taken() {
    let world = World::new();
    // `LISTEN_PID` names another process, or nobody: these descriptors are not for us.
    for pid in ["1", "", "x"] {
        let daemon = world.serve().arg("--demo").env("LISTEN_FDS", "2").env("LISTEN_PID", pid).start();
        assert_eq!(daemon.socket(), world.socket(), "LISTEN_PID={pid}");
        daemon.stop();
        assert!(!world.socket().exists());
    }
}
