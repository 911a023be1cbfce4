//! A password that somebody chooses: typed twice without being shown, or one line of standard input. Never an argument.

use std::io::{IsTerminal as _, stderr, stdin};

use bitrouter_proto::account::password::judge;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::{secret_line, typing::Typing};
use crate::{context::Context, exit::Failure};

/// The password that is to be `name`'s. `verb` is what needs it, for the hint where nobody can be asked.
///
/// # Errors
/// Where there is none, both do not agree, or it holds what cannot be typed.
pub(super) fn chosen(context: &Context, name: &str, from_stdin: bool, verb: &str) -> Result<SecretString, Failure> {
    // A terminal would show what is typed: there it is asked for.
    if from_stdin && !stdin().is_terminal() {
        return password(secret_line::first()?);
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let message = "a password is asked for on a terminal, or read from standard input";
        return Err(Failure::caller("no_password", message).hint(format!("bitrouter {verb} --password-stdin")));
    }
    let unseen = Typing::unseen()?;
    let first = password(secret_line::ask(context, &unseen, &format!("password for `{name}`: "))?)?;
    let second = SecretSlice::from(secret_line::ask(context, &unseen, "the same again: ")?);
    if first.expose_secret().as_bytes() != second.expose_secret() {
        return Err(Failure::caller("bad_password", "the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

/// Bytes as a password.
fn password(bytes: Vec<u8>) -> Result<SecretString, Failure> {
    let refused = |message: &str| Err(Failure::caller("bad_password", message));
    match String::from_utf8(bytes) {
        Ok(text) if text.is_empty() => refused("the password is empty"),
        Ok(text) if text.contains(char::is_control) => refused("a password holds no control characters"),
        Ok(text) => match judge(&text) {
            Ok(()) => Ok(text.into()),
            Err(why) => refused(&why.to_string()),
        },
        Err(_) => refused("a password is text in UTF-8"),
    }
}
