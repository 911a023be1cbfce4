//! A password that somebody chooses: typed twice without being shown, or one line of standard input. Never an argument.

use std::io::{IsTerminal as _, Read as _, stderr, stdin};

use bitrouter_proto::codes::exit;
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{context::Context, exit::Failure};

/// More bytes than any password has.
const MOST: usize = 4096;

/// The password that is to be `name`'s. `verb` is what needs it, for the hint where nobody can be asked.
///
/// # Errors
/// Where there is none, both do not agree, or it holds what cannot be typed.
pub(super) fn chosen(context: &Context, name: &str, from_stdin: bool, verb: &str) -> Result<SecretString, Failure> {
    if from_stdin {
        return first_line();
    }
    if !stdin().is_terminal() || !stderr().is_terminal() {
        let message = "a password is asked for on a terminal, or read from standard input";
        return Err(Failure::caller("no_password", message).hint(format!("bitrouter {verb} --password-stdin")));
    }
    let quiet = Quiet::new()?;
    let first = quiet.ask(context, &format!("password for `{name}`: "))?;
    let second = quiet.ask(context, "the same again: ")?;
    if first.expose_secret() != second.expose_secret() {
        return Err(Failure::caller("bad_password", "the two passwords differ; nothing was changed"));
    }
    Ok(first)
}

fn first_line() -> Result<SecretString, Failure> {
    let mut bytes = Vec::with_capacity(MOST);
    stdin().lock().take(MOST as u64).read_to_end(&mut bytes)?;
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
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
        Ok(text) => Ok(text.into()),
        Err(_) => refused("a password is text in UTF-8"),
    }
}

/// A terminal that shows nothing and hands over each key, so that an interrupt leaves it as it was.
struct Quiet(Termios);

impl Quiet {
    fn new() -> Result<Self, Failure> {
        let before = tcgetattr(stdin()).map_err(std::io::Error::from)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(stdin(), OptionalActions::Flush, &quiet).map_err(std::io::Error::from)?;
        Ok(Self(before))
    }

    #[expect(clippy::unused_self, reason = "nothing is typed but where the terminal shows nothing")]
    fn ask(&self, context: &Context, question: &str) -> Result<SecretString, Failure> {
        context.printer.ask(question);
        let typed = typed();
        // The key that ended the line was not shown.
        context.printer.ask("\n");
        password(typed?)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // Nobody can do more about a terminal that went away.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
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
            // Ctrl-C, Ctrl-D.
            3 | 4 => return Err(Failure { exit: exit::INTERRUPTED, ..Failure::caller("interrupted", "interrupted") }),
            // Backspace takes one character, however many bytes it has.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U.
            21 => line.clear(),
            byte if line.len() < MOST => line.push(byte),
            _ => {}
        }
    }
}
