//! Compiles the `.proto` files with `protox`: no `protoc` on anybody's machine. A message with a field that is marked as
//! `secret` gets a `Debug` that says whether the field is set, and never its value.
#![expect(clippy::disallowed_methods, reason = "a build script reads what cargo sets and writes into OUT_DIR")]
use std::{env, fmt::Write as _, fs, path::PathBuf};

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, Value};

type Error = Box<dyn std::error::Error>;

fn main() -> Result<(), Error> {
    println!("cargo:rerun-if-changed=control");
    let mut files: Vec<PathBuf> =
        fs::read_dir("control/v1")?.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>()?;
    files.retain(|path| path.extension().is_some_and(|ext| ext == "proto"));
    files.sort();
    let mut compiler = protox::Compiler::new(["."])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // Encoded whole: the generic type of a descriptor set drops the options that we defined.
    fs::write(out.join("control.bin"), compiler.encode_file_descriptor_set())?;
    let secretive = secretive_messages(&compiler.descriptor_pool())?;
    let debugs = secretive.iter().map(|(message, secret)| debug_of(message, secret)).collect::<Result<String, _>>()?;
    fs::write(out.join("secretive_debug.rs"), debugs)?;
    tonic_prost_build::configure()
        .build_transport(false)
        .skip_debug(secretive.iter().map(|(message, _)| message.full_name()))
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// The messages with secret fields, and these.
fn secretive_messages(pool: &DescriptorPool) -> Result<Vec<(MessageDescriptor, Vec<FieldDescriptor>)>, Error> {
    let option =
        pool.get_extension_by_name("bitrouter.control.v1.secret").ok_or("the option `secret` is not defined")?;
    let is_secret = |field: &FieldDescriptor| field.options().get_extension(&option).as_ref() == &Value::Bool(true);
    let with_secrets = |message: MessageDescriptor| {
        let secret: Vec<_> = message.fields().filter(is_secret).collect();
        (!secret.is_empty()).then_some((message, secret))
    };
    Ok(pool.all_messages().filter_map(with_secrets).collect())
}

/// The `Debug` of a message, with `is_set` in the place of what is secret.
fn debug_of(message: &MessageDescriptor, secret: &[FieldDescriptor]) -> Result<String, Error> {
    let name = message.name();
    let mut text = format!(
        "impl std::fmt::Debug for {name} {{\n    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {{\n        \
         f.debug_struct({name:?})"
    );
    for field in message.fields() {
        let name = field.name();
        match (secret.contains(&field), field.is_list() || field.is_map(), field.supports_presence()) {
            (false, ..) => write!(text, ".field({name:?}, &self.{name})")?,
            (true, false, true) => write!(text, ".field({name:?}, &self.{name}.as_ref().map(|_| \"…\"))")?,
            (true, ..) => write!(text, ".field({name:?}, &if self.{name}.is_empty() {{ \"\" }} else {{ \"…\" }})")?,
        }
    }
    text.push_str(".finish()\n    }\n}\n");
    Ok(text)
}
