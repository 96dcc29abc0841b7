//! What is looked up in a record, and numbers to compare it with.

use serde_json::Value;

/// The facts of a record of one kind.
pub fn facts<'a>(record: &'a Value, kind: &str) -> Vec<&'a Value> {
    record["facts"].as_array().expect("facts").iter().filter(|fact| fact["kind"] == kind).collect()
}

/// The quality of the evidence in one role.
pub fn quality<'a>(record: &'a Value, role: &str) -> &'a Value {
    facts(record, "evidence_quality").into_iter().find(|fact| fact["role"] == role).expect("the role is there")
}

/// A rule of a record, with its status and how it judged what.
pub fn rule<'a>(record: &'a Value, id: &str) -> &'a Value {
    let steps = record["steps"].as_array().expect("steps");
    let mut rules = steps.iter().flat_map(|step| step["rules"].as_array().expect("rules"));
    rules.find(|rule| rule["id"] == id).expect("the rule is there")
}

/// What a rule came to.
pub fn verdict<'a>(record: &'a Value, id: &str) -> &'a Value {
    &rule(record, id)["status"]
}

#[track_caller]
pub fn near(got: &Value, expected: f64, tolerance: f64) {
    let got = got.as_f64().unwrap_or_else(|| panic!("{got} is no number"));
    assert!((got - expected).abs() <= tolerance, "{got} is not {expected}");
}

/// A small generator of numbers that any language has: the linear congruential one of ISO C's example, its upper bits.
pub struct Numbers(pub u64);

impl Numbers {
    /// From 0 to below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = (self.0 * 1_103_515_245 + 12_345) % (1 << 31);
        (self.0 >> 16) % end
    }
    /// A place in a list of so many.
    pub fn index(&mut self, of: usize) -> usize {
        self.below(of as u64) as usize
    }
}
