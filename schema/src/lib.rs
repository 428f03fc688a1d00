//! What the compiler and the runtime share: the types of a spec and of a plan, once.
//!
//! The compiler owns its values; generated code holds the same types as static data. Both are
//! possible because strings and lists are [`Text`] and [`List`]: borrowed in a `static`, owned
//! elsewhere.

mod ids;
pub mod plan;

use std::borrow::Cow;

pub use ids::{DomainId, FeatureId, TableId, TaskId, Tower};

/// A string: borrowed in generated code, owned in the compiler.
pub type Text = Cow<'static, str>;

/// A list: borrowed in generated code, owned in the compiler.
pub type List<T> = Cow<'static, [T]>;

/// A [`Text`] in static data.
pub const fn text(text: &'static str) -> Text {
    Cow::Borrowed(text)
}

/// A [`List`] in static data.
pub const fn list<T: Clone>(items: &'static [T]) -> List<T> {
    Cow::Borrowed(items)
}
