//! The fate of every weight: which old weight a new one is copied from, and which part of it goes
//! where. A warm start does what stands here; it needs no knowledge of the graphs.
//!
//! An entry that nothing is copied to starts as follows. Along [`Dim::Inputs`] it is 0, so that an
//! input that comes in changes nothing at first; everything else starts as in a new model. Row 0
//! of a table is zero whatever happens.

use crate::graph::Graph;
use crate::graph::weights::{Dim, Names, Part, Weight, weights};
use std::collections::{BTreeMap, BTreeSet};

/// The fates of all weights of two models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fates {
    /// The new model's weights.
    pub weights: Vec<Planned>,
    /// The old model's weights that no new one continues.
    pub dropped: Vec<Weight>,
}

/// A weight of the new model, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// The weight.
    pub weight: Weight,
    /// Where it comes from.
    pub fate: Fate,
}

/// Where a weight comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// From an old weight.
    Copied {
        /// Its key.
        from: String,
        /// In what way.
        nature: Nature,
        /// What goes where, by dimension.
        dims: Vec<Fit>,
        /// How the dimensions differ, in words; empty if they do not.
        note: String,
    },
    /// It starts as in a new model.
    Fresh {
        /// Why an old weight of its key is no use; empty if there is none.
        note: String,
    },
}

/// In what way a weight continues an old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nature {
    /// As it is.
    Kept,
    /// As it is, under another key.
    Renamed,
    /// All of it, and more.
    Grown,
    /// A part of it.
    Narrowed,
    /// A part of it, and more; or all of it in another order.
    Refitted,
    /// It is a new domain's, and starts as that of the domain that it is `like`.
    Seeded,
}

/// What of an old dimension goes where in the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// These entries.
    Pieces(Vec<Piece>),
    /// Rows of a learned vocabulary: the row of a value goes to the row of the same value.
    ByValue {
        /// The rows of values outside the vocabulary, if they are as many as they were.
        others: Option<Piece>,
    },
}

/// Entries that are copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// First entry in the new dimension.
    pub to: usize,
    /// First entry in the old dimension.
    pub from: usize,
    /// How many.
    pub width: usize,
}

/// The fates of the weights of two graphs.
pub(super) fn fates(old: &Graph, new: &Graph, names: &Names) -> Fates {
    let before = weights(old, &Names::default());
    let known: BTreeMap<&str, &Weight> =
        before.iter().map(|weight| (&*weight.key, weight)).collect();
    let seeds = seeds(new, names);
    let after = weights(new, &Names::default());
    // The same weights in the same order, as the old graph calls them and their parts.
    let as_old = weights(new, names);
    let as_seeded = weights(new, &seeds);
    let mut continued = BTreeSet::new();
    let mut planned = vec![];
    for ((weight, own), seeded) in after.into_iter().zip(as_old).zip(as_seeded) {
        let fate = match (known.get(&*own.key), known.get(&*seeded.key)) {
            (Some(from), _) => {
                let fate = continue_from(from, &own, from.key != weight.key);
                if matches!(fate, Fate::Copied { .. }) {
                    continued.insert(from.key.clone());
                }
                fate
            }
            (None, Some(from)) => seed(continue_from(from, &seeded, true)),
            (None, None) => Fate::Fresh {
                note: String::new(),
            },
        };
        planned.push(Planned { weight, fate });
    }
    let mut dropped = before;
    dropped.retain(|weight| !continued.contains(&weight.key));
    Fates {
        weights: planned,
        dropped,
    }
}

/// The names with new domains called as the ones that they are `like`.
fn seeds(new: &Graph, names: &Names) -> Names {
    let mut seeds = names.clone();
    let axes = [
        (&new.spec.surfaces, &mut seeds.surfaces),
        (&new.spec.products, &mut seeds.products),
    ];
    for (axis, names) in axes {
        let called = names.clone();
        for domain in &axis.domains {
            let like = domain.like.and_then(|like| axis.domains.get(like.0));
            if let Some(like) = like {
                let like = called.get(&like.name).unwrap_or(&like.name);
                names.insert(domain.name.clone(), like.clone());
            }
        }
    }
    seeds
}

fn seed(fate: Fate) -> Fate {
    match fate {
        Fate::Copied {
            from, dims, note, ..
        } => Fate::Copied {
            from,
            nature: Nature::Seeded,
            dims,
            note,
        },
        Fate::Fresh { .. } => fate,
    }
}

fn continue_from(old: &Weight, new: &Weight, renamed: bool) -> Fate {
    let pairs = || old.dims.iter().zip(&new.dims);
    let notes = pairs().map(|(old, new)| note(old, new));
    let notes: Vec<String> = notes.filter(|note| !note.is_empty()).collect();
    let note = notes.join("; ");
    let fits: Option<Vec<Fit>> = pairs().map(|(old, new)| fit(old, new)).collect();
    let Some(dims) = fits.filter(|_| old.dims.len() == new.dims.len()) else {
        return Fate::Fresh { note };
    };
    let fitted = || pairs().zip(&dims);
    let same = fitted().all(|((old, new), fit)| is_same(fit, old, new));
    let fills = fitted().all(|((_, new), fit)| fills(fit, new));
    let takes = fitted().all(|((old, _), fit)| takes(fit, old));
    let nature = match (fills, takes) {
        _ if same && renamed => Nature::Renamed,
        _ if same => Nature::Kept,
        (_, true) if new.size() > old.size() => Nature::Grown,
        (true, false) => Nature::Narrowed,
        (true | false, true) | (false, false) => Nature::Refitted,
    };
    Fate::Copied {
        from: old.key.clone(),
        nature,
        dims,
        note,
    }
}

