//! Operations on host memory, registered with autodiff.

use std::fmt::Debug;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Flex};
use burn::tensor::{DType, Device, Tensor};

/// A tensor in host memory that autodiff follows.
pub type Tracked = FloatTensor<Autodiff<Flex>>;

/// An operation on N tensors in host memory. All of them are contiguous and of one type, float32
/// or float64.
pub trait HostOp<const N: usize>: Clone + Debug + Send + 'static {
    /// What the backward pass needs.
    type Saved: Clone + Debug + Send + 'static;

    /// The output.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// Gradients of the inputs by that of the output; those that are not `wanted` may be `None`.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// An input of an operation that lives in host memory.
#[derive(Debug)]
pub enum Operand {
    /// Outside autodiff.
    Plain(FlexTensor),
    /// Inside.
    Tracked(Tracked),
}

impl Operand {
    /// `None` if the tensor lives elsewhere.
    pub fn new<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        let tensor = tensor.clone();
        if tensor.is_autodiff() {
            let primitive = tensor.try_into_primitive::<Autodiff<Flex>>();
            primitive.ok().map(Self::Tracked)
        } else {
            tensor.try_into_primitive::<Flex>().ok().map(Self::Plain)
        }
    }

    pub(super) fn dtype(&self) -> DType {
        match self {
            Self::Plain(tensor) => tensor.dtype(),
            Self::Tracked(tensor) => tensor.primitive().dtype(),
        }
    }

    pub(super) fn host(&self) -> FlexTensor {
        match self {
            Self::Plain(tensor) => tensor.to_contiguous(),
            Self::Tracked(tensor) => tensor.primitive().to_contiguous(),
        }
    }

    /// The node whose gradient is wanted.
    pub(super) fn tracked_id(&self) -> Option<NodeId> {
        match self {
            Self::Plain(_) => None,
            Self::Tracked(tensor) => tensor.is_tracked().then(|| tensor.id()),
        }
    }

    pub(super) fn tracked(self) -> Tracked {
        match self {
            Self::Plain(tensor) => Tracked::new(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Runs an operation on the CPU backend; `None` if an input lives elsewhere or is of another type.
pub fn apply<O: HostOp<N>, const N: usize, const D: usize>(
    op: O,
    inputs: [Option<Operand>; N],
) -> Option<Tensor<D>> {
    let dtype = inputs.iter().flatten().map(Operand::dtype).next()?;
    let usable = |input: &Option<Operand>| input.as_ref().is_some_and(|i| i.dtype() == dtype);
    if !matches!(dtype, DType::F32 | DType::F64) || !inputs.iter().all(usable) {
        return None;
    }
    let any_tracked = inputs
        .iter()
        .flatten()
        .any(|i| matches!(i, Operand::Tracked(_)));
    let inputs = all(inputs)?;
    let (output, saved) = op.forward(inputs.each_ref().map(Operand::host));
    if !any_tracked {
        return Some(Tensor::from_primitive::<Flex>(output));
    }
    let nodes = inputs.map(|input| input.tracked().node());
    let step = Step(op);
    let output = match step
        .prepare::<NoCheckpointing>(nodes)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Some(Tensor::from_primitive::<Autodiff<Flex>>(output))
}

/// All of them, or none.
fn all<const N: usize>(inputs: [Option<Operand>; N]) -> Option<[Operand; N]> {
    let inputs: Vec<Operand> = inputs.into_iter().collect::<Option<_>>()?;
    inputs.try_into().ok()
}

#[derive(Debug)]
struct Step<O>(O);

impl<O: HostOp<N>, const N: usize> Backward<Flex, N> for Step<O> {
    type State = O::Saved;

    fn backward(
        self,
        ops: Ops<Self::State, N>,
        gradients: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let gradient = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(ops.state, gradient, wanted);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Whether what lives on a device is in host memory, where the CPU backend works.
pub fn is_host(device: &Device) -> bool {
    host(Tensor::<1>::zeros([1], device)).is_ok()
}

/// The host memory of a tensor that lives on the CPU backend outside autodiff, contiguous; the
/// tensor itself if it lives elsewhere.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Result<FlexTensor, Box<Tensor<D>>> {
    match tensor.clone().try_into_primitive::<Flex>() {
        Ok(primitive) => {
            // One owner less, so that memory without another one can be written in place.
            drop(tensor);
            Ok(primitive.to_contiguous())
        }
        Err(_) => Err(Box::new(tensor)),
    }
}
