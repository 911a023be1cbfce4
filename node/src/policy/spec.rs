//! What a policy may say: each kind is read from JSON, and what is wrong with it is named by its path.

use bitrouter_proto::account::{
    MicroUsd, Name, NameError,
    policy::{
        BudgetSpec, ByokRule, ContentAction, ContentPattern, Funding, GuardrailSpec, PolicyKind, PresetSpec,
        RateLimitSpec, Window,
    },
};
use serde_json::Value;

use super::{
    fields::{Fields, Path, SpecError},
    pattern::{Finds, finds},
};

/// The longest window of a rate limit: 30 days, in seconds.
const LONGEST_WINDOW: i64 = 2_592_000;
/// The most content patterns of a policy.
const MOST_PATTERNS: usize = 32;
/// The most models in a list.
const MOST_MODELS: usize = 512;
/// The longest text that a content pattern may find, in bytes: no more of a stream is held back.
const LONGEST_FIND: i64 = 65_536;
/// The longest pattern for models, in bytes: as long as the name of a model may be.
const LONGEST_GLOB: usize = 512;

/// What a policy says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// How much may be spent.
    Budget(BudgetSpec),
    /// How often.
    RateLimit(RateLimitSpec),
    /// What may be called.
    Guardrail(GuardrailSpec),
    /// One of each, at most.
    Preset(PresetSpec),
}

impl Spec {
    /// Reads what stands at `at` of a body.
    ///
    /// # Errors
    /// Names the first member that is missing, unknown or wrong.
    pub fn read(kind: PolicyKind, value: Value, at: Path<'_>) -> Result<Self, SpecError> {
        let fields = Fields::of(value, at)?;
        Ok(match kind {
            PolicyKind::Budget => Self::Budget(budget(fields)?),
            PolicyKind::RateLimit => Self::RateLimit(rate_limit(fields)?),
            PolicyKind::Guardrail => Self::Guardrail(guardrail(fields)?),
            PolicyKind::Preset => Self::Preset(preset(fields, at)?),
        })
    }

    /// Reads what is stored, which was checked when it was written.
    ///
    /// # Errors
    /// Where it was written by something else.
    pub fn stored(kind: PolicyKind, text: &str) -> Result<Self, serde_json::Error> {
        Ok(match kind {
            PolicyKind::Budget => Self::Budget(serde_json::from_str(text)?),
            PolicyKind::RateLimit => Self::RateLimit(serde_json::from_str(text)?),
            PolicyKind::Guardrail => Self::Guardrail(serde_json::from_str(text)?),
            PolicyKind::Preset => Self::Preset(serde_json::from_str(text)?),
        })
    }

    /// The same as JSON: what was not said is not there.
    ///
    /// # Errors
    /// Never for what [`Spec::read`] has made.
    pub fn to_value(&self) -> Result<Value, serde_json::Error> {
        match self {
            Self::Budget(spec) => serde_json::to_value(spec),
            Self::RateLimit(spec) => serde_json::to_value(spec),
            Self::Guardrail(spec) => serde_json::to_value(spec),
            Self::Preset(spec) => serde_json::to_value(spec),
        }
    }

    /// Of which kind the policy is.
    pub fn kind(&self) -> PolicyKind {
        match self {
            Self::Budget(_) => PolicyKind::Budget,
            Self::RateLimit(_) => PolicyKind::RateLimit,
            Self::Guardrail(_) => PolicyKind::Guardrail,
            Self::Preset(_) => PolicyKind::Preset,
        }
    }

    /// Its clauses: a policy of another kind is one.
    pub fn clauses(&self) -> PresetSpec {
        match self.clone() {
            Self::Budget(budget) => PresetSpec { budget: Some(budget), ..PresetSpec::default() },
            Self::RateLimit(rate_limit) => PresetSpec { rate_limit: Some(rate_limit), ..PresetSpec::default() },
            Self::Guardrail(guardrail) => PresetSpec { guardrail: Some(guardrail), ..PresetSpec::default() },
            Self::Preset(preset) => preset,
        }
    }

    /// How many content patterns there are.
    pub fn content_patterns(&self) -> usize {
        self.guardrail().and_then(|guardrail| guardrail.content_patterns.as_ref()).map_or(0, Vec::len)
    }

    /// True where it says that there are no streams.
    pub fn refuses_streams(&self) -> bool {
        self.guardrail().is_some_and(|guardrail| guardrail.allow_streaming == Some(false))
    }

    fn guardrail(&self) -> Option<&GuardrailSpec> {
        match self {
            Self::Guardrail(guardrail) => Some(guardrail),
            Self::Preset(preset) => preset.guardrail.as_ref(),
            Self::Budget(_) | Self::RateLimit(_) => None,
        }
    }
}