/// What of the old dimension goes where; `None` if they have nothing in common.
fn fit(old: &Dim, new: &Dim) -> Option<Fit> {
    match (old, new) {
        (Dim::Units(old), Dim::Units(new)) | (Dim::Inputs(old), Dim::Inputs(new)) => {
            let pieces = pieces(old, new);
            let empty = new.iter().all(|part| part.width == 0);
            (empty || !pieces.is_empty()).then_some(Fit::Pieces(pieces))
        }
        (Dim::Hashed(old), Dim::Hashed(new)) => rehash(*old, *new).map(Fit::Pieces),
        (
            Dim::Learned { rows, oov },
            Dim::Learned {
                rows: to,
                oov: others,
            },
        ) => {
            let others = (oov == others && *oov > 0).then(|| Piece {
                to: to - oov,
                from: rows - oov,
                width: *oov,
            });
            Some(Fit::ByValue { others })
        }
        (Dim::Units(_) | Dim::Inputs(_) | Dim::Hashed(_) | Dim::Learned { .. }, _) => None,
    }
}

/// Parts of the same name; of one that has another width, the first entries.
fn pieces(old: &[Part], new: &[Part]) -> Vec<Piece> {
    let mut places = BTreeMap::new();
    let mut end = 0;
    for part in old {
        places.insert(&part.name, (end, part.width));
        end += part.width;
    }
    let mut pieces: Vec<Piece> = vec![];
    let mut to = 0;
    for part in new {
        if let Some((from, width)) = places.get(&part.name) {
            let (from, width) = (*from, part.width.min(*width));
            match pieces.last_mut() {
                Some(last) if last.from + last.width == from && last.to + last.width == to => {
                    last.width += width;
                }
                _ => pieces.push(Piece { to, from, width }),
            }
        }
        to += part.width;
    }
    pieces.retain(|piece| piece.width > 0);
    pieces
}

/// A value of hash h has row 1 + h % (rows - 1): where the new count is a multiple of the old one,
/// each old row tells what several new ones start as; else old rows mean nothing any more.
fn rehash(old: usize, new: usize) -> Option<Vec<Piece>> {
    let (width, rows) = (old.checked_sub(1)?, new.checked_sub(1)?);
    if width == rows {
        let whole = Piece {
            to: 0,
            from: 0,
            width: old,
        };
        return Some(vec![whole]);
    }
    if width == 0 || !rows.is_multiple_of(width) {
        return None;
    }
    let copy = |copy| Piece {
        to: 1 + copy * width,
        from: 1,
        width,
    };
    Some((0..rows / width).map(copy).collect())
}

fn is_same(fit: &Fit, old: &Dim, new: &Dim) -> bool {
    match fit {
        Fit::ByValue { .. } => old == new,
        Fit::Pieces(pieces) => {
            old.size() == new.size()
                && pieces.iter().all(|piece| piece.to == piece.from)
                && fills(fit, new)
        }
    }
}

/// Whether every entry of the new dimension is copied.
fn fills(fit: &Fit, new: &Dim) -> bool {
    match fit {
        Fit::ByValue { .. } => false,
        Fit::Pieces(pieces) => {
            pieces.iter().map(|piece| piece.width).sum::<usize>() + unread(new) >= new.size()
        }
    }
}

/// Row 0 of a hashed table needs no copy.
fn unread(dim: &Dim) -> usize {
    usize::from(matches!(dim, Dim::Hashed(_)))
}

/// Whether every entry of the old dimension is copied.
fn takes(fit: &Fit, old: &Dim) -> bool {
    match fit {
        Fit::ByValue { .. } => true,
        Fit::Pieces(pieces) => {
            let taken: BTreeMap<usize, usize> = pieces
                .iter()
                .map(|piece| (piece.from, piece.width))
                .collect();
            taken.values().sum::<usize>() + unread(old) >= old.size()
        }
    }
}

/// How two dimensions differ, in words.
fn note(old: &Dim, new: &Dim) -> String {
    match (old, new) {
        (Dim::Units(before), Dim::Units(after)) | (Dim::Inputs(before), Dim::Inputs(after)) => {
            let mut notes = vec![];
            for part in after {
                match before.iter().find(|other| other.name == part.name) {
                    None => notes.push(format!("new: {}", part.name)),
                    Some(other) if other.width != part.width => {
                        let what = match (&*part.name, new) {
                            ("", Dim::Units(_)) => "units",
                            ("", _) => "inputs",
                            (name, _) => name,
                        };
                        notes.push(format!("{what} {} → {}", other.width, part.width));
                    }
                    Some(_) => {}
                }
            }
            let gone = before
                .iter()
                .filter(|part| !after.iter().any(|other| other.name == part.name));
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
