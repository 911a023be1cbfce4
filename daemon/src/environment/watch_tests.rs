//! Real files, changed in the ways that editors and deployments change them.
#![expect(clippy::disallowed_methods, reason = "tests write what users write")]

use std::{
    fs,
    io::Write as _,
    os::unix::fs::{PermissionsExt as _, symlink},
    time::Instant,
};

use super::*;

/// The contract's promise.
const PROMISED: Duration = Duration::from_millis(500);

struct Scene {
    root: tempfile::TempDir,
    watch: EnvFileWatch,
    changed: mpsc::Receiver<()>,
}

impl Scene {
    /// A directory, prepared, and then watched for `file`.
    async fn new(file: &str, prepare: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        prepare(root.path());
        let (sender, changed) = mpsc::channel(1);
        let mut scene = Self { root, watch: EnvFileWatch::new(sender), changed };
        scene.watch_only(&[file]).await;
        scene
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    /// Watches other files; that is itself worth one word.
    async fn watch_only(&mut self, files: &[&str]) {
        let files: Vec<_> = files.iter().map(|file| self.path(file)).collect();
        assert_eq!(self.watch.set(files.clone()), WatchState::Watching);
        tokio::time::timeout(Duration::from_secs(10), self.changed.recv()).await.unwrap().unwrap();
        assert_eq!(self.watch.set(files), WatchState::Watching);
    }

    /// Does `change` and waits until it is noticed with `path` holding `content`, as a reader would see it.
    async fn notices(&mut self, path: &str, content: Option<&str>, change: impl FnOnce(&Path)) {
        while self.changed.try_recv().is_ok() {}
        change(self.root.path());
        let path = self.path(path);
        let changed_at = clock::monotonic_now();
        loop {
            let left = Duration::from_secs(10).saturating_sub(passed(changed_at));
            let word = tokio::time::timeout(left, self.changed.recv()).await;
            assert!(word.is_ok(), "a change of {} went unnoticed", path.display());
            if fs::read_to_string(&path).ok().as_deref() == content {
                break;
            }
        }
        // Both cores may be busy with other tests; what is measured without load is far below the promise.
        assert!(passed(changed_at) < PROMISED * 4, "noticed only after {:?}", passed(changed_at));
    }

    /// That nothing happens can only be seen by waiting longer than something would take.
    async fn notices_nothing(&mut self) {
        let word = tokio::time::timeout(PROMISED / 2, self.changed.recv()).await;
        assert!(word.is_err(), "something was noticed");
    }
}

fn passed(since: Instant) -> Duration {
    clock::monotonic_now().saturating_duration_since(since)
}

fn put(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).unwrap();
}

#[tokio::test]
async fn both_ways_of_editors() {
    let mut scene = Scene::new("env", |root| put(root.join("env"), "K=1")).await;
    for round in 0..3 {
        let truncated = format!("K=truncated{round}");
        scene.notices("env", Some(&truncated), |root| put(root.join("env"), &truncated)).await;
        let renamed = format!("K=renamed{round}");
        let rename = |root: &Path| {
            put(root.join(".env.swp"), &renamed);
            fs::rename(root.join(".env.swp"), root.join("env")).unwrap();
        };
        scene.notices("env", Some(&renamed), rename).await;
        let aside = format!("K=aside{round}");
        let move_aside = |root: &Path| {
            fs::rename(root.join("env"), root.join("env~")).unwrap();
            put(root.join("env"), &aside);
        };
        scene.notices("env", Some(&aside), move_aside).await;
    }
}

#[tokio::test]
async fn deleted_recreated_and_another_mode() {
    let mut scene = Scene::new("env", |root| put(root.join("env"), "K=1")).await;
    scene.notices("env", None, |root| fs::remove_file(root.join("env")).unwrap()).await;
    scene.notices("env", Some("K=2"), |root| put(root.join("env"), "K=2")).await;
    let chmod = |root: &Path| fs::set_permissions(root.join("env"), fs::Permissions::from_mode(0o600)).unwrap();
    scene.notices("env", Some("K=2"), chmod).await;
}

#[tokio::test]
async fn directories_that_appear_later_vanish_and_come_back() {
    let mut scene = Scene::new("a/b/c/env", |_| {}).await;
    for round in 0..5 {
        let text = format!("K={round}");
        let create = |root: &Path| {
            fs::create_dir_all(root.join("a/b/c")).unwrap();
            put(root.join("a/b/c/env"), &text);
        };
        scene.notices("a/b/c/env", Some(&text), create).await;
        scene.notices("a/b/c/env", Some("K=again"), |root| put(root.join("a/b/c/env"), "K=again")).await;
        scene.notices("a/b/c/env", None, |root| fs::remove_dir_all(root.join("a")).unwrap()).await;
    }
    scene.notices("a/b/c/env", None, |root| fs::create_dir(root.join("a")).unwrap()).await;
    scene.notices("a/b/c/env", None, |root| fs::create_dir_all(root.join("a/b/c")).unwrap()).await;
    scene.notices("a/b/c/env", Some("K=end"), |root| put(root.join("a/b/c/env"), "K=end")).await;
}

#[tokio::test]
async fn a_directory_exchanged_for_another() {
    let mut scene = Scene::new("d/env", |root| {
        for (dir, text) in [("d", "K=1"), ("new", "K=2")] {
            fs::create_dir(root.join(dir)).unwrap();
            put(root.join(dir).join("env"), text);
        }
    })
    .await;
    let exchange = |root: &Path| {
        fs::rename(root.join("d"), root.join("old")).unwrap();
        fs::rename(root.join("new"), root.join("d")).unwrap();
    };
    scene.notices("d/env", Some("K=2"), exchange).await;
    scene.notices("d/env", Some("K=3"), |root| put(root.join("d/env"), "K=3")).await;
    // The old directory is watched no more.
    put(scene.path("old/env"), "K=4");
    scene.notices_nothing().await;
}

