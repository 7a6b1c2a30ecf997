//! The description and the routes are the same.

use super::{DESCRIPTION, table};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn every_route_is_described_and_every_description_is_of_a_route() {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let described: BTreeSet<String> = description["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let routes: BTreeSet<String> = table()
        .iter()
        .map(|(path, _)| path.replace("{*", "{"))
        .collect();
    assert_eq!(described, routes);
}

#[test]
fn references_lead_to_schemas() {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let schemas = description["components"]["schemas"].as_object().unwrap();
    let mut parts = DESCRIPTION.split("#/components/schemas/");
    parts.next();
    for part in parts {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name}");
    }
}
