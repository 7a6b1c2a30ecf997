//! Calls that have no place in some or all of the code.
//!
//! Works on tokens, so that comments and strings don't count and the arguments of macros do.

use std::str::FromStr;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::finding::Finding;

/// A run of tokens (joined by `::` where written so) and why it may not appear.
struct Rule {
    tokens: &'static [&'static str],
    why: &'static str,
}

const CLOCK: &str = "machines get the time as an argument";
const TASK: &str = "machines start no threads";
const DISK: &str = "machines touch no files";
const SOCKET: &str = "machines open no sockets";
const CHANCE: &str = "machines get randomness as an argument";
const ORDER: &str = "its order differs from run to run: use BTreeMap, BTreeSet or a fixed hasher";
const UNBOUNDED: &str = "channels are bounded: a slow reader must be felt by the writer";

const fn rule(tokens: &'static [&'static str], why: &'static str) -> Rule {
    Rule { tokens, why }
}

/// For `protocol/` outside its tests.
const MACHINES: &[Rule] = &[
    rule(&["Instant", "::", "now"], CLOCK),
    rule(&["SystemTime", "::", "now"], CLOCK),
    rule(&["thread", "::", "spawn"], TASK),
    rule(&["thread", "::", "scope"], TASK),
    rule(&["thread", "::", "sleep"], CLOCK),
    rule(&["std", "::", "fs"], DISK),
    rule(&["TcpStream"], SOCKET),
    rule(&["TcpListener"], SOCKET),
    rule(&["UdpSocket"], SOCKET),
    rule(&["rand", "::", "rng"], CHANCE),
    rule(&["thread_rng"], CHANCE),
    rule(&["OsRng"], CHANCE),
    rule(&["SysRng"], CHANCE),
    rule(&["RandomState"], ORDER),
    // Only the maps with std's random hasher have these.
    rule(&["HashMap", "::", "new"], ORDER),
    rule(&["HashMap", "::", "with_capacity"], ORDER),
    rule(&["HashSet", "::", "new"], ORDER),
    rule(&["HashSet", "::", "with_capacity"], ORDER),
];

/// For all code.
const EVERYWHERE: &[Rule] = &[
    rule(&["unbounded_channel"], UNBOUNDED),
    rule(&["UnboundedSender"], UNBOUNDED),
    rule(&["UnboundedReceiver"], UNBOUNDED),
    rule(&["mpsc", "::", "unbounded"], UNBOUNDED),
    rule(&["channel", "::", "unbounded"], UNBOUNDED),
    rule(&["async_channel", "::", "unbounded"], UNBOUNDED),
    // std's only bounded channel is `sync_channel`.
    rule(
        &["std", "::", "sync", "::", "mpsc", "::", "channel"],
        UNBOUNDED,
    ),
    rule(&["mpsc", "::", "channel", "()"], UNBOUNDED),
];

/// A token with its line; an empty pair of brackets is one token.
struct Token {
    text: String,
    line: usize,
}

/// Fails what the rules for this path name.
pub(super) fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    // A file that is not Rust is reported by the function sizes.
    let Ok(stream) = TokenStream::from_str(text) else {
        return;
    };
    let mut all = Vec::new();
    flatten(stream.clone(), true, &mut all);
    apply(path, &all, EVERYWHERE, findings);
    if path.starts_with("protocol/") && !path.contains("/tests/") && !path.ends_with("/tests.rs") {
        let mut shipped = Vec::new();
        flatten(stream, false, &mut shipped);
        apply(path, &shipped, MACHINES, findings);
        random_maps(path, &shipped, findings);
    }
}

fn apply(path: &str, tokens: &[Token], rules: &[Rule], findings: &mut Vec<Finding>) {
    for start in 0..tokens.len() {
        for rule in rules {
            if matches(&tokens[start..], rule.tokens) {
                let message = format!("`{}`: {}", rule.tokens.concat(), rule.why);
                findings.push(Finding::error(path, tokens[start].line, message));
            }
        }
    }
}

