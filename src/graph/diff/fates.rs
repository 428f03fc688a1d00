//! The fate of every weight: which old weight a new one is copied from, and which part of it goes
//! where. A warm start does what stands here; it needs no knowledge of the graphs.
//!
//! An entry that nothing is copied to starts as follows. In a unit that is copied, an input that is
//! not is 0, so that an input which comes in changes nothing at first; everything else starts as in
//! a new model. Row 0 of a table is zero whatever happens.

use crate::graph::Graph;
use crate::graph::weight::{Dim, DimensionPart, Key, Weight};
use crate::graph::weights::{Held, Names, held};
use crate::sema::spec::{Axis, Domain, Tower};
use mtmd_schema::transfer::{Fate, Slice};
use mtmd_schema::{bug, check};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// The fates of all weights of two models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fates {
    /// The new model's weights.
    pub weights: Vec<PlannedWeight>,
    /// The old model's weights that no new one continues.
    pub dropped: Vec<Weight>,
}

/// A weight of the new model, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedWeight {
    /// The weight.
    pub weight: Weight,
    /// Where it comes from.
    pub lineage: Lineage,
}

/// Where a weight comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lineage {
    /// From an old weight.
    Copied {
        /// Its key.
        from: Key,
        /// In what way: any but [`Fate::New`].
        fate: Fate,
        /// What goes where, by dimension.
        dims: Rc<[DimensionFit]>,
        /// How the dimensions differ, in words; empty if they do not.
        note: String,
    },
    /// It starts as in a new model.
    Fresh {
        /// Why an old weight of its key is no use; empty if there is none.
        note: String,
    },
}

impl Lineage {
    /// Its word in reports.
    pub fn fate(&self) -> Fate {
        match self {
            Self::Copied { fate, .. } => *fate,
            Self::Fresh { .. } => Fate::New,
        }
    }
}

/// What of an old dimension goes where in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DimensionFit {
    /// These entries.
    Pieces(Vec<Slice>),
    /// Rows of a learned vocabulary: the row of a value goes to the row of the same value.
    ByValue {
        /// The rows of values outside the vocabulary, if they are as many as they were.
        others: Option<Slice>,
    },
}

/// The fates of the weights of two graphs.
pub(super) fn fates(old: &Graph, new: &Graph, names: &Names) -> Fates {
    let before = held(old, &Names::default());
    let after = held(new, &Names::default());
    // The same weights in the same order, as the old graph calls them and their parts.
    let as_old = held(new, names);
    let known: BTreeMap<&str, usize> = before.iter().map(|(holder, id, _)| (holder, id)).collect();
    let mut steps = Steps {
        old: &before,
        new: &as_old,
        found: BTreeMap::new(),
    };
    let mut weights = vec![];
    let mut continued = BTreeMap::new();
    let seeds = seeds(old, new, names);
    check!(
        after.holders.len() == as_old.holders.len(),
        "other names are other holders"
    );
    for ((holder, id, list), (was, same, other)) in after.iter().zip(as_old.iter()) {
        check!(
            id == same && list.len() == other.len(),
            "`{holder}` and `{was}` hold other weights"
        );
        let own = known.get(was).map(|old| (was, steps.between(*old, id)));
        if let Some((_, own)) = &own {
            continued.insert(was, Rc::clone(own));
        }
        let like = seeds.get(holder).map(|like| &**like);
        let seed = like.and_then(|like| Some((like, steps.between(*known.get(like)?, id))));
        for (place, weight) in list.iter().enumerate() {
            let step = |(from, steps): &(&str, Rc<[Option<Step>]>)| {
                of_place(steps, place).map(|step| step.of(from))
            };
            let weight = weight.of(holder);
            let lineage = match (own.as_ref().and_then(step), seed.as_ref().and_then(step)) {
                (Some(lineage), _) => renamed(lineage, &weight),
                (None, Some(lineage)) => seeded(lineage),
                (None, None) => Lineage::Fresh {
                    note: String::new(),
                },
            };
            weights.push(PlannedWeight { weight, lineage });
        }
    }
    let dropped = before.iter().flat_map(|(holder, _, list)| {
        let left = left(list, continued.get(holder).map_or(&[], |steps| &**steps));
        left.map(move |weight| weight.of(holder))
    });
    Fates {
        weights,
        dropped: dropped.collect(),
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "each weight of a list has its step"
)]
fn of_place(steps: &[Option<Step>], place: usize) -> Option<&Step> {
    steps[place].as_ref()
}

