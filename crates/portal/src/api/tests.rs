//! The document describes what is there, and nothing opens without a token.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;

#[test]
fn the_document_describes_every_operation() {
    let document: Value = serde_json::from_str(&DOCUMENT).expect("JSON");
    let paths = document["paths"].as_object().expect("paths");
    let mut operations = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().expect("methods") {
            operations.insert(format!("{method} {path}"));
            for field in ["summary", "operationId", "tags"] {
                assert!(operation.get(field).is_some(), "{method} {path} has no {field}");
            }
            assert!(
                ids.insert(operation["operationId"].to_string()),
                "{method} {path}: {}",
                operation["operationId"]
            );
            for status in ["200", "400", "401", "503"] {
                assert!(operation["responses"].get(status).is_some(), "{method} {path}: {status}");
            }
        }
    }
    let expected = [
        "delete /api/v1/chargers/{charger}/leader",
        "get /api/v1/calls",
        "get /api/v1/calls/{trace}",
        "get /api/v1/chargers",
        "get /api/v1/chargers/{charger}",
        "get /api/v1/chargers/{charger}/deliveries",
        "get /api/v1/chargers/{charger}/proxy",
        "get /api/v1/chargers/{charger}/why",
        "get /api/v1/comparison",
        "get /api/v1/configuration",
        "get /api/v1/entrance/chargers",
        "get /api/v1/entrance/knocking",
        "get /api/v1/occurrences",
        "get /api/v1/tail",
        "get /api/v1/transactions",
        "post /api/v1/chargers/{charger}/deliveries/drop",
        "post /api/v1/chargers/{charger}/deliveries/retry",
        "post /api/v1/entrance/{charger}/admit",
        "post /api/v1/entrance/{charger}/allow-plain",
        "post /api/v1/entrance/{charger}/forget",
        "post /api/v1/entrance/{charger}/remove",
        "put /api/v1/chargers/{charger}/leader",
    ];
    assert_eq!(operations, expected.into_iter().map(str::to_owned).collect());
    assert_eq!(document["security"], serde_json::json!([{ "token": [] }]));
}

#[test]
fn the_document_names_nothing_that_it_does_not_have() {
    let document: Value = serde_json::from_str(&DOCUMENT).expect("JSON");
    let references: BTreeSet<&str> =
        DOCUMENT.split("\"$ref\": \"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(references.len() > 30, "{references:?}");
    for reference in references {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}
