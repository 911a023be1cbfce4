//! The one list of services, one file per noun.

mod account;
mod activity;
mod asking;
mod auth;
mod billing;
mod budgets;
mod byok;
mod completion;
mod console;
mod daemon;
mod doctor;
mod environment;
mod everyday;
mod explain;
mod following;
mod keys;
mod leases;
mod logs;
mod members;
mod namespaces;
mod node;
mod node_call;
mod oauth_clients;
mod operator_keys;
mod people;
mod policies;
mod presets;
mod sessions;
mod usage;

use bitrouter_proto::{
    codes::Reason,
    wire::{
        DESCRIPTORS, activity_service_server::ActivityServiceServer, auth_service_server::AuthServiceServer,
        billing_service_server::BillingServiceServer, budget_service_server::BudgetServiceServer,
        byok_service_server::ByokServiceServer, completion_service_server::CompletionServiceServer,
        console_service_server::ConsoleServiceServer, daemon_service_server::DaemonServiceServer,
        doctor_service_server::DoctorServiceServer, environment_service_server::EnvironmentServiceServer,
        everyday_service_server::EverydayServiceServer, explain_service_server::ExplainServiceServer,
        key_service_server::KeyServiceServer, lease_service_server::LeaseServiceServer,
        log_service_server::LogServiceServer, member_service_server::MemberServiceServer,
        namespace_service_server::NamespaceServiceServer, node_service_server::NodeServiceServer,
        oauth_client_service_server::OauthClientServiceServer, operator_key_service_server::OperatorKeyServiceServer,
        person_service_server::PersonServiceServer, policy_service_server::PolicyServiceServer,
        preset_service_server::PresetServiceServer, session_service_server::SessionServiceServer,
        usage_service_server::UsageServiceServer,
    },
};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use tonic_health::{pb::health_server::HealthServer, server::HealthService};

use super::error;
use crate::{agent::Agent, control_peer::ControlPeer};

/// Bytes of one message; a larger one answers `RESOURCE_EXHAUSTED`.
const MESSAGE_LIMIT: usize = 4 * 1024 * 1024;

