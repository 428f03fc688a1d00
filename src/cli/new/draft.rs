//! A draft of a spec from the columns of a data set, with the choices that it made written beside them.

use super::columns::{Column, Raw, Shape};
use super::words::{allowed_name, free_name, in_comment, literal, quoted, snake};
use crate::cli::report::{Exit, Failure};
use crate::sema::NameKind;
use crate::sema::spec::Tower;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Words in names of columns that tell what people did.
const OUTCOMES: [&str; 24] = [
    "click",
    "like",
    "follow",
    "comment",
    "forward",
    "share",
    "hate",
    "view",
    "purchase",
    "buy",
    "bought",
    "cart",
    "book",
    "convert",
    "conversion",
    "save",
    "enter",
    "outbound",
    "label",
    "install",
    "signup",
    "order",
    "checked_out",
    "added",
];

/// Words in names of columns that split the rows in domains, the best ones first.
const SURFACES: [&str; 8] = [
    "surface",
    "placement",
    "slot",
    "tab",
    "page",
    "screen",
    "section",
    "channel",
];
const PRODUCTS: [&str; 8] = [
    "ad_type",
    "product_type",
    "listing_type",
    "offer",
    "format",
    "type",
    "kind",
    "category",
];

/// Words in names of columns of the two towers.
const QUERY: [&str; 12] = [
    "user", "query", "viewer", "member", "session", "shopper", "hour", "device", "country",
    "onehot", "watch", "search",
];
const ITEM: [&str; 14] = [
    "ad_",
    "item",
    "video",
    "product",
    "listing",
    "author",
    "music",
    "price",
    "tag",
    "duration",
    "upload",
    "freshness",
    "server",
    "campaign",
];

/// Words in names of columns that are known only after the impression.
const AFTERWARDS: [&str; 5] = ["play_time", "watch_time", "dwell", "time_spent", "revenue"];

/// More values than this make an id of a key column.
const CATEGORY: usize = 256;

/// What has been decided of the columns.
struct Draft<'a> {
    columns: &'a [Column],
    used: BTreeSet<&'a str>,
    text: String,
}

/// The text of the draft.
pub(super) fn spec(name: &str, data: &str, columns: &[Column]) -> Result<String, Failure> {
    let mut draft = Draft {
        columns,
        used: BTreeSet::new(),
        text: String::new(),
    };
    draft.head(name, data);
    draft.domains("surfaces", &SURFACES)?;
    draft.domains("products", &PRODUCTS)?;
    draft.tasks()?;
    let split = draft.split();
    draft.features()?;
    draft.text += &split;
    // A draft that cannot be read is a mistake of this file, and shows in the check that follows.
    Ok(crate::syntax::format(&Source::new("", &*draft.text)).unwrap_or(draft.text))
}

fn lacks(what: &str, help: &str) -> Failure {
    Failure::new(Exit::Wrong, format!("no column of the data {what}")).with_help(help)
}

