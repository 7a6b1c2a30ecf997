//! Failures as HTTP answers, and bodies of requests.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use potluck_api::{ErrorBody, ExitCode};
use serde::de::DeserializeOwned;

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
            ExitCode::Unreachable => StatusCode::BAD_GATEWAY,
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
        (self.status, Json(self.body)).into_response()
    }
}

/// A JSON body; what is wrong with it is told as an [`ErrorBody`].
pub(crate) struct Given<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Given<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
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