/// Whether the tokens begin with the pattern; type arguments before the last `()` may be given.
fn matches(tokens: &[Token], pattern: &[&str]) -> bool {
    let (last, head) = match pattern.split_last() {
        Some((&"()", head)) => (true, head),
        _ => (false, pattern),
    };
    if tokens.len() < head.len()
        || !head
            .iter()
            .zip(tokens)
            .all(|(wanted, token)| *wanted == token.text)
    {
        return false;
    }
    let rest = &tokens[head.len()..];
    !last
        || rest[turbofish(rest)..]
            .first()
            .is_some_and(|token| token.text == "()")
}

/// How many tokens a leading `::<…>` takes.
fn turbofish(tokens: &[Token]) -> usize {
    if tokens.len() < 2 || tokens[0].text != "::" || tokens[1].text != "<" {
        return 0;
    }
    type_arguments(&tokens[1..]).map_or(0, |(_, length)| length + 1)
}

/// Counts the arguments of a leading `<…>` and the tokens that it takes.
fn type_arguments(tokens: &[Token]) -> Option<(usize, usize)> {
    if tokens.first()?.text != "<" {
        return None;
    }
    let (mut depth, mut brackets, mut arguments) = (0_usize, 0_usize, 0);
    let mut pending = false;
    for (index, token) in tokens.iter().enumerate() {
        match token.text.as_str() {
            "<" => depth += 1,
            ">" => {
                depth -= 1;
                if depth == 0 {
                    return Some((arguments + usize::from(pending), index + 1));
                }
            }
            "(" | "[" | "{" => brackets += 1,
            ")" | "]" | "}" => brackets = brackets.saturating_sub(1),
            "," if depth == 1 && brackets == 0 => {
                arguments += 1;
                pending = false;
                continue;
            }
            _ => {}
        }
        pending |= index > 0;
    }
    None
}

/// Fails `HashMap<K, V>` and `HashSet<T>`: without a hasher named, it is the random one.
fn random_maps(path: &str, tokens: &[Token], findings: &mut Vec<Finding>) {
    for (index, token) in tokens.iter().enumerate() {
        let fixed = match token.text.as_str() {
            "HashMap" => 3,
            "HashSet" => 2,
            _ => continue,
        };
        let mut rest = &tokens[index + 1..];
        if rest.first().is_some_and(|token| token.text == "::") {
            rest = &rest[1..];
        }
        if type_arguments(rest).is_some_and(|(arguments, _)| arguments < fixed) {
            let message = format!("`{}<…>`: {ORDER}", token.text);
            findings.push(Finding::error(path, token.line, message));
        }
    }
}

/// Writes the tokens in a row, without items marked `#[cfg(test)]` unless asked for.
fn flatten(stream: TokenStream, tests: bool, out: &mut Vec<Token>) {
    let trees: Vec<TokenTree> = stream.into_iter().collect();
    let mut index = 0;
    while index < trees.len() {
        if !tests && is_cfg_test(&trees[index..]) {
            index += 2 + item_length(&trees[index + 2..]);
            continue;
        }
        match &trees[index] {
            TokenTree::Group(group) => push_group(group, tests, out),
            TokenTree::Punct(punct) if punct.as_char() == ':' && follows(&trees, index, ':') => {
                push(out, "::", punct.span());
                index += 1;
            }
            TokenTree::Punct(punct) if punct.as_char() == '-' && follows(&trees, index, '>') => {
                push(out, "->", punct.span());
                index += 1;
            }
            TokenTree::Literal(literal) => push(out, "\"\"", literal.span()),
            other => push(out, &other.to_string(), other.span()),
        }
        index += 1;
    }
}

fn push(out: &mut Vec<Token>, text: &str, span: proc_macro2::Span) {
    out.push(Token {
        text: text.to_owned(),
        line: span.start().line,
    });
}

