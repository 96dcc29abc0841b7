use super::*;

mod labelled;
use labelled::{Chance, NEGATIVES, negative, positive};

/// Values of each class and of each kind of hard negative.
const EACH: usize = 2_500;

/// Recall on well-formed values of a class, and precision against everything else: the other classes too.
#[test]
fn precision_and_recall_on_the_labelled_set() {
    let mut chance = Chance::new(20_260_301);
    let mut values: Vec<(Option<Class>, &str, String)> = Vec::new();
    for class in Class::ALL {
        values.extend((0..EACH).map(|_| (Some(class), class.id(), positive(class, &mut chance))));
    }
    for kind in NEGATIVES {
        values.extend((0..EACH).map(|_| (None, *kind, negative(kind, &mut chance))));
    }
    for class in Class::ALL {
        let told: Vec<&(Option<Class>, &str, String)> = values.iter().filter(|(_, _, value)| class.is(value)).collect();
        let right = told.iter().filter(|(truth, ..)| *truth == Some(class)).count();
        let (precision, recall) = (right as f64 / told.len() as f64, right as f64 / EACH as f64);
        println!(
            "{:<13} precision {precision:.4}  recall {recall:.4}  ({right} right of {} told)",
            class.id(),
            told.len()
        );
        let mut wrong = std::collections::BTreeMap::<&str, (usize, &str)>::new();
        for (_, kind, value) in told.iter().filter(|(truth, ..)| *truth != Some(class)) {
            let entry = wrong.entry(kind).or_insert((0, value));
            entry.0 += 1;
        }
        let missed = values.iter().find(|(truth, _, value)| *truth == Some(class) && !class.is(value));
        println!("    wrongly told: {wrong:?}; missed: {:?}", missed.map(|(.., value)| value));
        let floor = match class {
            Class::Iban | Class::PaymentCard | Class::NationalId | Class::Email => 0.99,
            _ => 0.95,
        };
        assert!(precision >= floor, "{}: precision {precision}", class.id());
        assert!(recall >= 0.95, "{}: recall {recall}", class.id());
    }
}

/// A column of each class is told as that and nothing else; a column of each hard negative as nothing.
#[test]
fn columns_are_told_by_their_class_and_harmless_ones_are_not() {
    let mut chance = Chance::new(7);
    for class in Class::ALL {
        let values: Vec<String> = (0..2_000).map(|_| positive(class, &mut chance)).collect();
        let found = column("x", values.iter().map(String::as_str), "|");
        assert_eq!(found.iter().map(|found| found.class).collect::<Vec<_>>(), [class]);
        assert!(found[0].matches <= found[0].sampled && found[0].sampled == 2_000);
    }
    for kind in NEGATIVES {
        let values: Vec<String> = (0..2_000).map(|_| negative(kind, &mut chance)).collect();
        assert_eq!(column("x", values.iter().map(String::as_str), "|"), [], "{kind}");
    }
}

fn classes(name: &str, values: &[String]) -> Vec<Class> {
    column(name, values.iter().map(String::as_str), "|").iter().map(|found| found.class).collect()
}

/// One part personal among harmless values, out of 1,000.
fn mixed(class: Class, part: usize) -> Vec<String> {
    let mut chance = Chance::new(11);
    (0..1_000).map(|i| if i < part { positive(class, &mut chance) } else { format!("ord-{i:05}") }).collect()
}

#[test]
fn a_share_decides_and_never_one_accidental_hit() {
    for class in Class::ALL {
        let floor = DETECTORS.iter().filter(|d| d.class == class).map(|d| d.share).fold(1.0, f64::min);
        assert_eq!(classes("x", &mixed(class, 1)), [], "{}", class.id());
        assert_eq!(classes("x", &mixed(class, (floor * 1_000.0) as usize - 1)), [], "{}", class.id());
    }
    assert_eq!(classes("x", &mixed(Class::Email, 20)), [Class::Email]);
    assert_eq!(classes("x", &mixed(Class::Iban, 50)), [Class::Iban]);
    assert_eq!(classes("x", &mixed(Class::Phone, 200)), [Class::Phone]);
    for few in 0..3 {
        let values: Vec<String> = mixed(Class::Email, 3).into_iter().take(few).collect();
        assert_eq!(classes("x", &values), [], "{few} values are too few");
    }
    assert_eq!(column("x", std::iter::empty(), "|"), []);
}

