//! Choices of a run that no spec makes.

use crate::words::choices;

choices! {
    /// What both factors of a linear map's products are rounded to, forward and backward. All else keeps its type: weights,
    /// biases, norms, softmax, losses, tables, optimisers.
    pub enum Precision {
        /// Nothing is rounded.
        Float32 = "float32",
        /// 11 bits of a number, of float32's exponent.
        Tf32 = "tf32",
        /// 8 bits of a number, of float32's exponent.
        Bfloat16 = "bfloat16",
    }

    /// Where embedding tables are while a model trains on a device.
    pub enum TablePlace {
        /// On the device, where it has room for them; else in host memory.
        Device = "device",
        /// In host memory.
        Host = "host",
    }

    /// A part of the data, or all of it.
    pub enum Part {
        /// Training rows.
        Train = "train",
        /// Validation rows, which choose hyperparameters.
        Validate = "validate",
        /// Test rows, which judge the model.
        Test = "test",
        /// All of these.
        All = "all",
    }
}

impl TablePlace {
    /// Where tables are by default.
    pub const DEFAULT: Self = Self::Device;
}

impl Precision {
    /// What a run computes in by default.
    pub const DEFAULT: Self = Self::Float32;
}