/// How a weight goes on from that of its key in an old holder.
struct Step {
    /// Key in the holder.
    from: Key,
    lineage: Lineage,
}

impl Step {
    fn of(&self, holder: &str) -> Lineage {
        let mut lineage = self.lineage.clone();
        if let Lineage::Copied { from, .. } = &mut lineage {
            *from = self.from.of(holder);
        }
        lineage
    }
}

/// How lists of weights go on from others: many domains have one list, and it is compared once.
struct Steps<'a> {
    old: &'a Held,
    new: &'a Held,
    found: BTreeMap<(usize, usize), Rc<[Option<Step>]>>,
}

impl<'a> Steps<'a> {
    fn between(&mut self, old: usize, new: usize) -> Rc<[Option<Step>]> {
        let compare = || steps(self.old.list(old), self.new.list(new));
        Rc::clone(self.found.entry((old, new)).or_insert_with(compare))
    }
}

fn steps(old: &[Weight], new: &[Weight]) -> Rc<[Option<Step>]> {
    let known: BTreeMap<&str, &Weight> = old.iter().map(|weight| (&*weight.key, weight)).collect();
    let steps = new.iter().map(|weight| {
        let from = known.get(&*weight.key)?;
        Some(Step {
            from: from.key.clone(),
            lineage: continue_from(from, weight),
        })
    });
    steps.collect()
}

/// The weights of an old holder that no new one continues.
fn left<'a>(list: &'a [Weight], steps: &[Option<Step>]) -> impl Iterator<Item = &'a Weight> {
    let copied = steps
        .iter()
        .flatten()
        .filter(|step| matches!(step.lineage, Lineage::Copied { .. }));
    let copied: BTreeSet<Key> = copied.map(|step| step.from.clone()).collect();
    list.iter()
        .filter(move |weight| !copied.contains(&weight.key))
}

/// Old holders of the domains that new ones are `like`, by the new ones.
fn seeds(old: &Graph, new: &Graph, names: &Names) -> BTreeMap<String, String> {
    let mut seeds = BTreeMap::new();
    for tower in Tower::ALL {
        let (old, new) = (old.spec.axis(tower), new.spec.axis(tower));
        let known: BTreeSet<&str> = old.domains.iter().map(|domain| &*domain.name).collect();
        let names = names.domains(tower);
        let tower = tower.name();
        for domain in new.domains.iter() {
            if let Some(like) = like(new, domain, names, &known) {
                seeds.insert(
                    format!("{tower}.{}", domain.name),
                    format!("{tower}.{like}"),
                );
            }
        }
    }
    seeds
}

/// What the old graph calls the first domain that it has among those that a new one is `like`.
fn like<'a>(
    axis: &'a Axis,
    domain: &'a Domain,
    names: &'a BTreeMap<String, String>,
    known: &BTreeSet<&str>,
) -> Option<&'a str> {
    let mut next = domain.like;
    for _ in axis.domains.iter() {
        let like = axis.domain(next?);
        let name = names.get(&*like.name).map_or(&*like.name, String::as_str);
        if known.contains(name) {
            return Some(name);
        }
        next = like.like;
    }
    bug!("`{}` is like a circle of domains", domain.name)
}

