//! The terminal while somebody answers: set otherwise, and set back whatever happens. An interrupt comes as a character, so
//! that the line is ended and the terminal is left as it was.

use std::io::{Error, stdin};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};

use crate::exit::Failure;

/// What Ctrl-C sends.
pub(super) const INTERRUPT: u8 = 3;

/// A terminal that is set back when this ends.
pub(super) struct Typing(Termios);

impl Typing {
    /// Nothing is shown, and each key is handed over.
    pub(super) fn unseen() -> Result<Self, Failure> {
        Self::set(OptionalActions::Flush, |modes| {
            modes.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
            modes.special_codes[SpecialCodeIndex::VMIN] = 1;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        })
    }

    /// Lines, as ever, which an interrupt ends too.
    pub(super) fn lines() -> Result<Self, Failure> {
        Self::set(OptionalActions::Now, |modes| {
            // `_POSIX_VDISABLE` (termios(3)).
            modes.special_codes[SpecialCodeIndex::VINTR] = 0;
            modes.special_codes[SpecialCodeIndex::VEOL] = INTERRUPT;
        })
    }

    fn set(when: OptionalActions, change: impl FnOnce(&mut Termios)) -> Result<Self, Failure> {
        let before = tcgetattr(stdin()).map_err(Error::from)?;
        let mut modes = before.clone();
        change(&mut modes);
        tcsetattr(stdin(), when, &modes).map_err(Error::from)?;
        Ok(Self(before))
    }
}

impl Drop for Typing {
    fn drop(&mut self) {
        // Nobody can do more about a terminal that went away.
        let _ = tcsetattr(stdin(), OptionalActions::Now, &self.0);
    }
}
