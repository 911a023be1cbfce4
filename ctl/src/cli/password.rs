//! A password that somebody chooses: typed twice without being shown, or one line of standard input. Never an argument.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stderr, stdin};

use bitrouter_proto::account::password::judge;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};

use super::typing::{INTERRUPT, Typing, interrupted};
use crate::{context::Context, exit::Failure};

/// More bytes than any password has.
const MOST: usize = 4096;

/// The password that is to be `name`'s. `verb` is what needs it, for the hint where nobody can be asked.
///
/// # Errors
/// Where there is none, both do not agree, or it holds what cannot be typed.
pub(super) fn chosen(context: &Context, name: &str, from_stdin: bool, verb: &str) -> Result<SecretString, Failure> {
    // A terminal would show what is typed: there it is asked for.
    if from_stdin && !stdin().is_terminal() {
        return first_line();
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let message = "a password is asked for on a terminal, or read from standard input";
        return Err(Failure::caller("no_password", message).hint(format!("bitrouter {verb} --password-stdin")));
    }
    let unseen = Typing::unseen()?;
    let first = password(ask(context, &unseen, &format!("password for `{name}`: "))?)?;
    let second = SecretSlice::from(ask(context, &unseen, "the same again: ")?);
    if first.expose_secret().as_bytes() != second.expose_secret() {
        return Err(Failure::caller("bad_password", "the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

fn first_line() -> Result<SecretString, Failure> {
    let mut bytes = Vec::with_capacity(MOST);
    // What stands behind the line is not waited for.
    stdin().lock().take(MOST as u64).read_until(b'\n', &mut bytes)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    password(bytes)
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

/// The line that answers `question`. It takes the terminal that shows nothing.
fn ask(context: &Context, _unseen: &Typing, question: &str) -> Result<Vec<u8>, Failure> {
    context.printer.ask(question);
    let typed = typed();
    // The key that ended the line was not shown.
    context.printer.ask("\n");
    typed
}

/// A line as it is typed.
fn typed() -> Result<Vec<u8>, Failure> {
    let mut line = Vec::with_capacity(MOST);
    let mut key = [0];
    loop {
        if stdin().lock().read(&mut key)? == 0 {
            return Ok(line);
        }
        match key[0] {
            b'\r' | b'\n' => return Ok(line),
            // Ctrl-D too.
            INTERRUPT | 4 => return Err(interrupted()),
            // Backspace takes one character, however many bytes it has.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U.
            21 => line.clear(),
            byte if line.len() < MOST => line.push(byte),
            _ => {}
        }
    }
}
