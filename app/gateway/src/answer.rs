//! Failures as HTTP answers, and bodies of requests.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use potluck_api::{ErrorBody, ExitCode};
use serde::de::DeserializeOwned;

/// Largest JSON body. The longest honest one is a list of paths to share.
pub(crate) const MAX_BODY: usize = 4 * 1024 * 1024;

/// A failure with its status.
pub(crate) struct ApiError {
    status: StatusCode,
    body: ErrorBody,
}

impl ApiError {
    /// A failure under a status of its own.
    pub(crate) fn new(status: StatusCode, message: impl Into<String>, hint: &str) -> Self {
        let code = match status {
            StatusCode::NOT_FOUND | StatusCode::GATEWAY_TIMEOUT => ExitCode::NotFound,
            StatusCode::BAD_REQUEST => ExitCode::Usage,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => {
                ExitCode::Unreachable
            }
            _ => ExitCode::Failed,
        };
        Self {
            status,
            body: ErrorBody::new(code, message, hint),
        }
    }

    /// The same failure under another status.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl From<ErrorBody> for ApiError {
    fn from(body: ErrorBody) -> Self {
        let status = match body.code {
            ExitCode::Usage => StatusCode::BAD_REQUEST,
            ExitCode::NotFound => StatusCode::NOT_FOUND,
            // It is somebody else who failed (RFC 4918, section 11.4): 5xx is for faults of this node.
            ExitCode::Unreachable => StatusCode::FAILED_DEPENDENCY,
            ExitCode::Verification => StatusCode::UNPROCESSABLE_ENTITY,
            ExitCode::Done | ExitCode::Failed | ExitCode::Interrupted => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        };
        Self { status, body }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 9110, section 15.5.2: such an answer says what would help.
            let scheme = HeaderValue::from_static("Bearer");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

/// A JSON body; what is wrong with it is told as an [`ErrorBody`].
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // What is told to be too large need not come first.
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|text| text.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > MAX_BODY) {
            let message = format!("the body is larger than {MAX_BODY} bytes");
            let error = ErrorBody::new(ExitCode::Usage, message, "do it in several parts");
            return Err(ApiError::from(error).with_status(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let given: Result<Json<T>, JsonRejection> = Json::from_request(request, state).await;
        given.map(|Json(body)| Self(body)).map_err(|rejection| {
            let hint = "docs/spec/http.md lists the bodies; send 'Content-Type: application/json'";
            let first = rejection
                .body_text()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned();
            let error = ApiError::from(ErrorBody::new(ExitCode::Usage, first, hint));
            error.with_status(rejection.status())
        })
    }
}

/// What a path has in the places of its names; what is wrong with it is told as an [`ErrorBody`].
pub(crate) struct InPath<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let given = Path::from_request_parts(parts, state).await;
        given.map(|Path(given)| Self(given)).map_err(|rejection| {
            let hint = "parts of a path are UTF-8, percent-encoded";
            ApiError::new(StatusCode::BAD_REQUEST, rejection.body_text(), hint)
        })
    }
}

/// More than may be under way at once: it is for the caller to wait.
pub(crate) fn too_many(error: ErrorBody) -> ApiError {
    let is_full = error.code == ExitCode::Failed;
    let error = ApiError::from(error);
    if is_full {
        return error.with_status(StatusCode::TOO_MANY_REQUESTS);
    }
    error
}
