//! Choices of a run that no spec makes.

use std::fmt::{Display, Formatter};

use crate::Choice as _;
use crate::words::choices;

choices! {
    /// What both factors of a linear map's products are rounded to, forward and backward. All else keeps its type: weights,
    /// biases, norms, softmax, losses, tables, optimisers.
    pub enum Precision {
        /// Nothing is rounded.
        Float32 = "float32",
        /// 8 bits of a number, of float32's exponent.
        Bfloat16 = "bfloat16",
    }

    /// A part of the data, or all of it.
    pub enum Part {
        /// Rows that train.
        Train = "train",
        /// Rows that choose hyperparameters.
        Validate = "validate",
        /// Rows that judge the model.
        Test = "test",
        /// All of these.
        All = "all",
    }
}

impl Precision {
    /// What a run computes in by default.
    pub const DEFAULT: Self = Self::Float32;
}

impl Display for Precision {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.word())
    }
}
