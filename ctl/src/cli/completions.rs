//! `completions`: for the shell's own directory of them.

use bitrouter_proto::codes::exit;

use crate::{
    context::Context,
    exit::{Failure, Status},
};

pub(super) fn run(context: &Context, shell: clap_complete::Shell) -> Result<Status, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::tree(), "bitrouter", &mut script);
    context.printer.stdout_important(&String::from_utf8_lossy(&script))?;
    Ok(Status(exit::OK))
}
