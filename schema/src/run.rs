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

    /// What a folder of embeddings is made of.
    pub enum IndexFormat {
        /// Files to be mapped into memory.
        Index = "index",
        /// Parquet files, with a list of numbers for each task.
        Parquet = "parquet",
        /// NumPy's files.
        Npy = "npy",
    }

    /// Type of the numbers of stored embeddings.
    pub enum ElementType {
        /// 32-bit floats.
        Float32 = "float32",
        /// 16-bit floats, of 11 bits of precision.
        Float16 = "float16",
        /// 8-bit integers, with a scale for each row and task.
        Int8 = "int8",
    }

    /// Where the embeddings of an exported model are looked up.
    pub enum TableLookup {
        /// In the ONNX graphs, whose inputs are rows of tables.
        Inside = "inside",
        /// Before the ONNX graphs, whose inputs are embeddings.
        Outside = "outside",
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

impl IndexFormat {
    /// What `index` writes by default.
    pub const DEFAULT: Self = Self::Index;
}

impl ElementType {
    /// What embeddings are stored as by default.
    pub const DEFAULT: Self = Self::Float32;
}

impl TablePlace {
    /// Where tables are by default.
    pub const DEFAULT: Self = Self::Device;
}

impl TableLookup {
    /// Where embeddings are looked up by default.
    pub const DEFAULT: Self = Self::Inside;
}

impl Precision {
    /// What a run computes in by default.
    pub const DEFAULT: Self = Self::Float32;
}
