//! mtmdc

pub mod diagnostics;
/// Text in, outcome out.
pub mod driver {
    pub mod check;
}
pub mod sema;
pub mod source;
pub mod syntax;
