//! The token endpoint (RFC 6749 §3.2).

use bitrouter_gateway::http::{ResponseBody, ResponseFuture};
use http::Response;

use super::{DEVICE_GRANT, REFRESH_GRANT, error::OAuthError, poll, refresh, request::ClientRequest};
use crate::http::Call;

/// `POST /oauth/token`.
pub(super) fn post(call: Call) -> ResponseFuture {
    Box::pin(async move { answer(&call).await.unwrap_or_else(OAuthError::into_response) })
}

async fn answer(call: &Call) -> Result<Response<ResponseBody>, OAuthError> {
    let request = ClientRequest::read(call)?;
    request.judge_resource(&call.node.settings.load().issuer)?;
    let issued = match request.required("grant_type")? {
        DEVICE_GRANT => poll::answer(&call.node, &request).await?,
        REFRESH_GRANT => refresh::answer(&call.node, &request).await?,
        other => return Err(OAuthError::unsupported_grant_type(format!("there is no grant type `{other}` here"))),
    };
    Ok(issued.into_response())
}