impl<'a> Draft<'a> {
    fn free(&self) -> impl Iterator<Item = &'a Column> + use<'a, '_> {
        self.columns
            .iter()
            .filter(|column| !self.used.contains(&*column.name))
    }

    fn head(&mut self, name: &str, data: &str) {
        let _ = write!(
            self.text,
            "// A draft, from the columns of the data: every choice in it is a guess from names and from the first rows.\n\
             // Look at each, and keep what is right.\nmodel {name}\n\ndata {}\n\n",
            quoted(data)
        );
    }

    /// The column of an axis: by name, else the key with the fewest values.
    fn domains(&mut self, word: &str, hints: &[&str]) -> Result<(), Failure> {
        const MOST: usize = 24;
        let fits = |column: &&Column| {
            column.shape == Shape::Key
                && !is_outcome(column)
                && (1..=MOST).contains(&column.distinct.len())
        };
        let hinted = |hint: &&str| {
            self.free()
                .filter(fits)
                .find(|column| column.name.contains(*hint))
        };
        let named = hints.iter().find_map(hinted);
        let fewest = || {
            let many = self
                .free()
                .filter(fits)
                .filter(|column| column.distinct.len() > 1);
            many.min_by_key(|column| (column.distinct.len(), column.name.clone()))
        };
        let Some(column) = named.or_else(fewest) else {
            let help = "a spec needs a column of few values for its surfaces, and another for its products";
            return Err(lacks(&format!("tells {word} apart"), help));
        };
        let why = match named {
            Some(_) => "by its name",
            None => "the column with the fewest values: is it the right one?",
        };
        let _ = writeln!(
            self.text,
            "// {why}\n{word} from {} {{",
            quoted(&column.name)
        );
        let prefix = column.name.rsplit('_').next().unwrap_or("value");
        let mut names = BTreeSet::new();
        for raw in &column.distinct {
            let name = free_name(&domain_name(raw, prefix, word), &mut names);
            let _ = writeln!(self.text, "  {name} = {}", literal(raw));
        }
        // A sample may not hold every value.
        self.text += "  others skip\n}\n\n";
        self.used.insert(&column.name);
        Ok(())
    }

    /// Scores with the action of their name, else the actions themselves. The first is the parent of the others
    /// that imply it in every row.
    fn tasks(&mut self) -> Result<(), Failure> {
        let actions: Vec<&Column> = self
            .free()
            .filter(|column| column.is_binary() && is_outcome(column))
            .collect();
        let scores: Vec<&Column> = self
            .free()
            .filter(|column| column.is_score() && is_score_name(&column.name))
            .collect();
        let root = actions
            .iter()
            .copied()
            .find(|column| column.name.contains("click"));
        let root = root.or_else(|| actions.first().copied());
        let mut lines = vec![];
        let mut names = BTreeSet::new();
        for score in &scores {
            let name = task_name(&score.name, "hw_", &mut names);
            let column = quoted(&score.name);
            lines.push(format!("  {name} from {column} {{ embedding 64 }}"));
        }
        if scores.is_empty() {
            let root_name = root.map(|root| task_name(&root.name, "is_", &mut names));
            if let (Some(root), Some(name)) = (root, &root_name) {
                let column = quoted(&root.name);
                lines.push(format!("  {name} from action {column} {{ embedding 64 }}"));
            }
            for action in actions
                .iter()
                .filter(|action| Some(&action.name) != root.map(|root| &root.name))
            {
                let name = task_name(&action.name, "is_", &mut names);
                let column = quoted(&action.name);
                let parent = root
                    .zip(root_name.as_ref())
                    .filter(|(root, _)| implies(action, root));
                lines.push(match parent {
                    Some((root, parent)) => format!(
                        "  // wherever {} is 1, so is {}\n  {name} from action {} & {column} {{ embedding 32, given {parent} }}",
                        in_comment(&action.name),
                        in_comment(&root.name),
                        quoted(&root.name)
                    ),
                    None => format!("  {name} from action {column} {{ embedding 32 }}"),
                });
            }
        }
        if lines.is_empty() {
            let help = "a task needs a column of 0 and 1 with a name such as `clicked`, or of scores from 0 to 1";
            return Err(lacks("looks like what people did", help));
        }
        self.text += "tasks {\n";
        if !scores.is_empty() && !actions.is_empty() {
            let names: Vec<String> = actions
                .iter()
                .map(|action| in_comment(&action.name))
                .collect();
            let _ = writeln!(
                self.text,
                "  // scores of a heavier ranker. Name the action behind each, as `action \"is_click\"`, and parents with `given`;\n  \
                 // the actions of the data are {}",
                names.join(", ")
            );
        }
        self.text += &lines.join("\n");
        self.text += "\n}\n\n";
        self.used
            .extend(actions.iter().chain(&scores).map(|column| &*column.name));
        Ok(())
    }

    /// A split by days, if there are at least three; the text of it.
    fn split(&mut self) -> String {
        let is_key = |column: &&Column| matches!(column.shape, Shape::Key | Shape::Date);
        let is_day = |column: &&Column| ["date", "day", "dt", "ds"].contains(&&*column.name);
        let named = self.free().filter(is_key).find(is_day);
        let of_a_tower = |name: &str| QUERY.iter().chain(&ITEM).any(|word| name.contains(word));
        let is_date = |column: &&Column| column.shape == Shape::Date && !of_a_tower(&column.name);
        let Some(column) = named.or_else(|| self.free().find(is_date)) else {
            return String::new();
        };
        let days: Vec<String> = column.distinct.iter().map(literal).collect();
        let [before @ .., validate, test] = &days[..] else {
            return String::new();
        };
        let (Some(first), Some(last)) = (before.first(), before.last()) else {
            return String::new();
        };
        self.used.insert(&column.name);
        format!(
            "\n// the last day tests, the one before it validates\nsplit by {} {{\n  train    {first} .. {last}\n  \
             validate {validate}\n  test     {test}\n}}\n",
            quoted(&column.name)
        )
    }

    fn features(&mut self) -> Result<(), Failure> {
        let towers = Towers::new(self.columns);
        let (mut query, mut item, mut left) = (vec![], vec![], vec![]);
        let mut names = BTreeSet::new();
        for column in self.free() {
            let tower = towers.of(column);
            let line = feature(column, tower, &mut names)
                .filter(|_| !AFTERWARDS.iter().any(|word| column.name.contains(word)));
            let Some(line) = line else {
                left.push(in_comment(&column.name));
                continue;
            };
            match tower {
                Tower::Query => query.push(line),
                Tower::Item => item.push(line),
            }
        }
        let help = "each tower needs a feature: columns are sorted by their names, as `user_age` or `item_price`";
        for (name, lines) in [("query", &query), ("item", &item)] {
            if lines.is_empty() {
                return Err(lacks(&format!("belongs to the {name} tower"), help));
            }
            let _ = writeln!(self.text, "{name} {{\n{}\n}}\n", lines.join("\n"));
        }
        if !left.is_empty() {
            let _ = writeln!(
                self.text,
                "// not read, for no feature reads them as they are or they look like what is known only afterwards: {}",
                left.join(", ")
            );
        }
        Ok(())
    }
}

