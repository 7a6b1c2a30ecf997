//! Secrets in the data directory: the node's key, the API token, the private network's key. Files
//! are readable by their owner only and appear whole or not at all.

use crate::errors;
use potluck_api::{ErrorBody, ExitCode};
use potluck_identity::{NetworkKey, NodeKey};
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

/// The node's Ed25519 key, in the protobuf encoding of libp2p.
const KEY_FILE: &str = "key";
/// A key file that is larger is none.
const MAX_KEY_FILE: u64 = 4096;

/// Reads the node's key, or makes one for a new data directory.
pub(crate) fn load_or_make(data: &Path) -> Result<NodeKey, ErrorBody> {
    let path = data.join(KEY_FILE);
    match fs::read(&path) {
        Ok(bytes) => NodeKey::from_bytes(&bytes).map_err(|error| {
            errors::failed(
                format!("{} is not a node key: {error}", path.display()),
                "restore it from a backup; without it the node needs a new data directory",
            )
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = NodeKey::from_seed(random()?);
            write_private(&path, &key.to_bytes())?;
            Ok(key)
        }
        Err(error) => Err(errors::failed(
            format!("cannot read {}: {error}", path.display()),
            "check its permissions",
        )),
    }
}

/// A token for the API: 256 random bits.
pub(crate) fn api_token() -> Result<String, ErrorBody> {
    Ok(random()?.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn random() -> Result<[u8; 32], ErrorBody> {
    let mut bytes = [0; 32];
    rand::TryRng::try_fill_bytes(&mut rand::rngs::SysRng, &mut bytes).map_err(|error| {
        errors::failed(
            format!("the system gives no random numbers: {error}"),
            "try again",
        )
    })?;
    Ok(bytes)
}

/// Reads the key of a private network.
pub(crate) fn network_key(path: &Path) -> Result<NetworkKey, ErrorBody> {
    let usage = |message: String| {
        let hint = "the file has three lines: /key/swarm/psk/1.0.0/, /base16/ and 64 hex digits";
        ErrorBody::new(ExitCode::Usage, message, hint)
    };
    let size = fs::metadata(path).map_or(0, |metadata| metadata.len());
    if size > MAX_KEY_FILE {
        return Err(usage(format!(
            "{} is too large for a network key",
            path.display()
        )));
    }
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read {}: {error}", path.display())))?;
    NetworkKey::parse(&text).map_err(|error| usage(format!("{}: {error}", path.display())))
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<(), ErrorBody> {
    let written = || -> io::Result<()> {
        let beside = path.with_extension("new");
        let _ = fs::remove_file(&beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    };
    written().map_err(|error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            let dir = path.parent().unwrap_or(path);
            errors::no_space(format!("no space left in {}", dir.display()))
        }
        _ => errors::failed(
            format!("cannot write {}: {error}", path.display()),
            "check the permissions of the data directory",
        ),
    })
}