fn renamed(mut lineage: Lineage, weight: &Weight) -> Lineage {
    if let Lineage::Copied { from, fate, .. } = &mut lineage
        && *fate == Fate::Kept
        && *from != weight.key
    {
        *fate = Fate::Renamed;
    }
    lineage
}

fn seeded(mut lineage: Lineage) -> Lineage {
    if let Lineage::Copied { fate, .. } = &mut lineage {
        *fate = Fate::Seeded;
    }
    lineage
}

fn continue_from(old: &Weight, new: &Weight) -> Lineage {
    let pairs = || old.dims.iter().zip(new.dims.iter());
    let notes = pairs().map(|(old, new)| note(old, new));
    let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
    let note = notes.join("; ");
    let fits: Option<Rc<[DimensionFit]>> = pairs().map(|(old, new)| fit(old, new)).collect();
    let Some(dims) = fits.filter(|_| old.dims.len() == new.dims.len()) else {
        return Lineage::Fresh { note };
    };
    let fitted = || pairs().zip(&*dims);
    let same = fitted().all(|((old, new), fit)| is_same(fit, old, new));
    let fills = fitted().all(|((_, new), fit)| fills(fit, new));
    let takes = fitted().all(|((old, _), fit)| takes(fit, old));
    let fate = match (fills, takes) {
        _ if same => Fate::Kept,
        (_, true) if new.size() > old.size() => Fate::Grown,
        (true, false) => Fate::Narrowed,
        (true | false, true) | (false, false) => Fate::Refitted,
    };
    Lineage::Copied {
        from: old.key.clone(),
        fate,
        dims,
        note,
    }
}

/// What of the old dimension goes where; `None` if they have nothing in common.
fn fit(old: &Dim, new: &Dim) -> Option<DimensionFit> {
    match (old, new) {
        (Dim::Units(old), Dim::Units(new)) | (Dim::Inputs(old), Dim::Inputs(new)) => {
            // Most weights are as they were, and their parts may be many.
            let pieces = match old == new {
                true => whole(new),
                false => pieces(old, new),
            };
            let empty = new.iter().all(|part| part.width == 0);
            (empty || !pieces.is_empty()).then_some(DimensionFit::Pieces(pieces))
        }
        (Dim::Hashed(old), Dim::Hashed(new)) => rehash(*old, *new).map(DimensionFit::Pieces),
        (
            Dim::Learned { rows, oov },
            Dim::Learned {
                rows: to,
                oov: others,
            },
        ) => {
            let others = (oov == others && *oov > 0).then(|| Slice {
                to: to - oov,
                from: rows - oov,
                width: *oov,
            });
            Some(DimensionFit::ByValue { others })
        }
        (Dim::Units(_) | Dim::Inputs(_) | Dim::Hashed(_) | Dim::Learned { .. }, _) => None,
    }
}

fn whole(parts: &[DimensionPart]) -> Vec<Slice> {
    let width = parts.iter().map(|part| part.width).sum();
    Vec::from_iter((width > 0).then_some(Slice::whole(width)))
}

/// Parts of the same name; of one that has another width, the first entries.
fn pieces(old: &[DimensionPart], new: &[DimensionPart]) -> Vec<Slice> {
    let places = by_name(old);
    let mut pieces: Vec<Slice> = vec![];
    let mut to = 0;
    for part in new {
        if let Some((from, width)) = places.get(&*part.name) {
            let (from, width) = (*from, part.width.min(*width));
            match pieces.last_mut() {
                Some(last) if last.from + last.width == from && last.to + last.width == to => {
                    last.width += width;
                }
                _ => pieces.push(Slice { to, from, width }),
            }
        }
        to += part.width;
    }
    pieces.retain(|piece| piece.width > 0);
    pieces
}

