//! `usage.proto`: sums and calls.

use super::daemon::present;
use crate::{
    account::{
        MicroUsd,
        ledger::{TokenClasses, ToldRequestRow, Usage},
    },
    wire,
};

impl From<Usage> for wire::Usage {
    fn from(usage: Usage) -> Self {
        Self {
            from: usage.from,
            to: usage.to,
            spend_micro_usd: usage.spend_micro_usd.micros(),
            charged_micro_usd: usage.charged_micro_usd.micros(),
            prompt_tokens: usage.prompt_tokens,
            completion_tokens: usage.completion_tokens,
            request_count: usage.request_count,
        }
    }
}

impl From<wire::Usage> for Usage {
    fn from(message: wire::Usage) -> Self {
        Self {
            from: message.from,
            to: message.to,
            spend_micro_usd: MicroUsd::new(message.spend_micro_usd),
            charged_micro_usd: MicroUsd::new(message.charged_micro_usd),
            prompt_tokens: message.prompt_tokens,
            completion_tokens: message.completion_tokens,
            request_count: message.request_count,
        }
    }
}

impl From<ToldRequestRow> for wire::Call {
    fn from(row: ToldRequestRow) -> Self {
        let text = Option::unwrap_or_default;
        let micros = |amount: Option<MicroUsd>| amount.map(MicroUsd::micros);
        Self {
            id: row.id,
            request_id: row.request_id,
            status: row.status,
            model_id: text(row.model_id),
            provider_id: text(row.provider_id),
            requested_model: text(row.requested_model),
            prompt_tokens: row.prompt_tokens,
            completion_tokens: row.completion_tokens,
            usage: row.usage.map(Into::into),
            usage_origin: text(row.usage_origin),
            price_version: text(row.price_version),
            reserved_micro_usd: micros(row.reserved_micro_usd),
            cost_micro_usd: micros(row.cost_micro_usd),
            final_charge_micro_usd: micros(row.final_charge_micro_usd),
            funding_source: text(row.funding_source),
            streamed: row.streamed,
            credential_id: text(row.credential_id),
            error_code: text(row.error_code),
            flags: row.flags,
            created_at: row.created_at,
            first_byte_ms: row.first_byte_ms,
            completed_at: text(row.completed_at),
            seq: row.seq,
        }
    }
}

impl From<wire::Call> for ToldRequestRow {
    fn from(message: wire::Call) -> Self {
        let amount = |micros: Option<i64>| micros.map(MicroUsd::new);
        Self {
            id: message.id,
            request_id: message.request_id,
            status: message.status,
            model_id: present(message.model_id),
            provider_id: present(message.provider_id),
            requested_model: present(message.requested_model),
            prompt_tokens: message.prompt_tokens,
            completion_tokens: message.completion_tokens,
            usage: message.usage.map(Into::into),
            usage_origin: present(message.usage_origin),
            price_version: present(message.price_version),
            reserved_micro_usd: amount(message.reserved_micro_usd),
            cost_micro_usd: amount(message.cost_micro_usd),
            final_charge_micro_usd: amount(message.final_charge_micro_usd),
            funding_source: present(message.funding_source),
            streamed: message.streamed,
            credential_id: present(message.credential_id),
            error_code: present(message.error_code),
            flags: message.flags,
            created_at: message.created_at,
            first_byte_ms: message.first_byte_ms,
            completed_at: present(message.completed_at),
            seq: message.seq,
        }
    }
}

impl From<TokenClasses> for wire::TokenClasses {
    fn from(tokens: TokenClasses) -> Self {
        Self {
            uncached_input_tokens: tokens.uncached_input_tokens,
            cache_read_tokens: tokens.cache_read_tokens,
            cache_write_tokens: tokens.cache_write_tokens,
            cache_write_1h_tokens: tokens.cache_write_1h_tokens,
            audio_input_tokens: tokens.audio_input_tokens,
            image_input_tokens: tokens.image_input_tokens,
            video_input_tokens: tokens.video_input_tokens,
            output_tokens: tokens.output_tokens,
            reasoning_tokens: tokens.reasoning_tokens,
            audio_output_tokens: tokens.audio_output_tokens,
            image_output_tokens: tokens.image_output_tokens,
        }
    }
}

impl From<wire::TokenClasses> for TokenClasses {
    fn from(message: wire::TokenClasses) -> Self {
        Self {
            uncached_input_tokens: message.uncached_input_tokens,
            cache_read_tokens: message.cache_read_tokens,
            cache_write_tokens: message.cache_write_tokens,
            cache_write_1h_tokens: message.cache_write_1h_tokens,
            audio_input_tokens: message.audio_input_tokens,
            image_input_tokens: message.image_input_tokens,
            video_input_tokens: message.video_input_tokens,
            output_tokens: message.output_tokens,
            reasoning_tokens: message.reasoning_tokens,
            audio_output_tokens: message.audio_output_tokens,
            image_output_tokens: message.image_output_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_calls_survive_the_wire() {
        let usage = Usage {
            from: "a".to_owned(),
            to: "b".to_owned(),
            spend_micro_usd: MicroUsd::new(1),
            charged_micro_usd: MicroUsd::new(2),
            prompt_tokens: 3,
            completion_tokens: 4,
            request_count: 5,
        };
        assert_eq!(Usage::from(wire::Usage::from(usage.clone())), usage);
        // Every member has a value of its own, so that none is mistaken for another.
        let text = r#"{"id":"1","request_id":"2","status":"3","model_id":"4","provider_id":"5","requested_model":"6",
            "prompt_tokens":7,"completion_tokens":8,"usage":{"uncached_input_tokens":101,"cache_read_tokens":102,
            "cache_write_tokens":103,"cache_write_1h_tokens":104,"audio_input_tokens":105,"image_input_tokens":106,
            "video_input_tokens":107,"output_tokens":108,"reasoning_tokens":109,"audio_output_tokens":110,
            "image_output_tokens":111},"usage_origin":"9","price_version":"10","reserved_micro_usd":11,"cost_micro_usd":12,
            "final_charge_micro_usd":13,"funding_source":"14","streamed":true,"credential_id":"15","error_code":"16",
            "flags":["17"],"created_at":"18","first_byte_ms":19,"completed_at":"20","seq":21}"#;
        let full: ToldRequestRow = serde_json::from_str(text).unwrap();
        let bare = ToldRequestRow { id: "1".to_owned(), ..ToldRequestRow::default() };
        for row in [full, bare] {
            assert_eq!(ToldRequestRow::from(wire::Call::from(row.clone())), row);
        }
    }
}
