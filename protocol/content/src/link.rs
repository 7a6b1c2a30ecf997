//! Links: what people pass on to each other.

mod key;
mod parse;

use std::fmt;
use std::str::FromStr;

use multiaddr::Multiaddr;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Address, NameError, safe_name};

pub use key::{LinkKey, LinkKeyError};

/// Most bytes of a link.
pub const MAX_LINK_BYTES: usize = 16 * 1024;
/// Most addresses of nodes in a link.
pub const MAX_LINK_ADDRS: usize = 32;
/// Most names in other networks in a link.
pub const MAX_LINK_XTS: usize = 32;

/// Characters that stand for themselves in a value. All others are escaped, so that a link survives
/// chat programs and, between quotes, every shell.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b':')
    .remove(b',')
    .remove(b'@');

/// A link to a blob or a folder: `potluck:<cid>?name=…&size=…&addr=…&xt=…#<key>`.
///
/// Everything but the address is a hint, and is believed only after it proved true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// What the link leads to.
    pub address: Address,
    /// How its sharer calls it: a single name that is safe for a file.
    pub name: Option<String>,
    /// Bytes in all.
    pub size: Option<u64>,
    /// Where nodes that have it can be reached.
    pub addrs: Vec<Multiaddr>,
    /// Its names in other networks, such as `urn:btih:…`.
    pub xt: Vec<String>,
    /// The key that opens it. It is never sent to anyone.
    pub key: Option<LinkKey>,
}

/// Why a text is not a link that can be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// No text.
    #[error("the link is empty")]
    Empty,
    /// More bytes than [`MAX_LINK_BYTES`].
    #[error("the link has {bytes} bytes, more than the limit of {MAX_LINK_BYTES}")]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
    },
    /// Nothing that looks like a link or an address.
    #[error("not a link or content address")]
    Syntax,
    /// A link of another network, which can't be followed.
    #[error("{kind} is an unsupported kind of link")]
    Unsupported {
        /// What it is.
        kind: &'static str,
    },
    /// A content address of another hash than BLAKE3.
    #[error("only BLAKE3 content addresses can be fetched; this one's hash has code {code:#x}")]
    NotBlake3 {
        /// The multihash code.
        code: u64,
    },
    /// A BLAKE3 content address of something else than a file or a folder.
    #[error("the address is of unsupported content (codec {codec:#x})")]
    UnsupportedCodec {
        /// The codec.
        codec: u64,
    },
    /// An address within a folder.
    #[error("a path within an address is not supported")]
    Subpath,
    /// An escape that is no text.
    #[error("the link has a broken escape")]
    Escape,
    /// A field that may be there once.
    #[error("the link has the field '{field}' twice")]
    Twice {
        /// The field.
        field: &'static str,
    },
    /// More of a field than allowed.
    #[error("the link has more than {limit} of the field '{field}'")]
    TooMany {
        /// The field.
        field: &'static str,
        /// Most that may be there.
        limit: usize,
    },
    /// The name is not safe for a file.
    #[error("the link's name is refused: {0}")]
    Name(NameError),
    /// The size is not a number.
    #[error("the link's size is not a number of bytes")]
    Size,
    /// A node's address can't be read.
    #[error("the link's address {text:?} is not a multiaddress")]
    Addr {
        /// The field, shortened.
        text: String,
    },
    /// The key can't be read.
    #[error("the link's key is refused: {0}")]
    Key(LinkKeyError),
}

impl Link {
    /// A link with an address alone.
    #[must_use]
    pub fn new(address: Address) -> Self {
        Self {
            address,
            name: None,
            size: None,
            addrs: Vec::new(),
            xt: Vec::new(),
            key: None,
        }
    }

    /// The link with a name; one that is not safe for a file is changed to the nearest that is.
    #[must_use]
    pub fn with_name(mut self, name: &str) -> Self {
        self.name = Some(safe_name(name));
        self
    }

    /// The link with the number of bytes in all.
    #[must_use]
    pub fn with_size(mut self, size: u64) -> Self {
        self.size = Some(size);
        self
    }

    /// The link with addresses of nodes, as many as a link can have.
    #[must_use]
    pub fn with_addrs(mut self, addrs: impl IntoIterator<Item = Multiaddr>) -> Self {
        let room = MAX_LINK_ADDRS.saturating_sub(self.addrs.len());
        self.addrs.extend(addrs.into_iter().take(room));
        self
    }
}

impl From<Address> for Link {
    fn from(address: Address) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "potluck:{}", self.address)?;
        let mut mark = '?';
        let mut field = |f: &mut fmt::Formatter<'_>, key: &str, value: &str| {
            let value = utf8_percent_encode(value, ESCAPED);
            write!(f, "{}{key}={value}", std::mem::replace(&mut mark, '&'))
        };
        if let Some(name) = &self.name {
            field(f, "name", name)?;
        }
        if let Some(size) = self.size {
            field(f, "size", &size.to_string())?;
        }
        for addr in &self.addrs {
            field(f, "addr", &addr.to_string())?;
        }
        for xt in &self.xt {
            field(f, "xt", xt)?;
        }
        match &self.key {
            Some(key) => write!(f, "#{}", key.reveal()),
            None => Ok(()),
        }
    }
}

impl FromStr for Link {
    type Err = LinkError;

    fn from_str(text: &str) -> Result<Self, LinkError> {
        parse::link(text)
    }
}