/// A value of hash h has row 1 + h % (rows - 1): where the new count is a multiple of the old one,
/// each old row tells what several new ones start as; else old rows mean nothing any more.
fn rehash(old: usize, new: usize) -> Option<Vec<Slice>> {
    let (width, rows) = (old.checked_sub(1)?, new.checked_sub(1)?);
    if width == rows {
        return Some(vec![Slice::whole(old)]);
    }
    if width == 0 || !rows.is_multiple_of(width) {
        return None;
    }
    let copy = |copy| Slice {
        to: 1 + copy * width,
        from: 1,
        width,
    };
    Some((0..rows / width).map(copy).collect())
}

fn is_same(fit: &DimensionFit, old: &Dim, new: &Dim) -> bool {
    match fit {
        DimensionFit::ByValue { .. } => old == new,
        DimensionFit::Pieces(pieces) => {
            old.size() == new.size()
                && pieces.iter().all(|piece| piece.to == piece.from)
                && fills(fit, new)
        }
    }
}

/// Whether every entry of the new dimension is copied.
fn fills(fit: &DimensionFit, new: &Dim) -> bool {
    match fit {
        DimensionFit::ByValue { .. } => false,
        DimensionFit::Pieces(pieces) => {
            pieces.iter().map(|piece| piece.width).sum::<usize>() + unread(new) >= new.size()
        }
    }
}

/// Row 0 of a hashed table needs no copy.
fn unread(dim: &Dim) -> usize {
    usize::from(matches!(dim, Dim::Hashed(_)))
}

/// Whether every entry of the old dimension is copied.
fn takes(fit: &DimensionFit, old: &Dim) -> bool {
    match fit {
        DimensionFit::ByValue { .. } => true,
        DimensionFit::Pieces(pieces) => {
            let taken: BTreeMap<usize, usize> = pieces
                .iter()
                .map(|piece| (piece.from, piece.width))
                .collect();
            taken.values().sum::<usize>() + unread(old) >= old.size()
        }
    }
}

/// First entry and width of each part.
fn by_name(parts: &[DimensionPart]) -> BTreeMap<&str, (usize, usize)> {
    let mut places = BTreeMap::new();
    let mut end = 0;
    for part in parts {
        let other = places.insert(&*part.name, (end, part.width));
        check!(
            other.is_none(),
            "two parts of a dimension are `{}`",
            part.name
        );
        end += part.width;
    }
    places
}

/// How two dimensions differ, in words.
fn note(old: &Dim, new: &Dim) -> String {
    match (old, new) {
        _ if old == new => String::new(),
        (Dim::Units(before), Dim::Units(after)) | (Dim::Inputs(before), Dim::Inputs(after)) => {
            let (widths, kept) = (by_name(before), by_name(after));
            let mut notes = vec![];
            for part in after.iter() {
                match widths.get(&*part.name) {
                    None => notes.push(format!("new: {}", part.name)),
                    Some((_, width)) if *width != part.width => {
                        let what = match (&*part.name, new) {
                            ("", Dim::Units(_)) => "units",
                            ("", _) => "inputs",
                            (name, _) => name,
                        };
                        notes.push(format!("{what} {width} → {}", part.width));
                    }
                    Some(_) => {}
                }
            }
            let gone = before.iter().filter(|part| !kept.contains_key(&*part.name));
            notes.extend(gone.map(|part| format!("without {}", part.name)));
            notes.join(", ")
        }
        (Dim::Hashed(old), Dim::Hashed(new)) => match rehash(*old, *new) {
            _ if old == new => String::new(),
            Some(_) => format!("rows {old} → {new}, each copied"),
            None => format!("rows {old} → {new}: values hash to other rows"),
        },
        (
            Dim::Learned { rows, oov },
            Dim::Learned {
                rows: to,
                oov: others,
            },
        ) => {
            let rows = (rows != to).then(|| format!("rows {rows} → {to}, by value"));
            let others = (oov != others).then(|| format!("rows of other values {oov} → {others}"));
            let notes: Vec<String> = rows.into_iter().chain(others).collect();
            notes.join(", ")
        }
        _ => "rows are found in another way".to_owned(),
    }
}
