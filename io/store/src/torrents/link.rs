//! Where the symbolic links of a torrent lead (BEP 47), as the file system wants it.

use super::shape;
use potluck_bittorrent::Info;

/// The text of a link at `link` that leads to `target`, both as seen from the folder of the torrent.
/// It never leads out of the folder: what is followed after the steps up are names of the torrent.
pub(super) fn text(link: &str, target: &str) -> String {
    let dirs = link.rsplit_once('/').map_or("", |(dirs, _)| dirs);
    let mut up: Vec<&str> = dirs.split('/').filter(|name| !name.is_empty()).collect();
    let mut down: Vec<&str> = target.split('/').filter(|name| !name.is_empty()).collect();
    let same = up.iter().zip(&down).take_while(|(up, down)| up == down);
    let same = same.count();
    let up = up.split_off(same).into_iter().map(|_| "..");
    let steps: Vec<&str> = up.chain(down.split_off(same)).collect();
    if steps.is_empty() {
        return ".".to_owned();
    }
    steps.join("/")
}

/// A target as seen from the folder of the torrent; nothing when it is that folder.
pub(super) fn target<'a>(info: &Info, target: &'a str) -> &'a str {
    if target == info.name() {
        return "";
    }
    shape::below_top(info, target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_from_where_they_are() {
        for (link, target, expected) in [
            ("l", "a", "a"),
            ("l", "d/a", "d/a"),
            ("d/l", "d/a", "a"),
            ("d/l", "a", "../a"),
            ("d/e/l", "d/f/a", "../f/a"),
            ("d/l", "d", "."),
            ("d/e/l", "d", ".."),
            ("l", "", "."),
            ("d/e/l", "", "../.."),
            ("de/l", "d/a", "../d/a"),
        ] {
            assert_eq!(text(link, target), expected, "{link} to {target}");
        }
    }
}
