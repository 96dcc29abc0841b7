//! The recommendations: one row per decision, a file per month.

use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;

use super::LENGTH_OF_LIST;
use super::chance::Chance;
use super::conduct::{HYBRID, POPULAR, Planned, READINGS, SPOTLIGHT, WEB};
use super::files::{Parts, create, customer, finish, money, stamp};
use super::items::{Catalogue, Item};
use super::offers::Offers;
use super::people::Subject;
use super::plan::{Metric, Plan, WHOLE, What, scaled};
use super::spotlight::{self, Spotlight};
use super::truth::Ledger;
use crate::error::{Error, Result};

/// Clicks per million impressions at the mean position.
const CLICK: u64 = 60_000;
/// Of a click, by position from the top, in thousandths of the mean.
const POSITION: [u64; LENGTH_OF_LIST] = [1_600, 1_350, 1_200, 1_050, 950, 880, 820, 760, 720, 670];
/// Orders per million clicks.
const ORDER: u64 = 160_000;
/// In millionths: what would suit a person, and what is moved forward of that and of the rest.
const SUITS: u64 = 400_000;
const FORWARD: [u64; 2] = [600_000, 200_000];
const MONTHS: [&str; 3] = ["2026-03", "2026-04", "2026-05"];
/// The columns that only some shops have: the part that has them, and their names.
const MORE: [(&str, &str); 6] = [
    ("candidate", "propensity"),
    ("selection", "relevant,selected"),
    ("explained", "explained"),
    ("signal", "gpc"),
    ("minors", "minor"),
    ("note", "note"),
];

pub struct Log<'a> {
    plan: &'a Plan,
    parts: &'a Parts,
    subjects: &'a [Subject],
    catalogue: &'a Catalogue,
    spotlight: &'a Spotlight<'a>,
    offers: Offers<'a>,
    chance: Chance,
    /// Of what only some shops have: so that all else stays as it is without.
    aside: Chance,
}

/// Items, prices, clicks, orders and revenue of one decision, each a list in the order of the items.
#[derive(Default)]
struct Lists {
    items: String,
    prices: String,
    clicks: String,
    orders: String,
    revenue: String,
    count: usize,
}

impl<'a> Log<'a> {
    pub fn of(
        plan: &'a Plan,
        parts: &'a Parts,
        subjects: &'a [Subject],
        catalogue: &'a Catalogue,
        spotlight: &'a Spotlight<'a>,
    ) -> Self {
        let (chance, aside) = (Chance::new(plan.seed, 7), Chance::new(plan.seed, 15));
        Self { plan, parts, subjects, catalogue, spotlight, offers: Offers::draw(plan, catalogue), chance, aside }
    }

    /// Writes a file per month. `planned` is in the order of time.
    pub fn write(mut self, folder: &Path, planned: &[Planned], ledger: &mut Ledger) -> Result<()> {
        let paths = MONTHS.map(|month| folder.join(format!("{month}.csv.gz")));
        let mut header =
            "request,served_at,customer,model,items,prices,clicks,orders,revenue,inputs,country".to_owned();
        for (_, names) in MORE.iter().filter(|(part, _)| self.parts.has(part)) {
            header += &format!(",{names}");
        }
        let mut files = Vec::new();
        for path in &paths {
            let mut file = create(path)?;
            writeln!(file, "{header}").map_err(|e| Error::io(path, "write", &e))?;
            files.push(file);
        }
        for (number, decision) in planned.iter().enumerate() {
            let subject = &self.subjects[decision.subject as usize];
            let reading = &READINGS[usize::from(decision.reading)];
            let served = stamp(decision.time, subject.jurisdiction == "DE");
            ledger.offered.next();
            let lists = if reading.strategy == SPOTLIGHT {
                self.lit(subject, decision.time, ledger)
            } else {
                self.list(decision, subject, reading.strategy, ledger)
            };
            // The manifest names the jurisdiction of rows that name none.
            let silent = self.chance.per_mille(50) && subject.jurisdiction == "DE";
            let country = if silent { "" } else { subject.jurisdiction };
            let more = self.more(decision, subject, reading.strategy, lists.count, ledger);
            let Lists { items, prices, clicks, orders, revenue, .. } = lists;
            let (customer, model, inputs) = (customer(decision.subject as usize), reading.strategy, reading.inputs);
            let at = MONTHS.iter().position(|month| served.starts_with(month)).unwrap_or(MONTHS.len() - 1);
            writeln!(
                files[at],
                "r{number:06},{served},{customer},{model},{items},{prices},{clicks},{orders},{revenue},{inputs},{country}{more}"
            )
            .map_err(|e| Error::io(&paths[at], "write", &e))?;
        }
        for (file, path) in files.into_iter().zip(&paths) {
            finish(file, path)?;
        }
        Ok(())
    }

    /// A list of ten, and what became of it.
    fn list(&mut self, decision: &Planned, subject: &Subject, strategy: &'static str, ledger: &mut Ledger) -> Lists {
        let taste = (strategy != POPULAR).then_some(subject.taste);
        let skill = match strategy {
            HYBRID => 1_080,
            WEB => 1_000,
            POPULAR => 850,
            _ => 950,
        };
        // Per million; what is left to divide by is divided last, with the position.
        let willing = CLICK * skill * subject.eagerness / 1_000;
        let willing = scaled(willing, self.plan.outcome(Metric::Click, strategy, subject));
        let mut items = self.catalogue.choose(LENGTH_OF_LIST, taste, &mut self.chance);
        let order = scaled(ORDER, self.plan.outcome(Metric::Order, strategy, subject));
        let outcomes = POSITION.map(|position| {
            let click = self.chance.per_million(willing * position / 1_000_000);
            (click, self.chance.per_million(order) && click)
        });
        let person = decision.subject;
        self.offers.exchange(person, subject, strategy, &mut items, &mut ledger.offered, |place| outcomes[place].1);
        self.told(subject, decision.time, strategy, &items, &outcomes, ledger)
    }

