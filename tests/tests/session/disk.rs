//! B17: where nothing can be stored, nothing is exchanged: a refresh token that is spent and lost is a lost session.

use std::{os::unix::fs::PermissionsExt as _, process::Command, time::Duration};

use bitrouter_tests::{shared_files, wait};

use crate::far::{FILE, Far, call, session};

/// A small file system over the data directory, taken away again at the end.
struct Mount(std::path::PathBuf);

impl Drop for Mount {
    fn drop(&mut self) {
        Command::new("umount").arg("--lazy").arg(&self.0).output().ok();
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "it fills the disk")]
fn b17_without_space_there_is_no_exchange_and_it_recovers_by_itself() {
    let far = Far::stored(3_600, 3_600);
    let dir = far.world.path("data");
    let options = format!("size=64k,mode=700,uid={0},gid={0}", far.world.user().uid());
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "none"]).arg(&dir).output();
    if !mounted.is_ok_and(|done| done.status.success()) {
        shared_files::lacks("a file system of its own: the tests do not run as root");
        return;
    }
    let _mount = Mount(dir.clone());
    far.write(15);
    let filler = dir.join("filler");
    let fill = || std::fs::write(&filler, vec![0; 1 << 20]).is_err();
    assert!(fill(), "the file system is full");
    let daemon = far.start();
    let before = far.file();
    // The token still holds.
    call(&daemon).send().ok();
    let warning = daemon.warned("credential_unwritable");
    assert!(
        warning["message"].as_str().is_some_and(|text| text.contains("data/bitrouter") && text.contains("No space")),
        "{warning}"
    );
    wait::stays("no exchange", Duration::from_secs(3), || far.issuer.exchanges().is_empty());
    assert_eq!(far.file(), before);
    std::fs::remove_file(filler).expect("room");
    far.wait_renewed();
    assert_eq!(far.issuer.exchanges().len(), 1);
    wait::holds("the warning to go", || daemon.warning("credential_unwritable").is_none());
    daemon.stop();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "the directory is somebody else's to close")]
fn b17_in_a_directory_that_cannot_be_written_there_is_no_exchange() {
    let far = Far::stored(3_600, 15);
    let dir = far.world.path("data/bitrouter");
    // The lock is there, so that the directory alone is what refuses.
    far.world.write(&format!("{FILE}.lock"), "");
    let close = |mode| std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(mode)).expect("chmod");
    close(0o500);
    let daemon = far.start();
    call(&daemon).send().ok();
    daemon.warned("credential_unwritable");
    wait::stays("no exchange", Duration::from_secs(3), || far.issuer.exchanges().is_empty());
    assert_eq!(session(&daemon)["state"], "active");
    close(0o700);
    far.wait_renewed();
    assert_eq!(far.issuer.exchanges().len(), 1);
    daemon.stop();
}
