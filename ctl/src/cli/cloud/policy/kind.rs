//! Kinds of policies as they are typed, and as they are written on the wire.

use bitrouter_proto::account::policy::PolicyKind;
use clap::ValueEnum;

/// What a policy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Kind {
    /// How much may be spent in a window
    Budget,
    /// How many requests and tokens there may be in a window
    #[value(alias = "rate_limit")]
    RateLimit,
    /// What may be called, and what may be in it
    Guardrail,
    /// One of each, at most
    Preset,
}

impl Kind {
    /// As it is written on the wire.
    pub(super) fn wire(self) -> PolicyKind {
        match self {
            Self::Budget => PolicyKind::Budget,
            Self::RateLimit => PolicyKind::RateLimit,
            Self::Guardrail => PolicyKind::Guardrail,
            Self::Preset => PolicyKind::Preset,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_limit_is_typed_with_a_dash_and_sent_with_a_line() {
        for (typed, wire) in [
            ("budget", "budget"),
            ("rate-limit", "rate_limit"),
            ("rate_limit", "rate_limit"),
            ("guardrail", "guardrail"),
            ("preset", "preset"),
        ] {
            assert_eq!(Kind::from_str(typed, false).map(|kind| kind.wire().as_str()), Ok(wire));
        }
        assert!(Kind::from_str("quota", false).is_err());
    }
}