    /// One article in the spotlight, and what became of it.
    fn lit(&mut self, subject: &Subject, time: i64, ledger: &mut Ledger) -> Lists {
        let place = self.chance.below(self.spotlight.items.len() as u64) as usize;
        let item = self.spotlight.items[place];
        let planted = self.plan.outcome(Metric::Click, SPOTLIGHT, subject);
        let willing = scaled(spotlight::CLICK * subject.eagerness / 1_000, planted);
        let click = self.chance.per_million(scaled(willing, self.spotlight.liking(subject, place)));
        let order = scaled(ORDER, self.plan.outcome(Metric::Order, SPOTLIGHT, subject));
        let order = self.chance.per_million(order) && click;
        self.told(subject, time, SPOTLIGHT, &[item], &[(click, order)], ledger)
    }

    /// The lists as the log writes them, entered into the ledger.
    fn told(
        &self,
        subject: &Subject,
        time: i64,
        strategy: &'static str,
        items: &[usize],
        outcomes: &[(bool, bool)],
        ledger: &mut Ledger,
    ) -> Lists {
        let (mut clicks, mut orders, mut revenue) = (0, 0, 0);
        let pays = self.plan.outcome(Metric::Revenue, strategy, subject);
        let mut lists = Lists { count: items.len(), ..Lists::default() };
        for (position, (item, (click, order))) in items.iter().copied().zip(outcomes.iter().copied()).enumerate() {
            let Item { provider, price, .. } = self.catalogue.items[item];
            let shown_at = self.offers.price(item, time, subject, strategy, &mut ledger.offered);
            // Offers move what is shown; the books are kept at list prices.
            let paid = if order { scaled(price, pays) } else { 0 };
            let between = if position == 0 { "" } else { "|" };
            let paid_text = if order { money(paid) } else { "0".to_owned() };
            let _ = write!(lists.items, "{between}{}", Item::id(item));
            let _ = write!(lists.prices, "{between}{}", money(shown_at));
            let _ = write!(lists.clicks, "{between}{}", u8::from(click));
            let _ = write!(lists.orders, "{between}{}", u8::from(order));
            let _ = write!(lists.revenue, "{between}{paid_text}");
            clicks += u64::from(click);
            orders += u64::from(order);
            revenue += paid;
            ledger.offered.show(self.plan, |whom| whom.holds(strategy, subject), provider);
        }
        ledger.outcome(subject, strategy, clicks, orders, revenue);
        lists
    }

    /// The cells of the columns that only some shops have, in the order of [`MORE`].
    fn more(
        &mut self,
        decision: &Planned,
        subject: &Subject,
        strategy: &'static str,
        length: usize,
        ledger: &mut Ledger,
    ) -> String {
        let mut cells = String::new();
        if self.parts.has("candidate") {
            cells.push(',');
            cells += if strategy == SPOTLIGHT { spotlight::PROPENSITY } else { "" };
        }
        if self.parts.has("selection") {
            cells += &self.selection(subject, length);
        }
        if self.parts.has("explained") {
            let explained = !self.hit(decision, subject, strategy, ledger, |what| match what {
                What::Unexplained { share } => Some(*share),
                _ => None,
            });
            let _ = write!(cells, ",{}", u8::from(explained));
        }
        if self.parts.has("signal") {
            let _ = write!(cells, ",{}", u8::from(subject.signals));
        }
        if self.parts.has("minors") {
            let _ = write!(cells, ",{}", u8::from(subject.minor));
        }
        if self.parts.has("note") {
            let noted = self.hit(decision, subject, strategy, ledger, |what| match what {
                What::PersonalData { share } => Some(*share),
                _ => None,
            });
            cells.push(',');
            if noted {
                let _ = write!(cells, "asked by {}@post.example", customer(decision.subject as usize));
            }
        }
        cells
    }

    /// Whether any of the effects that `pick` tells the share of hits this decision.
    fn hit(
        &mut self,
        decision: &Planned,
        subject: &Subject,
        strategy: &'static str,
        ledger: &mut Ledger,
        pick: impl Fn(&What) -> Option<u64>,
    ) -> bool {
        let mut any = false;
        for (at, _, share) in self.plan.each(pick).filter(|(_, whom, _)| whom.holds(strategy, subject)) {
            if self.aside.per_million(share) {
                ledger.offered.touch(at, decision.subject);
                any = true;
            }
        }
        any
    }

    /// What would suit the person, and what was moved forward: two lists.
    fn selection(&mut self, subject: &Subject, length: usize) -> String {
        let ratios = self.plan.each(|what| match what {
            What::Selection { ratio } => Some(*ratio),
            _ => None,
        });
        let planted = ratios
            .filter(|(_, whom, _)| whom.is_about(subject))
            .fold(WHOLE, |product, (.., ratio)| scaled(product, ratio));
        let (mut suits, mut forward) = (",".to_owned(), ",".to_owned());
        for position in 0..length {
            let between = if position == 0 { "" } else { "|" };
            let relevant = self.aside.per_million(SUITS);
            let chance = if relevant { scaled(FORWARD[0], planted) } else { FORWARD[1] };
            let _ = write!(suits, "{between}{}", u8::from(relevant));
            let _ = write!(forward, "{between}{}", u8::from(self.aside.per_million(chance)));
        }
        suits + &forward
    }
}
