//! What names of columns mean: canonical columns by their synonyms, data categories by the words in a name.

/// The canonical columns of all tables, and what else they are called, the likeliest first. Compared without case,
/// separators and plural.
const SYNONYMS: &[(&str, &[&str])] = &[
    ("request_id", &["request", "req id", "decision id", "slate id", "list id", "recommendation id", "query id"]),
    (
        "timestamp",
        &[
            "ts",
            "time",
            "event time",
            "event timestamp",
            "served at",
            "shown at",
            "datetime",
            "created at",
            "logged at",
            "occurred at",
            "impression time",
            "request time",
            "consented at",
            "consent time",
            "given at",
            "event date",
            "unix time",
            "epoch",
            "time ms",
            "date",
            "when",
            "at",
        ],
    ),
    (
        "subject_id",
        &[
            "user id",
            "uid",
            "user",
            "customer id",
            "customer",
            "cust id",
            "visitor id",
            "visitor",
            "member id",
            "member",
            "person id",
            "person",
            "account id",
            "client id",
            "shopper id",
            "viewer id",
            "reader id",
            "listener id",
            "consumer id",
            "profile id",
            "candidate id",
            "applicant id",
            "pii principal id",
            "anonymous id",
            "device id",
            "cookie id",
        ],
    ),
    (
        "item_id",
        &[
            "item",
            "product id",
            "product",
            "sku",
            "article id",
            "article",
            "movie id",
            "asin",
            "track id",
            "song id",
            "video id",
            "content id",
            "listing id",
            "ad id",
            "creative id",
            "offer id",
            "document id",
            "doc id",
            "news id",
            "book id",
            "isbn",
            "job id",
            "hotel id",
            "show id",
            "recommended item",
            "recommendation",
            "rec",
            "slate",
            "shown item",
        ],
    ),
    ("position", &["pos", "rank", "slot", "item position", "rank position", "display order", "place"]),
    (
        "strategy",
        &[
            "model",
            "algorithm",
            "algo",
            "variant",
            "recommender",
            "ranker",
            "policy",
            "model id",
            "model name",
            "model version",
            "engine",
            "experiment variant",
            "experiment group",
            "treatment",
            "arm",
            "bucket",
        ],
    ),
    ("propensity", &["propensity score", "pscore", "action prob", "logging prob", "probability"]),
    ("clicked", &["click", "is click", "is clicked", "has click"]),
    ("converted", &["conversion", "purchased", "purchase", "ordered", "order", "bought", "is purchase", "booked"]),
    ("revenue", &["order value", "sales", "gmv", "turnover", "spend", "purchase amount", "amount"]),
    ("price", &["item price", "price shown", "displayed price", "offer price", "unit price", "list price"]),
    ("relevant", &["relevance", "is relevant", "liked"]),
    ("selected", &["is selected", "hired", "shortlisted", "moved forward", "advanced"]),
    ("score", &["model score", "predicted score", "prediction"]),
    ("explained", &["has explanation", "explanation shown", "reason shown"]),
    ("inputs", &["input", "feature", "input feature", "data used", "field used"]),
    ("jurisdiction", &["country", "country code", "market"]),
    ("gpc", &["sec gpc", "global privacy control"]),
    ("minor", &["is minor", "is child", "under age", "underage"]),
    ("status", &["consent status", "consent", "state", "decision", "action"]),
    ("purpose", &["purpose id", "data use", "consent purpose"]),
    ("consent_string", &["tc string", "tcf string", "gpp string", "gpp", "us privacy", "usp string"]),
    ("categories", &["data category", "category"]),
    ("contexts", &["context"]),
    ("operations", &[]),
    ("recipients", &["recipient"]),
    ("explicit", &["is explicit"]),
    ("parental", &["is parental"]),
    ("expires", &["expires at", "expiry", "valid until"]),
    ("notice_version", &["policy version", "notice", "version"]),
    ("mechanism", &["method", "collection method"]),
    ("operation", &[]),
    ("recipient", &[]),
    ("linked_id", &["other id", "alias id", "alias", "linked to"]),
    ("method", &["link method"]),
    ("birth_date", &["date of birth", "dob", "birthday", "birthdate"]),
    ("age", &["age years"]),
    ("yes_steps", &["accept clicks", "accept steps"]),
    ("no_steps", &["reject clicks", "reject steps"]),
    ("yes_seconds", &[]),
    ("no_seconds", &[]),
    ("preselected", &["prechecked", "is preselected"]),
    ("no_on_first_layer", &["reject on first layer"]),
    ("answer", &["response"]),
    ("weight", &["rating", "stars", "play", "quantity", "qty", "listening", "watch time"]),
];

