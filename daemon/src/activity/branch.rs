//! The branch that a directory is on, read from git's own files (gitrepository-layout(5)); no program is run.

use std::path::{Path, PathBuf};

use crate::regular_file;

/// Directories above that are looked at.
const DEEPEST: usize = 64;
/// Bytes of a file of git's that are read.
const LIMIT: u64 = 4096;
/// Digits of a commit that are shown where no branch is checked out.
const SHORT: usize = 8;

/// The branch of the repository around `directory`; of a detached head the beginning of its commit.
pub(super) fn branch(directory: &Path) -> Option<String> {
    let repository = directory.ancestors().take(DEEPEST).find_map(repository_in)?;
    head(&text(&repository.join("HEAD"))?)
}

/// Where the repository of `directory` is, where that is a working tree's top: in `.git`, or where a file of that name says
/// (a worktree, a submodule).
fn repository_in(directory: &Path) -> Option<PathBuf> {
    let git = directory.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let told = text(&git)?;
    let place = told.lines().next()?.strip_prefix("gitdir:")?.trim();
    (!place.is_empty()).then(|| directory.join(place))
}

fn text(path: &Path) -> Option<String> {
    let bytes = regular_file::open(path).ok()?.read(LIMIT).ok()?;
    std::str::from_utf8(&bytes).ok().map(str::to_owned)
}

/// What `HEAD` says.
fn head(text: &str) -> Option<String> {
    let line = text.lines().next()?.trim();
    if let Some(reference) = line.strip_prefix("ref:") {
        let reference = reference.trim();
        let name =
            reference.strip_prefix("refs/heads/").or_else(|| reference.strip_prefix("refs/")).unwrap_or(reference);
        // A repository whose references are no files says so by a name that is none.
        return (!name.is_empty() && name != ".invalid").then(|| name.to_owned());
    }
    let is_commit = line.len() >= 40 && line.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_commit.then(|| line.chars().take(SHORT).collect())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what git writes")]
mod tests {
    use super::*;

    #[test]
    fn what_head_says() {
        for (text, name) in [
            ("ref: refs/heads/main\n", Some("main")),
            ("ref: refs/heads/feature/a b\n", Some("feature/a b")),
            ("ref: refs/remotes/x\n", Some("remotes/x")),
            ("ref: refs/heads/.invalid\n", None),
            ("0123456789abcdef0123456789abcdef01234567\n", Some("01234567")),
            ("", None),
            ("root:x:0:0\n", None),
            ("ref:\n", None),
        ] {
            assert_eq!(head(text).as_deref(), name, "{text:?}");
        }
    }

    #[test]
    fn the_repository_is_found_from_below_and_through_a_worktree() {
        let root = tempfile::tempdir().unwrap();
        let (main, tree) = (root.path().join("main"), root.path().join("tree"));
        std::fs::create_dir_all(main.join("a/b")).unwrap();
        std::fs::create_dir_all(main.join(".git/worktrees/tree")).unwrap();
        std::fs::create_dir_all(tree.join("src")).unwrap();
        std::fs::write(main.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
        std::fs::write(main.join(".git/worktrees/tree/HEAD"), "ref: refs/heads/side\n").unwrap();
        std::fs::write(tree.join(".git"), "gitdir: ../main/.git/worktrees/tree\n").unwrap();
        assert_eq!(branch(&main.join("a/b")).as_deref(), Some("main"));
        assert_eq!(branch(&tree.join("src")).as_deref(), Some("side"));
        // What is no file of git's is not shown, and a pipe is not waited for.
        std::fs::write(tree.join(".git"), "secret of somebody\n").unwrap();
        assert_eq!(branch(&tree.join("src")), None);
        std::fs::remove_file(tree.join(".git")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, tree.join(".git"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(branch(&tree), None);
    }
}
