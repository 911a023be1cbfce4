//! Closed sets that clients build on: exit codes, reasons of the control API, codes of inference errors.

use http::StatusCode;

/// Exit codes of `bitrouter` (documented in `docs/codes.md`, generated from [`exit::ALL`]).
pub mod exit {
    /// It worked.
    pub const OK: u8 = 0;
    /// The caller's mistake: a bad argument, a bad configuration, a port that is taken, nobody is signed in. `status`: stopped.
    pub const CALLER: u8 = 1;
    /// The network or the daemon cannot be reached. `status`: unresponsive.
    pub const UNREACHABLE: u8 = 2;
    /// The server's failure, a sign-in that came to nothing, or a daemon that crashed at start.
    pub const FAILURE: u8 = 3;
    /// Interrupted by the user.
    pub const INTERRUPTED: u8 = 130;
    /// `exec`: its command is there, and cannot be executed.
    pub const NOT_EXECUTABLE: u8 = 126;
    /// `exec`: there is no such command.
    pub const NOT_FOUND: u8 = 127;
    /// `exec`: what is added to the number of the signal that ended its command.
    pub const BY_SIGNAL: u8 = 128;

    /// Every code with its meaning.
    pub const ALL: &[(u8, &str)] = &[
        (OK, "It worked. `status`: running."),
        (
            CALLER,
            "The caller's mistake: a bad argument, a bad configuration, a port that is taken, nobody is signed in, a \
             server that refuses (4xx). `status`: stopped.",
        ),
        (UNREACHABLE, "The daemon or the network cannot be reached. `status`: unresponsive."),
        (
            FAILURE,
            "The server's failure (5xx), a sign-in that was denied or whose code expired, or a daemon that crashed at start.",
        ),
        (NOT_EXECUTABLE, "`exec`: its command cannot be executed."),
        (NOT_FOUND, "`exec`: there is no such command."),
        (INTERRUPTED, "Interrupted by the user."),
    ];
}

macro_rules! closed {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)* }
        impl $name {
            /// Every member.
            pub const ALL: &[$name] = &[$($name::$variant,)*];
            /// The member as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
            /// The member with this wire text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)* _ => None }
            }
        }
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { f.write_str(self.as_str()) }
        }
    };
}

/// The domain of every `ErrorInfo` of the control API.
pub const DOMAIN: &str = "bitrouter";

closed! {
    /// Why the control API refused: `ErrorInfo.reason`.
    Reason {
        /// The client speaks another protocol number.
        VersionMismatch = "VERSION_MISMATCH",
        /// This peer may not call this method.
        PeerNotAllowed = "PEER_NOT_ALLOWED",
        /// The configuration, the registry or an env file was refused; nothing changed.
        ConfigInvalid = "CONFIG_INVALID",
        /// The change needs a restart; nothing changed.
        RestartNeeded = "RESTART_NEEDED",
        /// An argument of the call is wrong.
        InvalidArgument = "INVALID_ARGUMENT",
        /// There is no such thing.
        NotFound = "NOT_FOUND",
        /// It cannot be done as things are: a name is taken, or what should go has to stay.
        Conflict = "CONFLICT",
        /// There are as many as there may be.
        LimitReached = "LIMIT_REACHED",
        /// The node is off; the message says why.
        NodeOff = "NODE_OFF",
        /// Nobody is signed in to an account.
        NotSignedIn = "NOT_SIGNED_IN",
        /// The account's session has ended; only signing in again helps.
        SessionEnded = "SESSION_ENDED",
        /// The account's server refused (4xx): `status`, `field` and `request_id` are what it said.
        ServerRefused = "SERVER_REFUSED",
        /// The account's server cannot be reached.
        ServerUnreachable = "SERVER_UNREACHABLE",
        /// The account's server failed (5xx), or a sign-in did: denied, or its code expired.
        ServerFailed = "SERVER_FAILED",
        /// The message is larger than the limit.
        MessageTooLarge = "MESSAGE_TOO_LARGE",
        /// The daemon is ending.
        Draining = "DRAINING",
        /// The method exists in no version that this daemon knows.
        Unimplemented = "UNIMPLEMENTED",
        /// The daemon failed; its log says more.
        Internal = "INTERNAL",
    }
}

