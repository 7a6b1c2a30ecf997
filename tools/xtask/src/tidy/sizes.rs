//! File sizes: a file that does one thing is short.

use super::finding::Finding;

const HABIT: usize = 400;
const LIMIT: usize = 800;
/// Files that people write as programs.
const CODE: &[&str] = &["rs", "py", "sh", "js", "ts", "css"];

/// Warns above the habit and fails above the limit.
pub(super) fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
    if !CODE.contains(&extension) {
        return;
    }
    let lines = text.lines().count();
    if lines > LIMIT {
        let message = format!("{lines} lines, the limit is {LIMIT}: split it by concern");
        findings.push(Finding::error(path, LIMIT + 1, message));
    } else if lines > HABIT {
        let message = format!("{lines} lines, the habit is {HABIT}");
        findings.push(Finding::warning(path, HABIT + 1, message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_lines(path: &str, lines: usize) -> Vec<String> {
        let mut findings = Vec::new();
        check(path, &"x\n".repeat(lines), &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn habit_and_limit() {
        assert!(check_lines("a.rs", 400).is_empty());
        assert_eq!(
            check_lines("a.rs", 401),
            ["a.rs:401: warning: 401 lines, the habit is 400"]
        );
        assert!(check_lines("a.rs", 800)[0].contains("warning"));
        assert_eq!(
            check_lines("a.rs", 801),
            ["a.rs:801: 801 lines, the limit is 800: split it by concern"]
        );
        assert!(check_lines("docs/long.md", 5_000).is_empty());
        assert!(check_lines("Cargo.lock", 5_000).is_empty());
    }
}
