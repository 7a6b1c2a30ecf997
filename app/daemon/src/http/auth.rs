//! Who may call: holders of the token, by a loopback name. The Host check keeps a web page from
//! reaching the API through a name that it points at this machine (DNS rebinding).

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Json, Response};
use potluck_api::{ErrorBody, ExitCode};
use std::net::IpAddr;
use std::sync::Arc;

pub(super) async fn check(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !host_is_local(headers) || headers.contains_key(header::ORIGIN) {
        return refuse(
            StatusCode::FORBIDDEN,
            "this API answers to loopback names only",
        );
    }
    if !token_matches(headers, &token) {
        return refuse(StatusCode::UNAUTHORIZED, "missing or wrong token");
    }
    next.run(request).await
}

fn refuse(status: StatusCode, message: &str) -> Response {
    let hint =
        "send 'Authorization: Bearer <token>' with the token from api.json in the data folder";
    (
        status,
        Json(ErrorBody::new(ExitCode::Unreachable, message, hint)),
    )
        .into_response()
}

fn host_is_local(headers: &HeaderMap) -> bool {
    let Some(host) = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok())
    else {
        return false;
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok()
}

fn token_matches(headers: &HeaderMap, token: &str) -> bool {
    let given = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    // Compares every byte whatever the first difference is, so that time tells nothing.
    let differs = given
        .bytes()
        .zip(token.bytes())
        .fold(0, |acc, (a, b)| acc | (a ^ b));
    given.len() == token.len() && differs == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, auth: &str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::HOST, host.parse().unwrap());
        map.insert(header::AUTHORIZATION, auth.parse().unwrap());
        map
    }

    #[test]
    fn only_loopback_names_and_the_token_pass() {
        for host in ["127.0.0.1:4", "localhost:4", "[::1]:4"] {
            assert!(host_is_local(&headers(host, "")), "{host}");
        }
        for host in ["evil.example:4", "localhost.evil.example", ""] {
            assert!(!host_is_local(&headers(host, "")), "{host}");
        }
        assert!(token_matches(&headers("localhost", "Bearer abc"), "abc"));
        for auth in ["Bearer abd", "Bearer ab", "abc", "Bearer abcd", "Bearer "] {
            assert!(!token_matches(&headers("localhost", auth), "abc"), "{auth}");
        }
    }
}
