//! What can be asked of a provider, whatever the dialect.

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// A reply to a conversation; as a stream where the body says so.
    Generate,
    /// The same as a stream, where the path says so.
    GenerateStream,
    /// A continuation of a text.
    Complete,
    /// Numbers for one text, or for several where the dialect has no verb of its own for them.
    Embed,
    /// Numbers for several texts.
    EmbedBatch,
    /// How many tokens a conversation has.
    CountTokens,
    /// A response that the provider has stored.
    Retrieve,
    /// The end of a stored response.
    Delete,
    /// What went into a stored response.
    ListInput,
    /// The end of a response that is still being made.
    Cancel,
}

impl Verb {
    /// True where a provider takes money for it.
    pub const fn costs(self) -> bool {
        matches!(self, Self::Generate | Self::GenerateStream | Self::Complete | Self::Embed | Self::EmbedBatch)
    }

    /// True where a reply has tokens of its own.
    pub const fn has_output(self) -> bool {
        matches!(self, Self::Generate | Self::GenerateStream | Self::Complete)
    }

    /// True where it speaks of a response that was made before, and not of a model.
    pub const fn is_of_a_stored_response(self) -> bool {
        matches!(self, Self::Retrieve | Self::Delete | Self::ListInput | Self::Cancel)
    }
}
