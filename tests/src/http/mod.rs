//! A plain HTTP/1.1 caller. Its socket belongs to whom the test says (the daemon asks the kernel), its requests can be
//! as odd as bytes can be, and it tells a complete answer from one that was cut.

mod answer;
mod body;
mod call;

pub use answer::{Answer, End, Opened};
pub use body::Framing;
pub(crate) use body::{Body, Buffered};
pub use call::Call;

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::{user::User, wait::PATIENCE};

/// Who calls, and where.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    addr: SocketAddr,
    user: User,
    patience: Duration,
}

impl Client {
    /// A caller of `addr` whose sockets belong to `user`.
    pub fn new(addr: SocketAddr, user: User) -> Self {
        Self { addr, user, patience: PATIENCE }
    }

    /// The same caller as somebody else.
    #[must_use]
    pub fn as_user(mut self, user: User) -> Self {
        self.user = user;
        self
    }

    /// The same caller at another address.
    #[must_use]
    pub fn at(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    /// How long one read may take.
    #[must_use]
    pub fn within(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Where it calls.
    pub fn addr(self) -> SocketAddr {
        self.addr
    }

    /// A new connection. The socket belongs to the user before it connects.
    #[track_caller]
    pub fn connect(self) -> TcpStream {
        self.try_connect().unwrap_or_else(|e| panic!("cannot connect to {}: {e}", self.addr))
    }

    /// A new connection, or why there is none.
    pub fn try_connect(self) -> std::io::Result<TcpStream> {
        let family = if self.addr.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
        let fd = rustix::net::socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        if self.user == User::root() {
            // The harness runs as root where it may choose at all.
        } else {
            self.user.own(&fd);
        }
        rustix::net::connect(&fd, &self.addr)?;
        let stream = TcpStream::from(fd);
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.patience))?;
        stream.set_write_timeout(Some(self.patience))?;
        Ok(stream)
    }

    /// A GET.
    pub fn get(self, path: &str) -> Call {
        Call::new(self, "GET", path)
    }

    /// A POST.
    pub fn post(self, path: &str) -> Call {
        Call::new(self, "POST", path)
    }

    /// Any method.
    pub fn request(self, method: &str, path: &str) -> Call {
        Call::new(self, method, path)
    }

    /// A chat completion: the shape most tests send.
    pub fn chat(self, model: &str, text: &str) -> Call {
        let body = serde_json::json!({"model": model, "messages": [{"role": "user", "content": text}]});
        self.post("/v1/chat/completions").json(body.to_string())
    }

    /// A streamed chat completion.
    pub fn chat_stream(self, model: &str, text: &str) -> Call {
        let messages = serde_json::json!([{"role": "user", "content": text}]);
        let body = serde_json::json!({"model": model, "stream": true, "messages": messages});
        self.post("/v1/chat/completions").json(body.to_string())
    }

    /// Sends exactly these bytes and reads one answer to its end.
    #[track_caller]
    pub fn raw(self, bytes: impl AsRef<[u8]>) -> Answer {
        self.raw_opened(bytes).finish()
    }

    /// Sends exactly these bytes and reads the head of the answer.
    #[track_caller]
    pub fn raw_opened(self, bytes: impl AsRef<[u8]>) -> Opened {
        let mut stream = self.connect();
        // An answer may come, and the connection close, before everything was taken.
        stream.write_all(bytes.as_ref()).ok();
        let opened = Opened::read(stream);
        if bytes.as_ref().starts_with(b"HEAD ") { opened.without_body() } else { opened }
    }
}