impl Reason {
    /// The gRPC code that goes with the reason.
    pub fn code(self) -> tonic::Code {
        match self {
            Self::VersionMismatch | Self::RestartNeeded | Self::ConfigInvalid | Self::Conflict => {
                tonic::Code::FailedPrecondition
            }
            Self::NotFound => tonic::Code::NotFound,
            Self::PeerNotAllowed => tonic::Code::PermissionDenied,
            Self::NotSignedIn | Self::SessionEnded => tonic::Code::Unauthenticated,
            Self::ServerRefused => tonic::Code::FailedPrecondition,
            Self::ServerFailed => tonic::Code::Aborted,
            Self::InvalidArgument => tonic::Code::InvalidArgument,
            Self::MessageTooLarge | Self::LimitReached => tonic::Code::ResourceExhausted,
            Self::Draining | Self::NodeOff | Self::ServerUnreachable => tonic::Code::Unavailable,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
        }
    }

    /// The exit code of a command that met this reason.
    pub fn exit(self) -> u8 {
        match self {
            Self::VersionMismatch
            | Self::PeerNotAllowed
            | Self::ConfigInvalid
            | Self::RestartNeeded
            | Self::InvalidArgument
            | Self::NotFound
            | Self::Conflict
            | Self::LimitReached
            | Self::NotSignedIn
            | Self::SessionEnded
            | Self::ServerRefused
            | Self::MessageTooLarge => exit::CALLER,
            Self::Draining | Self::ServerUnreachable => exit::UNREACHABLE,
            Self::NodeOff | Self::ServerFailed | Self::Unimplemented | Self::Internal => exit::FAILURE,
        }
    }
}

closed! {
    /// What `doctor` looks at: `checks[].code`. Besides, each warning of the daemon is a check, under its own code.
    CheckCode {
        /// `HOME` and the XDG variables name a place for everything.
        Home = "home",
        /// The program that `PATH` leads to is the one that looks.
        Program = "program",
        /// A daemon runs and answers.
        Daemon = "daemon",
        /// It is of the same release as the client.
        DaemonVersion = "daemon_version",
        /// The file that it was executed from is still the one that stands there.
        DaemonProgram = "daemon_program",
        /// The control socket and its directory are ours alone, and its path is short enough.
        ControlSocket = "control_socket",
        /// The directories of data, state and configuration are ours, and nobody else can write there.
        Directories = "directories",
        /// The port is the daemon's; where none runs, it is free.
        Port = "port",
        /// Settings, manifests and env files can be read as a start would.
        Settings = "settings",
        /// Providers have keys.
        Keys = "keys",
        /// Nothing stands where a key should that can be none.
        KeysIgnored = "keys_ignored",
        /// The daemon uses the keys of this shell.
        ShellKeys = "shell_keys",
        /// The credential file can be used, or there is none.
        Credential = "credential",
        /// The account's session goes on, or nobody is signed in.
        Session = "session",
        /// The clock is not set to a time that cannot be.
        Clock = "clock",
        /// The unit of a service manager, where one is enabled, has not failed.
        Unit = "unit",
        /// The node is on, or off because the settings say so.
        Node = "node",
        /// A provider answers and takes its key; one check for each, with `--online` only.
        Provider = "provider",
    }
}

impl CheckCode {
    /// What holds where the check is passed, as the reference page says it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Home => "`HOME` and the XDG variables name a place for everything.",
            Self::Program => "`PATH` leads to the program that looks.",
            Self::Daemon => "A daemon runs and answers.",
            Self::DaemonVersion => "It is of the same release as the client.",
            Self::DaemonProgram => "The file that it was executed from is still the one that stands there.",
            Self::ControlSocket => "The control socket and its directory are ours alone, and its path is short enough.",
            Self::Directories => {
                "The directories of data, state and configuration are ours, and nobody else can write there."
            }
            Self::Port => "The port is the daemon's; where none runs, it is free.",
            Self::Settings => "Settings, manifests and env files can be read as a start would read them.",
            Self::Keys => "Providers have keys.",
            Self::KeysIgnored => "Nothing stands where a key should that can be none.",
            Self::ShellKeys => "The daemon uses the keys of this shell.",
            Self::Credential => "The credential file can be used, or there is none.",
            Self::Session => "The account's session goes on, or nobody is signed in.",
            Self::Clock => "The clock is not set to a time that cannot be.",
            Self::Unit => "The unit of a service manager, where one is enabled, has not failed.",
            Self::Node => "The node is on, or off because the settings say so.",
            Self::Provider => "A provider answers and takes its key; one check for each, with `--online` only.",
        }
    }
}

