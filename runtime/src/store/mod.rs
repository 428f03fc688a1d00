//! The bytes of data files, on disk and in object stores.

pub(crate) mod guard;
#[cfg(feature = "cloud")]
pub(crate) mod object;
#[cfg(feature = "cloud")]
pub(crate) mod ranges;
pub(crate) mod stamp;
