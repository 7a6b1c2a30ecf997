//! A file and a folder, at the node that is asked or at another one.

use crate::http::Door;
use crate::support::{Node, Scratch, cid};
use std::fs;

/// Bytes of the film.
pub(crate) const SIZE: usize = 700_000;

/// A node that has a file and a folder, or finds them at another.
pub(crate) struct Shelf {
    pub(crate) door: Door,
    pub(crate) bytes: Vec<u8>,
    /// Address of the film, and of the folder.
    pub(crate) film: String,
    pub(crate) folder: String,
    /// What the film is asked for by.
    film_link: String,
    _nodes: Vec<Node>,
    _scratch: Scratch,
}

impl Shelf {
    /// The film's path. By a link, as an address alone would not tell a node the name of what it has
    /// not got.
    pub(crate) fn film_path(&self) -> String {
        let link = percent_encoding::utf8_percent_encode(
            &self.film_link,
            percent_encoding::NON_ALPHANUMERIC,
        );
        format!("/c/{link}")
    }
}

/// One whose node has it all, and one whose node has nothing yet and knows who has it.
pub(crate) fn shelves(name: &str) -> [Shelf; 2] {
    [false, true].map(|is_elsewhere| shelf(name, is_elsewhere))
}

fn shelf(name: &str, is_elsewhere: bool) -> Shelf {
    let scratch = Scratch::new(name);
    let bytes: Vec<u8> = (0..SIZE)
        .map(|at| u8::try_from((at * 7 + at / 251) % 256).unwrap())
        .collect();
    fs::write(scratch.path("film.mp4"), &bytes).unwrap();
    let folder = scratch.path("folder");
    for (path, text) in [
        ("a.txt", "first\n"),
        ("empty.txt", ""),
        ("Übung & mehr/größe #1?.txt", "Unicode\n"),
        ("Übung & mehr/<b>.txt", "odd\n"),
        ("site/index.html", "<h1>home</h1>"),
        ("site/style.css", "h1{color:red}"),
        ("plain", "<html><script>alert(1)</script>"),
        ("picture", "\u{89}PNG"),
        ("doc.pdf", "%PDF-1.4"),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let giver = scratch.node("giver").start();
    let link = giver.share(&scratch.path("film.mp4"));
    let folder = cid(&giver.share(&folder));
    let mut nodes = vec![giver];
    if is_elsewhere {
        nodes.push(scratch.node("reader").peer(nodes[0].address()).start());
    }
    Shelf {
        door: Door::of(&nodes[nodes.len() - 1]),
        bytes,
        film: cid(&link),
        folder,
        film_link: link,
        _nodes: nodes,
        _scratch: scratch,
    }
}