fn push_group(group: &proc_macro2::Group, tests: bool, out: &mut Vec<Token>) {
    let (open, close) = match group.delimiter() {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::None => ("", ""),
    };
    if group.stream().is_empty() {
        push(out, &format!("{open}{close}"), group.span_open());
        return;
    }
    push(out, open, group.span_open());
    flatten(group.stream(), tests, out);
    push(out, close, group.span_close());
}

fn follows(trees: &[TokenTree], index: usize, wanted: char) -> bool {
    matches!(trees.get(index + 1), Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_cfg_test(trees: &[TokenTree]) -> bool {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = trees else {
        return false;
    };
    hash.as_char() == '#' && group.stream().to_string().replace(' ', "") == "cfg(test)"
}

/// How many trees an item takes: up to its body or its semicolon.
fn item_length(trees: &[TokenTree]) -> usize {
    let ends = |tree: &TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';',
        _ => false,
    };
    trees
        .iter()
        .position(ends)
        .map_or(trees.len(), |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check(path, text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    fn machine(text: &str) -> usize {
        found("protocol/transfer/src/x.rs", text).len()
    }

    #[test]
    fn machines_read_no_clock_and_start_no_threads() {
        assert_eq!(
            found(
                "protocol/content/src/x.rs",
                "fn f() {\n    let t = std::time::Instant::now();\n}"
            ),
            ["protocol/content/src/x.rs:2: `Instant::now`: machines get the time as an argument"]
        );
        assert_eq!(
            machine("fn f() { SystemTime :: now(); std::thread::spawn(|| ()); }"),
            2
        );
        assert_eq!(
            machine("use std::fs; fn f() { assert!(Instant::now() > x); }"),
            2
        );
        assert_eq!(
            machine("// Instant::now()\nfn f() { g(\"Instant::now()\") }"),
            0
        );
        assert!(found("io/net/src/x.rs", "fn f() { Instant::now(); }").is_empty());
    }

    #[test]
    fn maps_with_random_order() {
        assert_eq!(machine("struct S { m: HashMap<u8, Vec<(u8, u8)>> }"), 1);
        assert_eq!(machine("struct S { m: HashMap<u8, Vec<u8>, Fixed> }"), 0);
        assert_eq!(machine("struct S { m: HashMap<u8, u8, Fixed,> }"), 0);
        assert_eq!(machine("struct S { m: HashSet<fn(u8, u8) -> u8> }"), 1);
        assert_eq!(machine("fn f() { HashMap::<u8, u8>::default() }"), 1);
        assert_eq!(machine("fn f() { let m = HashMap::new(); }"), 1);
        assert_eq!(machine("use std::collections::{BTreeMap, HashMap};"), 0);
    }

    #[test]
    fn tests_of_machines_are_free() {
        let body = "fn f() { Instant::now(); }";
        assert_eq!(machine(&format!("#[cfg(test)] mod tests {{ {body} }}")), 0);
        assert_eq!(
            machine(&format!("#[cfg(test)]\n#[path = \"x\"]\nmod tests; {body}")),
            1
        );
        assert_eq!(machine(&format!("#[cfg(not(test))] mod m {{ {body} }}")), 1);
        assert!(found("protocol/content/tests/x.rs", body).is_empty());
    }

    #[test]
    fn channels_are_bounded() {
        let count = |text: &str| found("app/daemon/src/x.rs", text).len();
        assert_eq!(count("fn f() { mpsc::unbounded_channel::<u8>(); }"), 1);
        assert_eq!(count("fn f() { futures::channel::mpsc::unbounded(); }"), 1);
        assert_eq!(
            count("fn f() { mpsc::channel(); mpsc::channel::<Vec<u8>>(); }"),
            2
        );
        assert_eq!(count("use std::sync::mpsc::channel;"), 1);
        assert_eq!(
            count("#[cfg(test)] mod tests { fn f() { unbounded_channel(); } }"),
            1
        );
        assert_eq!(
            count("fn f() { mpsc::channel(8); mpsc::channel::<u8>(8); oneshot::channel(); }"),
            0
        );
    }
}