/// How surely a name means something; more is surer. 0: it does not.
pub type Likeness = u32;

/// The canonical name itself.
pub const CANONICAL: Likeness = 1000;
/// A synonym: this much less its place in the list.
const SYNONYM: Likeness = 500;
/// A name that ends like one: likewise.
const ENDING: Likeness = 200;
/// The least length of a synonym that a name may end with.
const TELLING: usize = 5;

/// How surely a column called `name` is the canonical column. Endings count only where `loose`.
pub fn likeness(name: &str, canonical: &str, loose: bool) -> Likeness {
    if name == canonical {
        return CANONICAL;
    }
    let forms = forms(name);
    let own = compact(canonical);
    if forms.contains(&own) {
        return CANONICAL - 1;
    }
    let synonyms = SYNONYMS.iter().find(|(known, _)| *known == canonical).map_or(&[][..], |(_, synonyms)| synonyms);
    let place = |wanted: &dyn Fn(&str) -> bool| synonyms.iter().position(|synonym| wanted(&compact(synonym)));
    let less = |most: Likeness, place: usize| most - u32::try_from(place).unwrap_or(most - 1).min(most - 1);
    if let Some(at) = place(&|synonym| forms.iter().any(|form| form == synonym)) {
        return less(SYNONYM, at);
    }
    let ends = |synonym: &str| synonym.len() >= TELLING && forms.iter().any(|form| form.ends_with(synonym));
    match place(&ends) {
        Some(at) if loose => less(ENDING, at),
        None if loose && ends(&own) => ENDING,
        _ => 0,
    }
}

/// The words of a name, in lower case: `userId`, `user_id` and `User ID` are all `user id`.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        let starts = c.is_uppercase() && (before.is_lowercase() || before.is_ascii_digit());
        if starts || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_alphanumeric(), words.last_mut()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

/// One word without the mark of its plural.
fn single(word: &str) -> &str {
    match word.strip_suffix('s') {
        Some(stem) if stem.len() > 2 && !stem.ends_with('s') && !stem.ends_with('u') => stem,
        _ => word,
    }
}

fn compact(name: &str) -> String {
    words(name).concat()
}

/// What a name is compared as: as it is, in the singular, and the last part of a nested one (`items.clicked`).
fn forms(name: &str) -> Vec<String> {
    let singular = |name: &str| words(name).iter().map(|word| single(word)).collect::<String>();
    let mut forms = vec![compact(name), singular(name)];
    if let Some((_, last)) = name.rsplit_once('.') {
        forms.extend([compact(last), singular(last)]);
    }
    forms
}

/// Data categories by the words of a name, the most telling first: the first row whose words all stand in it decides.
const CATEGORIES: &[(&str, &str)] = &[
    ("consent", "user.privacy_preferences"),
    ("gpc", "user.privacy_preferences"),
    ("email", "user.contact.email"),
    ("mail", "user.contact.email"),
    ("phone", "user.contact.phone_number"),
    ("mobile", "user.contact.phone_number"),
    ("iban", "user.financial.bank_account"),
    ("first name", "user.name.first"),
    ("last name", "user.name.last"),
    ("surname", "user.name.last"),
    ("full name", "user.name"),
    ("username", "user.account.username"),
    ("street", "user.contact.address.street"),
    ("postcode", "user.contact.address.postal_code"),
    ("postal", "user.contact.address.postal_code"),
    ("zip", "user.contact.address.postal_code"),
    ("city", "user.contact.address.city"),
    ("country", "user.contact.address.country"),
    ("state", "user.contact.address.state"),
    ("address", "user.contact.address"),
    ("latitude", "user.location.precise"),
    ("longitude", "user.location.precise"),
    ("lat", "user.location.precise"),
    ("lon", "user.location.precise"),
    ("region", "user.location.imprecise"),
    ("location", "user.location.imprecise"),
    ("ip", "user.device.ip_address"),
    ("cookie", "user.device.cookie_id"),
    ("device", "user.device.device_id"),
    ("browser", "user.device"),
    ("agent", "user.device"),
    ("gender", "user.demographic.gender"),
    ("sex", "user.demographic.gender"),
    ("birth", "user.demographic.date_of_birth"),
    ("birthday", "user.demographic.date_of_birth"),
    ("dob", "user.demographic.date_of_birth"),
    ("age", "user.demographic.age_range"),
    ("race", "user.demographic.race_ethnicity"),
    ("ethnicity", "user.demographic.race_ethnicity"),
    ("religion", "user.demographic.religious_belief"),
    ("orientation", "user.demographic.sexual_orientation"),
    ("marital", "user.demographic.marital_status"),
    ("language", "user.demographic.language"),
    ("occupation", "user.job_title"),
    ("job title", "user.job_title"),
    ("income", "user.financial"),
    ("salary", "user.financial"),
    ("diagnosis", "user.health_and_medical"),
    ("health", "user.health_and_medical"),
    ("search", "user.behavior.search_history"),
    ("query", "user.behavior.search_history"),
];

