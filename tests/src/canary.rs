//! Unique secrets and the search for them. A secret that turns up where it must not is found by its exact bytes, and by
//! its base64 in any of the three alignments.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use bitrouter_proto::clock;

/// A unique value that looks like a key of `name`.
pub fn secret(name: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let nanos = clock::wall_now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("sk-canary-{name}-{:x}{number:x}{:x}", std::process::id(), nanos & 0xffff_ffff_ffff)
}

/// The name within a secret that [`secret`] made: what a report may print.
fn name(secret: &str) -> &str {
    secret.strip_prefix("sk-canary-").and_then(|rest| rest.rsplit_once('-')).map_or("?", |(name, _)| name)
}

/// Where in `bytes` one of `secrets` stands, as a sentence that does not repeat the secret.
pub fn find(secrets: &[String], place: &str, bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for secret in secrets {
        if let Some(at) = position(bytes, secret.as_bytes()) {
            found.push(format!("the secret `{}` stands in {place} at byte {at}", name(secret)));
        }
        if base64_cores(secret.as_bytes()).iter().any(|core| position(bytes, core).is_some()) {
            found.push(format!("the secret `{}` stands in {place} as base64", name(secret)));
        }
    }
    found
}

/// Searches every file below `root`, except `known`: those that the test wrote itself.
pub fn find_in_files(secrets: &[String], root: &Path, known: &[PathBuf]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(kind) = entry.file_type() else { continue };
            found.extend(find(secrets, "a file name", path.as_os_str().as_encoded_bytes()));
            if kind.is_dir() {
                open.push(path);
            } else if kind.is_file() && !known.contains(&path) {
                found.extend(find(secrets, &format!("`{}`", path.display()), &read(&path)));
            }
        }
    }
    found
}

fn read(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = fs::File::open(path) {
        // What cannot be read (it vanished) cannot leak from there either.
        file.take(64 << 20).read_to_end(&mut bytes).ok();
    }
    bytes
}

/// The index of `needle` in `haystack`.
pub fn position(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut from = 0;
    while let Some(step) = haystack.get(from..)?.iter().position(|byte| *byte == first) {
        let at = from + step;
        if haystack[at..].starts_with(needle) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// The part of the base64 of `secret` that does not depend on what stands before and after it, for each alignment.
fn base64_cores(secret: &[u8]) -> [Vec<u8>; 3] {
    [0, 1, 2].map(|lead| {
        let mut padded = vec![0_u8; lead];
        padded.extend_from_slice(secret);
        padded.truncate(padded.len() / 3 * 3);
        let text = base64(&padded);
        let skip = if lead == 0 { 0 } else { 4 };
        text.as_bytes()[skip..].to_vec()
    })
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for triple in bytes.chunks_exact(3) {
        let word = u32::from(triple[0]) << 16 | u32::from(triple[1]) << 8 | u32::from(triple[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(word >> shift & 63) as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_as_they_are_and_in_base64_whatever_stands_before_them() {
        let secret = "sk-canary-openai-0123456789abcdef".to_owned();
        let secrets = [secret.clone()];
        assert_eq!(find(&secrets, "x", b"nothing, sk-canary-other-1").len(), 0);
        assert_eq!(find(&secrets, "x", format!("ss{secret}").as_bytes()).len(), 1);
        for lead in ["", "u", "us", "usr"] {
            let mut bytes = format!("{lead}{secret}").into_bytes();
            bytes.resize(bytes.len().next_multiple_of(3), b'!');
            assert_eq!(find(&secrets, "x", base64(&bytes).as_bytes()).len(), 1, "{lead}");
        }
    }

    #[test]
    fn no_two_secrets_are_the_same_and_the_report_does_not_repeat_them() {
        let (one, two) = (secret("a-b"), secret("a-b"));
        assert_ne!(one, two);
        let report = find(std::slice::from_ref(&one), "x", one.as_bytes()).join("");
        assert!(report.contains("`a-b`") && !report.contains(&one), "{report}");
    }
}
