//! The terminal while something is watched on it: another screen, without a cursor, which goes whatever happens.

use std::{io::Read as _, os::unix::net::UnixStream as Pair};

use rustix::termios::tcgetwinsize;
use signal_hook::{
    SigId,
    consts::{SIGTERM, SIGWINCH},
    low_level,
};
use tokio::{net::UnixStream, sync::mpsc};

use crate::{
    cli::typing::{INTERRUPT, Typing},
    exit::Failure,
    interrupt::Interrupt,
    render::Printer,
};

/// The alternate screen (xterm's control sequences, DECSET 1049), no cursor (25), and no line that goes on in the next (7).
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";
/// To the first line; what is left of a line goes; what is below goes (ECMA-48: CUP, EL, ED).
const HOME: &str = "\u{1b}[H";
const REST_OF_LINE: &str = "\u{1b}[K";
const REST: &str = "\u{1b}[J";

/// What a terminal has that does not know its size.
const USUAL: (usize, usize) = (80, 24);

/// What whoever watches wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// `q`.
    Quit,
    /// Ctrl-C, as a character or as a signal.
    Interrupt,
    /// The terminal has another size.
    Resized,
}

/// The screen. The terminal is as it was when this goes.
pub(super) struct Screen {
    printer: Printer,
    keys: mpsc::Receiver<Key>,
    interrupt: Interrupt,
    resized: Heard,
    ended: Heard,
    /// Set back after the screen is left, as it is dropped after it.
    typing: Option<Typing>,
}

impl Screen {
    pub(super) fn enter(printer: Printer) -> Result<Self, Failure> {
        let (interrupt, resized, ended) = (Interrupt::listen()?, Heard::listen(SIGWINCH)?, Heard::listen(SIGTERM)?);
        // Whoever gives no keys ends it by a signal.
        let typing = Typing::unseen().ok();
        let keys = keys(typing.is_some())?;
        printer.screen(ENTER)?;
        Ok(Self { printer, keys, interrupt, resized, ended, typing })
    }

    /// The next thing that is wanted.
    pub(super) async fn key(&mut self) -> Key {
        tokio::select! {
            Some(key) = self.keys.recv() => key,
            () = self.interrupt.pressed() => Key::Interrupt,
            () = self.ended.heard() => {
                self.leave();
                // Ends as by any such signal, with the terminal as it was.
                self.typing = None;
                let _ = low_level::emulate_default_handler(SIGTERM);
                Key::Interrupt
            }
            () = self.resized.heard() => Key::Resized,
        }
    }

    /// Shows a page of the terminal's size (columns, rows), in the place of the last one.
    pub(super) fn draw(&self, page: impl FnOnce((usize, usize)) -> Vec<String>) -> Result<(), Failure> {
        let told = tcgetwinsize(std::io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        let size = told.map_or(USUAL, |size| (size.ws_col.into(), size.ws_row.into()));
        let lines: Vec<String> =
            page(size).iter().map(|line| format!("{}{REST_OF_LINE}", self.printer.for_stdout(line))).collect();
        self.printer.screen(&format!("{HOME}{}{REST}", lines.join("\r\n")))
    }

    fn leave(&self) {
        // Nobody can do more about a terminal that went away.
        let _ = self.printer.screen(LEAVE);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}

/// The keys that are pressed, read by a thread that ends with the process.
fn keys(can_be_pressed: bool) -> Result<mpsc::Receiver<Key>, Failure> {
    let (pressed, keys) = mpsc::channel(8);
    if !can_be_pressed {
        return Ok(keys);
    }
    std::thread::Builder::new().name("keys".to_owned()).spawn(move || {
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = std::io::stdin().read(&mut bytes) {
            for byte in &bytes[..read] {
                let key = match *byte {
                    b'q' | b'Q' => Key::Quit,
                    INTERRUPT => Key::Interrupt,
                    _ => continue,
                };
                if pressed.blocking_send(key).is_err() {
                    return;
                }
            }
        }
    })?;
    Ok(keys)
}

/// Hears a signal while it lives.
struct Heard {
    told: UnixStream,
    id: SigId,
}

impl Heard {
    fn listen(signal: i32) -> Result<Self, Failure> {
        let (read, write) = Pair::pair()?;
        read.set_nonblocking(true)?;
        Ok(Self { told: UnixStream::from_std(read)?, id: low_level::pipe::register(signal, write)? })
    }

    /// Returns once it came, however often.
    async fn heard(&self) {
        let mut bytes = [0; 64];
        loop {
            // Where it cannot be listened for, it never comes.
            if self.told.readable().await.is_err() {
                return std::future::pending().await;
            }
            match self.told.try_read(&mut bytes) {
                Ok(1..) => return,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Ok(0) | Err(_) => return std::future::pending().await,
            }
        }
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        low_level::unregister(self.id);
    }
}
