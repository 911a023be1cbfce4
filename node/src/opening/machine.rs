//! What is asked of the machine before a node is opened on it.

use std::io;

use rustix::fd::OwnedFd;

use super::Filesystem;

/// The machine that a node is opened on.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id (machine-id(5)); empty where it has none.
    pub id: String,
    /// Asks which file system a directory is on.
    pub filesystem: fn(&OwnedFd) -> io::Result<Filesystem>,
}

impl Machine {
    /// This machine.
    pub fn this() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).ok().and_then(|text| cleaned(&text));
        let id = read("/etc/machine-id").or_else(|| read("/var/lib/dbus/machine-id")).unwrap_or_default();
        Self { id, filesystem: Filesystem::of }
    }
}

/// 32 hexadecimal digits; anything else (`uninitialized`, an empty file in a container's image) is no id.
fn cleaned(text: &str) -> Option<String> {
    let id = text.trim();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then(|| id.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_counts() {
        assert_eq!(cleaned("0123456789ABCDEF0123456789abcdef\n").as_deref(), Some("0123456789abcdef0123456789abcdef"));
        for none in ["", "uninitialized\n", "0123"] {
            assert_eq!(cleaned(none), None);
        }
    }
}
