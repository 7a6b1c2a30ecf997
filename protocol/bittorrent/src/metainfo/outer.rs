//! What stands around the info dictionary in a torrent file.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::{
    LIMITS, MAX_METAINFO_BYTES, MAX_URL_BYTES, MAX_URLS, Metainfo, MetainfoError, info, layers,
};
use crate::bencode::{Document, Node, Value};

/// Most bytes of a comment or a program's name that are kept.
const MAX_TEXT_BYTES: usize = 16 * 1024;

/// What can't stand in an address, and is in many all the same.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>');

pub(super) fn read(bytes: &[u8]) -> Result<Metainfo, MetainfoError> {
    if bytes.len() > MAX_METAINFO_BYTES {
        let bytes = bytes.len();
        return Err(MetainfoError::TooLarge { bytes });
    }
    let document = Document::read(bytes, LIMITS)?;
    let root = document.root();
    if !root.is_dict() {
        return Err(MetainfoError::NotDictionary);
    }
    let dictionary = root.get("info").filter(|info| info.is_dict());
    let info = info::read(dictionary.ok_or(MetainfoError::Field { field: "info" })?)?;
    let layers = layers::read(root.get("piece layers"), &info)?;
    let web_seeds = web_seeds(root, !info.is_single && info.files.len() > 1);
    Ok(Metainfo {
        info,
        layers,
        trackers: trackers(root),
        web_seeds,
        nodes: nodes(root),
        comment: text(root, "comment.utf-8").or_else(|| text(root, "comment")),
        created_by: text(root, "created by"),
        creation_date_seconds: root.get("creation date").and_then(Node::size),
    })
}

/// The tiers of trackers (BEP 12), or the one tracker (BEP 3) where there are none.
fn trackers(root: Node<'_, '_>) -> Vec<Vec<String>> {
    let mut room = MAX_URLS;
    let mut tiers = Vec::new();
    for tier in root
        .get("announce-list")
        .and_then(Node::list)
        .into_iter()
        .flatten()
    {
        let urls = tier.list().into_iter().flatten().filter_map(url);
        let urls: Vec<String> = urls.take(room).collect();
        room -= urls.len();
        if !urls.is_empty() {
            tiers.push(urls);
        }
    }
    if tiers.is_empty() {
        tiers.extend(root.get("announce").and_then(url).map(|url| vec![url]));
    }
    tiers
}

/// An address, without what people leave around it.
fn url(node: Node<'_, '_>) -> Option<String> {
    let url = node.utf8()?.trim();
    let url = utf8_percent_encode(url, ESCAPED).to_string();
    (!url.is_empty() && url.len() <= MAX_URL_BYTES).then_some(url)
}

/// Web seeds (BEP 19): one address, or a list of them, each once.
fn web_seeds(root: Node<'_, '_>, is_folder: bool) -> Vec<String> {
    let Some(field) = root.get("url-list") else {
        return Vec::new();
    };
    let one = field.text().map(|_| field);
    let urls = one.into_iter().chain(field.list().into_iter().flatten());
    let mut seeds = Vec::<String>::new();
    for mut url in urls.filter_map(url).take(MAX_URLS) {
        if is_folder && !url.ends_with('/') {
            url.push('/');
        }
        if !seeds.contains(&url) {
            seeds.push(url);
        }
    }
    seeds
}

/// Nodes of the DHT (BEP 5).
fn nodes(root: Node<'_, '_>) -> Vec<(String, u16)> {
    let nodes = root.get("nodes").and_then(Node::list).into_iter().flatten();
    let node = |node: Node<'_, '_>| {
        let mut parts = node.list()?;
        let host = parts.next()?.utf8()?;
        let port = u16::try_from(parts.next()?.number()?).ok()?;
        (!host.is_empty() && host.len() <= MAX_URL_BYTES && port > 0)
            .then(|| (host.to_owned(), port))
    };
    nodes.filter_map(node).take(MAX_URLS).collect()
}

/// A text for people, cut where it is too long for them.
fn text(root: Node<'_, '_>, key: &str) -> Option<String> {
    let text = root.get(key)?.text()?;
    let text = text.get(..MAX_TEXT_BYTES).unwrap_or(text);
    Some(String::from_utf8_lossy(text).into_owned())
}

pub(super) fn write(torrent: &Metainfo) -> Vec<u8> {
    let first = torrent.trackers.iter().flatten().next();
    let is_list = torrent.trackers.iter().flatten().count() > 1;
    let tiers = torrent
        .trackers
        .iter()
        .map(|tier| Value::texts_of(tier))
        .collect();
    let layers: BTreeMap<_, _> = torrent
        .layers
        .iter()
        .map(|(root, layer)| (root.to_vec(), Value::Text(layer.concat())))
        .collect();
    let nodes = torrent.nodes.iter().map(|(host, port)| {
        let port = Value::Number(i64::from(*port));
        Value::List(vec![Value::text(host), port])
    });
    let nodes: Vec<Value> = nodes.collect();
    let is_v2 = torrent.info.hashes.v2.is_some();
    let fields = [
        ("announce", first.map(Value::text)),
        ("announce-list", is_list.then_some(Value::List(tiers))),
        ("comment", torrent.comment.as_ref().map(Value::text)),
        ("created by", torrent.created_by.as_ref().map(Value::text)),
        (
            "creation date",
            torrent.creation_date_seconds.map(Value::size),
        ),
        ("info", Some(Value::Raw(torrent.info.bytes.clone()))),
        ("nodes", (!nodes.is_empty()).then_some(Value::List(nodes))),
        ("piece layers", is_v2.then_some(Value::Dict(layers))),
        (
            "url-list",
            (!torrent.web_seeds.is_empty()).then(|| Value::texts_of(&torrent.web_seeds)),
        ),
    ];
    Value::dict(fields).encode()
}
