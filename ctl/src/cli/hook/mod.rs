//! `hook`: shell code, in the manner of direnv, that sends a provider key when it changed in that shell.
//!
//! It pushes nothing when it loads, then only names whose exported value changed, and forks only for that. The shell
//! code stands in `bash.sh`, `zsh.zsh` and `fish.fish` beside this file, with two places to fill in.

use bitrouter_proto::codes::exit;

use super::args::HookShell;
use crate::{
    context::Context,
    exit::{Failure, Status},
    local_daemon,
};

pub(super) fn run(context: &Context, shell: HookShell) -> Result<Status, Failure> {
    let asked = context.block_on(async {
        let Ok(client) = context.connect().await else { return Ok(None) };
        Ok(client.variable_names().await.ok())
    })?;
    let names = asked.unwrap_or_else(local_daemon::shipped_variable_names);
    let program = std::env::current_exe()?;
    context.printer.raw(&script(shell, &names, &program.display().to_string()))?;
    Ok(Status(exit::OK))
}

/// The code for `shell` (pure). Names are `[A-Z0-9_]` and need no quotes.
fn script(shell: HookShell, names: &[String], program: &str) -> String {
    let template = match shell {
        HookShell::Bash => include_str!("bash.sh"),
        HookShell::Zsh => include_str!("zsh.zsh"),
        HookShell::Fish => include_str!("fish.fish"),
    };
    let quoted = match shell {
        HookShell::Fish => format!("'{}'", program.replace('\\', "\\\\").replace('\'', "\\'")),
        _ => format!("'{}'", program.replace('\'', "'\\''")),
    };
    template.replace("@NAMES@", &names.join(" ")).replace("@PROGRAM@", &quoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_in() {
        for shell in [HookShell::Bash, HookShell::Zsh, HookShell::Fish] {
            let text = script(shell, &["A_KEY".to_owned(), "B_KEY".to_owned()], "/opt/it's/bitrouter");
            assert!(!text.contains("@NAMES@") && !text.contains("@PROGRAM@") && text.contains("A_KEY B_KEY"));
        }
    }
}
