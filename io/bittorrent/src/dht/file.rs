//! Nodes that are kept for the next time, as a text of addresses.

use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;
use std::str::FromStr;

use super::MAX_SAVED_NODES;

/// No line is longer than 47 characters and its end.
const MAX_BYTES: u64 = 64 * MAX_SAVED_NODES as u64;

/// The nodes in a file. What is no address is left out, and a file that is not there is empty.
pub(super) fn load<T: FromStr>(path: &Path) -> io::Result<Vec<T>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(MAX_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    let nodes = text.lines().filter_map(|line| line.trim().parse().ok());
    Ok(nodes.take(MAX_SAVED_NODES).collect())
}

/// Writes the file anew: it is the old one or the new one, whenever the power goes.
pub(super) fn save<T: Display>(path: &Path, nodes: &[T]) -> io::Result<()> {
    let lines = nodes.iter().take(MAX_SAVED_NODES);
    let text: String = lines.map(|node| format!("{node}\n")).collect();
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{SocketAddrV4, SocketAddrV6};

    #[test]
    fn nodes_come_back_and_rubbish_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nodes");
        assert_eq!(load::<SocketAddrV4>(&path).unwrap(), []);
        let nodes: Vec<SocketAddrV4> = (1..=200)
            .map(|port| SocketAddrV4::new([192, 168, 100, 100].into(), 65_000 + port))
            .collect();
        save(&path, &nodes).unwrap();
        let loaded: Vec<SocketAddrV4> = load(&path).unwrap();
        assert_eq!(loaded, nodes[..MAX_SAVED_NODES]);
        fs::write(&path, b"x\n1.2.3.4:5 \n\xff\n[::1]:6\n1.2.3.4\n").unwrap();
        let v4: Vec<SocketAddrV4> = load(&path).unwrap();
        assert_eq!(v4, ["1.2.3.4:5".parse().unwrap()]);
        let v6: Vec<SocketAddrV6> = load(&path).unwrap();
        assert_eq!(v6, ["[::1]:6".parse().unwrap()]);
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 1);
    }
}
