//! Whose place a scripted provider takes: which paths it has, which settings lead the daemon to it.

use super::{chat, google, messages, responses, script::Script};
use crate::provider::Provider;

/// Who is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Chat completions, responses, completions, embeddings.
    OpenAi,
    /// Messages.
    Anthropic,
    /// Gemini's `generateContent` and its neighbours.
    Google,
}

impl Vendor {
    /// The three of them.
    pub const ALL: [Self; 3] = [Self::OpenAi, Self::Anthropic, Self::Google];

    /// The provider's id in the registry.
    pub fn id(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Google => "google",
        }
    }

    /// The variable that holds its key.
    pub fn variable(self) -> &'static str {
        match self {
            Self::OpenAi => "OPENAI_API_KEY",
            Self::Anthropic => "ANTHROPIC_API_KEY",
            Self::Google => "GOOGLE_API_KEY",
        }
    }

    /// Settings that send the calls for it to `provider`.
    pub fn settings(self, provider: &Provider) -> String {
        let version = if self == Self::Google { "v1beta" } else { "v1" };
        format!("[providers.{}]\nbase_url = \"http://{}/{version}\"\n", self.id(), provider.addr())
    }

    /// Makes `provider` answer as this vendor does.
    pub fn play(self, provider: &Provider, script: &Script) {
        let script = script.clone();
        provider.always(move |request| match self {
            Self::OpenAi if responses::is_for(request) => responses::answer(&script, request),
            Self::OpenAi => chat::answer(&script, request),
            Self::Anthropic => messages::answer(&script, request),
            Self::Google => google::answer(&script, request),
        });
    }
}
