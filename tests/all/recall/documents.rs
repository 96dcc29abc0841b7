//! Places within a YAML document.

use serde_json::Value;

/// What an element of a list may be called by.
const NAMES: [&str; 6] = ["id", "name", "fides_key", "attribute", "purpose", "category"];

pub fn is_called(element: &Value, name: &str) -> bool {
    element == name || NAMES.iter().any(|key| element[*key] == name)
}

/// What stands under a key of a map, or in a list under a name or number.
pub fn child<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match value {
        Value::Object(map) => map.get_mut(key),
        Value::Array(list) => match key.parse::<usize>() {
            Ok(number) => list.get_mut(number),
            Err(_) => list.iter_mut().find(|element| is_called(element, key)),
        },
        _ => None,
    }
}
