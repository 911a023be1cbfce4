//! `completions`: for the shell's own directory of them. Words and flags stand in the script; ids and names are asked for when a key is
//! pressed, through the hidden word [`COMPLETE`].
//!
//! What the scripts of clap lack stands in `bash.sh`, `zsh.zsh` and `fish.fish` beside this file; [`place`] knows what may stand
//! where, [`asked`] asks the daemon for it.

mod asked;
mod place;

use bitrouter_proto::codes::exit;
use clap_complete::Shell;

pub(super) use self::asked::answer;
use crate::{
    context::Context,
    exit::{Failure, Status},
};

/// The word that a shell calls us with.
pub(super) const COMPLETE: &str = "__complete";

pub(super) fn run(context: &Context, shell: Shell) -> Result<Status, Failure> {
    context.printer.stdout_important(&script(shell))?;
    Ok(Status(exit::OK))
}

/// The script for `shell`.
fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::tree(), "bitrouter", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => script + include_str!("bash.sh"),
        Shell::Fish => script + include_str!("fish.fish"),
        Shell::Zsh => {
            // The file is loaded as the function of that name: ours stands before the one that knows only words.
            let words = script.replacen("\n_bitrouter() {", "\n_bitrouter_words() {", 1);
            match words.rfind("\nif [ \"$funcstack[1]\" = \"_bitrouter\" ]") {
                Some(end) => format!("{}\n{}{}", &words[..end], include_str!("zsh.zsh"), &words[end..]),
                None => script,
            }
        }
        _ => script,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_ask_for_ids_and_names_and_offer_no_hidden_word() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains(COMPLETE) && script.contains("sessions"), "{shell}");
            assert!(!script.contains("__push"), "{shell}");
        }
        let zsh = script(Shell::Zsh);
        assert!(zsh.starts_with("#compdef bitrouter\n") && zsh.contains("\n_bitrouter_words() {"), "{zsh}");
        assert_eq!(zsh.matches("\n_bitrouter() {").count(), 1);
        assert!(zsh.trim_end().ends_with("compdef _bitrouter bitrouter\nfi"), "{zsh}");
    }
}
