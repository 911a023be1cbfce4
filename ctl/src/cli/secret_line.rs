//! A secret that is typed without being shown, or is the first line of standard input. Never an argument.

use std::io::{BufRead as _, IsTerminal as _, Read as _, stdin};

use super::typing::{INTERRUPT, Typing};
use crate::{context::Context, exit::Failure};

/// More bytes than any such line has.
const MOST: usize = 4096;

/// The first line of standard input. A terminal would show what is typed: there `question` asks for it.
pub(super) fn read(context: &Context, question: &str) -> Result<Vec<u8>, Failure> {
    if stdin().is_terminal() {
        let unseen = Typing::unseen()?;
        return ask(context, &unseen, question);
    }
    first()
}

/// The first line of standard input, without its end. What stands behind it is not waited for.
pub(super) fn first() -> Result<Vec<u8>, Failure> {
    // One more shows that a line is too long, rather than its beginning being taken for it.
    let mut bytes = Vec::with_capacity(MOST + 2);
    stdin().lock().take(MOST as u64 + 2).read_until(b'\n', &mut bytes)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    Ok(bytes)
}

/// The line that answers `question`. It takes the terminal that shows nothing.
pub(super) fn ask(context: &Context, _unseen: &Typing, question: &str) -> Result<Vec<u8>, Failure> {
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
            INTERRUPT | 4 => return Err(Failure::interrupted()),
            // Backspace takes one character, however many bytes it has.
            8 | 127 => while line.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            // Ctrl-U.
            21 => line.clear(),
            byte if line.len() < MOST => line.push(byte),
            _ => {}
        }
    }
}
