//! What the audit could have seen, in plain words for a terminal.

use super::decisions::why_hidden;
use super::{Decisions, Difference, Power, Side};

/// All of it, by rule and strategy.
pub fn render(power: &Power) -> String {
    let mut text = format!(
        "What an audit of {} could have seen, {} of the time ({} samples, seed {})\n\
         Sizes are what would be true of the people; 1 is where nobody is treated otherwise.\n",
        power.system,
        percent(power.power),
        power.simulations,
        power.seed
    );
    for of_rule in power.differences.chunk_by(|a, b| (&a.rule, &a.side) == (&b.rule, &b.side)) {
        text += &rule(of_rule);
    }
    for of_rule in power.events.chunk_by(|a, b| a.rule == b.rule) {
        text += &format!("\n{} ({}), {}\n", of_rule[0].rule, of_rule[0].pack, of_rule[0].of);
        for of_strategy in of_rule.chunk_by(|a, b| a.strategy == b.strategy) {
            text += &format!("  {}\n", of_strategy[0].strategy);
            text += &of_strategy.iter().map(decisions).collect::<String>();
        }
    }
    if !power.not_simulated.is_empty() {
        text += "\nNot simulated\n";
    }
    for left in &power.not_simulated {
        text += &format!("  {} ({}): {}\n", left.rule, left.pack, left.reason);
    }
    text
}

fn rule(of_rule: &[Difference]) -> String {
    let first = &of_rule[0];
    let side = if first.side == Side::AtMost { "below" } else { "above" };
    let blind = of_rule.iter().filter(|of| of.seen.is_none()).count();
    let mut text = format!(
        "\n{} ({}), fails when a {} is surely {side} {}; could not see anything: {blind} of {}\n",
        first.rule,
        first.pack,
        first.measure,
        number(first.bound),
        of_rule.len()
    );
    for of_strategy in of_rule.chunk_by(|a, b| a.strategy == b.strategy) {
        if !of_strategy[0].strategy.is_empty() {
            text += &format!("  {}\n", of_strategy[0].strategy);
        }
        text += &of_strategy.iter().map(difference).collect::<String>();
    }
    text
}

fn difference(of: &Difference) -> String {
    let side = if of.side == Side::AtMost { "lower" } else { "higher" };
    let seen = match &of.seen {
        Some(seen) => format!("{} or {side} would be seen", number(seen.size)),
        None => format!("nothing would be seen, not even {}", number(of.tried)),
    };
    let observed = of.observed.map(|of| format!("observed {}", number(of)));
    let units = of.units.map(|units| format!("{units} {}", of.unit));
    let pass = of.units_to_pass.map(|units| format!("{units} would show that there is none"));
    let parts: Vec<String> = observed.into_iter().chain(units).chain(pass).collect();
    format!("    {}: {seen} ({})\n", of.says, parts.join("; "))
}

fn decisions(of: &Decisions) -> String {
    let seen = match &of.seen {
        Some(seen) => format!("{} of them would be seen {} of the time", seen.size, percent(seen.probability)),
        None => "not even all of them would be seen".to_owned(),
    };
    let hidden = why_hidden(&of.hidden).map(|why| format!("; unseen {}: {why}", percent(of.hidden.share)));
    format!("    {}: {seen} ({} decisions in the log{})\n", of.says, of.hidden.events, hidden.unwrap_or_default())
}

/// To two digits after the point, or more where those say nothing.
fn number(of: f64) -> String {
    let text = if of != 0.0 && of.abs() < 0.01 { format!("{of:.4}") } else { format!("{of:.2}") };
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn percent(share: f64) -> String {
    let text = format!("{:.2}", 100.0 * share);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}
