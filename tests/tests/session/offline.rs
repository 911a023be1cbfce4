//! P4: who is signed in is told without a daemon and without a network; what needs a daemon starts one and says so.

use bitrouter_tests::{World, wait};
use serde_json::json;

use crate::far::{FILE, Far};

const OFFLINE: [&[&str]; 3] = [&["auth", "whoami"], &["cloud", "whoami"], &["cloud", "namespace", "current"]];

#[test]
fn p04_the_offline_ones_need_no_daemon_and_touch_no_network() {
    let far = Far::stored(3_600, 600);
    let issuer = far.issuer.url();
    let who = far.world.cli(["auth", "whoami", "--json"]).with_code(0).json();
    let path = far.world.path(FILE).display().to_string();
    assert_eq!(
        who,
        json!({
            "signed_in": true, "authentication": "oauth", "authorization_server": issuer, "client_id": "bitrouter-cli",
            "namespace_id": "ns_far", "subject": "usr_far", "scope": "inference:invoke usage:read namespace:read",
            "token_id": who["token_id"], "token_state": "valid", "expires_at": who["expires_at"],
            "refresh_token_expires_at": null, "credentials_path": path,
        })
    );
    let who = far.world.cli(["cloud", "whoami", "--json"]).with_code(0).json();
    assert_eq!(
        who,
        json!({
            "signed_in": true, "authentication": "oauth", "base_url": issuer, "namespace_id": "ns_far",
            "scope": "inference:invoke usage:read namespace:read", "subject": "usr_far", "credentials_path": path,
        })
    );
    let current = far.world.cli(["cloud", "namespace", "current"]).with_code(0);
    assert!(current.stdout.starts_with("ns_far"), "{}", current.stdout);
    let current = far.world.cli(["cloud", "namespace", "current", "--json"]).with_code(0).json();
    assert_eq!(current, json!({"namespace_id": "ns_far"}));
    let text = far.world.cli(["auth", "whoami"]).with_code(0).stdout;
    for line in [
        "authorization server:",
        "client id:",
        "scope:",
        "namespace:",
        "subject:",
        "access token:",
        "credentials file:",
    ] {
        assert!(text.lines().any(|row| row.trim_start().starts_with(line)), "{line}: {text}");
    }
    assert!(text.contains("s remaining)"), "{text}");
    assert_eq!(far.issuer.provider().connections(), 0);
    assert!(!far.world.daemon_json().exists(), "no daemon was started");
    far.write(-60);
    let text = far.world.cli(["auth", "whoami"]).with_code(0).stdout;
    assert!(text.contains("EXPIRED ("), "{text}");
    far.nothing_leaked();
}

#[test]
fn p04_signed_out_is_exit_1_with_the_command_and_logout_is_no_failure() {
    let world = World::new();
    for words in OFFLINE {
        let error = world.command(words.iter().copied().chain(["--json"])).run().with_code(1).error();
        assert_eq!(
            (&error["code"], &error["hint"]),
            (&json!("not_signed_in"), &json!("bitrouter auth login")),
            "{words:?}"
        );
        let text = world.command(words.iter().copied()).run().with_code(1);
        assert!(text.stdout.is_empty() && text.stderr.contains("hint: bitrouter auth login"), "{}", text.stderr);
    }
    world.cli(["auth", "logout"]).expect_code(0);
    assert!(!world.daemon_json().exists(), "nobody starts a daemon to be told that nobody is signed in");
}

#[test]
fn what_needs_a_daemon_starts_one_and_says_so() {
    let far = Far::stored(3_600, 600);
    far.world.config("[node]\nenabled = false\n[server]\nlisten = \"127.0.0.1:0\"\n");
    for refuse in [
        far.world.command(["cloud", "namespace", "list", "--no-autostart"]),
        far.world.command(["cloud", "namespace", "list"]).env("BITROUTER_NO_AUTOSTART", "1"),
    ] {
        let refused = refuse.run().with_code(2);
        assert!(refused.stderr.contains("hint: bitrouter start"), "{}", refused.stderr);
    }
    let listed = far.world.cli(["cloud", "namespace", "list"]).with_code(0);
    let daemon = far.world.detached();
    assert!(listed.stderr.contains(&daemon.pid().to_string()), "{}", listed.stderr);
    let rows: Vec<Vec<&str>> = listed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["ns_far", "default", "(active)"]), "{}", listed.stdout);
    assert!(rows.contains(&vec!["ns_other", "production"]), "{}", listed.stdout);
    // What the server sent, to the last member that nobody knows.
    let json = far.world.cli(["cloud", "namespace", "list", "--json"]).with_code(0).json();
    assert_eq!(json["data"][0]["later"], json!([1]), "{json}");
    daemon.stop();
}

#[test]
fn b05_twenty_at_once_start_one_daemon() {
    let far = Far::stored(3_600, 600);
    far.world.config("[node]\nenabled = false\n[server]\nlisten = \"127.0.0.1:0\"\n");
    let codes: Vec<i32> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..20).map(|_| scope.spawn(|| far.world.cli(["cloud", "namespace", "list"]).code)).collect();
        asked.into_iter().map(|thread| thread.join().expect("an answer")).collect()
    });
    assert!(codes.iter().all(|code| *code == 0), "{codes:?}");
    let daemon = far.world.detached();
    daemon.stop();
}

#[test]
fn autostart_stands_back_where_a_service_unit_owns_the_job() {
    let far = Far::stored(3_600, 600);
    far.world.directory("config/systemd/user/default.target.wants");
    let unit = far.world.write("config/systemd/user/bitrouter.service", "[Service]\nExecStart=bitrouter serve\n");
    let wants = far.world.path("config/systemd/user/default.target.wants/bitrouter.service");
    std::os::unix::fs::symlink(unit, &wants).expect("enabled");
    let refused = far.world.cli(["cloud", "namespace", "list"]).with_code(2);
    assert!(refused.stderr.contains("systemctl --user start bitrouter"), "{}", refused.stderr);
    assert!(!far.world.daemon_json().exists());
    std::fs::remove_file(wants).expect("disabled");
    far.world.config("[node]\nenabled = false\n[server]\nlisten = \"127.0.0.1:0\"\n");
    far.world.cli(["cloud", "namespace", "list"]).expect_code(0);
    let daemon = far.world.detached();
    wait::holds("it to run", || daemon.status()["state"] == "running");
    daemon.stop();
}
