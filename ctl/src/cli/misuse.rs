//! What to say of a command line that means nothing: a sentence and the help of the verb that was meant.

use std::ffi::OsString;

use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::exit::Failure;

/// The failure for what clap refused.
pub(super) fn failure(error: &clap::Error, args: &[OsString], tree: &Command) -> Failure {
    let program = std::iter::once(tree.get_name()).chain(verbs(args, tree)).collect::<Vec<_>>().join(" ");
    let message = sentence(error, &program).unwrap_or_else(|| first_line(error));
    Failure::caller("bad_argument", message).hint(format!("{program} --help"))
}

/// The failure for arguments of `verb` that mean nothing together.
pub(super) fn misused(verb: &str, message: impl Into<String>) -> Failure {
    Failure::caller("bad_argument", message).hint(format!("bitrouter {verb} --help"))
}

/// `help --help` is a question for the same text.
pub(super) fn without_help_of_help(args: &[OsString]) -> Vec<OsString> {
    let is_help = |arg: &OsString| arg == "--help" || arg == "-h";
    let mut words = args.iter().skip(1).filter(|arg| !arg.to_string_lossy().starts_with('-'));
    if words.next().is_none_or(|word| word != "help") {
        return args.to_vec();
    }
    args.iter().filter(|arg| !is_help(arg)).cloned().collect()
}

/// The verb among the words, with those it has below it: `node`, `namespace`, `create`.
fn verbs<'a>(args: &[OsString], tree: &'a Command) -> Vec<&'a str> {
    let (mut at, mut verbs) = (tree, Vec::new());
    for word in args.iter().skip(1).filter_map(|arg| arg.to_str()) {
        if let Some(below) = at.get_subcommands().find(|below| below.get_name() == word) {
            at = below;
            verbs.push(below.get_name());
        }
    }
    verbs
}

fn sentence(error: &clap::Error, program: &str) -> Option<String> {
    let one = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let several = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    };
    let meant = |kind| match several(kind).as_slice() {
        [] => String::new(),
        texts => format!("; did you mean {}?", listed(texts)),
    };
    // `--listen <ADDR>` and `[NAMES]...` as the help writes them.
    let name = |text: &str| text.split_once(" <").map_or(text, |(name, _)| name).to_owned();
    match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = one(ContextKind::InvalidSubcommand)?;
            Some(format!("there is no command `{word}`{}", meant(ContextKind::SuggestedSubcommand)))
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand | ErrorKind::MissingSubcommand => {
            Some(format!("`{program}` needs a command"))
        }
        ErrorKind::UnknownArgument => {
            let word = one(ContextKind::InvalidArg)?;
            Some(format!("`{program}` takes no `{word}`{}", meant(ContextKind::SuggestedArg)))
        }
        ErrorKind::InvalidValue => {
            let argument = name(one(ContextKind::InvalidArg)?);
            let known = several(ContextKind::ValidValue);
            let takes = if known.is_empty() { String::new() } else { format!(": {}", listed(&known)) };
            match one(ContextKind::InvalidValue).filter(|value| !value.is_empty()) {
                Some(value) => Some(format!("`{argument}` cannot be `{value}`{takes}")),
                None => Some(format!("`{argument}` needs a value{takes}")),
            }
        }
        ErrorKind::ValueValidation => {
            let argument = name(one(ContextKind::InvalidArg)?);
            let source = std::error::Error::source(error).map(ToString::to_string);
            let value = one(ContextKind::InvalidValue).unwrap_or_default();
            Some(format!("`{argument}`: {}", source.unwrap_or_else(|| format!("it cannot be `{value}`"))))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = several(ContextKind::InvalidArg);
            Some(format!("`{program}` needs {}", missing.join(" and ")))
        }
        ErrorKind::ArgumentConflict => {
            let argument = name(one(ContextKind::InvalidArg)?);
            match several(ContextKind::PriorArg).first() {
                Some(other) if name(other) != argument => {
                    Some(format!("`{argument}` and `{}` exclude each other", name(other)))
                }
                _ => Some(format!("`{argument}` is given twice")),
            }
        }
        _ => None,
    }
}

/// `a`, `b` or `c`.
fn listed(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("`{text}`")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

/// What clap itself says, without its advice.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first).to_owned()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::args::Cli;

    fn refused(words: &[&str]) -> (String, String) {
        let args: Vec<OsString> =
            std::iter::once("bitrouter").chain(words.iter().copied()).map(OsString::from).collect();
        let error = Cli::try_parse_from(&args).unwrap_err();
        let failure = failure(&error, &args, &crate::cli::tree());
        (failure.message, failure.hint.unwrap_or_default())
    }

    #[test]
    fn r5_09_errors_are_sentences_with_the_help_of_their_verb() {
        for (words, message, hint) in [
            (&["stats"][..], "there is no command `stats`; did you mean `start` or `status`?", "bitrouter --help"),
            (&["--nonsense"], "`bitrouter` takes no `--nonsense`", "bitrouter --help"),
            (
                &["status", "--al"],
                "`bitrouter status` takes no `--al`; did you mean `--all`?",
                "bitrouter status --help",
            ),
            (&["serve", "extra"], "`bitrouter serve` takes no `extra`", "bitrouter serve --help"),
            (
                &["serve", "--log-format", "xml"],
                "`--log-format` cannot be `xml`: `auto`, `human` or `json`",
                "bitrouter serve --help",
            ),
            (
                &["stop", "--timeout", "soon"],
                "`--timeout`: `soon` is not a duration; write it like `1s`, `90m` or `500ms`",
                "bitrouter stop --help",
            ),
            (&["status", "--socket"], "`--socket` needs a value", "bitrouter status --help"),
            (&["status", "--json", "--json"], "`--json` is given twice", "bitrouter status --help"),
            (&["node"], "`bitrouter node` needs a command", "bitrouter node --help"),
            (
                &["node", "namespace", "create"],
                "`bitrouter node namespace create` needs <NAME>",
                "bitrouter node namespace create --help",
            ),
            (
                &["node", "namespace", "lst"],
                "there is no command `lst`; did you mean `list`?",
                "bitrouter node namespace --help",
            ),
            (&["hook"], "`bitrouter hook` needs <SHELL>", "bitrouter hook --help"),
            (&["hook", "tcsh"], "`<SHELL>` cannot be `tcsh`: `bash`, `zsh` or `fish`", "bitrouter hook --help"),
        ] {
            assert_eq!(refused(words), (message.to_owned(), hint.to_owned()), "{words:?}");
        }
    }

    #[test]
    fn r5_09_help_of_help_is_help() {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        assert_eq!(without_help_of_help(&words(&["bitrouter", "help", "--help"])), words(&["bitrouter", "help"]));
        let kept = words(&["bitrouter", "status", "--help"]);
        assert_eq!(without_help_of_help(&kept), kept);
    }
}
