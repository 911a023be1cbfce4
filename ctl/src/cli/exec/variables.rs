//! What the command finds in its environment: the daemon and its key for each SDK, and nothing else that leads to a provider.

use std::{collections::BTreeSet, net::IpAddr};

use bitrouter_proto::{env::Environment, key_variable};
use secrecy::SecretString;

/// Programs that speak over these would send what goes to this machine to a proxy.
const PROXIES: [&str; 3] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"];
/// What no proxy is asked for.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "localhost", "::1"];

/// What begins so is read by an SDK of that name: keys, addresses, organisations, headers that it adds.
const FAMILIES: &[&str] = &[
    "OPENAI_",
    "ANTHROPIC_",
    "GEMINI_",
    "GOOGLE_GENAI_",
    "GOOGLE_GEMINI_",
    // The OpenAI SDKs for Azure, and litellm's and LangChain's names for the same.
    "AZURE_OPENAI_",
    "AZURE_API_",
    "AZURE_AI_",
    // Amazon Bedrock and Vertex AI, as Claude Code and litellm know them.
    "BEDROCK_",
    "VERTEXAI_",
    "VERTEX_",
    "GOOGLE_VERTEX_",
    "LITELLM_",
    // The Copilot agent's own choice of a provider.
    "COPILOT_PROVIDER_",
];

/// What begins so is read by an agent or an SDK, and leads to a provider where it ends as a key or an address does; the rest of
/// it is settings that stay.
const PREFIXES: &[&str] = &[
    // Agents and tools.
    "AIDER_",
    "AI_GATEWAY_",
    "CLAUDE_API_",
    "CLAUDE_CODE_API_",
    "CODEX_",
    "CURSOR_",
    "FACTORY_",
    "GOOSE_",
    "LLM_",
    "OPENCODE_",
    "VERCEL_AI_GATEWAY_",
    // Providers that no manifest of ours may list.
    "AI21_",
    "ALEPH_ALPHA_",
    "ANYSCALE_",
    "ARK_",
    "BASETEN_",
    "CEREBRAS_",
    "CHUTES_",
    "COHERE_",
    "CO_API_",
    "DASHSCOPE_",
    "DEEPINFRA_",
    "DEEPSEEK_",
    "FIREWORKS_",
    "FIREWORKS_AI_",
    "FRIENDLI_",
    "GROK_",
    "GROQ_",
    "HELICONE_",
    "HYPERBOLIC_",
    "INFERENCE_",
    "JINA_",
    "KIMI_",
    "LAMBDA_API_",
    "LONGCAT_",
    "MINIMAX_",
    "MISTRAL_",
    "MODELSCOPE_",
    "MOONSHOT_",
    "NEBIUS_",
    "NOVITA_",
    "NVIDIA_API_",
    "NVIDIA_NIM_",
    "OPENROUTER_",
    "PALM_",
    "PERPLEXITYAI_",
    "PERPLEXITY_",
    "PORTKEY_",
    "PPIO_",
    "QIANFAN_",
    "QWEN_",
    "REPLICATE_",
    "REQUESTY_",
    "SAMBANOVA_",
    "SILICONFLOW_",
    "STEPFUN_",
    "TOGETHERAI_",
    "TOGETHER_",
    "UNBOUND_",
    "VENICE_",
    "VOLCENGINE_API_",
    "VOYAGE_",
    "WATSONX_",
    "XAI_",
    "XIAOMI_",
    "ZAI_",
    "ZHIPUAI_",
    "ZHIPU_",
    "Z_AI_",
    // Servers of this machine.
    "HOSTED_VLLM_",
    "LLAMA_API_",
    "LLAMA_CPP_",
    "LMSTUDIO_",
    "LM_STUDIO_",
    "OLLAMA_",
    "VLLM_API_",
];

/// How a variable ends that holds a key or an address.
const LEADING: &[&str] =
    &["KEY", "KEYS", "APIKEY", "TOKEN", "OIDC_TOKEN", "BASE", "BASE_URL", "URL", "URI", "API_HOST", "ENDPOINT"];

