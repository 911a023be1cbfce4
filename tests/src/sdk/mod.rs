//! Runs the Python scripts of `tests/sdk` with the packages of `.venv`, and those of `tests/node` with Node and the
//! packages of `tests/node/node_modules`, as the world's user.

mod cells;
mod node;
pub mod table;

pub use cells::Cells;
pub use node::script as node_script;

use std::path::{Path, PathBuf};

use crate::{
    command::{Output, Run},
    shared_files,
    user::User,
    world::World,
};

/// An interpreter that the world's user can run, with the variables that it needs to find its own library and the
/// packages. The one in `.venv` may lead into a home directory that only root can enter; then one of the same version
/// that stands in a public place does, and where there is none, a public copy.
pub fn interpreter() -> (PathBuf, Vec<(&'static str, PathBuf)>) {
    let venv = shared_files::repository().join(".venv");
    let python = venv.join("bin/python");
    assert!(python.exists(), "`{}` is missing; run `make test`, which installs it", python.display());
    let real = std::fs::canonicalize(&python).expect("an interpreter");
    if !User::root().is_me() {
        return (python, Vec::new());
    }
    if shared_files::is_public(&real) && shared_files::is_public(&venv) {
        return (python, Vec::new());
    }
    let lib = std::fs::read_dir(venv.join("lib")).expect(".venv/lib").flatten().map(|entry| entry.path());
    let lib = lib.into_iter().find(|path| path.join("site-packages").is_dir()).expect("site-packages");
    let packages = ("PYTHONPATH", shared_files::public(&lib.join("site-packages")));
    let version = lib.file_name().expect("a version").to_owned();
    for place in ["/usr/bin", "/usr/local/bin"] {
        let other = Path::new(place).join(&version);
        if other.is_file() && shared_files::is_public(&other) {
            return (other, vec![packages]);
        }
    }
    let prefix = real.parent().and_then(Path::parent).expect("a prefix");
    let copy = shared_files::public(prefix);
    (copy.join("bin").join(version), vec![packages, ("PYTHONHOME", copy)])
}

/// The script `tests/sdk/NAME` with `args`, to be changed before it runs.
pub fn script(world: &World, name: &str, args: &[&str]) -> Run {
    let copy = copy(world, "tests/sdk", name);
    let (python, variables) = interpreter();
    let copy = copy.to_string_lossy().into_owned();
    let args: Vec<&str> = ["-B", copy.as_str()].into_iter().chain(args.iter().copied()).collect();
    let run = world.program(&python, args);
    variables.into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

/// A module of a package of `.venv` with `args`, to be changed before it runs.
pub fn module(world: &World, name: &str, args: &[&str]) -> Run {
    let (python, variables) = interpreter();
    let args: Vec<&str> = ["-B", "-m", name].into_iter().chain(args.iter().copied()).collect();
    let run = world.program(&python, args);
    variables.into_iter().fold(run, |run, (name, value)| run.env(name, value))
}

/// Puts a script where the world's user can read it.
fn copy(world: &World, folder: &str, name: &str) -> PathBuf {
    let source = shared_files::repository().join(folder).join(name);
    let text = std::fs::read(&source).unwrap_or_else(|e| panic!("`{}`: {e}", source.display()));
    world.write(&format!("home/{name}"), text)
}

/// Runs the script, which must succeed.
#[track_caller]
pub fn run(world: &World, name: &str, args: &[&str]) -> Output {
    script(world, name, args).run().with_code(0)
}