/// A feature of a column; `None` if none can read it.
fn feature(column: &Column, tower: Tower, names: &mut BTreeSet<String>) -> Option<String> {
    let mut name = snake(&column.name);
    if column.shape == Shape::Time {
        name += "_hour";
    }
    let name = free_name(&allowed_name(NameKind::Feature(tower), name), names);
    let column_name = quoted(&column.name);
    let from = match name == column.name {
        true => String::new(),
        false => format!(" from {column_name}"),
    };
    let count = column.distinct.len();
    let rows = (4 * count).next_power_of_two().max(1_024);
    let is_id = column.name == "id" || column.name.ends_with("_id") || column.name.ends_with("Id");
    let text = match column.shape {
        Shape::Key if is_id || column.is_text() && count > CATEGORY => {
            format!("  id {name}{from} {{ rows {rows}, dim 16, vocabulary }}")
        }
        Shape::Key if column.is_text() || count <= 16 => {
            let rows = (2 * count + 2).next_power_of_two();
            format!("  category {name}{from} {{ rows {rows}, dim 4 }}")
        }
        Shape::Key | Shape::Number if column.low >= 0.0 && column.high > 100.0 => {
            format!("  number {name}{from} {{ log }}")
        }
        Shape::Key | Shape::Number => format!("  number {name}{from}"),
        Shape::Time => {
            format!("  category {name} from hour of {column_name} {{ rows 32, dim 4 }}")
        }
        Shape::Keys => format!("  ids {name}{from} {{ rows {rows}, dim 16, vocabulary }}"),
        Shape::Numbers => format!(
            "  vector {name} {}{from}",
            column.length.filter(|length| *length > 0)?
        ),
        // No part of a date is known to matter.
        Shape::Date | Shape::Other => return None,
    };
    Some(text)
}

