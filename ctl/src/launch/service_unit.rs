//! Whether a service manager owns the daemon's life: then a command starts none of its own, which the unit would find in its
//! place.

use std::path::{Path, PathBuf};

use bitrouter_proto::env::{self, Environment};

/// The unit that should run the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServiceUnit {
    /// The link that enables it, or launchd's file.
    pub(crate) enabled_by: PathBuf,
    /// The command that starts it.
    pub(crate) start: &'static str,
}

impl ServiceUnit {
    /// The words that print its state, where its manager is systemd: `active`, `failed` and the like.
    pub(crate) fn state_command(&self) -> Option<Vec<&'static str>> {
        match self.start {
            USER => Some(vec!["systemctl", "--user", "is-active", "bitrouter.service"]),
            SYSTEM => Some(vec!["systemctl", "is-active", "bitrouter.service"]),
            _ => None,
        }
    }
}

/// What may enable it.
const UNITS: [&str; 2] = ["bitrouter.service", "bitrouter.socket"];

const USER: &str = "systemctl --user start bitrouter";
const SYSTEM: &str = "sudo systemctl start bitrouter";

/// Where units of systemd are enabled (systemd.unit(5), "unit file load path"), each with the command that starts one, and
/// where launchd keeps a user's (launchd.plist(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct UnitPlaces {
    systemd: Vec<(PathBuf, &'static str)>,
    launchd: Option<PathBuf>,
}

impl UnitPlaces {
    pub(super) fn of(environment: &Environment) -> Self {
        let home = environment.path(env::HOME);
        let below = |name, default: &str| {
            environment.path(name).or_else(|| home.as_ref().map(|home| home.join(default))).into_iter()
        };
        let user = below(env::XDG_CONFIG_HOME, ".config")
            .chain(below(env::XDG_DATA_HOME, ".local/share"))
            .chain(environment.path(env::XDG_RUNTIME_DIR))
            .map(|dir| dir.join("systemd/user"))
            .chain(["/etc/systemd/user", "/run/systemd/user", "/usr/lib/systemd/user"].map(PathBuf::from));
        let systemd = user.map(|dir| (dir, USER)).chain([(PathBuf::from("/etc/systemd/system"), SYSTEM)]).collect();
        let launchd = home.filter(|_| cfg!(target_os = "macos")).map(|home| home.join("Library/LaunchAgents"));
        Self { systemd, launchd }
    }

    /// The unit that is enabled.
    pub(super) fn enabled(&self) -> Option<ServiceUnit> {
        let systemd = self.systemd.iter().find_map(|(dir, start)| {
            let enabled_by = enabled_in(dir)?;
            Some(ServiceUnit { enabled_by, start })
        });
        systemd.or_else(|| {
            let start = "launchctl kickstart gui/$(id -u)/bitrouter";
            let is_ours = |path: &PathBuf| name_of(path).is_some_and(|name| name.ends_with("bitrouter.plist"));
            Some(ServiceUnit { enabled_by: entries(self.launchd.as_deref()?).find(is_ours)?, start })
        })
    }
}

/// The link to one of our units in a directory `*.wants` or `*.requires`. A link that leads nowhere enables nothing.
fn enabled_in(dir: &Path) -> Option<PathBuf> {
    let pulls_in =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "wants" || extension == "requires");
    entries(dir).filter(pulls_in).flat_map(|dir| UNITS.map(|unit| dir.join(unit))).find(|link| link.exists())
}

fn name_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn entries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.sort();
    paths.into_iter()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_unit_counts_where_it_is_enabled_and_there() {
        let root = tempfile::tempdir().unwrap();
        let environment = Environment::from_iter([
            (env::XDG_CONFIG_HOME, root.path().join("config")),
            (env::XDG_DATA_HOME, root.path().join("data")),
        ]);
        let mut places = UnitPlaces::of(&environment);
        assert_eq!(places.systemd.len(), 6);
        // This machine's own units are none of this test.
        places.systemd.retain(|(dir, _)| dir.starts_with(root.path()));
        assert_eq!(places.enabled(), None);
        let (config, data) = (root.path().join("config/systemd/user"), root.path().join("data/systemd/user"));
        let wants = config.join("default.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        std::fs::create_dir_all(&data).unwrap();
        symlink(data.join("bitrouter.service"), wants.join("bitrouter.service")).unwrap();
        symlink("/dev/null", wants.join("other.service")).unwrap();
        assert_eq!(places.enabled(), None, "a link that leads nowhere");
        std::fs::File::create_new(data.join("bitrouter.service")).unwrap();
        let found = places.enabled().unwrap();
        assert_eq!((found.enabled_by, found.start), (wants.join("bitrouter.service"), USER));
        std::fs::remove_file(wants.join("bitrouter.service")).unwrap();
        assert_eq!(places.enabled(), None, "installed, and not enabled");
        let requires = data.join("sockets.target.requires");
        std::fs::create_dir_all(&requires).unwrap();
        symlink(data.join("bitrouter.service"), requires.join("bitrouter.socket")).unwrap();
        assert_eq!(places.enabled().unwrap().enabled_by, requires.join("bitrouter.socket"));
    }

    #[test]
    fn a_system_unit_is_started_by_the_administrator() {
        let root = tempfile::tempdir().unwrap();
        let wants = root.path().join("multi-user.target.wants");
        std::fs::create_dir_all(&wants).unwrap();
        symlink("/dev/null", wants.join("bitrouter.service")).unwrap();
        let places = UnitPlaces { systemd: vec![(root.path().to_owned(), SYSTEM)], launchd: None };
        assert_eq!(places.enabled().unwrap().start, SYSTEM);
        let agents = root.path().join("agents");
        std::fs::create_dir_all(&agents).unwrap();
        std::fs::File::create_new(agents.join("ai.bitrouter.plist")).unwrap();
        let places = UnitPlaces { systemd: Vec::new(), launchd: Some(agents.clone()) };
        assert_eq!(places.enabled().unwrap().enabled_by, agents.join("ai.bitrouter.plist"));
    }
}
