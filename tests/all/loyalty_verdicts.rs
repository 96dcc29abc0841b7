//! Where differences of loyalty stand to the margin, who answers, and what a model of purchases says.

use serde_json::Value;

use crate::loyalty::{Arm, END, Numbers, Person, SAME, fact, people, shop, verdict};
use crate::support::facts;

/// The word of `loyalty-harm` for a fact.
#[track_caller]
fn word<'a>(record: &'a Value, arm: &str, measure: &str) -> Option<&'a str> {
    let all = record["facts"].as_array().expect("facts");
    let wanted = fact(record, arm, measure);
    let index = all.iter().position(|of| of == wanted).expect("the fact is there") as u64;
    let rules = record["steps"].as_array()?.iter().flat_map(|step| step["rules"].as_array().expect("rules"));
    let words = rules.filter_map(|rule| rule["words"].as_object()).next()?;
    let holds = |indices: &Value| indices.as_array().is_some_and(|of| of.iter().any(|of| of.as_u64() == Some(index)));
    words.iter().find(|(_, indices)| holds(indices)).map(|(word, _)| word.as_str())
}

fn number(of: &Value) -> f64 {
    of.as_f64().unwrap_or_else(|| panic!("{of} is no number"))
}

#[test]
fn every_difference_stands_somewhere_beside_the_margin() {
    let eager = Arm { money: 60, lost: 500 };
    let run = shop(&people(1, 1200, eager, SAME)).run();
    let record = run.record();
    assert_eq!(word(&record, "eager", "retention"), Some("relevant harm"));
    assert_eq!(word(&record, "eager", "repeat_rate"), Some("relevant harm"));
    assert_eq!(word(&record, "eager", "early_order_value"), Some("relevant gain"));
    assert_eq!(word(&record, "plain", "retention"), None);
    let html = std::fs::read_to_string(run.out.join("report.html")).expect("there is a report");
    assert!(html.contains("<strong>relevant harm</strong>") && html.contains("A difference of 5.00% of the holdout"));
    for of in facts(&record, "loyalty").iter().filter(|of| of["comparison"] == "compared") {
        let (wide, narrow) = (&of["effect"]["interval"], &of["effect"]["narrow"]);
        assert!((number(&narrow["level"]) - 0.9).abs() < 1e-12);
        let inside = number(&wide["low"]) <= number(&narrow["low"]) && number(&narrow["high"]) <= number(&wide["high"]);
        assert!(inside, "{of}");
        // Test and interval say the same.
        let within = number(&narrow["low"]) > number(&of["effect"]["worse"])
            && number(&narrow["high"]) < number(&of["effect"]["better"]);
        assert_eq!(number(&of["effect"]["p_equivalence"]) < 0.05, within, "{of}");
    }
}

#[test]
fn alike_arms_are_equal_within_a_margin_that_the_people_can_tell() {
    let people = people(21, 2400, SAME, SAME);
    let wide = shop(&people).replacing(
        "audit.yaml",
        "holdout: plain,",
        "holdout: plain, margin: 0.2, margins: { net_promoter_score: 0.4 },",
    );
    let record = wide.run().record();
    for measure in ["retention", "days_retained", "repeat_rate", "lifetime_value", "net_promoter_score"] {
        assert_eq!(word(&record, "eager", measure), Some("practically equal"), "{measure}");
    }
    assert_eq!(fact(&record, "eager", "net_promoter_score")["effect"]["better"], 0.4);
    // The same people cannot tell so small a difference, which is no equality.
    let narrow = shop(&people).replacing("audit.yaml", "holdout: plain,", "holdout: plain, margin: 0.001,");
    let record = narrow.run().record();
    for measure in ["retention", "repeat_rate", "lifetime_value", "net_promoter_score"] {
        let word = word(&record, "eager", measure);
        assert!(word.is_some_and(|word| word.starts_with("undecided")), "{measure}: {word:?}");
    }
    for (margin, told) in [
        ("margin: 1.5,", ["the margin is 1.5", "below 1"]),
        ("cuped: true,", ["`cuped` is not done", "no consent to it is replayed"]),
        ("margins: { retension: 0.1 },", ["`retension`, which is no measure of loyalty", "retention"]),
    ] {
        let audit =
            shop(&people[..80]).replacing("audit.yaml", "holdout: plain,", &format!("holdout: plain, {margin}"));
        audit.run().refused(&told);
    }
}

#[test]
fn who_comes_back_later_or_would_not_recommend_it_is_harmed() {
    let mut people = people(5, 1600, SAME, SAME);
    for (nth, person) in people.iter_mut().enumerate() {
        let eager = person.arm == "eager";
        if eager {
            for (day, _) in &mut person.orders {
                *day = person.start + 2 * (*day - person.start);
            }
            person.orders.retain(|(day, _)| *day < END);
        }
        let score = if eager { [2, 7, 9][nth / 2 % 3] } else { [9, 10, 7][nth / 2 % 3] };
        person.score = person.score.map(|_| Some(score).filter(|_| !eager || nth % 8 < 4));
    }
    let record = shop(&people).run().record();
    let told = fact(&record, "eager", "time_to_next_order");
    assert!(number(&told["ratio"]["low"]) > 1.3 && number(&told["effect"]["interval"]["high"]) < 0.8, "{told}");
    for measure in ["time_to_next_order", "net_promoter_score"] {
        assert_eq!(word(&record, "eager", measure), Some("relevant harm"), "{measure}");
    }
    // Half of one side kept silent.
    assert_eq!(verdict(&record, "answers-told-by-others"), "fail");
    let response = &fact(&record, "eager", "net_promoter_score")["response"];
    assert!((number(&response["rate"]) - 0.5).abs() < 0.1 && response["holdout_rate"] == 1.0, "{response}");
    assert!(number(&response["difference"]["high"]) < 0.0 && number(&response["p_value"]) < 1e-6);
}

