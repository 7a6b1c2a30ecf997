//! Text that belongs to one machine and not to the product.

use super::finding::Finding;

/// Folders of a developer's machine. Written in two parts, because this file is checked too.
const FOLDERS: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/far", "m/"),
];

/// Fails absolute paths into such folders; `docs/work/` or `example.org/work/` are none.
pub(super) fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    for (index, line) in text.lines().enumerate() {
        for folder in FOLDERS {
            if line
                .match_indices(folder)
                .any(|(at, _)| starts_path(&line[..at]))
            {
                let message = format!("`{folder}` is a path of one machine");
                findings.push(Finding::error(path, index + 1, message));
            }
        }
    }
}

fn starts_path(before: &str) -> bool {
    !before.ends_with(|c: char| c.is_alphanumeric() || "._-~/*)}]>$".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> usize {
        let mut findings = Vec::new();
        check("README.md", text, &mut findings);
        findings.len()
    }

    #[test]
    fn only_absolute_paths_count() {
        let folder = FOLDERS[0];
        assert_eq!(found(&format!("see {folder}main")), 1);
        assert_eq!(
            found(&format!("{folder}main\n`{folder}x`\n\"{folder}\"")),
            3
        );
        assert_eq!(
            found(&format!(
                "docs{folder}x https://example.org{folder}x ~{folder}"
            )),
            0
        );
        assert_eq!(found("a share that works"), 0);
    }
}