/// The fideslang category that the words of a name suggest.
pub fn category(name: &str) -> Option<&'static str> {
    let own = words(name);
    let has = |wanted: &str| wanted.split(' ').all(|word| own.iter().any(|o| o == word || single(o) == word));
    CATEGORIES.iter().find(|(wanted, _)| has(wanted)).map(|(_, category)| *category)
}

/// The category of what a canonical column holds; None where it depends on more than its name.
pub fn category_of_canonical(canonical: &str) -> Option<&'static str> {
    Some(match canonical {
        "subject_id" | "linked_id" => "user.unique_id",
        "item_id" | "position" | "strategy" | "propensity" | "score" | "request_id" | "timestamp" | "price"
        | "explained" | "inputs" | "operation" => "system.operations",
        "clicked" | "relevant" => "user.behavior.browsing_history",
        "converted" | "revenue" => "user.behavior.purchase_history",
        "weight" => "user.behavior",
        "birth_date" => "user.demographic.date_of_birth",
        "age" | "minor" => "user.demographic.age_range",
        "jurisdiction" => "user.contact.address.country",
        "gpc" | "status" | "purpose" | "consent_string" | "categories" | "contexts" | "operations" | "recipients"
        | "explicit" | "parental" | "expires" | "notice_version" | "mechanism" => "user.privacy_preferences",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::columns::Role;
    use crate::evidence::taxonomy::Taxonomy;

    #[test]
    fn names_are_compared_without_case_separators_and_plural() {
        for (name, canonical) in [
            ("userId", "subject_id"),
            ("USER-ID", "subject_id"),
            ("uid", "subject_id"),
            ("movieId", "item_id"),
            ("items", "item_id"),
            ("items.id", "item_id"),
            ("items.clicked", "clicked"),
            ("event_time", "timestamp"),
            ("Slot", "position"),
            ("variant", "strategy"),
            ("orders", "converted"),
            ("propensity_score", "propensity"),
        ] {
            assert!(likeness(name, canonical, false) > 0, "{name}");
        }
        for (name, canonical) in [("status", "subject_id"), ("user-item_affinity_0", "item_id"), ("bus", "subject_id")]
        {
            assert_eq!(likeness(name, canonical, true), 0, "{name}");
        }
        assert!(likeness("subject_id", "subject_id", false) > likeness("SubjectId", "subject_id", false));
        assert!(likeness("user_id", "subject_id", false) > likeness("device_id", "subject_id", false));
        let (loose, strict) =
            (likeness("last_user_id", "subject_id", true), likeness("last_user_id", "subject_id", false));
        assert!(loose > 0 && strict == 0);
    }

    #[test]
    fn every_synonym_is_of_a_column_that_is_read_and_every_category_is_in_the_taxonomy() {
        let columns: Vec<&str> = Role::ALL.iter().flat_map(|role| role.columns()).map(|column| column.name).collect();
        for (canonical, _) in SYNONYMS {
            assert!(columns.contains(canonical), "{canonical}");
        }
        let known = Taxonomy::fideslang().unwrap().data_categories;
        let of_columns = columns.iter().filter_map(|column| category_of_canonical(column));
        for category in CATEGORIES.iter().map(|(_, category)| *category).chain(of_columns) {
            assert!(known.contains(category), "{category}");
        }
    }
}