/// Of a family, what chooses among models or writes a log, and leads nowhere.
const HARMLESS: &[&str] = &["MODEL", "LOG"];

/// What else is read by an SDK or an agent, one by one.
const OTHERS: &[&str] = &[
    // Google's SDKs: it beats `GEMINI_API_KEY`.
    "GOOGLE_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY",
    "GOOGLE_AI_API_KEY",
    // Codex and Claude Code: a sign-in of their own, a key by another name, another provider.
    "CODEX_API_KEY",
    "CODEX_ACCESS_TOKEN",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CODE_USE_BEDROCK",
    "CLAUDE_CODE_USE_VERTEX",
    "CLAUDE_CODE_USE_FOUNDRY",
    "CLAUDE_CODE_USE_MANTLE",
    "CLAUDE_CODE_SKIP_BEDROCK_AUTH",
    "CLAUDE_CODE_SKIP_VERTEX_AUTH",
    "CLAUDE_CODE_SKIP_FOUNDRY_AUTH",
    // Bedrock's keys for models alone.
    "AWS_BEARER_TOKEN_BEDROCK",
    // Sets variables by itself.
    "AIDER_SET_ENV",
    // A token that is for models alone, unlike `GITHUB_TOKEN`.
    "COPILOT_GITHUB_TOKEN",
    // Hugging Face's, which its router takes for models.
    "HF_TOKEN",
    "HUGGINGFACEHUB_API_TOKEN",
    "HUGGINGFACE_API_KEY",
    "HUGGING_FACE_HUB_TOKEN",
    "OLLAMA_HOST",
    "VERCEL_OIDC_TOKEN",
    // Our own: another key than the run's, and the server it is for.
    "BITROUTER_API_KEY",
    "BITROUTER_API_URL",
    "TOKENROUTE_API_KEY",
    "TOKENROUTE_API_URL",
];

/// How the variables that give a provider's address, or its key by another name, end behind what the name of its key begins with.
const ADDRESSES: [&str; 7] = ["_BASE_URL", "_API_BASE", "_API_URL", "_API_HOST", "_API_ENDPOINT", "_ENDPOINT", "_KEY"];

/// How the environment of the command differs from ours.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) removed: BTreeSet<String>,
    pub(super) set: Vec<(&'static str, SecretString)>,
}

/// What is changed of `environment` for a command that has `key`, which opens something at `address` (no version segment).
/// `known`: the names that providers' keys have, as the daemon knows them.
pub(super) fn changes(environment: &Environment, known: &[String], address: &str, key: &SecretString) -> Changes {
    let address = address.trim_end_matches('/');
    let own = |text: &str| SecretString::from(text.to_owned());
    let mut set = vec![
        ("OPENAI_API_KEY", key.clone()),
        ("OPENAI_BASE_URL", own(&format!("{address}/v1"))),
        ("ANTHROPIC_API_KEY", key.clone()),
        ("ANTHROPIC_BASE_URL", own(address)),
        ("GEMINI_API_KEY", key.clone()),
        ("GOOGLE_GEMINI_BASE_URL", own(address)),
    ];
    let addresses: BTreeSet<String> = known
        .iter()
        .filter_map(|name| name.strip_suffix("_API_KEY"))
        .flat_map(|provider| ADDRESSES.map(|end| format!("{provider}{end}")))
        .collect();
    let leads_elsewhere = |name: &&str| {
        // Some programs read either case.
        let name = name.to_ascii_uppercase();
        is_of_an_sdk(&name) || addresses.contains(&name) || known.iter().any(|known| known.eq_ignore_ascii_case(&name))
    };
    let removed = environment.names().filter(leads_elsewhere).map(str::to_owned).collect();
    if let Some(host) = host_here(address)
        && PROXIES.iter().any(|name| environment.either_case(name).is_some())
    {
        let others = environment.either_case("NO_PROXY").unwrap_or_default();
        let direct = own(&with_loopback(others, host));
        set.extend([("NO_PROXY", direct.clone()), ("no_proxy", direct)]);
    }
    Changes { removed, set }
}

