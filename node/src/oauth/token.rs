//! The token endpoint (RFC 6749 §3.2).

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use bitrouter_proto::account::oauth_clients::GrantType;
use http::Response;

use super::{code, error::OAuthError, poll, refresh, request::ClientRequest};
use crate::http::Call;

/// `POST /oauth/token`.
pub(super) fn post(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call).await.unwrap_or_else(OAuthError::into_response) })
}

async fn answer(call: &Call) -> Result<Response<ResponseBody>, OAuthError> {
    let request = ClientRequest::read(call).await?;
    request.judge_resource(&call.node.settings.load().issuer)?;
    let named = request.required("grant_type")?;
    let unknown = || OAuthError::unsupported_grant_type(format!("there is no grant type `{named}` here"));
    let grant = GrantType::parse(named).ok_or_else(unknown)?;
    request.judge_grant(grant)?;
    let issued = match grant {
        GrantType::AuthorizationCode => code::answer(&call.node, &request).await?,
        GrantType::DeviceCode => poll::answer(&call.node, &request).await?,
        GrantType::RefreshToken => refresh::answer(&call.node, &request).await?,
    };
    Ok(issued.into_response())
}