#[tokio::test]
async fn symlinks_that_change_and_files_behind_them() {
    let mut scene = Scene::new("env", |root| {
        for (dir, text) in [("v1", "K=1"), ("v2", "K=2")] {
            fs::create_dir(root.join(dir)).unwrap();
            put(root.join(dir).join("env"), text);
        }
        // As a mounted secret looks: env -> ..data/env, ..data -> v1.
        symlink("v1", root.join("..data")).unwrap();
        symlink("..data/env", root.join("env")).unwrap();
    })
    .await;
    scene.notices("env", Some("K=1b"), |root| put(root.join("v1/env"), "K=1b")).await;
    let switch = |root: &Path| {
        symlink("v2", root.join("..tmp")).unwrap();
        fs::rename(root.join("..tmp"), root.join("..data")).unwrap();
    };
    scene.notices("env", Some("K=2"), switch).await;
    scene.notices("env", Some("K=2b"), |root| put(root.join("v2/env"), "K=2b")).await;
}

#[tokio::test]
async fn a_writer_in_the_middle_is_waited_for_until_it_closes_or_is_quiet() {
    let mut scene = Scene::new("env", |root| put(root.join("env"), "K=1")).await;
    let path = scene.path("env");
    let mut open = None;
    let write = |_: &Path| {
        let mut file = fs::File::create(&path).unwrap();
        file.write_all(b"K=unclosed").unwrap();
        open = Some(file);
    };
    scene.notices("env", Some("K=unclosed"), write).await;
    let mut file = open.unwrap();
    let finish = |_: &Path| {
        file.write_all(b"-closed").unwrap();
        drop(file);
    };
    scene.notices("env", Some("K=unclosed-closed"), finish).await;
}

#[tokio::test]
async fn neighbours_and_readers_wake_nobody() {
    let mut scene = Scene::new("env", |root| put(root.join("env"), "K=1")).await;
    for n in 0..200 {
        put(scene.path(&format!("other{n}")), "x");
        fs::read(scene.path("env")).unwrap();
    }
    scene.notices_nothing().await;
    scene.notices("env", Some("K=2"), |root| put(root.join("env"), "K=2")).await;
}

#[tokio::test]
async fn a_storm_is_one_change_or_a_few_and_its_end_is_seen() {
    let mut scene = Scene::new("env", |root| put(root.join("env"), "K=1")).await;
    let storm = |root: &Path| {
        for n in 0..2_000 {
            put(root.join("env"), &format!("K={n}"));
        }
        put(root.join("env"), "K=end");
    };
    scene.notices("env", Some("K=end"), storm).await;
    let mut after = 0;
    while tokio::time::timeout(PROMISED / 2, scene.changed.recv()).await.is_ok() {
        after += 1;
        assert!(after <= 3, "still noticed long after its end");
    }
}

#[tokio::test]
async fn other_files_can_be_watched_instead() {
    let mut scene = Scene::new("one", |root| put(root.join("one"), "K=1")).await;
    scene.watch_only(&["two", "sub/three"]).await;
    put(scene.path("one"), "K=unseen");
    scene.notices_nothing().await;
    scene.notices("two", Some("K=2"), |root| put(root.join("two"), "K=2")).await;
    let create = |root: &Path| {
        fs::create_dir(root.join("sub")).unwrap();
        put(root.join("sub/three"), "K=3");
    };
    scene.notices("sub/three", Some("K=3"), create).await;
}

#[tokio::test]
async fn a_dropped_watch_ends_its_thread() {
    let Scene { root: _root, watch, mut changed } = Scene::new("env", |_| {}).await;
    drop(watch);
    let ended = tokio::time::timeout(Duration::from_secs(10), async { while changed.recv().await.is_some() {} });
    assert!(ended.await.is_ok(), "the thread still holds the sender");
}

#[tokio::test]
async fn a_watch_without_its_thread_says_so_and_holds_nobody_up() {
    let (sender, _changed) = mpsc::channel(1);
    let watch = EnvFileWatch::new(sender);
    *lock(&watch.shared.state) = WatchState::Degraded(WatchProblem("gone".to_owned()));
    watch.shared.end();
    watch.shared.wake(Wake::Look);
    assert_eq!(watch.set(vec![PathBuf::from("/x")]), WatchState::Degraded(WatchProblem("gone".to_owned())));
}

#[test]
fn limits_are_explained() {
    let limit = notify::Error::new(ErrorKind::MaxFilesWatch);
    assert_eq!(
        explain(&limit, Some(Path::new("/d"))),
        "cannot watch `/d`: the system allows no more file watches; raise `fs.inotify.max_user_watches`"
    );
    let instances = notify::Error::io(std::io::Error::from_raw_os_error(libc::EMFILE));
    assert!(explain(&instances, None).contains("max_user_instances"));
    assert!(is_gone(&notify::Error::new(ErrorKind::PathNotFound)));
}

#[test]
fn only_changes_mean_something() {
    use notify::event::{CreateKind, DataChange};
    for (kind, expected) in [
        (EventKind::Access(AccessKind::Open(AccessMode::Any)), None),
        (EventKind::Access(AccessKind::Close(AccessMode::Read)), None),
        (EventKind::Access(AccessKind::Close(AccessMode::Write)), Some(FileEvent::Closed)),
        (EventKind::Modify(ModifyKind::Data(DataChange::Any)), Some(FileEvent::Writing)),
        (EventKind::Create(CreateKind::File), Some(FileEvent::Done)),
    ] {
        assert_eq!(meaning(kind), expected);
    }
}
