//! Makes files of the repository reachable for an ordinary uid. A checkout may stand in a directory that only root can
//! enter; then the binary (and the Python packages) are copied once to a public place.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bitrouter_proto::env::Environment;

use crate::user::User;

/// The binary under test, at a path that every user can execute.
pub fn binary() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| {
        let built = target_dir().join("bitrouter");
        assert!(built.is_file(), "`{}` is missing; run `cargo build --release`", built.display());
        public(&built)
    })
}

/// The directory of the profile that this test was built with: the binary of the same profile stands there.
fn target_dir() -> PathBuf {
    let me = std::env::current_exe().expect("own path");
    let deps = me.parent().expect("a directory");
    if deps.ends_with("deps") { deps.parent().expect("a profile directory").to_owned() } else { deps.to_owned() }
}

/// The root of the repository. Where the tests run is not always where they were built: another user needs a copy that
/// he can reach, and the test runner says where it is.
pub fn repository() -> PathBuf {
    let crate_dir = Environment::of_process().path("CARGO_MANIFEST_DIR");
    let crate_dir = crate_dir.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    crate_dir.parent().expect("the workspace").to_owned()
}

/// Where worlds and public copies are made: the place that `tests/lint/tidy.sh` made for this run and will look
/// through, else `/tmp`. Never `TMPDIR`: a control socket's path must stay below 107 bytes, and other users must be
/// able to enter.
pub fn temporary() -> PathBuf {
    Environment::of_process().path("BITROUTER_TESTS_TMP").unwrap_or_else(|| PathBuf::from("/tmp"))
}

/// Whether every user can enter each directory above `path`, which must contain no link.
pub fn is_public(path: &Path) -> bool {
    path.ancestors().skip(1).all(|dir| fs::metadata(dir).is_ok_and(|meta| meta.mode() & 0o001 != 0))
}

/// `path` itself where every user can reach it, else a copy of it that everybody can.
pub fn public(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|e| panic!("`{}`: {e}", path.display()));
    // An ordinary user runs everything as himself.
    if is_public(&path) || !User::root().is_me() {
        return path;
    }
    let meta = fs::metadata(&path).expect("metadata");
    let stamp = format!("{:x}-{:x}-{:x}", meta.ino(), meta.mtime(), meta.mtime_nsec());
    let place = temporary().join(format!("bitrouter-tests-{}-{stamp}", rustix::process::getuid().as_raw()));
    let name = path.file_name().expect("a name");
    if !place.exists() {
        let draft = place.with_extension(std::process::id().to_string());
        fs::DirBuilder::new().mode(0o755).create(&draft).expect("a public directory");
        copy(&path, &draft.join(name)).expect("a public copy");
        // Another test process may have been faster; its copy is as good as ours.
        if fs::rename(&draft, &place).is_err() {
            fs::remove_dir_all(&draft).ok();
        }
    }
    place.join(name)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        // A second name costs nothing, where it can be had; the packages of Node are a third of a gigabyte.
        return fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop));
    }
    fs::DirBuilder::new().mode(0o755).create(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Says that this machine lacks something that a test needs, which then returns. In CI that is a failure: no test is
/// skipped there.
///
/// # Panics
/// Where `CI` is set.
#[track_caller]
#[expect(clippy::print_stdout, reason = "shown by the test runner on demand")]
pub fn lacks(what: &str) {
    let ci = Environment::of_process().text("CI").is_some();
    assert!(!ci, "this machine lacks what the test needs: {what}");
    println!("not tested, because this machine lacks {what}");
}
