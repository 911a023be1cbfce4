//! `daemon.proto`: the status.

use crate::{
    status::{NodeStatus, ProviderStatus, Reloads, SessionStatus, Severity, State, Status, Warning},
    wire,
};

/// Empty on the wire means absent.
pub(super) fn present(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

impl From<wire::StatusResponse> for Status {
    fn from(message: wire::StatusResponse) -> Self {
        let reloads = message.reloads.unwrap_or_default();
        Self {
            state: State::parse(&message.state).unwrap_or(State::Running),
            pid: Some(message.pid),
            version: present(message.version),
            protocol: Some(message.protocol),
            started_at: present(message.started_at),
            uptime_s: Some(message.uptime_s),
            listen: message.listen,
            socket: present(message.socket),
            config: present(message.config),
            providers: message.providers.into_iter().map(Into::into).collect(),
            reloads: Reloads {
                count: reloads.count,
                last_at: present(reloads.last_at),
                last_error: present(reloads.last_error),
            },
            warnings: message.warnings.into_iter().map(Into::into).collect(),
            serve_args: message.serve_args,
            service_managed: message.service_managed,
            pushed_variables: message.pushed_variables,
            log_level: message.log_level,
            node: message.node.map(Into::into).unwrap_or_default(),
            session: message.session.map(Into::into).unwrap_or_default(),
            program: present(message.program),
            program_replaced: message.program_replaced,
        }
    }
}

impl From<Status> for wire::StatusResponse {
    fn from(status: Status) -> Self {
        Self {
            state: status.state.as_str().to_owned(),
            pid: status.pid.unwrap_or_default(),
            version: status.version.unwrap_or_default(),
            protocol: status.protocol.unwrap_or_default(),
            started_at: status.started_at.unwrap_or_default(),
            uptime_s: status.uptime_s.unwrap_or_default(),
            listen: status.listen,
            socket: status.socket.unwrap_or_default(),
            config: status.config.unwrap_or_default(),
            providers: status.providers.into_iter().map(Into::into).collect(),
            reloads: Some(wire::Reloads {
                count: status.reloads.count,
                last_at: status.reloads.last_at.unwrap_or_default(),
                last_error: status.reloads.last_error.unwrap_or_default(),
            }),
            warnings: status.warnings.into_iter().map(Into::into).collect(),
            serve_args: status.serve_args,
            service_managed: status.service_managed,
            pushed_variables: status.pushed_variables,
            log_level: status.log_level,
            node: Some(status.node.into()),
            session: Some(status.session.into()),
            program: status.program.unwrap_or_default(),
            program_replaced: status.program_replaced,
        }
    }
}

impl From<wire::Session> for SessionStatus {
    fn from(message: wire::Session) -> Self {
        Self {
            state: message.state,
            issuer: present(message.issuer),
            namespace_id: present(message.namespace_id),
            expires_at: present(message.expires_at),
            reason: present(message.reason),
            command: present(message.command),
        }
    }
}

impl From<SessionStatus> for wire::Session {
    fn from(session: SessionStatus) -> Self {
        Self {
            state: session.state,
            issuer: session.issuer.unwrap_or_default(),
            namespace_id: session.namespace_id.unwrap_or_default(),
            expires_at: session.expires_at.unwrap_or_default(),
            reason: session.reason.unwrap_or_default(),
            command: session.command.unwrap_or_default(),
        }
    }
}

impl From<wire::NodeStatus> for NodeStatus {
    fn from(message: wire::NodeStatus) -> Self {
        Self { state: message.state, database: present(message.database), detail: message.detail }
    }
}

impl From<NodeStatus> for wire::NodeStatus {
    fn from(node: NodeStatus) -> Self {
        Self { state: node.state, database: node.database.unwrap_or_default(), detail: node.detail }
    }
}

impl From<wire::ProviderStatus> for ProviderStatus {
    fn from(message: wire::ProviderStatus) -> Self {
        Self {
            id: message.id,
            active: message.active,
            key_source: present(message.key_source),
            variable: present(message.variable),
            key_suffix: present(message.key_suffix),
            detail: message.detail,
            source: message.source,
        }
    }
}

impl From<ProviderStatus> for wire::ProviderStatus {
    fn from(provider: ProviderStatus) -> Self {
        Self {
            id: provider.id,
            active: provider.active,
            key_source: provider.key_source.unwrap_or_default(),
            variable: provider.variable.unwrap_or_default(),
            key_suffix: provider.key_suffix.unwrap_or_default(),
            detail: provider.detail,
            source: provider.source,
        }
    }
}

impl From<wire::Warning> for Warning {
    fn from(message: wire::Warning) -> Self {
        Self {
            code: message.code,
            severity: Severity::parse(&message.severity),
            message: message.message,
            since: message.since,
            command: present(message.command),
        }
    }
}

impl From<Warning> for wire::Warning {
    fn from(warning: Warning) -> Self {
        Self {
            code: warning.code,
            severity: warning.severity.as_str().to_owned(),
            message: warning.message,
            since: warning.since,
            command: warning.command.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_survives_the_wire() {
        let mut status = Status::silent(State::Draining);
        status.pid = Some(7);
        status.protocol = Some(1);
        status.uptime_s = Some(3);
        status.version = Some("1.2.3".to_owned());
        status.node =
            NodeStatus { state: "on".to_owned(), database: Some("sqlite".to_owned()), detail: "d".to_owned() };
        status.listen = vec!["127.0.0.1:4356".to_owned()];
        status.reloads.last_error = Some("bad".to_owned());
        status.providers.push(ProviderStatus {
            id: "openai".to_owned(),
            active: true,
            key_source: Some("pushed".to_owned()),
            variable: Some("OPENAI_API_KEY".to_owned()),
            key_suffix: Some("wxyz".to_owned()),
            detail: "from this".to_owned(),
            source: "this".to_owned(),
        });
        status.warnings.push(Warning {
            code: "c".to_owned(),
            severity: Severity::Error,
            message: "m".to_owned(),
            since: "s".to_owned(),
            command: None,
        });
        let there: wire::StatusResponse = status.clone().into();
        assert_eq!(Status::from(there), status);
    }
}