/// Every service, with health and reflection.
///
/// # Errors
/// When the embedded descriptors do not decode, which the build makes impossible.
pub(super) async fn all(
    agent: &Agent,
    closing: &CancellationToken,
) -> Result<axum::Router, tonic_reflection::server::Error> {
    let reporter = tonic_health::server::HealthReporter::new();
    // The services serve as long as anything answers here at all.
    reporter.set_serving::<DaemonServiceServer<daemon::Service>>().await;
    reporter.set_serving::<EnvironmentServiceServer<environment::Service>>().await;
    reporter.set_serving::<LogServiceServer<logs::Service>>().await;
    reporter.set_serving::<NamespaceServiceServer<namespaces::Service>>().await;
    reporter.set_serving::<PersonServiceServer<people::Service>>().await;
    reporter.set_serving::<ConsoleServiceServer<console::Service>>().await;
    reporter.set_serving::<AuthServiceServer<auth::Service>>().await;
    reporter.set_serving::<UsageServiceServer<usage::Service>>().await;
    reporter.set_serving::<BillingServiceServer<billing::Service>>().await;
    reporter.set_serving::<NodeServiceServer<node::Service>>().await;
    reporter.set_serving::<KeyServiceServer<keys::Service>>().await;
    reporter.set_serving::<LeaseServiceServer<leases::Service>>().await;
    reporter.set_serving::<OperatorKeyServiceServer<operator_keys::Service>>().await;
    reporter.set_serving::<PolicyServiceServer<policies::Service>>().await;
    reporter.set_serving::<BudgetServiceServer<budgets::Service>>().await;
    reporter.set_serving::<ByokServiceServer<byok::Service>>().await;
    reporter.set_serving::<PresetServiceServer<presets::Service>>().await;
    reporter.set_serving::<SessionServiceServer<sessions::Service>>().await;
    reporter.set_serving::<OauthClientServiceServer<oauth_clients::Service>>().await;
    reporter.set_serving::<MemberServiceServer<members::Service>>().await;
    reporter.set_serving::<CompletionServiceServer<completion::Service>>().await;
    reporter.set_serving::<ExplainServiceServer<explain::Service>>().await;
    reporter.set_serving::<EverydayServiceServer<everyday::Service>>().await;
    reporter.set_serving::<DoctorServiceServer<doctor::Service>>().await;
    reporter.set_serving::<ActivityServiceServer<activity::Service>>().await;
    let health = HealthServer::new(HealthService::from_health_reporter(reporter));
    let v1 = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let v1alpha = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1alpha()?;
    let daemon = daemon::Service::new(agent, closing.clone());
    let environment = environment::Service::new(agent);
    let logs = logs::Service::new(agent.log.clone());
    let account = account::Account::new(agent.account.clone());
    let auth = auth::Service::new(account.clone(), agent.phase.draining().clone());
    let asking = asking::Asking::new(agent.node.clone(), account.clone());
    let namespaces = namespaces::Service::new(agent.node.clone(), account);
    let usage = usage::Service::new(asking.clone(), closing.clone());
    let billing = billing::Service::new(asking.clone());
    let keys = keys::Service::new(asking.clone());
    let leases = leases::Service::new(agent, closing.clone());
    let operator_keys = operator_keys::Service::new(agent.node.clone());
    let policies = policies::Service::new(asking.clone());
    let budgets = budgets::Service::new(asking.clone());
    let presets = presets::Service::new(asking.clone());
    let sessions = sessions::Service::new(asking.clone());
    let oauth_clients = oauth_clients::Service::new(asking.clone());
    let members = members::Service::new(agent.node.clone());
    let byok = byok::Service::new(asking.clone());
    let completion = completion::Service::new(asking.clone(), std::sync::Arc::clone(&agent.gateway));
    let explain = explain::Service::new(agent);
    let everyday = everyday::Service::new(asking.clone(), agent.credentials.clone(), agent.status.http().to_owned());
    let doctor = doctor::Service::new(std::sync::Arc::clone(&agent.gateway));
    let activity = activity::Service::new(agent.activity.clone(), closing.clone());
    let node = node::Service::new(asking);
    let people = people::Service::new(agent.node.clone());
    let console = console::Service::new(agent.node.clone(), agent.health.clone(), agent.status.http().to_owned());
    Ok(tonic::service::Routes::new(DaemonServiceServer::new(daemon).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(EnvironmentServiceServer::new(environment).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(LogServiceServer::new(logs).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(NamespaceServiceServer::new(namespaces).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PersonServiceServer::new(people).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ConsoleServiceServer::new(console).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(AuthServiceServer::new(auth).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(UsageServiceServer::new(usage).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(BillingServiceServer::new(billing).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(NodeServiceServer::new(node).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(KeyServiceServer::new(keys).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(LeaseServiceServer::new(leases).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(OperatorKeyServiceServer::new(operator_keys).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PolicyServiceServer::new(policies).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(BudgetServiceServer::new(budgets).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ByokServiceServer::new(byok).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(PresetServiceServer::new(presets).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(SessionServiceServer::new(sessions).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(OauthClientServiceServer::new(oauth_clients).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(MemberServiceServer::new(members).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(CompletionServiceServer::new(completion).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ExplainServiceServer::new(explain).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(EverydayServiceServer::new(everyday).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(DoctorServiceServer::new(doctor).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(ActivityServiceServer::new(activity).max_decoding_message_size(MESSAGE_LIMIT))
        .add_service(health)
        .add_service(v1)
        .add_service(v1alpha)
        .prepare()
        .into_axum_router())
}

/// Who calls, as the accept loop put it there.
fn peer_of<T>(request: &Request<T>) -> Result<ControlPeer, Status> {
    request
        .extensions()
        .get::<ControlPeer>()
        .copied()
        .ok_or_else(|| error::status(Reason::Internal, "the peer of this connection is not known", None))
}