/// True for what an SDK or an agent reads, whatever providers the daemon knows.
fn is_of_an_sdk(name: &str) -> bool {
    let of_a_family = FAMILIES.iter().any(|family| name.starts_with(family));
    let is_harmless = name.split('_').any(|word| HARMLESS.contains(&word));
    of_a_family && !is_harmless || leads(name) || OTHERS.contains(&name) || key_variable::id_in(name).is_some()
}

/// True for what begins as an agent's or a provider's variable and ends as a key or an address.
fn leads(name: &str) -> bool {
    let ends = |prefix: &&str| {
        let rest = name.strip_prefix(*prefix)?;
        LEADING.iter().find(|end| rest.strip_suffix(**end).is_some_and(|lead| lead.is_empty() || lead.ends_with('_')))
    };
    PREFIXES.iter().any(|prefix| ends(prefix).is_some())
}

/// The host of an address of this machine, as it stands in `NO_PROXY`.
fn host_here(address: &str) -> Option<&str> {
    let (host, _) = address.strip_prefix("http://")?.rsplit_once(':')?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    is_here.then_some(bare)
}

/// `others`, and this machine, each once; with `host`, by which it is reached.
fn with_loopback(others: &str, host: &str) -> String {
    let mut all: Vec<&str> = others.split(',').map(str::trim).filter(|host| !host.is_empty()).collect();
    for host in LOOPBACK.into_iter().chain([host]) {
        if !all.contains(&host) {
            all.push(host);
        }
    }
    all.join(",")
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn of(variables: &[(&str, &str)], address: &str) -> (Vec<String>, Vec<(&'static str, String)>) {
        let environment: Environment = variables.iter().copied().collect();
        let known = ["GROQ_API_KEY", "BITROUTER_GROQ_API_KEY", "ACME_KEY"].map(str::to_owned);
        let changes = changes(&environment, &known, address, &"brk_k".into());
        let set = changes.set.into_iter().map(|(name, value)| (name, value.expose_secret().to_owned()));
        (changes.removed.into_iter().collect(), set.collect())
    }

    #[test]
    fn each_sdk_has_the_base_that_it_wants() {
        let (removed, set) = of(&[("PATH", "/bin")], "http://127.0.0.1:4356/");
        assert!(removed.is_empty());
        let expected = [
            ("OPENAI_API_KEY", "brk_k"),
            ("OPENAI_BASE_URL", "http://127.0.0.1:4356/v1"),
            ("ANTHROPIC_API_KEY", "brk_k"),
            ("ANTHROPIC_BASE_URL", "http://127.0.0.1:4356"),
            ("GEMINI_API_KEY", "brk_k"),
            ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:4356"),
        ];
        assert_eq!(set, expected.map(|(name, value)| (name, value.to_owned())));
    }

    #[test]
    fn what_leads_to_a_provider_is_taken_away_and_nothing_else_is() {
        let gone = [
            "ACME_KEY",
            "ANTHROPIC_AUTH_TOKEN",
            "AZURE_OPENAI_ENDPOINT",
            "BITROUTER_API_KEY",
            "BITROUTER_ACME_API_KEY",
            "BITROUTER_GROQ_API_KEY",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "GOOGLE_API_KEY",
            "GOOGLE_GENAI_USE_VERTEXAI",
            "GROQ_API_KEY",
            "GROQ_BASE_URL",
            "OPENAI_API_BASE",
            "OPENAI_ORG_ID",
            "TOKENROUTE_API_KEY",
        ];
        let stays = [
            "ANTHROPIC_MODEL",
            "AWS_PROFILE",
            "BITROUTER_SOCKET",
            "GITHUB_TOKEN",
            "HOME",
            "OPENAI_LOG",
            "STRIPE_API_KEY",
        ];
        let variables: Vec<(&str, &str)> = gone.iter().chain(&stays).map(|name| (*name, "x")).collect();
        let (removed, _) = of(&variables, "http://127.0.0.1:4356");
        let mut gone = gone.map(str::to_owned);
        gone.sort();
        assert_eq!(removed, gone);
    }

    #[test]
    fn agents_keys_and_addresses_go_by_their_names_and_their_settings_stay() {
        let gone = [
            "AIDER_API_KEY",
            "AIDER_OPENAI_API_BASE",
            "AIDER_OPENAI_API_KEY",
            "AIDER_SET_ENV",
            "AI_GATEWAY_API_KEY",
            "AI_GATEWAY_BASE_URL",
            "ARK_API_KEY",
            "CHUTES_API_KEY",
            "CLAUDE_API_KEY",
            "CLAUDE_CODE_API_BASE_URL",
            "COHERE_API_KEY",
            "COPILOT_GITHUB_TOKEN",
            "COPILOT_PROVIDER_BASE_URL",
            "COPILOT_PROVIDER_TYPE",
            "CO_API_URL",
            "CURSOR_API_KEY",
            "DEEPINFRA_API_TOKEN",
            "GOOGLE_VERTEX_API_KEY",
            "GOOGLE_VERTEX_BASE_URL",
            "GROQ_KEY",
            "KIMI_API_KEY",
            "KIMI_BASE_URL",
            "LLM_ANTHROPIC_KEY",
            "LLM_BASE_URL",
            "LMSTUDIO_API_KEY",
            "LM_STUDIO_API_BASE",
            "OLLAMA_BASE_URL",
            "OLLAMA_HOST",
            "OPENROUTER_KEY",
            "PALM_API_KEY",
            "VERCEL_AI_GATEWAY_API_KEY",
            "VERCEL_OIDC_TOKEN",
            "VLLM_API_KEY",
            "WATSONX_APIKEY",
            "ZHIPUAI_API_KEY",
            "ZHIPU_API_KEY",
            "Z_AI_API_KEY",
            "acme_key",
            "groq_base_url",
            "openai_api_key",
        ];
        let stays = [
            "AIDER_DARK_MODE",
            "AIDER_MODEL",
            "ANTHROPIC_SMALL_FAST_MODEL",
            "AZURE_TENANT_ID",
            "CURSOR_TRACE_ID",
            "GH_TOKEN",
            "LLM_MODEL",
            "LLM_USER_PATH",
            "NVIDIA_VISIBLE_DEVICES",
            "OLLAMA_MODELS",
            "OPENCODE_CONFIG",
        ];
        let variables: Vec<(&str, &str)> = gone.iter().chain(&stays).map(|name| (*name, "x")).collect();
        let (removed, _) = of(&variables, "http://127.0.0.1:4356");
        assert_eq!(removed, gone.map(str::to_owned));
    }

    #[test]
    fn a_proxy_is_not_asked_for_this_machine() {
        let direct = |variables: &[(&str, &str)], address: &str| {
            let (_, set) = of(variables, address);
            set.into_iter().find(|(name, _)| *name == "NO_PROXY").map(|(_, value)| value)
        };
        let proxy = ("https_proxy", "http://proxy:3128");
        let here = "http://127.0.0.1:4356";
        assert_eq!(direct(&[], here), None);
        assert_eq!(direct(&[proxy], here).as_deref(), Some("127.0.0.1,localhost,::1"));
        let some = [proxy, ("NO_PROXY", "corp.example, localhost")];
        assert_eq!(direct(&some, here).as_deref(), Some("corp.example,localhost,127.0.0.1,::1"));
        let other = direct(&[proxy], "http://127.0.0.2:4356");
        assert_eq!(other.as_deref(), Some("127.0.0.1,localhost,::1,127.0.0.2"));
        assert_eq!(direct(&[proxy], "http://[::1]:4356").as_deref(), Some("127.0.0.1,localhost,::1"));
        assert_eq!(direct(&[proxy], "https://api.example"), None);
    }

    #[test]
    fn no_value_is_printed() {
        let changes = changes(&Environment::default(), &[], "http://127.0.0.1:1", &"brk_canary".into());
        assert!(!format!("{changes:?}").contains("canary"));
    }
}
