//! Function sizes, measured between the braces of the body.

use proc_macro2::extra::DelimSpan;
use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use syn::visit::{self, Visit};

use super::finding::Finding;

const LIMIT: usize = 70;

/// Fails functions whose body is longer than the limit, nested ones included.
pub(super) fn check(path: &str, text: &str, findings: &mut Vec<Finding>) {
    match syn::parse_file(text) {
        Ok(file) => Functions { path, findings }.visit_file(&file),
        Err(error) => {
            let message = format!("does not parse: {error}");
            findings.push(Finding::error(path, error.span().start().line, message));
        }
    }
}

struct Functions<'a> {
    path: &'a str,
    findings: &'a mut Vec<Finding>,
}

impl Functions<'_> {
    fn measure(&mut self, name: &Ident, braces: DelimSpan) {
        let (open, close) = (braces.open().start().line, braces.close().end().line);
        let lines = close.saturating_sub(open + 1);
        if lines > LIMIT {
            let message = format!("`{name}` has {lines} lines, the limit is {LIMIT}");
            self.findings
                .push(Finding::error(self.path, name.span().start().line, message));
        }
    }

    /// Finds `fn name … { body }` in what a macro is given, whatever grammar that has.
    fn measure_tokens(&mut self, tokens: TokenStream) {
        let mut name = None;
        let mut after_fn = false;
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if after_fn => {
                    name = Some(ident);
                    after_fn = false;
                }
                TokenTree::Ident(ident) => after_fn = ident == "fn",
                TokenTree::Group(group) => {
                    if group.delimiter() == Delimiter::Brace
                        && let Some(name) = name.take()
                    {
                        self.measure(&name, group.delim_span());
                    }
                    self.measure_tokens(group.stream());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => after_fn = false,
            }
        }
    }
}

impl<'ast> Visit<'ast> for Functions<'_> {
    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.measure(&function.sig.ident, function.block.brace_token.span);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.measure(&function.sig.ident, function.block.brace_token.span);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig.ident, body.brace_token.span);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_macro(&mut self, invocation: &'ast syn::Macro) {
        self.measure_tokens(invocation.tokens.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(lines: usize) -> String {
        "    let _ = ();\n".repeat(lines)
    }

    fn found(text: &str) -> Vec<String> {
        let mut findings = Vec::new();
        check("a.rs", text, &mut findings);
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_limit_is_between_the_braces() {
        assert!(found(&format!("fn f() {{\n{}}}\n", long(70))).is_empty());
        assert_eq!(
            found(&format!("\nfn f(\n) {{\n{}}}\n", long(71))),
            ["a.rs:2: `f` has 71 lines, the limit is 70"]
        );
    }

    #[test]
    fn methods_trait_defaults_and_macros_count() {
        let body = long(71);
        for text in [
            format!("impl X {{ fn f() {{\n{body}}} }}"),
            format!("trait X {{ fn f() {{\n{body}}} fn g(); }}"),
            format!("fn outer() {{ fn f() {{\n{body}}} }}"),
            format!("proptest! {{ #[test] fn f(x in 0..3u8) {{\n{body}}} }}"),
        ] {
            assert!(
                found(&text).iter().any(|line| line.contains("`f` has 71")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_not_rust_is_named() {
        assert!(found("fn f( {")[0].starts_with("a.rs:1: does not parse"));
    }
}
