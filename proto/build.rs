//! Compiles the `.proto` files with `protox`: no `protoc` on anybody's machine.
#![expect(clippy::disallowed_methods, reason = "a build script reads what cargo sets and writes into OUT_DIR")]
use std::{env, fs, path::PathBuf};

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=control");
    let mut files: Vec<PathBuf> =
        fs::read_dir("control/v1")?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|ext| ext == "proto"));
    files.sort();
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("control.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .build_transport(false)
        .skip_debug(["bitrouter.control.v1.Variable"])
        .compile_fds(descriptors)?;
    Ok(())
}
