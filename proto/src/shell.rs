//! Words for commands that people paste into a shell.

/// `word` as a POSIX shell reads it back.
pub fn quoted(word: &str) -> String {
    if !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-+:=@%,".contains(&b)) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_touch_is_quoted() {
        for (word, shown) in [("/opt/x", "/opt/x"), ("", "''"), ("my tools", "'my tools'"), ("it's", "'it'\\''s'")] {
            assert_eq!(quoted(word), shown);
        }
    }
}
