//! `hook`: shell code, in the manner of direnv, that sends a provider key when it changed in that shell.
//!
//! It pushes nothing when it loads, then only names whose exported value changed, and forks only for that. The shell
//! code stands in `bash.sh`, `zsh.zsh` and `fish.fish` beside this file, with places to fill in. Whatever is filled in is
//! evaluated by the shell: names are checked where they come off the wire, everything else is quoted here.

use std::path::{Path, PathBuf};

use bitrouter_proto::{
    client::{self, ClientError},
    codes::exit,
};

use super::args::HookShell;
use crate::{
    context::Context,
    exit::{Failure, Status},
    local_daemon,
};

pub(super) fn run(context: &Context, shell: HookShell) -> Result<Status, Failure> {
    let asked = context.block_on(async {
        let Ok(client) = context.connect().await else { return Ok(None) };
        match client.variable_names(local_daemon::shipped_variable_names).await {
            Ok(names) => Ok(Some(names)),
            Err(error @ ClientError::Suspicious(_)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    })?;
    let script = Script {
        names: asked.unwrap_or_else(local_daemon::shipped_variable_names),
        // Where there is no place to look for a daemon there is none; the shell may have one later.
        sockets: client::candidates(&context.environment, context.socket.as_deref()).unwrap_or_default(),
        program: program(&context.program, std::env::current_dir().ok().as_deref())?,
        socket: context.socket.as_deref().map(absolute),
    };
    context.printer.stdout_important(&script.text(shell))?;
    Ok(Status(exit::OK))
}

/// What the places of the templates are filled with.
struct Script {
    names: Vec<String>,
    sockets: Vec<PathBuf>,
    program: String,
    socket: Option<PathBuf>,
}

impl Script {
    /// The code for `shell` (pure).
    fn text(&self, shell: HookShell) -> String {
        let template = match shell {
            HookShell::Bash => include_str!("bash.sh"),
            HookShell::Zsh => include_str!("zsh.zsh"),
            HookShell::Fish => include_str!("fish.fish"),
        };
        let quoted = |word: &str| match shell {
            HookShell::Fish => format!("'{}'", word.replace('\\', "\\\\").replace('\'', "\\'")),
            HookShell::Bash | HookShell::Zsh => format!("'{}'", word.replace('\'', "'\\''")),
        };
        let path = |path: &PathBuf| quoted(&path.to_string_lossy());
        let flags = self.socket.as_ref().map(|socket| format!("--socket {}", path(socket))).unwrap_or_default();
        template
            .replace("@NAMES@", &self.names.join(" "))
            .replace("@SOCKETS@", &self.sockets.iter().map(path).collect::<Vec<_>>().join(" "))
            .replace("@FLAGS@", &flags)
            .replace("@PROGRAM@", &quoted(&self.program))
    }
}

/// The program as it was called: a path stays that path, whatever it leads to, and a name is looked for in PATH each
/// time. The file that runs now may be gone after an upgrade.
fn program(called: &Path, here: Option<&Path>) -> Result<String, Failure> {
    let text = called.to_string_lossy();
    if text.is_empty() {
        return Ok(std::env::current_exe()?.to_string_lossy().into_owned());
    }
    if !text.contains('/') {
        return Ok(text.into_owned());
    }
    let absolute = here.map_or_else(|| called.to_owned(), |here| here.join(called));
    Ok(absolute.to_string_lossy().into_owned())
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_in() {
        let script = Script {
            names: vec!["A_KEY".to_owned(), "B_KEY".to_owned()],
            sockets: vec![PathBuf::from("/run/user/1/bitrouter/control.sock")],
            program: "/opt/it's/bitrouter".to_owned(),
            socket: Some(PathBuf::from("/a b")),
        };
        for shell in [HookShell::Bash, HookShell::Zsh, HookShell::Fish] {
            let text = script.text(shell);
            assert!(!text.contains("@NAMES@") && !text.contains("@PROGRAM@") && text.contains("A_KEY B_KEY"));
            assert!(!text.contains("@SOCKETS@") && !text.contains("@FLAGS@") && text.contains("--socket '/a b'"));
        }
    }

    #[test]
    fn r1_07_the_program_is_called_as_it_was_called() {
        let here = Some(Path::new("/home/u"));
        for (called, expected) in [
            ("bitrouter", "bitrouter"),
            ("/opt/bin/bitrouter", "/opt/bin/bitrouter"),
            ("./target/bitrouter", "/home/u/./target/bitrouter"),
        ] {
            assert_eq!(program(Path::new(called), here).unwrap(), expected);
        }
    }
}
