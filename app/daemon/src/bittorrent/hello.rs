//! How a connection begins: both sides say which torrent it is about.

use potluck_bittorrent::wire::{
    Agreement, Features, HANDSHAKE_BYTES, HANDSHAKE_HEAD_BYTES, Handshake, PeerId, WireError,
};
use potluck_bittorrent::{InfoHashV1, InfoHashes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// What both sides agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hello {
    /// What both can do.
    pub(super) features: Features,
    /// How the other side calls itself.
    pub(super) peer: PeerId,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum HelloError {
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Wire(#[from] WireError),
    #[error("it answered for another torrent")]
    OtherTorrent,
    #[error("it asked for a torrent that is not here")]
    Unknown,
}

/// What this node can do, in a torrent with these names.
fn features(ours: &InfoHashes) -> Features {
    Features {
        extended: true,
        fast: true,
        dht: false,
        v2: ours.v2.is_some(),
    }
}

/// Begins a connection that this node made.
pub(super) async fn initiate<S>(
    stream: &mut S,
    ours: &InfoHashes,
    me: PeerId,
) -> Result<Hello, HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let asked = name(ours).ok_or(HelloError::Unknown)?;
    let offered = features(ours);
    let first = Handshake {
        features: offered,
        infohash: asked,
        peer: me,
    };
    stream.write_all(&first.encode()).await?;
    stream.flush().await?;
    let mut bytes = [0; HANDSHAKE_BYTES];
    stream.read_exact(&mut bytes).await?;
    let answer = Handshake::decode(&bytes)?;
    Agreement::from_answer(asked, offered, answer.infohash, ours)
        .ok_or(HelloError::OtherTorrent)?;
    Ok(Hello {
        features: offered.and(answer.features),
        peer: answer.peer,
    })
}

/// The name by which this node asks for a torrent.
pub(super) fn name(ours: &InfoHashes) -> Option<InfoHashV1> {
    ours.v1.or(ours.v2.map(|hash| hash.truncated()))
}

/// What somebody asks who made a connection to this node.
pub(super) struct Asked {
    pub(super) infohash: InfoHashV1,
    features: Features,
}

/// Reads which torrent a connection is about that somebody made to this node.
pub(super) async fn asked<S: AsyncRead + Unpin>(stream: &mut S) -> Result<Asked, HelloError> {
    let mut head = [0; HANDSHAKE_HEAD_BYTES];
    stream.read_exact(&mut head).await?;
    let (features, infohash) = Handshake::decode_head(&head)?;
    Ok(Asked { infohash, features })
}

/// Answers for a torrent with these names.
pub(super) async fn answer<S>(
    stream: &mut S,
    asked: &Asked,
    ours: &InfoHashes,
    me: PeerId,
) -> Result<Hello, HelloError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let agreed = Agreement::to_answer(asked.infohash, asked.features, ours);
    let agreed = agreed.ok_or(HelloError::Unknown)?;
    let answer = Handshake {
        features: features(ours),
        infohash: agreed.infohash,
        peer: me,
    };
    stream.write_all(&answer.encode()).await?;
    stream.flush().await?;
    let mut peer = [0; HANDSHAKE_BYTES - HANDSHAKE_HEAD_BYTES];
    stream.read_exact(&mut peer).await?;
    Ok(Hello {
        features: answer.features.and(asked.features),
        peer: PeerId::from_bytes(peer),
    })
}
