//! Which directories have to be watched for a set of files, as the file system is now.
//!
//! A path is walked component by component. What matters is the directory that holds the file, each directory that
//! holds a symlink on the way, and, where the way ends early, the directory in which the next component would appear.
//! A directory further up that is moved away is not noticed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Component, Path, PathBuf},
};

/// Symlinks on one way; the kernel gives up after as many.
const MAX_LINKS: usize = 40;

/// Directories and the paths in them that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Each directory with device and inode, so that another one in its place is noticed.
    pub(super) directories: BTreeMap<PathBuf, (u64, u64)>,
    /// What a change has to name to matter: an entry of a directory, or a directory itself.
    pub(super) paths: BTreeSet<PathBuf>,
}

impl Plan {
    /// The plan for `files`, which are absolute.
    pub(super) fn of(files: &[PathBuf]) -> Self {
        let mut plan = Self::default();
        for file in files {
            plan.walk(file);
        }
        plan
    }

    fn walk(&mut self, file: &Path) {
        let mut here = PathBuf::from("/");
        let mut ahead: VecDeque<OsString> = steps(file);
        let mut links = 0;
        while let Some(step) = ahead.pop_front() {
            if step == ".." {
                // `here` holds no symlink, so its parent is what the kernel means.
                here.pop();
                continue;
            }
            let next = here.join(&step);
            let Ok(found) = fs::symlink_metadata(&next) else {
                return self.matters(&here, next);
            };
            if found.is_symlink() {
                self.matters(&here, next.clone());
                links += 1;
                let Ok(target) = fs::read_link(&next) else { return };
                if links > MAX_LINKS {
                    return;
                }
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                for step in steps(&target).into_iter().rev() {
                    ahead.push_front(step);
                }
            } else if found.is_dir() && !ahead.is_empty() {
                here = next;
            } else {
                return self.matters(&here, next);
            }
        }
    }

    fn matters(&mut self, directory: &Path, path: PathBuf) {
        // A directory that is gone by now shows in the next plan.
        if let Ok(found) = fs::metadata(directory) {
            self.directories.insert(directory.to_owned(), (found.dev(), found.ino()));
            self.paths.insert(directory.to_owned());
        }
        self.paths.insert(path);
    }
}

/// The components of a path without its root; `.` means nothing.
fn steps(path: &Path) -> VecDeque<OsString> {
    let parts = path.components();
    let named = parts.filter(|part| matches!(part, Component::Normal(_) | Component::ParentDir));
    named.map(|part| part.as_os_str().to_owned()).collect()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write what users write")]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Watched directories and paths that matter, relative to a root without symlinks.
    fn plan(root: &Path, file: &str) -> (Vec<String>, Vec<String>) {
        let plan = Plan::of(&[root.join(file)]);
        let relative = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        let directories: Vec<_> = plan.directories.keys().map(relative).collect();
        let paths = plan.paths.iter().filter(|path| !plan.directories.contains_key(*path)).map(relative).collect();
        (directories, paths)
    }

    fn expect(directories: &[&str], paths: &[&str]) -> (Vec<String>, Vec<String>) {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        (own(directories), own(paths))
    }

    #[test]
    fn the_way_to_a_file() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        assert_eq!(plan(&root, "a/b/env"), expect(&[""], &["a"]));
        fs::create_dir_all(root.join("a/b")).unwrap();
        assert_eq!(plan(&root, "a/b/env"), expect(&["a/b"], &["a/b/env"]));
        fs::write(root.join("a/b/env"), "").unwrap();
        assert_eq!(plan(&root, "a/b/env"), expect(&["a/b"], &["a/b/env"]));
        assert_eq!(plan(&root, "a/./b/../b/env"), expect(&["a/b"], &["a/b/env"]));
        assert_eq!(plan(&root, "a/b/env/below"), expect(&["a/b"], &["a/b/env"]));

        symlink("b/env", root.join("a/link")).unwrap();
        assert_eq!(plan(&root, "a/link"), expect(&["a", "a/b"], &["a/b/env", "a/link"]));
        symlink("../a/b", root.join("a/dir")).unwrap();
        assert_eq!(plan(&root, "a/dir/env"), expect(&["a", "a/b"], &["a/b/env", "a/dir"]));
        symlink(root.join("x/nowhere"), root.join("a/dangling")).unwrap();
        assert_eq!(plan(&root, "a/dangling"), expect(&["", "a"], &["a/dangling", "x"]));
        symlink("loop", root.join("a/loop")).unwrap();
        assert_eq!(plan(&root, "a/loop"), expect(&["a"], &["a/loop"]));
    }

    #[test]
    fn another_directory_in_the_same_place_is_another_plan() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("d");
        fs::create_dir(&directory).unwrap();
        let before = Plan::of(&[directory.join("env")]);
        fs::rename(&directory, root.path().join("old")).unwrap();
        fs::create_dir(&directory).unwrap();
        assert_ne!(before, Plan::of(&[directory.join("env")]));
    }
}