/// People as the model has them: an own rate, and an own chance to stop after each order. Their orders go on after the
/// evidence ends.
fn buyers(seed: u64, count: u64) -> Vec<Person> {
    let mut draw = Numbers(seed);
    for _ in 0..20 {
        draw.below(2);
    }
    let one = |nth: u64| {
        let share = |draw: &mut Numbers| (draw.below(1 << 31) as f64 + 0.5) / f64::from(1_u32 << 31);
        let eager = nth.is_multiple_of(2);
        let rate = -share(&mut draw).ln() / 40.0;
        let mut stop = share(&mut draw).min(share(&mut draw)).min(share(&mut draw));
        if eager {
            // The chance to go on, cubed.
            stop = 1.0 - (1.0 - stop).powi(3);
        }
        let (start, base) = (draw.below(20), 1_000 + draw.below(4_000));
        let mut at = start as f64 + 1.0;
        let mut orders: Vec<(u64, u64)> = Vec::new();
        while at < start as f64 + 300.0 {
            let day = at as u64;
            if orders.last().is_none_or(|(last, _)| *last < day) {
                orders.push((day, base / 2 + draw.below(base)));
            }
            if share(&mut draw) < stop {
                break;
            }
            at -= share(&mut draw).ln() / rate;
        }
        Person { arm: if eager { "eager" } else { "plain" }, start, orders, score: None }
    };
    (0..count).map(one).collect()
}

#[test]
fn a_forecast_says_what_came_later() {
    let everything = buyers(3, 3000);
    let seen: Vec<Person> = buyers(3, 3000)
        .into_iter()
        .map(|mut person| {
            person.orders.retain(|(day, _)| *day < END);
            person
        })
        .collect();
    let audit = shop(&seen)
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, forecast: { model: bg_nbd, over: 250d },")
        .replacing("audit.yaml", "    - { path: survey.csv, values: { kind: survey } }\n", "");
    let run = audit.run();
    let record = run.record();
    assert_eq!(verdict(&record, "forecast-that-does-not-fit"), "pass");
    for arm in ["eager", "plain"] {
        let all = facts(&record, "loyalty_forecast");
        let told = all
            .iter()
            .find(|of| of["strategy"] == arm && of["segment"].as_object().is_some_and(|of| of.is_empty()))
            .expect("a forecast");
        let of_arm = |people: &[Person]| -> Vec<Vec<u64>> {
            let own = people.iter().filter(|person| person.arm == arm);
            own.map(|person| person.orders.iter().map(|(day, _)| day - person.orders[0].0).collect()).collect()
        };
        // What was seen, counted by plain loops.
        let own = of_arm(&seen);
        assert_eq!(told["buyers"].as_u64(), Some(own.len() as u64));
        let again = |least: usize| own.iter().filter(|days| days.len() > least).count() as u64;
        assert_eq!(told["again"].as_u64(), Some(again(1)));
        let classes = told["classes"].as_array().expect("classes");
        for pair in classes.windows(2) {
            let from = |class: &Value| again(number(&class["from"]) as usize);
            assert_eq!(pair[0]["observed"].as_u64(), Some(from(&pair[0]) - from(&pair[1])));
        }
        // What came later, which the evidence does not have.
        let later = of_arm(&everything);
        let orders: usize = later.iter().map(|days| days.iter().filter(|day| **day > 0 && **day <= 250).count()).sum();
        let truth = orders as f64 / later.len() as f64;
        let (low, high) = (number(&told["orders"]["low"]), number(&told["orders"]["high"]));
        assert!(low * 0.97 <= truth && truth <= high * 1.03, "{truth} is not within {low} to {high}");
    }
    let told = fact(&record, "eager", "forecast_value");
    assert!(told["comparison"] == "compared" && number(&told["ratio"]["high"]) < 0.8, "{told}");
    assert_eq!(word(&record, "eager", "forecast_value"), Some("relevant harm"));
    let html = std::fs::read_to_string(run.out.join("report.html")).expect("there is a report");
    assert!(html.contains("How well the forecast fits") && html.contains("Value by forecast"));
}

/// Everybody orders every 20 days, which no own rate looks like.
#[test]
fn a_forecast_that_does_not_fit_is_refused() {
    let mut people = people(17, 900, SAME, SAME);
    for (nth, person) in people.iter_mut().enumerate() {
        person.start %= 10;
        let orders = if nth % 7 < 2 { 1 } else { 6 + nth as u64 % 2 };
        person.orders =
            (0..orders).map(|order| (person.start + 1 + 20 * order, 2_000 + 10 * (nth as u64 % 90))).collect();
    }
    let audit =
        shop(&people).replacing("audit.yaml", "holdout: plain,", "holdout: plain, forecast: { model: bg_nbd },");
    let record = audit.run().record();
    let told = fact(&record, "eager", "forecast_value");
    assert_ne!(told["comparison"], "compared", "{told}");
    assert!(["fail", "not_evidenced"].contains(&verdict(&record, "forecast-that-does-not-fit").as_str().unwrap_or("")));
    shop(&people)
        .replacing("audit.yaml", "holdout: plain,", "holdout: plain, forecast: { model: pareto_nbd },")
        .run()
        .refused(&["pareto_nbd", "bg_nbd"]);
}
