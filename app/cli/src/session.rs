//! The node that a command works with: the running daemon of the data directory, or one inside the
//! command. Either way the command talks to it over its API.

use crate::app::App;
use crate::args::NodeArgs;
use crate::client::Client;
use crate::failure::Outcome;
use crate::signals::interrupted;
use potluck_api::{ApiFile, ConnectRequest, ConnectResponse, ErrorBody};
use potluck_daemon::{Node, Options};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long the node inside a command may take to stop.
const STOPPING: Duration = Duration::from_secs(10);

/// How a node is to be had when no daemon runs.
pub(crate) enum Need<'a> {
    /// One that meets others.
    Peers(&'a NodeArgs),
    /// One that only looks into the data directory.
    Records,
}

/// A node to work with.
pub(crate) struct Session {
    client: Client,
    node: Option<Node>,
}

impl Session {
    /// Finds the daemon, or starts a node.
    pub(crate) async fn open(app: &App, need: Need<'_>) -> Result<Self, ErrorBody> {
        if let Some(client) = Client::find(&app.data).await? {
            if let Need::Peers(args) = &need {
                adapt(app, &client, args).await?;
            }
            return Ok(Self { client, node: None });
        }
        match Box::pin(potluck_daemon::start(options(&app.data, &need))).await {
            Ok(node) => Ok(Self {
                client: Client::new(node.api())?,
                node: Some(node),
            }),
            // Perhaps another command was faster by a moment, and its node can be used.
            Err(error) => match wait_for_api(&app.data).await {
                Some(client) => Ok(Self { client, node: None }),
                None => Err(error),
            },
        }
    }

    /// The node's API.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Whether the node lives only as long as this command.
    pub(crate) fn is_own(&self) -> bool {
        self.node.is_some()
    }

    /// Stops the node if it is this command's.
    pub(crate) async fn close(self) {
        if let Some(node) = self.node {
            let _ = tokio::time::timeout(STOPPING, Box::pin(node.shutdown())).await;
        }
    }
}

/// Does some work with a node, stops it when Ctrl-C comes first, and closes the node in any case.
pub(crate) async fn with<T>(
    app: &App,
    need: Need<'_>,
    hint: &str,
    work: impl AsyncFnOnce(&Session) -> Outcome<T>,
) -> Outcome<T> {
    let session = tokio::select! {
        session = Session::open(app, need) => session?,
        () = app.stop.cancelled() => return Err(interrupted(hint).into()),
    };
    let done = tokio::select! {
        // Work for which Ctrl-C is a good end sees it first.
        biased;
        done = work(&session) => done,
        () = app.stop.cancelled() => Err(interrupted(hint).into()),
    };
    session.close().await;
    done
}

fn options(data: &Path, need: &Need<'_>) -> Options {
    let base = Options {
        data: data.to_owned(),
        in_command: true,
        ..Options::default()
    };
    match need {
        Need::Peers(args) => with_args(base, args),
        Need::Records => Options {
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            no_lan: true,
            ..base
        },
    }
}

/// The options of a node as the command line says.
pub(crate) fn with_args(base: Options, args: &NodeArgs) -> Options {
    Options {
        listen: args.listen.clone(),
        peers: args.peer.clone(),
        no_lan: args.no_lan,
        up_limit: args.up_limit,
        down_limit: args.down_limit,
        private: args.private.as_ref().map(absolute),
        ..base
    }
}

fn absolute(path: &PathBuf) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.clone())
}

/// A running daemon keeps its own settings, and is told of the peers that the command line names.
async fn adapt(app: &App, client: &Client, args: &NodeArgs) -> Result<(), ErrorBody> {
    if args.shapes_a_node() {
        app.output.note(
            "note: a node runs already, so its own addresses and limits hold; \
             'potluck config' changes them",
        );
    }
    for address in &args.peer {
        let request = ConnectRequest {
            address: address.clone(),
        };
        if let Err(error) = client.post::<_, ConnectResponse>("connect", &request).await {
            app.output.note(&format!("note: {}", error.message));
        }
    }
    Ok(())
}

async fn wait_for_api(data: &Path) -> Option<Client> {
    for _ in 0..20 {
        if let Ok(Some(client)) = Client::find(data).await {
            return Some(client);
        }
        // Only a node that is just starting leaves the lock held without an API.
        if !lock_is_held(data) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    None
}

fn lock_is_held(data: &Path) -> bool {
    let Ok(file) = std::fs::File::open(data.join("lock")) else {
        return false;
    };
    matches!(
        file.try_lock_shared(),
        Err(std::fs::TryLockError::WouldBlock)
    )
}

/// The API of a node that this program did not start itself.
pub(crate) fn read_api(data: &Path) -> Option<ApiFile> {
    serde_json::from_slice(&std::fs::read(data.join(potluck_api::API_FILE)).ok()?).ok()
}