/// What tells whose a column is: the columns that name who asks and what is shown.
struct Towers<'a> {
    user: Option<&'a Column>,
    item: Option<&'a Column>,
}

impl<'a> Towers<'a> {
    fn new(columns: &'a [Column]) -> Self {
        let id = |words: &[&str]| {
            columns.iter().find(|column| {
                let name = &column.name;
                let named = words.iter().any(|word| name.contains(word));
                column.shape == Shape::Key && name.ends_with("id") && named
            })
        };
        Self {
            user: id(&["user", "member", "viewer", "shopper", "query", "session"]),
            item: id(&["video", "item", "ad_", "product", "listing", "offer"]),
        }
    }

    /// The tower of a column: the one whose id tells its value, else the one that its name speaks of.
    fn of(&self, column: &Column) -> Tower {
        let spread = |id: Option<&Column>| id.and_then(|id| values_an_id(id, column));
        if let (Some(of_user), Some(of_item)) = (spread(self.user), spread(self.item)) {
            // One value for nearly every id of the one, clearly more for those of the other.
            match () {
                () if of_user < 1.1 && of_item > 1.3 => return Tower::Query,
                () if of_item < 1.1 && of_user > 1.3 => return Tower::Item,
                () => {}
            }
        }
        let has = |words: &[&str]| words.iter().any(|word| column.name.contains(word));
        let asks = column.name.starts_with("user") || column.name.starts_with("query");
        match (has(&QUERY), has(&ITEM)) {
            (true, false) => Tower::Query,
            (false, true) => Tower::Item,
            (true, true) if asks => Tower::Query,
            (true, true) => Tower::Item,
            // The history of who asks, or what the moment says.
            (false, false) => Tower::Query,
        }
    }
}

/// Different values of a column for an id, on average over the ids that come twice or more; `None` if too few do.
fn values_an_id(id: &Column, column: &Column) -> Option<f64> {
    const ENOUGH: usize = 50;
    let mut seen: BTreeMap<&Raw, (usize, BTreeSet<&Raw>)> = BTreeMap::new();
    for (id, value) in id.rows.iter().zip(&column.rows) {
        if let (Some(id), Some(value)) = (id, value) {
            let (rows, values) = seen.entry(id).or_default();
            *rows += 1;
            values.insert(value);
        }
    }
    let repeated: Vec<usize> = seen
        .into_values()
        .filter(|(rows, _)| *rows > 1)
        .map(|(_, values)| values.len())
        .collect();
    #[expect(clippy::cast_precision_loss, reason = "a mean of small counts")]
    let mean = repeated.iter().sum::<usize>() as f64 / repeated.len() as f64;
    (repeated.len() >= ENOUGH).then_some(mean)
}

fn is_outcome(column: &Column) -> bool {
    column.is_binary() && OUTCOMES.iter().any(|word| column.name.contains(word))
}

fn is_score_name(name: &str) -> bool {
    ["hw_", "score", "p_", "pred", "prob"]
        .iter()
        .any(|word| name.starts_with(word))
        || name.ends_with("_score")
}

/// Whether a row with the one always has the other.
fn implies(one: &Column, other: &Column) -> bool {
    let happens = |raw: &Option<Raw>| *raw == Some(Raw::Int(1));
    let mut rows = one.rows.iter().zip(&other.rows);
    one.rows.iter().any(happens) && rows.all(|(one, other)| !happens(one) || happens(other))
}

/// The name of the task that a column is the label of, without what such columns begin with.
fn task_name(column: &str, prefix: &str, names: &mut BTreeSet<String>) -> String {
    let name = snake(column.trim_start_matches(prefix));
    free_name(&allowed_name(NameKind::Task, name), names)
}

fn domain_name(raw: &Raw, prefix: &str, axis: &str) -> String {
    let name = match raw {
        Raw::Int(number) => format!("{}{number}", snake(prefix)).replace('-', "minus"),
        Raw::Text(text) => snake(text),
    };
    let kind = match axis {
        "surfaces" => NameKind::Surface,
        _ => NameKind::Product,
    };
    allowed_name(kind, name)
}
