//! Errors of the node: facts until they are written in the shape of their endpoint.

use std::borrow::Cow;

use bitrouter_gateway::http::{ResponseBody, set_own_response};
use bitrouter_proto::account::Role;
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Kind;
use crate::{store::StoreError, web};

/// The codes of REST errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// 400; 405, 413 and 415 carry it too.
    BadRequest,
    /// 401.
    Unauthorized,
    /// 403.
    Forbidden,
    /// 403: a policy is not taken off by what it binds.
    OwnPolicy,
    /// 404.
    NotFound,
    /// 409.
    Conflict,
    /// 500.
    Internal,
    /// 503.
    Unavailable,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::OwnPolicy => "own_policy",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::OwnPolicy => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Why a call is refused.
#[derive(Clone, Debug)]
pub(crate) struct ApiError {
    code: Code,
    status: StatusCode,
    message: String,
    field: Option<Cow<'static, str>>,
    role: Option<Role>,
    fact: Option<(&'static str, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl ApiError {
    /// An error of `code`; `message` says what is wrong and what helps.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        let headers = match code {
            Code::Unauthorized => {
                vec![(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"bitrouter\""))]
            }
            _ => Vec::new(),
        };
        Self { code, status: code.status(), message: message.into(), field: None, role: None, fact: None, headers }
    }

    /// The same with another status (405, 413, 415).
    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same, about this member of the body or query.
    pub(crate) fn about(self, field: impl Into<Cow<'static, str>>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// The same: the caller's role in the namespace is what does not allow it.
    pub(crate) fn of_role(self, role: Role) -> Self {
        Self { role: Some(role), ..self }
    }

    /// The same with another member, which says more.
    pub(crate) fn with_fact(self, name: &'static str, value: String) -> Self {
        Self { fact: Some((name, value)), ..self }
    }

    /// The same with a header on its reply.
    pub(crate) fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The same; the caller may try again after so many seconds.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        self.with_header(header::RETRY_AFTER, seconds.max(1).into())
    }

    /// Its code, as it is written.
    pub(crate) fn code(&self) -> &'static str {
        self.code.as_str()
    }

    /// Its words.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The member of the body or query that it is about.
    #[cfg(test)]
    pub(crate) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    /// The error as an endpoint of `kind` writes it.
    pub(crate) fn into_response(self, kind: Kind) -> Response<ResponseBody> {
        if kind == Kind::Page {
            let mut response = web::error_page(self.status, "This did not work", &self.message);
            response.headers_mut().extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
            return response;
        }
        let mut document = match kind {
            Kind::OAuth => json!({ "error": oauth_code(self.code.as_str()), "error_description": self.message }),
            Kind::Tokenroute => tokenroute_error(self.status, &self.message),
            Kind::Rest | Kind::Event | Kind::Page => {
                json!({ "error": self.code.as_str(), "error_description": self.message })
            }
        };
        // The other shape has room for words alone, which name what they are about.
        if kind != Kind::Tokenroute {
            if let Some(field) = self.field {
                document["field"] = field.into_owned().into();
            }
            if let Some(role) = self.role {
                document["role"] = role.as_str().into();
            }
            if let Some((name, value)) = self.fact {
                document[name] = value.into();
            }
        }
        let mut response = Response::new(ResponseBody::from(format!("{document}\n")));
        *response.status_mut() = self.status;
        set_own_response(response.headers_mut(), "application/json");
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

/// What an OAuth endpoint calls `code` of the flat shape (RFC 6749 §5.2); a code that is none of the shape's stays.
pub fn oauth_code(code: &str) -> &str {
    match code {
        "unauthorized" => "invalid_client",
        "unavailable" => "temporarily_unavailable",
        "internal" => "server_error",
        "bad_request" | "forbidden" | "not_found" | "conflict" => "invalid_request",
        other => other,
    }
}

/// An error as `/api/v1` writes it: what is wrong, its kind, the status.
pub fn tokenroute_error(status: StatusCode, message: &str) -> Value {
    let kind = match status.as_u16() {
        401 => "authentication_error",
        402 => "insufficient_quota",
        403 => "permission_error",
        404 => "not_found_error",
        409 => "conflict_error",
        429 => "rate_limit_error",
        503 => "service_unavailable",
        400..=499 => "invalid_request_error",
        _ => "internal_error",
    };
    json!({ "error": { "message": message, "type": kind, "code": status.as_u16() } })
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the node's database failed");
        match error.passing() {
            Some((words, seconds)) => Self::new(Code::Unavailable, words).retry_after(seconds),
            None => Self::new(Code::Internal, "the node's database failed; `bitrouter logs` says more"),
        }
    }
}
