//! What every command is given.

use crate::args::Global;
use crate::failure::failed;
use crate::output::Output;
use potluck_api::ErrorBody;
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;

/// One run of the program.
pub(crate) struct App {
    /// Where output goes.
    pub(crate) output: Output,
    /// Data directory, absolute.
    pub(crate) data: PathBuf,
    /// Cancelled by the first Ctrl-C.
    pub(crate) stop: CancellationToken,
}

impl App {
    /// As the flags say.
    pub(crate) fn new(
        global: &Global,
        output: Output,
        stop: CancellationToken,
    ) -> Result<Self, ErrorBody> {
        let data = match &global.data {
            Some(given) => absolute(given)?,
            None => default_data()?,
        };
        Ok(Self { output, data, stop })
    }
}

fn default_data() -> Result<PathBuf, ErrorBody> {
    let found = directories::ProjectDirs::from("", "", "potluck");
    found.map(|dirs| dirs.data_dir().to_owned()).ok_or_else(|| {
        failed(
            "this user has no home directory",
            "name a data directory with --data DIR",
        )
    })
}

/// The path from the root of the file system, without resolving links.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, ErrorBody> {
    std::path::absolute(path).map_err(|error| {
        failed(
            format!("cannot tell where '{}' is: {error}", path.display()),
            "change to a folder that exists, or give the whole path",
        )
    })
}

/// A path as the API takes it.
pub(crate) fn as_text(path: PathBuf) -> Result<String, ErrorBody> {
    path.into_os_string().into_string().map_err(|path| {
        crate::failure::usage(
            format!("the path {} is not UTF-8", path.display()),
            "rename it, or share the folder above it",
        )
    })
}
