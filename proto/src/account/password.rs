//! What a password has to be: the same to whoever asks for it and to the node that keeps it.

/// The fewest characters.
pub const MIN_CHARACTERS: usize = 10;
/// The most bytes.
pub const MAX_BYTES: usize = 1024;

/// Why a text is no password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// It can be guessed.
    #[error("a password has at least {MIN_CHARACTERS} characters")]
    Short,
    /// It would cost more to hash than it is worth.
    #[error("a password has at most {MAX_BYTES} bytes")]
    Long,
}

/// Whether `text` can be a password.
///
/// # Errors
/// Where it is too short or too long.
pub fn judge(text: &str) -> Result<(), PasswordError> {
    match (text.chars().count(), text.len()) {
        (..MIN_CHARACTERS, _) => Err(PasswordError::Short),
        (_, bytes) if bytes > MAX_BYTES => Err(PasswordError::Long),
        _ => Ok(()),
    }
}
