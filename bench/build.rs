//! Builds the empty process that `bitrouter status` is measured beside. `cargo run` builds one binary only, so that a
//! second one of this package would not be there.
#![expect(clippy::disallowed_methods, reason = "a build script reads what cargo sets")]

use std::{env, error::Error, path::PathBuf, process::Command};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=empty/main.rs");
    let out = PathBuf::from(env::var("OUT_DIR")?).join("empty");
    let mut rustc = Command::new(env::var("RUSTC")?);
    rustc.args(["--edition", "2024", "-C", "opt-level=3", "empty/main.rs", "-o"]).arg(&out);
    if !rustc.status()?.success() {
        return Err("cannot build the empty process".into());
    }
    println!("cargo:rustc-env=EMPTY_PROCESS={}", out.display());
    Ok(())
}
