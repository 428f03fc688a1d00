//! What the compiler and the runtime share: the types of a spec and of a plan, once.
//!
//! The compiler owns its values; generated code holds the same types as static data. Both are
//! possible because strings and lists are [`Text`] and [`List`]: borrowed in a `static`, owned
//! elsewhere. Everything here is what the compiler has checked and filled in: names are resolved to
//! ids, and lists are in canonical order.

mod architecture;
pub mod bug;
pub mod constants;
mod domains;
mod features;
mod ids;
pub mod key;
pub mod plan;
mod rows;
mod run;
mod scope;
mod spec;
mod tables;
mod tasks;
mod training;
pub mod transfer;
mod words;

use std::borrow::Cow;

pub use architecture::{
    Architecture, BatchNorm, Composition, Crossing, ExpertArchitecture, LogitBias, LogitScale,
    Norm, Override,
};
pub use domains::{Axis, Domain, Others, Value};
pub use features::{
    Derive, Feature, FeatureKind, Input, Pool, Standardise, TimePart, Transform, Unit,
};
pub use ids::{DomainId, DomainSet, FeatureId, TableId, TaskId, Tower};
pub use rows::{BadRows, Request, Rows, Split};
pub use run::{ElementType, IndexFormat, Part, Precision, TableLookup, TablePlace};
pub use spec::{Budget, Evaluation, Spec};
pub use tables::{Index, Table};
pub use tasks::{Label, Task};
pub use training::{AdamW, Course, Decay, Embeddings, Metric, Select, TableOptimiser, Training};
pub use words::Choice;

/// A string: borrowed in generated code, owned in the compiler.
pub type Text = Cow<'static, str>;

/// A list: borrowed in generated code, owned in the compiler.
pub type List<T> = Cow<'static, [T]>;

/// A [`Text`] or [`List`] in static data. They are constructors, not functions, since only those
/// leave nothing to drop when a `static` is built.
pub use std::borrow::Cow::{Borrowed as list, Borrowed as text};
