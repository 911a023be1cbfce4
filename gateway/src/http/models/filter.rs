//! Which models of a list its reader wants: `provider`, `id`, `input_modality`, `output_modality`.
//!
//! Source: BitRouter's cloud API, `GET /v1/models`.

use super::{Listed, page::member};
use crate::error::InferenceError;

/// What a model must have to be shown. What is absent or empty asks for nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filter {
    /// The provider's id.
    provider: Option<String>,
    /// A part of `provider/model`.
    id: Option<String>,
    input_modality: Option<String>,
    output_modality: Option<String>,
}

impl Filter {
    /// Reads the members of a query; the error names the one that is there twice.
    pub(super) fn of(query: &str) -> Result<Self, InferenceError> {
        if query.is_empty() {
            return Ok(Self::default());
        }
        let wanted = |names| Ok::<_, InferenceError>(member(query, names)?.filter(|value| !value.is_empty()));
        Ok(Self {
            provider: wanted(&["provider"])?,
            id: wanted(&["id"])?,
            input_modality: wanted(&["input_modality"])?,
            output_modality: wanted(&["output_modality"])?,
        })
    }

    /// True for a model that is to be shown.
    pub(super) fn shows(&self, listed: &Listed<'_>) -> bool {
        let fits = |wanted: &Option<String>, fits: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(fits);
        fits(&self.provider, &|provider| listed.provider.id().as_str() == provider)
            && fits(&self.id, &|part| listed.id.contains(part))
            && fits(&self.input_modality, &|modality| listed.input_modalities().contains(&modality))
            && fits(&self.output_modality, &|modality| listed.output_modalities().contains(&modality))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_read_from_a_query() {
        let id = |text: &str| Filter { id: Some(text.to_owned()), ..Filter::default() };
        assert_eq!(Filter::of("").expect("nothing asked"), Filter::default());
        assert_eq!(Filter::of("id=&limit=3").expect("nothing asked"), Filter::default());
        assert_eq!(Filter::of("limit=3&id=gpt%2D4+o").expect("a part of an id"), id("gpt-4 o"));
        assert_eq!(Filter::of("id=a&id=b").expect_err("twice").param(), Some("id"));
    }
}
