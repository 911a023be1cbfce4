//! The traffic trap: a proxy on loopback that `HTTPS_PROXY` points to. It connects nowhere and remembers who was asked
//! for, so that a call to a real host fails the test instead of leaving the machine.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// A proxy that refuses and remembers.
#[derive(Debug)]
pub struct NetworkTrap {
    addr: SocketAddr,
    hits: Arc<Mutex<Vec<String>>>,
}

impl NetworkTrap {
    /// Sets the trap.
    pub fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port for the trap");
        let addr = listener.local_addr().expect("the trap's address");
        let hits = Arc::new(Mutex::new(Vec::new()));
        let book = Arc::clone(&hits);
        thread::Builder::new()
            .name("network trap".into())
            .spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    match first_line(&mut stream) {
                        Some(line) if line == CLOSE => return,
                        // Before the answer: whoever has that finds the line here.
                        Some(line) => book.lock().unwrap_or_else(PoisonError::into_inner).push(line),
                        None => {}
                    }
                    refuse(&mut stream);
                }
            })
            .expect("a thread for the trap");
        Self { addr, hits }
    }

    /// What to write into `HTTPS_PROXY`.
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// True where somebody called out since the last [`NetworkTrap::take`].
    pub fn is_sprung(&self) -> bool {
        !self.hits.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// The request lines caught so far, and forgets them: for a test that means to be caught.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.hits.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for NetworkTrap {
    fn drop(&mut self) {
        if let Ok(mut stream) = TcpStream::connect(self.addr) {
            stream.write_all(format!("{CLOSE}\r\n\r\n").as_bytes()).ok();
        }
    }
}

const CLOSE: &str = "CLOSE trap";

/// Reads the head and returns its first line. `None` for a connection that says nothing.
fn first_line(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_384 {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    let line = String::from_utf8_lossy(head.split(|byte| *byte == b'\r').next()?).into_owned();
    (!line.is_empty()).then_some(line)
}

fn refuse(stream: &mut TcpStream) {
    stream.write_all(b"HTTP/1.1 403 Trapped\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
}
