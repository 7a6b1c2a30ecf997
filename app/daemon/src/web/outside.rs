//! Listening for others than this machine: with a certificate, or because the owner wants it without.

use crate::config::Outside as Settings;
use crate::errors;
use potluck_api::ErrorBody;
use potluck_gateway::{Outside, Tls};
use std::path::Path;
use tokio::net::TcpListener;

const GUIDE: &str = "docs/guide/browser.md says what it takes";

/// Listens there, if anywhere.
///
/// # Errors
/// Says which of the settings is missing, or what is wrong with the files.
pub(super) async fn listen(settings: &Settings) -> Result<Option<Outside>, ErrorBody> {
    let Some(address) = settings.listen else {
        return Ok(None);
    };
    let (name, content_name) = (settings.name.clone(), settings.content_name.clone());
    if name.is_empty() || content_name.is_empty() || name == content_name {
        return Err(errors::usage(
            "gateway.listen needs two names of this machine, gateway.name and gateway.content_name",
            "content comes from strangers: a browser keeps it apart from the pages by its other name",
        ));
    }
    let tls = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => {
            let (certificate, key) = (read(certificate).await?, read(key).await?);
            let tls = Tls::new(&certificate, &key).map_err(|error| errors::usage(error, GUIDE))?;
            Some(tls)
        }
        (None, None) if settings.insecure => {
            tracing::warn!("the pages go over the network without TLS: gateway.insecure is set");
            None
        }
        (None, None) => {
            return Err(errors::usage(
                "gateway.listen needs a certificate, as whoever is on the way could take over the node",
                "set gateway.certificate and gateway.key, or gateway.insecure if you want it all the same",
            ));
        }
        _ => {
            return Err(errors::usage(
                "gateway.certificate and gateway.key belong together",
                "set both, or none",
            ));
        }
    };
    let listener = TcpListener::bind(address).await.map_err(|error| {
        errors::failed(
            format!("cannot listen on {address} for other machines: {error}"),
            "choose another with 'potluck config set gateway.listen'",
        )
    })?;
    Ok(Some(Outside {
        listener,
        port: address.port(),
        name,
        content_name,
        tls,
    }))
}

async fn read(path: &Path) -> Result<Vec<u8>, ErrorBody> {
    tokio::fs::read(path)
        .await
        .map_err(|error| errors::usage(format!("cannot read {}: {error}", path.display()), GUIDE))
}
