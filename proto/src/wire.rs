//! Generated from `control/v1/*.proto`. Outside this crate only the daemon's services and tests name these types.
#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::large_enum_variant,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    reason = "generated code"
)]

tonic::include_proto!("bitrouter.control.v1");

/// The compiled descriptor set, for server reflection and for the breaking-change check.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/control.bin"));

include!(concat!(env!("OUT_DIR"), "/secretive_debug.rs"));

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;

    /// As much of `google.protobuf.FileDescriptorSet` as tells which fields are marked: the generic type drops the mark.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Set {
        #[prost(message, repeated, tag = "1")]
        file: Vec<File>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct File {
        #[prost(string, tag = "2")]
        package: String,
        #[prost(message, repeated, tag = "4")]
        message_type: Vec<Described>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Described {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, repeated, tag = "2")]
        field: Vec<Field>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Field {
        #[prost(string, tag = "1")]
        name: String,
        #[prost(message, optional, tag = "8")]
        options: Option<Options>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    struct Options {
        #[prost(bool, tag = "50001")]
        secret: bool,
    }

    #[test]
    fn what_is_named_like_a_secret_is_marked_as_one() {
        // Fields with such a name that hold none.
        const HARMLESS: [&str; 5] = [
            "ProviderStatus.key_source",
            "RouteCandidate.key_source",
            "Call.credential_id",
            "BackUpResponse.node_key",
            "CheckedProvider.key_refused",
        ];
        let set = Set::decode(DESCRIPTORS).unwrap();
        let mut marked = Vec::new();
        for file in set.file.iter().filter(|file| file.package == "bitrouter.control.v1") {
            for (message, field) in file.message_type.iter().flat_map(|m| m.field.iter().map(move |field| (m, field))) {
                let path = format!("{}.{}", message.name, field.name);
                if field.name == "idempotency_key" {
                    continue;
                }
                let secret = field.options.as_ref().is_some_and(|options| options.secret);
                let telling = ["value", "secret", "token", "password", "credential", "key"];
                let suspicious = telling.iter().any(|word| field.name.split('_').any(|part| part == *word));
                assert!(secret || !suspicious || HARMLESS.contains(&path.as_str()), "`{path}` is not marked as secret");
                marked.extend(secret.then_some(path));
            }
        }
        // Files stand in no order of their own.
        marked.sort_unstable();
        let expected = [
            "AddPersonRequest.password",
            "ApiKeyLogin.api_key",
            "AskedAccount.api_key",
            "CreateKeyResponse.json",
            "LeaseClaim.claim_token",
            "LeaseOpened.api_key",
            "LeaseOpened.claim_token",
            "ListAccountNamespacesRequest.api_key",
            "ListModelsRequest.api_key",
            "MintKeyResponse.json",
            "MintOperatorKeyResponse.json",
            "OpenConsoleResponse.url",
            "ProviderStatus.key_suffix",
            "RegisterOauthClientResponse.json",
            "SetPasswordRequest.password",
            "SubmitStoredKeyRequest.key_prefix",
            "TryModelRequest.api_key",
            "Variable.value",
            "WhoAmIRequest.api_key",
        ];
        assert_eq!(marked, expected);
    }

    #[test]
    fn a_marked_field_is_never_printed() {
        let set = Variable { name: "OPENAI_API_KEY".to_owned(), value: Some("sk-canary".to_owned()) };
        let request = PushRequest { variables: vec![set, Variable { name: "X".to_owned(), value: None }] };
        let text = format!("{request:?}");
        assert!(!text.contains("canary") && text.contains("OPENAI_API_KEY") && text.contains("Some"), "{text}");
        assert!(text.contains("None"), "{text}");
    }
}
