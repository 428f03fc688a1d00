//! The forward program of a domain as operators of ONNX.
//!
//! The plan fuses the experts of a Domain Expert into wide operations; here each is split again, one operator for each array of
//! the weights file, since an array is what a graph refers to. So what an output does not need falls away.

use mtmd_schema::plan::{
    Activate, Address, Linear, Mix, NormPlace, Op, Program, Target, View, Write,
};

use super::columns::{Columns, Piece};
use super::graph::{Graph, Value, float, int, int64};
use super::parameters::Parameters;
use crate::bug::{bug, check};

/// Lowers a program.
pub struct Lowering<'a> {
    /// The graph, with the program's input in it.
    pub graph: &'a mut Graph,
    /// What the buffers hold.
    pub columns: Columns,
    /// The domain's parameters.
    pub parameters: &'a Parameters<'a>,
    /// An input of the graph, whose first dimension is the rows.
    pub rows: Value,
    /// Added to a variance before its root is taken.
    pub eps: f64,
}

impl Lowering<'_> {
    /// Adds the forward operations of a program.
    pub fn forward(&mut self, program: &Program) {
        for op in program.forward.iter() {
            self.op(op);
        }
    }

    /// The columns of a view as one value.
    pub fn read(&mut self, view: View) -> Value {
        let pieces = self.columns.read(view);
        self.graph.join(&pieces)
    }

    fn write(&mut self, view: View, value: Value) {
        let piece = Piece::whole(value, view.width);
        self.columns.write(view, [piece]);
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Copy { from, into } => self.copy(*from, *into),
            Op::Repeat { parameter, to } => self.repeat(*parameter, *to),
            Op::BatchNorm {
                from,
                to,
                weight,
                bias,
                mean,
                variance,
            } => self.batch_norm((*from, *to), [*weight, *bias], [*mean, *variance]),
            Op::Linear(maps) => self.linear(&maps.merged()),
            Op::Activate(layer) => self.activate(layer),
            Op::Sigmoid { from, to } => {
                let from = self.read(*from);
                let value = self.graph.node("Sigmoid", &[&from], &[]);
                self.write(*to, value);
            }
            Op::Softmax { from, to, width } => {
                for start in (0..from.width).step_by(*width) {
                    let group = self.read(from.columns(start, *width));
                    let value = self.graph.node("Softmax", &[&group], &[int("axis", 1)]);
                    self.write(to.columns(start, *width), value);
                }
            }
            Op::Means { parts, to } => self.means(parts, *to),
            Op::Mix(mix) => match mix.sum {
                true => self.sum(mix),
                false => self.concatenate(mix),
            },
            Op::Cross { first, by, x, to } => self.cross([*first, *by, *x], *to),
            Op::Clear { .. }
            | Op::SumRows { .. }
            | Op::BatchNormBack { .. }
            | Op::LinearInput { .. }
            | Op::LinearWeight { .. }
            | Op::ActivateBack { .. }
            | Op::SigmoidBack { .. }
            | Op::SoftmaxBack { .. }
            | Op::MeansBack { .. }
            | Op::MixBack { .. }
            | Op::CrossBack { .. } => bug!("`{}` in a forward program", op.name()),
        }
    }

    fn copy(&mut self, from: View, Target { to, write }: Target) {
        let pieces = self.columns.read(from);
        match write {
            Write::Set => self.columns.write(to, pieces),
            Write::Add => {
                let (sum, added) = (self.read(to), self.graph.join(&pieces));
                let value = self.graph.node("Add", &[&sum, &added], &[]);
                self.write(to, value);
            }
        }
    }

    /// A vector in every row.
    fn repeat(&mut self, parameter: Address, to: View) {
        let (stored, at) = self.parameters.within(parameter, to.width);
        let all = stored.value(self.graph);
        let vector = self.graph.cut(&all, (at, to.width), stored.len, 0);
        let first = [int("start", 0), int("end", 1)];
        let rows = self.graph.node("Shape", &[&self.rows], &first);
        let width = self.graph.ints(&[int64(to.width)]);
        let shape = self
            .graph
            .node("Concat", &[&rows, &width], &[int("axis", 0)]);
        let value = self.graph.node("Expand", &[&vector, &shape], &[]);
        self.write(to, value);
    }

    fn batch_norm(&mut self, (from, to): (View, View), affine: [Address; 2], running: [usize; 2]) {
        let input = self.read(from);
        let [weight, bias] =
            affine.map(|first| self.parameters.one(first, from.width).value(self.graph));
        let [mean, variance] =
            running.map(|at| self.parameters.statistics(at, from.width).value(self.graph));
        let inputs = [&*input, &weight, &bias, &mean, &variance];
        let eps = [float("epsilon", self.eps)];
        let value = self.graph.node("BatchNormalization", &inputs, &eps);
        self.write(to, value);
    }

    /// A `Gemm` for each array of weights: its rows are columns of the output.
    fn linear(&mut self, maps: &Linear) {
        for map in 0..maps.batch {
            let input = self.read(maps.input(map));
            let weights = maps.weight_of(map);
            let mut start = map * maps.outputs;
            for stored in self.parameters.get(weights.first, weights.count) {
                let &[outputs, inputs] = stored.shape else {
                    bug!("a weight of shape {:?}", stored.shape);
                };
                check!(inputs == maps.inputs, "a weight of {inputs} columns");
                let weight = stored.value(self.graph);
                let product = self
                    .graph
                    .node("Gemm", &[&input, &weight], &[int("transB", 1)]);
                self.write(maps.to.columns(start, outputs), product);
                start += outputs;
            }
        }
        if let Some(bias) = maps.bias {
            self.shift(bias, maps.to, maps.to);
        }
    }

    /// `to = from + bias`, a node for each array of biases.
    fn shift(&mut self, bias: Address, from: View, to: View) {
        let mut start = 0;
        for stored in self.parameters.get(bias, from.width) {
            let input = self.read(from.columns(start, stored.len));
            let bias = stored.value(self.graph);
            let value = self.graph.add_bias(&input, &bias);
            self.write(to.columns(start, stored.len), value);
            start += stored.len;
        }
    }

    fn activate(&mut self, layer: &Activate) {
        let (from, to) = (layer.from, layer.to);
        match layer.bias {
            Some(bias) => self.shift(bias, from, to),
            None => self.columns.write(to, self.columns.read(from)),
        }
        let Some(norm) = layer.norm else {
            let pieces = self.columns.read(to).into_iter();
            let pieces = pieces.map(|piece| {
                let value = self.graph.piece(&piece);
                Piece::whole(self.graph.leaky_relu(value, layer.slope), piece.width)
            });
            let pieces: Vec<Piece> = pieces.collect();
            return self.columns.write(to, pieces);
        };
        let mut start = 0;
        for &width in layer.groups.iter() {
            let group = to.columns(start, width);
            let shifted = |first: Address| Address {
                offset: first.offset + start,
                ..first
            };
            let [weight, bias] = [norm.weight, norm.bias]
                .map(|first| self.parameters.one(shifted(first), width).value(self.graph));
            let mut value = self.read(group);
            if norm.place == NormPlace::Post {
                value = self.graph.leaky_relu(value, layer.slope);
            }
            let settings = [int("axis", -1), float("epsilon", self.eps)];
            let inputs = [&*value, &weight, &bias];
            value = self.graph.node("LayerNormalization", &inputs, &settings);
            if norm.place == NormPlace::Pre {
                value = self.graph.leaky_relu(value, layer.slope);
            }
            self.write(group, value);
            start += width;
        }
    }

    /// `to = first · by + x`, in parts that are each of one value: those of a task do not need another task's.
    fn cross(&mut self, views: [View; 3], to: View) {
        for (start, width) in self.columns.common(&views) {
            let [first, by, x] = views.map(|view| self.read(view.columns(start, width)));
            let product = self.graph.node("Mul", &[&first, &by], &[]);
            let value = self.graph.node("Add", &[&product, &x], &[]);
            self.write(to.columns(start, width), value);
        }
    }

    /// The means of parts: a product with a matrix of 1/width where a column belongs to a part.
    fn means(&mut self, parts: &[View], to: View) {
        let (joined, widths) = self.side_by_side(parts);
        let mut matrix = Vec::new();
        for (part, &width) in widths.iter().enumerate() {
            let share = (1.0 / width as f64) as f32;
            let row = (0..parts.len()).map(|other| if other == part { share } else { 0.0 });
            matrix.extend(std::iter::repeat_n(row, width).flatten());
        }
        let matrix = self
            .graph
            .floats(&matrix, &[widths.iter().sum(), parts.len()]);
        let value = self.graph.node("MatMul", &[&joined, &matrix], &[]);
        self.write(to, value);
    }

    /// Parts side by side, each scaled by its column of the weights.
    fn concatenate(&mut self, mix: &Mix) {
        let Some(by) = mix.by else {
            let pieces: Vec<Piece> = mix
                .parts
                .iter()
                .flat_map(|part| self.columns.read(*part))
                .collect();
            return self.columns.write(mix.to, pieces);
        };
        let (joined, widths) = self.side_by_side(&mix.parts);
        let by = self.read(by);
        let parts = widths.iter().enumerate();
        let part_of: Vec<i64> = parts
            .flat_map(|(part, width)| std::iter::repeat_n(int64(part), *width))
            .collect();
        let part_of = self.graph.ints(&part_of);
        let by = self
            .graph
            .node("Gather", &[&by, &part_of], &[int("axis", 1)]);
        let value = self.graph.node("Mul", &[&joined, &by], &[]);
        self.write(mix.to, value);
    }

    /// The sum of parts, each scaled by its column of the weights.
    fn sum(&mut self, mix: &Mix) {
        let mut sum: Option<Value> = None;
        for (index, part) in mix.parts.iter().enumerate() {
            let mut value = self.read(*part);
            if let Some(by) = mix.by {
                let by = self.read(by.columns(index, 1));
                value = self.graph.node("Mul", &[&value, &by], &[]);
            }
            sum = Some(match sum {
                None => value,
                Some(sum) => self.graph.node("Add", &[&sum, &value], &[]),
            });
        }
        match sum {
            Some(value) => self.write(mix.to, value),
            None => bug!("a sum of no parts"),
        }
    }

    /// Parts as one value, and their widths.
    fn side_by_side(&mut self, parts: &[View]) -> (Value, Vec<usize>) {
        let pieces: Vec<Piece> = parts
            .iter()
            .flat_map(|part| self.columns.read(*part))
            .collect();
        let widths = parts.iter().map(|part| part.width).collect();
        (self.graph.join(&pieces), widths)
    }
}

impl Graph {
    /// Adds a vector to every row, within the product that makes the rows if there is one.
    fn add_bias(&mut self, input: &str, bias: &str) -> Value {
        let product = self.maker(input).filter(|node| node.op_type == "Gemm");
        let inputs = product.map(|node| (node.input.clone(), node.attribute.clone()));
        match inputs {
            Some((inputs, attributes)) if inputs.len() == 2 => {
                let inputs: Vec<&str> = inputs.iter().map(String::as_str).chain([bias]).collect();
                self.node("Gemm", &inputs, &attributes)
            }
            _ => self.node("Add", &[input, bias], &[]),
        }
    }

    fn leaky_relu(&mut self, value: Value, slope: f64) -> Value {
        if slope == 1.0 {
            value
        } else if slope == 0.0 {
            self.node("Relu", &[&value], &[])
        } else {
            self.node("LeakyRelu", &[&value], &[float("alpha", slope)])
        }
    }
}
