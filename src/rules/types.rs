//! The types of values in a condition, read from the JSON Schema of what it may look at.

use std::collections::BTreeMap;
use std::fmt;

use schemars::Schema;
use serde_json::Value;

/// A type as conditions know it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    /// Not known; goes with everything. Elements of an empty list, and what stands after a mistake.
    Any,
    Bool,
    Int,
    Double,
    /// A string, with its values when they are a closed set.
    Text(Option<Vec<String>>),
    Null,
    List(Box<Type>),
    /// Names that only the data knows, e.g. the attributes of a segment.
    Map(Box<Type>),
    /// Names that the schema knows.
    Object(BTreeMap<String, Field>),
}

/// A field of an object.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub of: Type,
    pub nullable: bool,
}

/// What a condition may look at: `fact`, `params`, `audit`.
pub(super) type Roots = BTreeMap<&'static str, Type>;

impl Type {
    pub fn text() -> Self {
        Self::Text(None)
    }

    /// The type that a JSON Schema describes. What cannot be told is [`Type::Any`].
    pub fn of_schema(schema: &Schema) -> Self {
        let root = schema.as_value();
        field(root, root.get("$defs").unwrap_or(&Value::Null), 0).of
    }

    /// The type of a parameter's value; `None` for what a parameter cannot be.
    pub fn of_param(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(_) => Some(Self::Bool),
            Value::Number(number) if number.is_f64() => Some(Self::Double),
            Value::Number(_) => Some(Self::Int),
            Value::String(_) => Some(Self::text()),
            Value::Array(items) => {
                let mut of = Self::Any;
                for item in items {
                    of = of.join(&Self::of_param(item)?)?;
                }
                Some(Self::List(Box::new(of)))
            }
            Value::Null | Value::Object(_) => None,
        }
    }

    /// The type that holds values of both, if there is one.
    pub fn join(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, known) | (known, Self::Any) => Some(known.clone()),
            (Self::Text(a), Self::Text(b)) => Some(Self::Text(if a == b { a.clone() } else { None })),
            (Self::List(a), Self::List(b)) => a.join(b).map(|of| Self::List(Box::new(of))),
            (a, b) => (a == b).then(|| a.clone()),
        }
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Double | Self::Any)
    }

    /// Whether `==` between the two can be true.
    pub fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (a, b) if a.is_number() && b.is_number() => true,
            (Self::Bool, Self::Bool) | (Self::Text(_), Self::Text(_)) => true,
            (Self::List(a), Self::List(b)) | (Self::Map(a), Self::Map(b)) => a.equals(b),
            _ => false,
        }
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("a value"),
            Self::Bool => f.write_str("a bool"),
            Self::Int => f.write_str("a whole number"),
            Self::Double => f.write_str("a decimal number"),
            Self::Text(_) => f.write_str("a string"),
            Self::Null => f.write_str("null"),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("a map"),
            Self::Object(_) => f.write_str("an object"),
        }
    }
}

/// Deeper schemas than this are recursive ones.
const MAX_DEPTH: usize = 16;

fn field(schema: &Value, defs: &Value, depth: usize) -> Field {
    let known = |of: Type| Field { of, nullable: false };
    if depth > MAX_DEPTH {
        return known(Type::Any);
    }
    let of = |schema: &Value| field(schema, defs, depth + 1);
    if let Some(name) = schema.get("$ref").and_then(Value::as_str).and_then(|path| path.strip_prefix("#/$defs/")) {
        return defs.get(name).map_or(known(Type::Any), of);
    }
    if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        return choices.iter().map(of).reduce(either).unwrap_or(known(Type::Any));
    }
    let values: Option<Vec<String>> = match (schema.get("const"), schema.get("enum").and_then(Value::as_array)) {
        (Some(Value::String(only)), _) => Some(vec![only.clone()]),
        (_, Some(all)) => Some(all.iter().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => None,
    };
    let one = |name: &str| match name {
        "null" => Field { of: Type::Null, nullable: true },
        "boolean" => known(Type::Bool),
        "integer" => known(Type::Int),
        "number" => known(Type::Double),
        "string" => known(Type::Text(values.clone())),
        "array" => known(Type::List(Box::new(schema.get("items").map_or(Type::Any, |items| of(items).of)))),
        "object" => known(object(schema, &of)),
        _ => known(Type::Any),
    };
    match schema.get("type") {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).map(one).reduce(either).unwrap_or(known(Type::Any))
        }
        _ => known(Type::Any),
    }
}

fn object(schema: &Value, of: &dyn Fn(&Value) -> Field) -> Type {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        return Type::Object(properties.iter().map(|(name, schema)| (name.clone(), of(schema))).collect());
    }
    Type::Map(Box::new(match schema.get("additionalProperties") {
        Some(values @ Value::Object(_)) => of(values).of,
        _ => Type::Any,
    }))
}

fn either(a: Field, b: Field) -> Field {
    let nullable = a.nullable || b.nullable;
    let of = match (a.of, b.of) {
        (Type::Null, known) | (known, Type::Null) => known,
        (Type::Text(Some(mut values)), Type::Text(Some(more))) => {
            values.extend(more);
            Type::Text(Some(values))
        }
        (a, b) => a.join(&b).unwrap_or(Type::Any),
    };
    Field { of, nullable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_s_schema_becomes_a_type() {
        let schema = (crate::facts::kind("outcome_parity").unwrap().schema)();
        let Type::Object(fields) = Type::of_schema(&schema) else { panic!("an object") };
        assert!(fields["ratio"].nullable);
        let Type::Object(interval) = &fields["ratio"].of else { panic!("an object") };
        assert_eq!(interval["low"], Field { of: Type::Double, nullable: false });
        assert_eq!(fields["subjects"], Field { of: Type::Int, nullable: true });
        assert_eq!(fields["segment"].of, Type::Map(Box::new(Type::text())));
        let Type::Text(Some(values)) = &fields["comparison"].of else { panic!("a closed set") };
        assert_eq!(values, &["compared", "reference", "suppressed", "unknown", "undefined"]);
    }

    #[test]
    fn a_list_parameter_holds_one_type() {
        assert_eq!(Type::of_param(&serde_json::json!(["a", "b"])), Some(Type::List(Box::new(Type::text()))));
        assert_eq!(Type::of_param(&serde_json::json!(["a", 1])), None);
    }
}