/// Random ids that have a shape: some pass its checksum by chance, and that makes no finding of a column.
#[test]
fn a_checksum_that_chance_explains_is_no_finding() {
    let mut chance = Chance::new(3);
    let mut ids = |name: &str, class: Class, make: &dyn Fn(&mut Chance) -> String| {
        let values: Vec<String> = (0..5_000).map(|_| make(&mut chance)).collect();
        let passing = values.iter().filter(|value| class.is(value)).count();
        println!("{name:<28} {passing:>4} of 5000 pass as {} by chance", class.id());
        assert!(passing > 0, "{name}");
        assert_eq!(classes("order", &values), [], "{name}");
    };
    ids("16 digits from 4", Class::PaymentCard, &|c| format!("4{}", c.digits(15)));
    ids("16 digits", Class::PaymentCard, &|c| c.digits(16));
    ids("11 digits", Class::NationalId, &|c| format!("{}{}", c.between(1, 10), c.digits(10)));
    ids("8 digits and a letter", Class::NationalId, &|c| c.digits(8) + &c.letters(1));
    ids("15 digits like a NIR", Class::NationalId, &|c| format!("18503{}", c.digits(10)));
    ids("DE and 20 digits", Class::Iban, &|c| format!("DE{}", c.digits(20)));
}

#[test]
fn versions_are_no_addresses_where_the_column_says_so() {
    let values: Vec<String> = (0..100).map(|i| format!("120.0.{i}.129")).collect();
    assert_eq!(classes("app_version", &values), []);
    assert_eq!(classes("client", &values), [Class::IpAddress]);
}

#[test]
fn elements_of_lists_and_addresses_within_texts_are_found() {
    let lists: Vec<String> = (0..10).map(|i| format!("i{i:03}|person{i}@mail.example|x")).collect();
    assert_eq!(classes("x", &lists), [Class::Email]);
    for text in [
        "call me: anna@mail.example.",
        "https://shop.example/?u=anna%40mail.example&x=1",
        "Anna Lind <anna.lind+x@mail.co.uk>",
        "{\"email\":\"anna@mail.example\"}",
    ] {
        assert!(Class::Email.is(text), "{text}");
    }
    for text in ["logo@2x.png", "lodash@4.17.21", "@handle", "a@b", "anna@", "x@localhost", "price @ 3.50 each"] {
        assert!(!Class::Email.is(text), "{text}");
    }
}

/// Values that others published as examples.
#[test]
fn published_examples_are_known() {
    let examples = [
        (Class::Iban, "GB29 NWBK 6016 1331 9268 19"),
        (Class::Iban, "DE89370400440532013000"),
        (Class::Iban, "FR14 2004 1010 0505 0001 3M02 606"),
        (Class::PaymentCard, "4111 1111 1111 1111"),
        (Class::PaymentCard, "378282246310005"),
        (Class::PaymentCard, "5555-5555-5555-4444"),
        (Class::PaymentCard, "30569309025904"),
        (Class::NationalId, "86095742719"),
        (Class::NationalId, "12345678Z"),
        (Class::NationalId, "X1234567L"),
        (Class::NationalId, "2 55 08 14 168 025 38"),
        (Class::NationalId, "219-09-9999"),
        (Class::Phone, "+44 20 7946 0958"),
        (Class::Phone, "(415) 555-2671"),
        (Class::Phone, "030 / 12 34 56 78"),
        (Class::Phone, "001-530-821-5736x81930"),
        (Class::IpAddress, "203.0.113.195"),
        (Class::IpAddress, "2001:db8:85a3::8a2e:370:7334"),
        (Class::IpAddress, "203.0.113.195:41237"),
        (Class::Coordinates, "52.520008, 13.404954"),
        (Class::Coordinates, "POINT(13.404954 52.520008)"),
    ];
    for (class, value) in examples {
        assert!(class.is(value), "{} {value}", class.id());
    }
    for (class, value) in [
        (Class::Iban, "GB29 NWBK 6016 1331 9268 18"),
        (Class::PaymentCard, "4111 1111 1111 1112"),
        (Class::NationalId, "86095742718"),
        (Class::NationalId, "12345678A"),
        (Class::NationalId, "2 55 08 14 168 025 39"),
        (Class::NationalId, "666-09-9999"),
        (Class::IpAddress, "1.2.3.4"),
        (Class::IpAddress, "std::fmt"),
        (Class::Phone, "2026-03-01"),
        (Class::Phone, "0-306-40615-2"),
        (Class::FreeText, "Women's Knitted Vest with V-Neck in Merino Wool"),
    ] {
        assert!(!class.is(value), "{} {value}", class.id());
    }
}

#[test]
fn a_name_that_is_a_datum_is_not_told() {
    assert_eq!(told_name("note", 3), "note");
    assert_eq!(told_name("user.profile.email", 3), "user.profile.email");
    assert_eq!(told_name("anna.lind@mail.example", 3), "column 4");
    assert_eq!(told_name("prefs.DE89370400440532013000", 0), "column 1");
    assert_eq!(told_name("", 0), "column 1");
}
