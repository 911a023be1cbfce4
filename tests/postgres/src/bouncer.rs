//! pgbouncer in front of a server.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

use crate::{Server, cluster};

/// What a client's connection is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// A session for as long as it lives.
    Session,
    /// A session for each transaction.
    Transaction,
    /// A session for each statement.
    Statement,
}

/// A pooler. It ends with this.
#[derive(Debug)]
pub struct Bouncer {
    child: Child,
    sockets: PathBuf,
}

/// Its port, which is only the name of its socket.
const PORT: u16 = 6432;

impl Bouncer {
    /// Starts one in front of `server`.
    pub fn start(server: &Server, mode: Mode) -> Self {
        let path = Path::new("/usr/sbin/pgbouncer");
        assert!(path.exists(), "pgbouncer is not installed, and this test needs it: apt-get install pgbouncer");
        let word = match mode {
            Mode::Session => "session",
            Mode::Transaction => "transaction",
            Mode::Statement => "statement",
        };
        let sockets = server.root().join(word);
        cluster::directory(&sockets);
        rustix::fs::chmod(&sockets, rustix::fs::Mode::from_raw_mode(0o755)).unwrap();
        let users = sockets.join("users");
        cluster::replace(&users, "\"ada\" \"\"\n");
        let settings = sockets.join("ini");
        cluster::replace(
            &settings,
            &format!(
                "[databases]\nnode = host={} port=5432\n[pgbouncer]\npool_mode = {word}\nlisten_addr =\n\
                 listen_port = {PORT}\nunix_socket_dir = {}\nunix_socket_mode = 0777\nauth_type = trust\nauth_file = {}\n",
                server.sockets().display(),
                sockets.display(),
                users.display(),
            ),
        );
        let mut command = cluster::as_user(path);
        let child = command.arg(&settings).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let bouncer = Self { child, sockets };
        bouncer.wait();
        bouncer
    }

    fn wait(&self) {
        let socket = self.sockets.join(format!(".s.PGSQL.{PORT}"));
        for _ in 0..600 {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return;
            }
            pause();
        }
        panic!("pgbouncer does not answer");
    }

    /// Where the database is, by way of it.
    pub fn url(&self) -> String {
        cluster::url(&self.sockets, PORT, "node")
    }
}

impl Drop for Bouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[expect(clippy::disallowed_methods, reason = "between two looks, with a bound")]
fn pause() {
    std::thread::sleep(Duration::from_millis(50));
}
