//! The control API: gRPC over a Unix socket that only its owner (and root) may use.
//!
//! [`accept`] takes connections, asks the kernel who is there, and keeps one bad client from hurting another;
//! [`connection`] serves one; [`unfinished`] bounds what many send and never end; [`handshake`] is the version metadata on every call and the shape of every error;
//! then one file per noun: [`daemon`], [`environment`], [`logs`]. Nothing here decides anything: it asks the
//! [`crate::agent::Agent`].

mod accept;
mod connection;
mod daemon;
mod environment;
mod handshake;
mod logs;
mod refuse;
mod table;
mod unfinished;

pub use accept::{Control, Listener};

use std::sync::Arc;

use bitrouter_proto::wire::{
    DESCRIPTORS, daemon_service_server::DaemonServiceServer, environment_service_server::EnvironmentServiceServer,
    log_service_server::LogServiceServer,
};
use tokio_util::sync::CancellationToken;
use tonic_health::{pb::health_server::HealthServer, server::HealthService};

use crate::agent::Agent;

/// Bytes of one message; a larger one answers `RESOURCE_EXHAUSTED`.
pub const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Who is at the other end of a control connection, as the kernel says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective uid when it connected.
    pub uid: u32,
    /// Its process then; `None` where the kernel cannot say.
    pub pid: Option<u32>,
}

/// Every service, with health and reflection.
///
/// # Errors
/// When the embedded descriptors do not decode, which the build makes impossible.
async fn routes(
    agent: &Arc<Agent>,
    closing: &CancellationToken,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let reporter = tonic_health::server::HealthReporter::new();
    // The services serve as long as anything answers here at all.
    reporter.set_serving::<DaemonServiceServer<daemon::Service>>().await;
    reporter.set_serving::<EnvironmentServiceServer<environment::Service>>().await;
    reporter.set_serving::<LogServiceServer<logs::Service>>().await;
    let health = HealthServer::new(HealthService::from_health_reporter(reporter));
    let v1 = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let v1alpha = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1alpha()?;
    let daemon = daemon::Service::new(Arc::clone(agent), closing.clone());
    let environment = environment::Service::new(Arc::clone(agent));
    let logs = logs::Service::new(Arc::clone(agent));
    Ok(tonic::service::Routes::new(DaemonServiceServer::new(daemon).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(EnvironmentServiceServer::new(environment).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(LogServiceServer::new(logs).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
        .prepare()
        .into_axum_router())
}
