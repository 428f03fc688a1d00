//! Tensors of a block: names, shapes and first values. What a block costs follows from them.

use mtmd_schema::plan::Init;

/// A tensor of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// PyTorch's name, relative to the node: `0.linear.weight`. Empty where the node's path is the
    /// key.
    pub name: String,
    /// What its entries stand for.
    pub shape: Shape,
    /// First values.
    pub init: Init,
    /// Whether gradients move it: running statistics are not parameters.
    pub trained: bool,
}

/// Shape of a tensor, PyTorch's layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `[units]`.
    Vector(Entries),
    /// `[units, inputs]`: the matrix of a product.
    Matrix {
        /// What it puts out.
        units: Entries,
        /// What it reads.
        inputs: Entries,
    },
}

/// What the entries along a dimension stand for, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries {
    /// Units of a layer, one like another.
    Units(usize),
    /// Columns of the node's input.
    Columns(usize),
    /// Fields of the node's input.
    Fields(usize),
    /// Experts that the node weighs.
    Experts(usize),
}

/// What a node costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Parameters. Running statistics do not count.
    pub parameters: u128,
    /// Floating-point operations of one row: two for each multiply-add of a matrix product.
    /// Elementwise work (normalisation, activations, scaling, pooling) does not count.
    pub flops: u128,
}

impl Tensor {
    /// Matrix of a linear map.
    pub(super) fn matrix(path: &str, inputs: Entries, units: Entries) -> Self {
        Self {
            name: join(path, "weight"),
            shape: Shape::Matrix { units, inputs },
            init: Init::Uniform(inputs.len()),
            trained: true,
        }
    }

    /// Matrix and bias of a linear map.
    pub(super) fn linear(path: &str, inputs: Entries, units: Entries) -> [Self; 2] {
        let bias = Self::vector(path, "bias", units, Init::Uniform(inputs.len()));
        [Self::matrix(path, inputs, units), bias]
    }

    /// Weight and bias of a norm.
    pub(super) fn norm(path: &str, units: Entries) -> [Self; 2] {
        [
            Self::vector(path, "weight", units, Init::Ones),
            Self::vector(path, "bias", units, Init::Zeros),
        ]
    }

    pub(super) fn vector(path: &str, name: &str, units: Entries, init: Init) -> Self {
        Self {
            name: join(path, name),
            shape: Shape::Vector(units),
            init,
            trained: true,
        }
    }

    /// Statistic that training moves without a gradient.
    pub(super) fn running(name: &str, units: Entries, init: Init) -> Self {
        Self {
            trained: false,
            ..Self::vector("", name, units, init)
        }
    }

    /// Number of elements.
    pub fn size(&self) -> u128 {
        match self.shape {
            Shape::Vector(units) => units.len() as u128,
            Shape::Matrix { units, inputs } => units.len() as u128 * inputs.len() as u128,
        }
    }
}

impl Shape {
    /// Size of each dimension.
    pub fn dims(self) -> Vec<usize> {
        match self {
            Self::Vector(units) => vec![units.len()],
            Self::Matrix { units, inputs } => vec![units.len(), inputs.len()],
        }
    }
}

impl Entries {
    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "a dimension, not a collection")]
    pub fn len(self) -> usize {
        match self {
            Self::Units(count)
            | Self::Columns(count)
            | Self::Fields(count)
            | Self::Experts(count) => count,
        }
    }
}

impl Cost {
    /// Cost of a block with these tensors.
    pub(super) fn of(tensors: &[Tensor]) -> Self {
        let trained = tensors.iter().filter(|tensor| tensor.trained);
        let products = tensors.iter();
        let products = products.filter(|tensor| matches!(tensor.shape, Shape::Matrix { .. }));
        Self {
            parameters: trained.map(Tensor::size).sum(),
            flops: products.map(|tensor| 2 * tensor.size()).sum(),
        }
    }

    /// The sum of costs.
    pub fn sum(costs: impl IntoIterator<Item = Self>) -> Self {
        costs.into_iter().fold(Self::default(), |sum, cost| Self {
            parameters: sum.parameters + cost.parameters,
            flops: sum.flops + cost.flops,
        })
    }
}

/// A name under a path, either of which may be empty.
pub fn join(path: &str, name: &str) -> String {
    match (path, name) {
        ("", name) => name.to_owned(),
        (path, "") => path.to_owned(),
        (path, name) => format!("{path}.{name}"),
    }
}
