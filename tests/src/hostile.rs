//! What a hostile client sends: HTTP/2 frames by hand, many connections, promises that are never kept.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{command::Output, wait::PATIENCE, world::World};

/// The client preface (RFC 9113 §3.4).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The windows of a connection and of a stream at their beginning (RFC 9113 §6.9.2).
const WINDOW: usize = 65_535;

/// Frame types that tests send.
pub mod kind {
    /// DATA.
    pub const DATA: u8 = 0;
    /// HEADERS.
    pub const HEADERS: u8 = 1;
    /// RST_STREAM.
    pub const RESET: u8 = 3;
    /// SETTINGS.
    pub const SETTINGS: u8 = 4;
    /// PING.
    pub const PING: u8 = 6;
    /// WINDOW_UPDATE.
    pub const WINDOW: u8 = 8;
    /// CONTINUATION.
    pub const CONTINUATION: u8 = 9;
}

/// Flags that tests send.
pub mod flag {
    /// On DATA and HEADERS: the last of the stream.
    pub const END_STREAM: u8 = 1;
    /// On HEADERS and CONTINUATION: the last of the block.
    pub const END_HEADERS: u8 = 4;
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length").to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The header block of a call, every header a literal without indexing and without Huffman (RFC 7541 §6.2.2).
pub fn call_headers(method: &str) -> Vec<u8> {
    let path = format!("/bitrouter.control.v1.{method}");
    let headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "localhost"),
        (":path", path.as_str()),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    headers.into_iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// One header as a literal without indexing.
pub fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    for text in [name, value] {
        bytes.extend(length_prefix(text.len()));
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes
}

/// An HPACK integer with a seven-bit prefix.
fn length_prefix(length: usize) -> Vec<u8> {
    let Some(mut rest) = length.checked_sub(127) else {
        return vec![u8::try_from(length).expect("below 127")];
    };
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("seven bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("seven bits"));
    bytes
}

/// Raises this process's descriptor limit to the hard one and says what it is.
pub fn raise_descriptors() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("raise the limit");
    limit.maximum.unwrap_or(u64::MAX)
}

/// A hostile connection to a control socket.
#[derive(Debug)]
pub struct Hostile {
    stream: UnixStream,
    /// Bytes that the daemon is ready to take on all streams together.
    window: usize,
}

impl Hostile {
    /// Connects and says nothing.
    #[track_caller]
    pub fn connect(socket: &Path) -> Self {
        Self::try_connect(socket).unwrap_or_else(|error| panic!("cannot connect to `{}`: {error}", socket.display()))
    }

    /// Connects and says nothing, where the daemon lets it.
    pub fn try_connect(socket: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, window: WINDOW })
    }

    /// Connects and finishes the handshake as an honest client would.
    #[track_caller]
    pub fn greeted(socket: &Path) -> Self {
        let mut client = Self::connect(socket);
        client.say(PREFACE);
        client.say(&frame(kind::SETTINGS, 0, 0, &[]));
        client
    }

    /// Sends bytes. False where the daemon has had enough.
    pub fn say(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Reads until the daemon closes, at most `patience`; the bytes, and whether it did.
    pub fn listen(&mut self, patience: Duration) -> (Vec<u8>, bool) {
        self.stream.set_read_timeout(Some(patience)).expect("a time limit");
        let mut bytes = Vec::new();
        let mut buffer = [0; 16_384];
        loop {
            match self.stream.read(&mut buffer) {
                Ok(0) => return (bytes, true),
                Ok(length) => bytes.extend_from_slice(&buffer[..length]),
                Err(error) => return (bytes, error.kind() == std::io::ErrorKind::ConnectionReset),
            }
        }
    }

    /// Begins a call on stream `number` with a message of `length` bytes, of which it sends all but the last, as fast as
    /// the daemon lets it (RFC 9113 §5.2). False where the daemon has had enough.
    pub fn begin(&mut self, number: u32, method: &str, length: u32) -> bool {
        if !self.say(&frame(kind::HEADERS, flag::END_HEADERS, number, &call_headers(method))) {
            return false;
        }
        let mut message = vec![0; 4 + length as usize];
        message[1..5].copy_from_slice(&length.to_be_bytes());
        let (mut rest, mut window) = (message.as_slice(), WINDOW);
        while !rest.is_empty() {
            let piece = rest.len().min(16_384).min(window).min(self.window);
            if piece == 0 {
                let Some((kind, stream, payload)) = self.frame() else { return false };
                match (kind, payload.as_slice()) {
                    (kind::RESET, _) if stream == number => return false,
                    (kind::WINDOW, [a, b, c, d]) => {
                        let more = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                        let grows = if stream == number { &mut window } else { &mut self.window };
                        *grows += more * usize::from(stream == number || stream == 0);
                    }
                    _ => {}
                }
                continue;
            }
            let (now, later) = rest.split_at(piece);
            if !self.say(&frame(kind::DATA, 0, number, now)) {
                return false;
            }
            rest = later;
            window -= piece;
            self.window -= piece;
        }
        true
    }

    /// The next frame: its type, its stream, and what it carries.
    fn frame(&mut self) -> Option<(u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let [a, b, c, kind, _, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some((kind, u32::from_be_bytes(stream), payload))
    }

    /// Reads what is there without waiting, so that the daemon is not held up by its own answers.
    pub fn skim(&mut self) {
        self.stream.set_nonblocking(true).expect("nonblocking");
        let mut buffer = [0; 16_384];
        while matches!(self.stream.read(&mut buffer), Ok(1..)) {}
        self.stream.set_nonblocking(false).expect("blocking");
    }
}

/// What another client's `status` took, worst first, while an attack went on.
#[derive(Debug, Default)]
pub struct Bystander {
    took: Vec<Duration>,
}

/// The bound of a test on a busy machine. The contract's is one second; what was measured is printed.
pub const AT_MOST: Duration = Duration::from_secs(5);

impl Bystander {
    /// Another client, in a process of its own, asks for the status, which must work.
    #[track_caller]
    pub fn asks(&mut self, world: &World) -> Output {
        let output = world.cli(["status", "--json"]).with_code(0);
        assert!(output.took < AT_MOST, "`status` took {:?} under attack", output.took);
        self.took.push(output.took);
        output
    }

    /// Prints the worst and the median.
    #[expect(clippy::print_stdout, reason = "a measurement, shown by the test runner on demand")]
    pub fn report(mut self, attack: &str) {
        self.took.sort();
        let (median, worst) = (self.took[self.took.len() / 2], self.took[self.took.len() - 1]);
        println!("{attack}: another client's `status` took {median:?} (median) and {worst:?} (worst)");
    }
}

/// Checks that the daemon is idle again: CPU time over one second, at most a twentieth.
#[track_caller]
pub fn idle_again(pid: u32) {
    let cpu = || crate::procfs::cpu(pid).expect("a running daemon");
    crate::wait::until_within("the daemon to be idle again", Duration::from_secs(30), || {
        let before = cpu();
        crate::wait::pass(Duration::from_secs(1));
        (cpu().saturating_sub(before) <= Duration::from_millis(50)).then_some(())
    });
}
