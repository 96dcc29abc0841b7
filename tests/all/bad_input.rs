//! What is wrong with what was handed over is told with file and line, and nothing is written.

use crate::support::{Audit, facts};

mod declared;
mod duplicates;
mod files;
mod rows;
mod times;

#[test]
fn a_valid_audit_passes() {
    let run = Audit::new().run();
    let record = run.audited(0);
    assert!(!facts(&record, "outcome_parity").is_empty() && !facts(&record, "join").is_empty());
    assert!(run.rejected().is_empty());
    run.leaks_nobody();
}
