//! What routers say in XML: the texts of elements, by the element around them. They are read one after
//! the other, without a tree, so no nesting of theirs is a nesting of calls here.

use xml::reader::{ParserConfig, XmlEvent};

/// Elements within each other, at most.
const MAX_DEPTH: usize = 32;
/// Elements in all, at most.
const MAX_ELEMENTS: usize = 4096;
/// Characters of one text, at most.
const MAX_TEXT: usize = 1024;

/// An element that has a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    /// Which element it is in, by a number of this document.
    pub(super) parent: usize,
    /// Its name, without that of its space.
    pub(super) name: String,
    /// Its text, without the blanks around it.
    pub(super) text: String,
}

/// The texts of a document, in their order. None for what is no XML, or too much of it.
pub(super) fn leaves(document: &str) -> Option<Vec<Leaf>> {
    let config = ParserConfig::new()
        .trim_whitespace(true)
        .cdata_to_characters(true)
        .max_entity_expansion_length(MAX_TEXT)
        .max_entity_expansion_depth(2)
        .max_data_length(MAX_TEXT)
        .max_attributes(16)
        .max_attribute_length(MAX_TEXT)
        .max_name_length(128);
    let mut found = Vec::new();
    // The elements around: their numbers, and what each says.
    let mut open: Vec<(usize, String)> = Vec::new();
    let mut count = 0;
    for event in config.create_reader(document.as_bytes()) {
        match event.ok()? {
            XmlEvent::StartElement { .. } => {
                count += 1;
                if open.len() >= MAX_DEPTH || count > MAX_ELEMENTS {
                    return None;
                }
                open.push((count, String::new()));
            }
            XmlEvent::Characters(text) => {
                let (_, said) = open.last_mut()?;
                if said.len() + text.len() > MAX_TEXT {
                    return None;
                }
                said.push_str(&text);
            }
            XmlEvent::EndElement { name } => {
                let (_, text) = open.pop()?;
                let parent = open.last().map_or(0, |(number, _)| *number);
                if !text.is_empty() {
                    found.push(Leaf {
                        parent,
                        name: name.local_name,
                        text,
                    });
                }
            }
            _ => {}
        }
    }
    Some(found)
}

/// The text of the first element of a name.
pub(super) fn text<'a>(leaves: &'a [Leaf], name: &str) -> Option<&'a str> {
    let leaf = leaves.iter().find(|leaf| leaf.name == name)?;
    Some(&leaf.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_come_with_what_they_are_in() {
        let document =
            "<?xml version='1.0'?><a xmlns:x='y'><x:b><c> 1 </c><d/></x:b><b><c>2&lt;</c></b></a>";
        let leaves = leaves(document).unwrap();
        let seen: Vec<_> = leaves
            .iter()
            .map(|leaf| (leaf.parent, leaf.name.as_str(), leaf.text.as_str()))
            .collect();
        assert_eq!(seen, [(2, "c", "1"), (5, "c", "2<")]);
        assert_eq!(text(&leaves, "c"), Some("1"));
        assert_eq!(text(&leaves, "d"), None);
    }

    #[test]
    fn what_is_too_much_or_broken_is_nothing() {
        let deep = format!("{}x{}", "<a>".repeat(100_000), "</a>".repeat(100_000));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_ELEMENTS));
        let long = format!("<a>{}</a>", "x".repeat(MAX_TEXT + 1));
        let laughs = "<!DOCTYPE a [<!ENTITY b 'xxxxxxxxxx'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>\
                      <!ENTITY d '&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;'>]><a>&d;</a>";
        for document in [deep.as_str(), &wide, &long, laughs, "<a>", "", "no"] {
            assert_eq!(leaves(document), None, "{:.40}", document);
        }
    }
}
