//! P1: the file as others write it: adopted within 2 s, never touched where it is bad, unknown members kept.

use std::time::Duration;

use bitrouter_tests::{Daemon, wait};
use serde_json::{Value, json};

use crate::far::{FILE, Far, call, file, mode, names, session, wait_state};

/// What is adopted within 2 s is asserted at five times that.
const ADOPTED: Duration = Duration::from_secs(10);

/// What makes another schema of a file.
type Change = fn(&mut Value);

#[track_caller]
fn uses(daemon: &Daemon, far: &Far, token: &str) {
    wait::until_within("the other token to be used", ADOPTED, || {
        call(daemon).send();
        (far.issuer.provider().last().request.key() == Some(token)).then_some(())
    });
}

#[test]
fn p01_what_another_program_writes_is_adopted() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.start();
    call(&daemon).send().ok();
    // As upstream writes: a rename, untagged.
    let other = far.issuer.session();
    let mut content = far.issuer.credential(&other, 3_600);
    content.as_object_mut().expect("an object").remove("kind");
    far.world.rename_over(FILE, content.to_string());
    uses(&daemon, &far, &other.access);
    // In place.
    let third = far.issuer.session();
    far.world.write(FILE, far.issuer.credential(&third, 3_600).to_string());
    uses(&daemon, &far, &third.access);
    // Gone: signed out.
    std::fs::remove_file(far.world.path(FILE)).expect("removed");
    wait::until_within("signed out", ADOPTED, || (session(&daemon)["state"] == "none").then_some(()));
    call(&daemon).send().refused(402, "provider_key_missing");
    far.write(3_600);
    uses(&daemon, &far, &far.pair.access);
    assert!(far.issuer.exchanges().is_empty(), "adopting costs no exchange");
    daemon.stop();
}

#[test]
fn b21_files_of_every_past_schema_and_of_a_later_one_survive_a_refresh() {
    let kinds: [(&str, Change); 4] = [
        ("untagged", |content| drop(content.as_object_mut().expect("an object").remove("kind"))),
        ("tagged", |_| {}),
        ("bare", |content| {
            let content = content.as_object_mut().expect("an object");
            for member in ["kind", "namespace_id", "subject"] {
                content.remove(member);
            }
        }),
        ("later", |content| {
            content["device_name"] = json!({"later": ["x", 1, null, {"deep": true}]});
            content["schema"] = json!(7);
        }),
    ];
    for (name, change) in kinds {
        let far = Far::stored(3_600, 20);
        let mut content = far.issuer.credential(&far.pair, 20);
        change(&mut content);
        far.world.write(FILE, content.to_string());
        let daemon = far.start();
        far.wait_renewed();
        let now = far.file();
        let kept = ["client_id", "authorization_server", "device_name", "schema", "namespace_id", "subject"];
        for member in kept.iter().filter(|member| content.get(**member).is_some()) {
            assert_eq!(now[member], content[member], "{name}: {member}");
        }
        assert_eq!(now["kind"], "oauth", "{name}");
        call(&daemon).send().ok();
        daemon.stop();
    }
}

#[test]
fn p01_a_bad_file_is_never_touched_and_says_what_is_wrong() {
    let far = Far::stored(3_600, 3_600);
    let good = far.issuer.credential(&far.pair, 3_600).to_string();
    let bad: [(&str, String, u32); 6] = [
        ("cut", good[..good.len() / 2].to_owned(), 0o600),
        ("empty", String::new(), 0o600),
        ("no JSON", "signed out".to_owned(), 0o600),
        ("another kind", good.replace("\"oauth\"", "\"passkey\""), 0o600),
        ("group may read", good.clone(), 0o640),
        ("others may write", good.clone(), 0o602),
    ];
    let daemon = far.start();
    for (name, content, mode_bits) in bad {
        far.world.write_mode(FILE, &content, mode_bits);
        let said = wait::until_within("the problem", ADOPTED, || {
            let session = session(&daemon);
            (session["state"] == "none").then_some(session)
        });
        assert!(
            said["reason"].as_str().is_some_and(|reason| reason.contains("account-credentials.json")),
            "{name}: {said}"
        );
        let warning = daemon.warned("credential_unusable");
        if mode_bits != 0o600 {
            assert!(warning.to_string().contains("chmod 600"), "{name}: {warning}");
        }
        let who = far.world.cli(["auth", "whoami"]).with_code(1);
        assert!(who.stderr.contains("account-credentials.json"), "{name}: {}", who.stderr);
        call(&daemon).send().refused(402, "provider_key_missing");
        assert_eq!(std::fs::read_to_string(far.world.path(FILE)).expect("the file"), content, "{name}");
        assert_eq!(mode(&far.world), mode_bits, "{name}");
        far.world.write_mode(FILE, &good, 0o600);
        wait_state(&daemon, "active");
    }
    assert!(daemon.warning("credential_unusable").is_none());
    // A symlink is nobody's.
    let elsewhere = far.world.write("home/elsewhere.json", &good);
    std::fs::remove_file(far.world.path(FILE)).expect("removed");
    std::os::unix::fs::symlink(&elsewhere, far.world.path(FILE)).expect("a link");
    daemon.warned("credential_unusable");
    assert_eq!(session(&daemon)["state"], "none");
    assert!(std::fs::symlink_metadata(far.world.path(FILE)).expect("the link").is_symlink());
    daemon.stop();
    far.nothing_leaked();
}

#[test]
fn p01_signing_in_puts_a_bad_file_aside_and_signing_out_deletes_it() {
    let far = Far::stored(3_600, 3_600);
    far.world.write(FILE, "not ours");
    let daemon = far.start();
    far.issuer.approve();
    let login = ["auth", "login", "--oauth-as", &far.issuer.url()];
    far.world.cli(login).expect_code(0);
    let aside = names(&far.world).into_iter().find(|name| name.starts_with("account-credentials.json.aside-"));
    let aside = far.world.path("data/bitrouter").join(aside.expect("the bad file"));
    assert_eq!(std::fs::read_to_string(aside).expect("the bad file"), "not ours");
    assert_eq!(file(&far.world)["authorization_server"], far.issuer.url().as_str());
    call(&daemon).send().ok();
    far.world.write(FILE, "not ours");
    daemon.warned("credential_unusable");
    let out = far.world.cli(["auth", "logout"]).with_code(0);
    assert!(out.stderr.contains("revoked"), "{}", out.stderr);
    assert!(!far.world.path(FILE).exists());
    daemon.stop();
}

#[test]
fn p01_what_a_killed_write_left_behind_is_removed_at_the_next_start() {
    let far = Far::stored(3_600, 3_600);
    let daemon = far.start();
    daemon.stop();
    let mut before = names(&far.world);
    before.retain(|name| name != "account-credentials.json.lock");
    for name in [".account-credentials.json.1", ".account-credentials.json.4194304"] {
        far.world.write(&format!("data/bitrouter/{name}"), "half a cred");
    }
    far.world.write("data/bitrouter/.account-credentials.json.note", "somebody's own");
    let daemon = far.start();
    let mut expected = before;
    expected.insert(0, ".account-credentials.json.note".to_owned());
    let mut left = names(&far.world);
    left.retain(|name| name != "account-credentials.json.lock");
    assert_eq!(left, expected);
    daemon.stop();
}
