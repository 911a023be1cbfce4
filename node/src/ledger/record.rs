//! What stands in the journal: one message for each kind of record, as protocol buffers
//! (<https://protobuf.dev/programming-guides/encoding/>), so that a later release may say more and an older journal is
//! read. What stands here is never renumbered.

use bitrouter_gateway::protocol::usage::{InputTokens, OutputTokens, TokenUsage};
use bitrouter_proto::account::RequestRowId;
use prost::{Message, Oneof};
use ulid::Ulid;

/// One record.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Record {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4")]
    pub(crate) kind: Option<Kind>,
}

/// What a record says. `None` in [`Record`] is a kind that this release does not know.
#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Kind {
    #[prost(message, tag = "1")]
    Admitted(Admitted),
    #[prost(message, tag = "2")]
    Progressed(Progressed),
    #[prost(message, tag = "3")]
    Settled(Settled),
    #[prost(message, tag = "4")]
    Forgotten(Forgotten),
}

/// A call was admitted: everything that its row and its charge are made of.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Admitted {
    /// The ULID behind `req_`, 16 bytes.
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    /// The ULID behind `ns_`.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) namespace: Vec<u8>,
    /// The ULID behind `usr_` of the one whose credit it is.
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) payer: Vec<u8>,
    /// `keyless`, or the credential's id with its prefix.
    #[prost(string, tag = "4")]
    pub(crate) credential: String,
    #[prost(string, tag = "5")]
    pub(crate) request_id: String,
    #[prost(string, tag = "6")]
    pub(crate) requested_model: String,
    #[prost(string, tag = "7")]
    pub(crate) model_id: String,
    #[prost(string, tag = "8")]
    pub(crate) provider_id: String,
    /// As manifests write it.
    #[prost(string, tag = "9")]
    pub(crate) dialect: String,
    #[prost(bool, tag = "10")]
    pub(crate) streamed: bool,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "11")]
    pub(crate) created_at: i64,
    /// As `FundingSource` writes it.
    #[prost(string, tag = "12")]
    pub(crate) funding: String,
    /// The bound in tokens.
    #[prost(uint64, tag = "13")]
    pub(crate) bound_input: u64,
    #[prost(uint64, optional, tag = "14")]
    pub(crate) bound_output: Option<u64>,
    /// The reservation in micro-USD.
    #[prost(int64, optional, tag = "15")]
    pub(crate) reserved: Option<i64>,
    #[prost(uint64, tag = "16")]
    pub(crate) estimated_input: u64,
    #[prost(bool, tag = "17")]
    pub(crate) thinks_unseen: bool,
    #[prost(uint32, tag = "18")]
    pub(crate) max_output_tps: u32,
    /// `ModelPrice::document`; empty where the model has no price.
    #[prost(string, tag = "19")]
    pub(crate) price: String,
}

/// Open rows have moved: one record for all of them.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Progressed {
    #[prost(message, repeated, tag = "1")]
    pub(crate) rows: Vec<Mark>,
    /// Milliseconds since 1970 when this was written: time has passed for calls that tell nothing until they end.
    #[prost(int64, tag = "2")]
    pub(crate) at: i64,
}

/// How far one open row has come.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Mark {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    /// As it would be charged if it ended here.
    #[prost(message, optional, tag = "2")]
    pub(crate) usage: Option<Tokens>,
    /// The most output tokens that it made in one second until now.
    #[prost(uint64, tag = "3")]
    pub(crate) peak_tps: u64,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) first_byte_ms: Option<u64>,
    /// Milliseconds since 1970 when this was noted.
    #[prost(int64, tag = "5")]
    pub(crate) at: i64,
}

/// Tokens by class.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(crate) struct Tokens {
    #[prost(uint64, tag = "1")]
    pub(crate) uncached: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) cache_read: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) cache_write: u64,
    #[prost(uint64, tag = "4")]
    pub(crate) cache_write_1h: u64,
    #[prost(uint64, tag = "5")]
    pub(crate) audio_input: u64,
    #[prost(uint64, tag = "6")]
    pub(crate) image_input: u64,
    #[prost(uint64, tag = "7")]
    pub(crate) video_input: u64,
    #[prost(uint64, tag = "8")]
    pub(crate) visible: u64,
    #[prost(uint64, tag = "9")]
    pub(crate) reasoning: u64,
    #[prost(uint64, tag = "10")]
    pub(crate) audio_output: u64,
    #[prost(uint64, tag = "11")]
    pub(crate) image_output: u64,
}

/// A call has ended.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Settled {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) id: Vec<u8>,
    /// As `CallStatus` writes it.
    #[prost(string, tag = "2")]
    pub(crate) status: String,
    #[prost(message, optional, tag = "3")]
    pub(crate) usage: Option<Tokens>,
    /// As `UsageOrigin` writes it.
    #[prost(string, tag = "4")]
    pub(crate) origin: String,
    /// What it costs, in micro-USD; `None` where the model has no price.
    #[prost(int64, optional, tag = "5")]
    pub(crate) cost: Option<i64>,
    /// What leaves the credit.
    #[prost(int64, tag = "6")]
    pub(crate) charge: i64,
    #[prost(string, repeated, tag = "7")]
    pub(crate) flags: Vec<String>,
    #[prost(uint64, optional, tag = "8")]
    pub(crate) first_byte_ms: Option<u64>,
    /// Milliseconds since 1970.
    #[prost(int64, tag = "9")]
    pub(crate) completed_at: i64,
    #[prost(string, tag = "10")]
    pub(crate) error_code: String,
    /// Keys of what the provider has stored, 16 bytes each; the response itself is the first.
    #[prost(bytes = "vec", repeated, tag = "11")]
    pub(crate) objects: Vec<Vec<u8>>,
}

/// What a provider had stored is gone.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Forgotten {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) object: Vec<u8>,
}

/// The id of a row, from the bytes of its ULID.
pub(crate) fn row_id(bytes: &[u8]) -> Option<RequestRowId> {
    Some(RequestRowId::new(Ulid::from_bytes(bytes.try_into().ok()?)))
}

impl From<TokenUsage> for Tokens {
    fn from(usage: TokenUsage) -> Self {
        let (input, output) = (usage.input.unwrap_or_default(), usage.output.unwrap_or_default());
        Self {
            uncached: input.uncached,
            cache_read: input.cache_read,
            cache_write: input.cache_write,
            cache_write_1h: input.cache_write_1h,
            audio_input: input.audio,
            image_input: input.image,
            video_input: input.video,
            visible: output.visible,
            reasoning: output.reasoning,
            audio_output: output.audio,
            image_output: output.image,
        }
    }
}

impl From<Tokens> for TokenUsage {
    fn from(tokens: Tokens) -> Self {
        Self {
            input: Some(InputTokens {
                uncached: tokens.uncached,
                audio: tokens.audio_input,
                image: tokens.image_input,
                video: tokens.video_input,
                cache_read: tokens.cache_read,
                cache_write: tokens.cache_write,
                cache_write_1h: tokens.cache_write_1h,
            }),
            output: Some(OutputTokens {
                visible: tokens.visible,
                reasoning: tokens.reasoning,
                audio: tokens.audio_output,
                image: tokens.image_output,
            }),
        }
    }
}
