//! The floor of any process between two sockets: copies bytes both ways.

use std::net::SocketAddr;

use bitrouter_proto::tasks::Tasks;
use tokio::net::{TcpListener, TcpStream};

pub(super) async fn run(listener: TcpListener, to: SocketAddr, tasks: Tasks) {
    loop {
        let mut near = super::accept(&listener).await;
        tasks.spawn("relay", async move {
            if let Ok(mut far) = TcpStream::connect(to).await
                && far.set_nodelay(true).is_ok()
            {
                tokio::io::copy_bidirectional(&mut near, &mut far).await.ok();
            }
        });
    }
}
