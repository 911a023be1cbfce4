//! What is forgotten for its age.

use super::{
    ApiKeyRow, AuthorizationCodeRow, BindingRow, CheckoutRow, DeviceCodeRow, GrantRow, IdempotencyRow, LeaseRow,
    OauthClientRow, StoreError, Write, execute,
};
use crate::clock::Moment;

/// Forgets what expired or ended before `before`, keys that did before `keys_before`. Persons and namespaces that are gone keep their row: records point at it.
pub(crate) async fn sweep(write: &mut Write, before: Moment, keys_before: Moment) -> Result<(), StoreError> {
    DeviceCodeRow::sweep(write, before).await?;
    AuthorizationCodeRow::sweep(write, before).await?;
    execute!(write, "DELETE FROM web_sessions WHERE expires_at < $1", before.millis())?;
    ApiKeyRow::sweep(write, keys_before).await?;
    GrantRow::sweep(write, before).await?;
    BindingRow::forget_of_clients(write, before).await?;
    OauthClientRow::sweep(write, before).await?;
    IdempotencyRow::sweep(write, before).await?;
    CheckoutRow::sweep(write, before).await?;
    LeaseRow::sweep(write, before).await?;
    Ok(())
}
