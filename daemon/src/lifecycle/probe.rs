//! Asks ourselves, as a client would, whether both sockets answer.

use std::{net::SocketAddr, path::Path, time::Duration};

use bitrouter_proto::client::{Client, ClientError, Located};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// How long one answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The pause before the control socket is asked again.
const AGAIN: Duration = Duration::from_millis(50);

/// True where the control socket answers `Status` and the listener answers `/health`.
pub(super) async fn both_answer(socket: &Path, http: SocketAddr) -> Result<(), String> {
    let control = async {
        let located = Located { path: socket.to_owned(), owner: rustix::process::geteuid().as_raw() };
        loop {
            match Client::open(&located, bitrouter_proto::PROTOCOL).await {
                Ok(_) => return Ok(()),
                // A client gives up well before our own limit; on a machine that is that busy it is asked again.
                Err(ClientError::Unresponsive { .. }) => tokio::time::sleep(AGAIN).await,
                Err(error) => return Err(format!("control socket: {error}")),
            }
        }
    };
    let both = async { tokio::try_join!(control, listener_answers(http)).map(|_| ()) };
    tokio::time::timeout(LIMIT, both).await.unwrap_or_else(|_| Err(late()))
}

/// The same for the listener alone.
pub(super) async fn listener_answers(http: SocketAddr) -> Result<(), String> {
    let answer = tokio::time::timeout(LIMIT, healthy(http)).await.map_err(|_| late())?;
    answer.map_err(|error| format!("listener {http}: {error}"))
}

fn late() -> String {
    "no answer in time".to_owned()
}

async fn healthy(http: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(http).await?;
    // Every listener goes by this name, wherever it is bound.
    let request = format!("GET /health HTTP/1.1\r\nHost: localhost:{}\r\nConnection: close\r\n\r\n", http.port());
    stream.write_all(request.as_bytes()).await?;
    let mut head = [0_u8; 12];
    stream.read_exact(&mut head).await?;
    // What follows is of no interest, but unread bytes would reset the connection under the server's hands.
    tokio::io::copy(&mut stream, &mut tokio::io::sink()).await?;
    if &head == b"HTTP/1.1 200" { Ok(()) } else { Err(std::io::Error::other("`/health` does not answer 200")) }
}