fn budget(mut fields: Fields<'_>) -> Result<BudgetSpec, SpecError> {
    let window = fields.word("window", Window::ALL, Window::parse)?;
    let window = window.ok_or_else(|| fields.wrong("window", "is missing"))?;
    let limit_micro_usd = MicroUsd::new(fields.needed_count("limit_micro_usd", i64::MAX)?);
    let funding = fields.word("funding", Funding::ALL, Funding::parse)?;
    fields.end()?;
    Ok(BudgetSpec { window, limit_micro_usd, funding })
}

fn rate_limit(mut fields: Fields<'_>) -> Result<RateLimitSpec, SpecError> {
    let window_secs = fields.needed_count("window_secs", LONGEST_WINDOW)?;
    let max_requests = fields.count("max_requests", i64::MAX)?;
    let max_tokens = fields.count("max_tokens", i64::MAX)?;
    if max_requests.is_none() && max_tokens.is_none() {
        return Err(fields.wrong("max_requests", "or `max_tokens` must be there"));
    }
    fields.end()?;
    Ok(RateLimitSpec { window_secs, max_requests, max_tokens })
}

fn guardrail(mut fields: Fields<'_>) -> Result<GuardrailSpec, SpecError> {
    let model_allow = fields.list("model_allow", MOST_MODELS, glob)?;
    if model_allow.as_ref().is_some_and(Vec::is_empty) {
        return Err(fields.wrong("model_allow", "names no model: leave it out, or disable what is bound to the policy"));
    }
    let spec = GuardrailSpec {
        model_allow,
        model_deny: fields.list("model_deny", MOST_MODELS, glob)?,
        max_request_tokens: fields.count("max_request_tokens", i64::MAX)?,
        allow_streaming: fields.flag("allow_streaming")?,
        byok: fields.word("byok", ByokRule::ALL, ByokRule::parse)?,
        content_patterns: fields.list("content_patterns", MOST_PATTERNS, content_pattern)?,
    };
    fields.end()?;
    Ok(spec)
}

fn preset(mut fields: Fields<'_>, at: Path<'_>) -> Result<PresetSpec, SpecError> {
    let spec = PresetSpec {
        guardrail: fields.object("guardrail", guardrail)?,
        budget: fields.object("budget", budget)?,
        rate_limit: fields.object("rate_limit", rate_limit)?,
    };
    fields.end()?;
    if spec == PresetSpec::default() {
        let message = "needs at least one of `guardrail`, `budget` and `rate_limit`";
        return Err(match at {
            // Of a flat body no member is the one that is wrong.
            Path::Body => SpecError::of_all(format_args!("a preset {message}")),
            _ => SpecError::wrong(&at, message),
        });
    }
    Ok(spec)
}

fn glob(value: Value, at: Path<'_>) -> Result<String, SpecError> {
    match value {
        Value::String(text) if text.len() > LONGEST_GLOB => {
            Err(SpecError::limit(&at, format_args!("has {} bytes, and {LONGEST_GLOB} is the most", text.len())))
        }
        Value::String(text) if !text.is_empty() => Ok(text),
        _ => Err(SpecError::wrong(&at, "must be the name of a model, or a pattern for some")),
    }
}

fn content_pattern(value: Value, at: Path<'_>) -> Result<ContentPattern, SpecError> {
    let mut fields = Fields::of(value, at)?;
    let name = fields.needed_text("name")?;
    let name: Name = name.parse().map_err(|error: NameError| fields.wrong("name", format_args!("is none: {error}")))?;
    let pattern = fields.needed_text("pattern")?;
    let Finds { shortest, longest } = finds(&pattern).map_err(|error| {
        let wrong = fields.wrong("pattern", &error);
        SpecError { is_limit: error.is_limit(), ..wrong }
    })?;
    if longest == Some(0) {
        return Err(fields.wrong("pattern", "finds no text that has a character"));
    }
    let action = fields.word("action", ContentAction::ALL, ContentAction::parse)?;
    let max_length = fields.count("max_length", LONGEST_FIND)?;
    if longest.is_none() && max_length.is_none() {
        let message = "is missing: what `pattern` finds has no longest one, so that the bytes to look at must be told";
        return Err(fields.wrong("max_length", message));
    }
    if let (Some(shortest), Some(most)) = (shortest, max_length)
        && usize::try_from(most).is_ok_and(|most| most < shortest)
    {
        let message = format_args!("is too small: `pattern` finds nothing shorter than {shortest} bytes");
        return Err(fields.wrong("max_length", message));
    }
    fields.end()?;
    Ok(ContentPattern { name: name.as_str().to_owned(), pattern, action, max_length })
}

#[cfg(test)]
mod tests;
