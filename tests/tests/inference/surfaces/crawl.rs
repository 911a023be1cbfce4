//! A crawl through spellings of paths: whatever is asked, what reaches a provider is one of the places that the reviewed
//! list names, at that provider and by that method.

use bitrouter_tests::{dialects::Vendor, provider::Request};

use super::{cast::Cast, listed::LIST};

/// What paths are put together from.
const PIECES: [&str; 59] = [
    "/",
    "/",
    "/",
    "//",
    ":",
    ":",
    "%2F",
    "%2f",
    "%3A",
    "%5C",
    "\\",
    ".",
    "..",
    "/..",
    "/../",
    "/./",
    "%2e%2e",
    "%2E.",
    "..%2f",
    "%00",
    "%0d%0a",
    "%20",
    "%7f",
    "%c3%a9",
    "%ff",
    "?",
    "%3F",
    "&",
    "#",
    "%23",
    "%25",
    "%252e%252e%252f",
    ";",
    "@",
    "v1",
    "v1beta",
    "models",
    "responses",
    "resp_1",
    "input_items",
    "cancel",
    "messages",
    "count_tokens",
    "chat",
    "completions",
    "embeddings",
    "files",
    "google:m",
    "google:..",
    "google:../files/",
    "google:.%2e%2ffiles%2f",
    "google%3Am",
    "google/m",
    "openai:m",
    "generateContent",
    "streamGenerateContent",
    "countTokens",
    "key=x",
    "alt=sse",
];

/// The same numbers in every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap_or(0)
    }
}

/// A path of the list, changed in up to three places, or one that is made up.
fn path(numbers: &mut Numbers) -> String {
    let mut text = if numbers.below(4) == 0 { "/".to_owned() } else { LIST[numbers.below(LIST.len())].path.to_owned() };
    for _ in 0..numbers.below(4) {
        let ends: Vec<usize> = text.match_indices(['/', ':', '%']).map(|(at, _)| at).chain([text.len()]).collect();
        let at = ends[numbers.below(ends.len())];
        let piece = PIECES[numbers.below(PIECES.len())];
        match numbers.below(3) {
            // What stood there up to the next such place gives way.
            0 => {
                let end = ends.iter().find(|end| **end > at).copied().unwrap_or(text.len());
                text.replace_range(at..end, piece);
            }
            1 => text.insert_str(at, piece),
            _ => text.push_str(piece),
        }
    }
    if text.starts_with('/') { text } else { format!("/{text}") }
}

/// `text` with every escape decoded, until none is left.
fn decoded(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    loop {
        let mut next = Vec::new();
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
            let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).filter(|_| byte == b'%');
            next.push(escaped.unwrap_or(byte));
            at += if escaped.is_some() { 3 } else { 1 };
        }
        if next == bytes {
            return String::from_utf8_lossy(&next).into_owned();
        }
        bytes = next;
    }
}

/// True for what the list lets arrive at `vendor`.
fn may_arrive(vendor: Vendor, request: &Request) -> bool {
    let (method, target) = (request.method.as_str(), request.target.as_str());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if query.contains("key") || path.contains(['\\', '#', ' ', ';', '@']) {
        return false;
    }
    let fixed = |path: &str| LIST.iter().any(|line| (line.vendor, line.method, line.target) == (vendor, method, path));
    if vendor == Vendor::Google {
        let Some((name, verb)) = path.strip_prefix("/v1beta/models/").and_then(|rest| rest.rsplit_once(':')) else {
            return false;
        };
        let name = decoded(name);
        let is_step = |segment: &str| matches!(segment, "." | "..");
        return fixed(&format!("/v1beta/models/m:{verb}"))
            && matches!(query, "" | "alt=sse" | "alt=json")
            && !name.is_empty()
            && !name.contains(|c: char| matches!(c, '?' | '#' | '%') || c.is_control())
            && !name.split('/').any(is_step);
    }
    if let Some(rest) = path.strip_prefix("/v1/responses/").filter(|rest| *rest != "input_tokens" || method != "POST") {
        let (id, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_id = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        return is_id && !id.is_empty() && fixed(&format!("/v1/responses/resp_1{behind}"));
    }
    fixed(path)
}

#[test]
fn no_spelling_of_a_path_reaches_another_place_of_a_provider() {
    let cast = Cast::new();
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut arrived = 0;
    for _ in 0..6_000 {
        let (path, method) = (path(&mut numbers), ["POST", "POST", "GET", "DELETE"][numbers.below(4)]);
        let before = cast.counts();
        let call = cast.http().request(method, &path);
        let call = if method == "POST" { call.json(r#"{"model":"openai:m","contents":[]}"#) } else { call };
        let answer = call.send();
        let known = matches!(answer.status, 200 | 400 | 401 | 402 | 404 | 405 | 426 | 501);
        assert!(known, "{method} {path}: {} {}", answer.status, answer.text());
        for (vendor, before) in Vendor::ALL.into_iter().zip(before) {
            for number in before..cast.provider(vendor).count() {
                arrived += 1;
                let request = &cast.provider(vendor).exchange(number).request;
                let target = &request.target;
                assert!(
                    may_arrive(vendor, request),
                    "{method} {path} reached {vendor:?} at {} {target}",
                    request.method
                );
                assert!(answer.status == 200, "{method} {path} reached {target} and is {}", answer.status);
            }
        }
    }
    // The crawl is no crawl of refusals.
    assert!((500..5_500).contains(&arrived), "{arrived} arrived");
}

#[test]
fn bytes_beyond_ascii_in_a_path_are_a_name_or_nothing() {
    let cast = Cast::new();
    let ask = |name: &[u8]| {
        let host = cast.daemon.addr();
        let begin = b"POST /v1beta/models/google:";
        let end = format!(
            ":countTokens HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
        );
        cast.http().raw([begin.as_slice(), name, end.as_bytes()].concat())
    };
    for name in ["é", "😀", "a\u{85}b"] {
        let before = cast.provider(Vendor::Google).count();
        let answer = ask(name.as_bytes());
        if answer.status == 200 {
            let target = &cast.provider(Vendor::Google).exchange(before).request.target;
            assert_eq!(decoded(target), format!("/v1beta/models/{name}:countTokens"));
            assert!(target.is_ascii() && name != "a\u{85}b", "{target}");
        } else {
            assert_eq!(answer.status, 400, "{name}: {}", answer.text());
        }
    }
    for name in [&b"\xff"[..], b"\xc3", b"\xed\xa0\x80", b"a\xc3\x28"] {
        assert_eq!(ask(name).status, 400, "{name:?}");
    }
}