closed! {
    /// `error.code` of a refusal or failure on the inference endpoint.
    InferenceCode {
        /// The body or a parameter is wrong.
        InvalidRequest = "invalid_request",
        /// A content rule of a policy blocks what was sent, or what came back; `policy_id` names the policy.
        ContentBlocked = "content_blocked",
        /// No API key where one is needed.
        ApiKeyRequired = "api_key_required",
        /// The API key is unknown, revoked or expired.
        InvalidApiKey = "invalid_api_key",
        /// The account's session has ended; only signing in again helps.
        SessionEnded = "session_ended",
        /// The provider's key is missing; `variables` names what would supply it.
        ProviderKeyMissing = "provider_key_missing",
        /// The call needs credit, and there is none left.
        InsufficientCredit = "insufficient_credit",
        /// A budget leaves too little for the call; `policy_id` names it.
        BudgetExceeded = "budget_exceeded",
        /// A budget or credit applies, and nobody can say what the call may cost.
        PriceUnknown = "price_unknown",
        /// A rate limit is used up; `policy_id` names it, `Retry-After` says for how long.
        RateLimited = "rate_limited",
        /// A policy keeps the model from being called, or the body chooses another one by itself.
        ModelDenied = "model_denied",
        /// A policy forbids streams.
        StreamingDenied = "streaming_denied",
        /// The call asks for more tokens than a policy allows.
        MaxRequestTokens = "max_request_tokens",
        /// A policy wants the namespace owner's own key for the provider, and there is none.
        ByokRequired = "byok_required",
        /// The namespace owner's own key would pay, and a policy forbids that.
        ByokForbidden = "byok_forbidden",
        /// One policy requires the owner's own keys, another one forbids them.
        ByokConflict = "byok_conflict",
        /// The call asks for more than a rate limit ever allows.
        ExceedsLimit = "exceeds_limit",
        /// `Host` is not ours.
        HostNotAllowed = "host_not_allowed",
        /// A cross-site browser request.
        OriginNotAllowed = "origin_not_allowed",
        /// The process at the other end is not the daemon's user, or cannot be told.
        PeerNotAllowed = "peer_not_allowed",
        /// The credential does not hold the scope that the call needs.
        MissingScope = "missing_scope",
        /// No such path.
        NotFound = "not_found",
        /// No provider serves the model.
        ModelNotFound = "model_not_found",
        /// The path exists, the method does not.
        MethodNotAllowed = "method_not_allowed",
        /// The body is larger than `[server] max_body`.
        BodyTooLarge = "body_too_large",
        /// Not `application/json`, or compressed.
        UnsupportedMediaType = "unsupported_media_type",
        /// A WebSocket try.
        UpgradeRequired = "upgrade_required",
        /// The provider does not speak the caller's protocol.
        ProtocolNotSupported = "protocol_not_supported",
        /// The call came back to the agent that had sent it: a `base_url` leads in a circle.
        LoopDetected = "loop_detected",
        /// The provider answered an error that is not JSON.
        UpstreamError = "upstream_error",
        /// The provider cannot be reached.
        UpstreamUnavailable = "upstream_unavailable",
        /// The provider took longer than a limit of `[timeouts]`.
        UpstreamTimeout = "upstream_timeout",
        /// The provider's reply ended in the middle.
        UpstreamInterrupted = "upstream_interrupted",
        /// It cannot be served now; the daemon is stopping.
        Unavailable = "unavailable",
        /// Our own failure.
        Internal = "internal",
    }
}

impl InferenceCode {
    /// The HTTP status that goes with the code where no provider's status is kept.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest | Self::ContentBlocked | Self::ExceedsLimit => StatusCode::BAD_REQUEST,
            Self::ApiKeyRequired | Self::InvalidApiKey | Self::SessionEnded => StatusCode::UNAUTHORIZED,
            Self::ProviderKeyMissing | Self::InsufficientCredit | Self::BudgetExceeded | Self::PriceUnknown => {
                StatusCode::PAYMENT_REQUIRED
            }
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::HostNotAllowed
            | Self::OriginNotAllowed
            | Self::PeerNotAllowed
            | Self::MissingScope
            | Self::ModelDenied
            | Self::StreamingDenied
            | Self::MaxRequestTokens
            | Self::ByokRequired
            | Self::ByokForbidden
            | Self::ByokConflict => StatusCode::FORBIDDEN,
            Self::NotFound | Self::ModelNotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::UpgradeRequired => StatusCode::UPGRADE_REQUIRED,
            Self::ProtocolNotSupported => StatusCode::NOT_IMPLEMENTED,
            Self::LoopDetected => StatusCode::LOOP_DETECTED,
            Self::UpstreamError | Self::UpstreamUnavailable | Self::UpstreamInterrupted => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_texts_are_unique_and_parse_back() {
        for reason in Reason::ALL {
            assert_eq!(Reason::parse(reason.as_str()), Some(*reason));
            assert_ne!(reason.code(), tonic::Code::Unknown);
        }
        for code in InferenceCode::ALL {
            assert_eq!(InferenceCode::parse(code.as_str()), Some(*code));
            assert!(code.status().as_u16() >= 400);
        }
    }
}
