//! The operations of a plan as plain loops in float64, on memory as the plan places it: every
//! column that nothing has written is NaN.

use mtmd_schema::plan::{
    Activate, Address, Linear, Mix, NormPlace, Op, Plan, Program, Scope, Storage, Target, View,
    Write,
};

/// The parameters of one domain.
#[derive(Debug, Clone)]
pub struct Values {
    /// All dense parameters.
    pub parameters: Vec<f64>,
    /// First element of the domain's block.
    pub own: usize,
}

impl Values {
    fn at(&self, address: Address, len: usize) -> &[f64] {
        let start = self.start(address);
        &self.parameters[start..start + len]
    }

    fn start(&self, address: Address) -> usize {
        match address.scope {
            Scope::Own => self.own + address.offset,
            Scope::Tower => address.offset,
        }
    }
}

/// What a run of a program on some rows leaves.
#[derive(Debug)]
pub struct Run<'a> {
    plan: &'a Plan,
    program: &'a Program,
    values: &'a Values,
    rows: usize,
    saved: Vec<f64>,
    scratch: Vec<f64>,
    /// Gradient of all dense parameters; NaN where nothing has been written.
    pub gradient: Vec<f64>,
}

impl<'a> Run<'a> {
    /// Runs the forward program on `[rows, width]` inputs.
    pub fn new(
        plan: &'a Plan,
        program: &'a Program,
        values: &'a Values,
        input: &[f64],
        rows: usize,
    ) -> Self {
        let mut run = Self {
            plan,
            program,
            values,
            rows,
            saved: vec![f64::NAN; program.saved * rows],
            scratch: vec![f64::NAN; program.scratch * rows],
            gradient: vec![f64::NAN; plan.parameters],
        };
        run.fill(program.input.0, input);
        for op in program.forward.iter() {
            run.op(op);
        }
        run
    }

    /// The output, `[rows, width]`.
    pub fn output(&self) -> Vec<f64> {
        self.read_buffer(self.program.output.0)
    }

    /// Runs the backward program; returns the gradient of the input's embedded columns.
    pub fn backward(&mut self, gradient: &[f64]) -> Vec<f64> {
        self.scratch.fill(f64::NAN);
        self.fill(self.program.output_gradient.0, gradient);
        let program = self.program;
        for op in program.backward.iter() {
            self.op(op);
        }
        let Some(input) = program.input_gradient else {
            return vec![];
        };
        let width = program.buffers[input.0].width;
        let rows = self.read_buffer(input.0);
        let rows = rows.chunks(width).map(|row| &row[..program.embedded]);
        rows.flatten().copied().collect()
    }

    fn offset(&self, view: View) -> (bool, usize, usize) {
        let buffer = self.program.buffers[view.buffer.0];
        assert!(
            view.start + view.width <= buffer.width,
            "{view:?} is outside its buffer"
        );
        match buffer.storage {
            Storage::Saved(column) => (true, column * self.rows, buffer.width),
            Storage::Scratch(column) => (false, column * self.rows, buffer.width),
        }
    }

    fn fill(&mut self, buffer: usize, values: &[f64]) {
        let width = self.program.buffers[buffer].width;
        let view = whole(buffer, width);
        let rows: Vec<Vec<f64>> = values.chunks(width).map(<[f64]>::to_vec).collect();
        self.write(Target::set(view), &rows);
    }

    fn read_buffer(&self, buffer: usize) -> Vec<f64> {
        let width = self.program.buffers[buffer].width;
        self.read(whole(buffer, width)).concat()
    }

    fn read(&self, view: View) -> Vec<Vec<f64>> {
        let (saved, start, stride) = self.offset(view);
        let memory = if saved { &self.saved } else { &self.scratch };
        let row = |row: usize| {
            let from = start + row * stride + view.start;
            memory[from..from + view.width].to_vec()
        };
        (0..self.rows).map(row).collect()
    }

    fn write(&mut self, target: Target, values: &[Vec<f64>]) {
        let (saved, start, stride) = self.offset(target.to);
        let memory = if saved {
            &mut self.saved
        } else {
            &mut self.scratch
        };
        assert_eq!(values.len(), self.rows, "rows");
        for (row, values) in values.iter().enumerate() {
            assert_eq!(values.len(), target.to.width, "columns of {target:?}");
            let to = start + row * stride + target.to.start;
            for (to, value) in memory[to..].iter_mut().zip(values) {
                match target.write {
                    Write::Set => *to = *value,
                    Write::Add => *to += value,
                }
            }
        }
    }

    fn add_parameter(&mut self, address: Address, values: &[f64], write: Write) {
        let start = self.values.start(address);
        for (to, value) in self.gradient[start..].iter_mut().zip(values) {
            match write {
                Write::Set => {
                    assert!(to.is_nan(), "a parameter's gradient is set twice");
                    *to = *value;
                }
                Write::Add => *to += value,
            }
        }
    }

    fn by_row(&mut self, from: View, target: Target, f: impl Fn(&[f64]) -> Vec<f64>) {
        let rows: Vec<Vec<f64>> = self.read(from).iter().map(|row| f(row)).collect();
        self.write(target, &rows);
    }

    fn op(&mut self, op: &Op) {
        match op {
            Op::Copy { from, into } => self.by_row(*from, *into, <[f64]>::to_vec),
            Op::Repeat { parameter, to } => {
                let row = self.values.at(*parameter, to.width).to_vec();
                self.write(Target::set(*to), &vec![row; self.rows]);
            }
            Op::BatchNorm {
                from,
                to,
                weight,
                bias,
                ..
            } => {
                let x = self.normalised(*from);
                let (weight, bias) = self.pair(*weight, *bias, to.width);
                let rows: Vec<Vec<f64>> = x.iter().map(|row| affine(row, &weight, &bias)).collect();
                self.write(Target::set(*to), &rows);
            }
            Op::Linear(linear) => {
                let rows = self.linear(linear);
                self.write(Target::set(linear.to), &rows);
            }
            Op::Activate(activate) => {
                let rows: Vec<Vec<f64>> = self
                    .read(activate.from)
                    .iter()
                    .map(|row| self.activated(activate, row))
                    .collect();
                self.write(Target::set(activate.to), &rows);
            }
            Op::Sigmoid { from, to } => self.by_row(*from, Target::set(*to), |row| {
                row.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
            }),
            Op::Softmax { from, to, width } => self.by_row(*from, Target::set(*to), |row| {
                row.chunks(*width).flat_map(softmax).collect()
            }),
            Op::Means { parts, to } => {
                let parts: Vec<Vec<Vec<f64>>> = parts.iter().map(|part| self.read(*part)).collect();
                let mean = |row: &[f64]| row.iter().sum::<f64>() / row.len() as f64;
                let rows: Vec<Vec<f64>> = (0..self.rows)
                    .map(|row| parts.iter().map(|part| mean(&part[row])).collect())
                    .collect();
                self.write(Target::set(*to), &rows);
            }
            Op::Mix(mix) => {
                let rows = self.mixed(mix);
                self.write(Target::set(mix.to), &rows);
            }
            Op::Cross { first, by, x, to } => {
                let (first, by, x) = (self.read(*first), self.read(*by), self.read(*x));
                let rows: Vec<Vec<f64>> = (0..self.rows)
                    .map(|r| {
                        (0..to.width)
                            .map(|c| first[r][c] * by[r][c] + x[r][c])
                            .collect()
                    })
                    .collect();
                self.write(Target::set(*to), &rows);
            }
            op => self.back(op),
        }
    }

    fn back(&mut self, op: &Op) {
        match op {
            Op::Clear { to } => {
                let rows = vec![vec![0.0; to.width]; self.rows];
                self.write(Target::set(*to), &rows);
            }
            Op::SumRows { from, to, write } => {
                let sums = columns(&self.read(*from), from.width);
                self.add_parameter(*to, &sums, *write);
            }
            Op::BatchNormBack {
                gradient,
                from,
                weight,
                bias,
                ..
            } => {
                let (gradient, x) = (self.read(*gradient), self.normalised(*from));
                let products: Vec<Vec<f64>> = product(&gradient, &x);
                self.add_parameter(*weight, &columns(&products, from.width), Write::Set);
                self.add_parameter(*bias, &columns(&gradient, from.width), Write::Set);
            }
            Op::LinearInput { linear, write } => {
                let (gradient, weight) = (self.read(linear.to), self.weight(linear));
                let width = linear.from_step * (linear.batch - 1) + linear.inputs;
                let mut rows = vec![vec![0.0; width]; self.rows];
                for (row, gradient) in rows.iter_mut().zip(&gradient) {
                    for map in 0..linear.batch {
                        for o in 0..linear.outputs {
                            for i in 0..linear.inputs {
                                row[map * linear.from_step + i] += gradient
                                    [map * linear.outputs + o]
                                    * weight[(map * linear.outputs + o) * linear.inputs + i];
                            }
                        }
                    }
                }
                let to = View {
                    width,
                    ..linear.from
                };
                self.write(Target { to, write: *write }, &rows);
            }
            Op::LinearWeight { linear, write } => {
                let (gradient, input) = (self.read(linear.to), self.read(linear.read()));
                let mut weight = vec![0.0; linear.batch * linear.outputs * linear.inputs];
                for (gradient, input) in gradient.iter().zip(&input) {
                    for map in 0..linear.batch {
                        for o in 0..linear.outputs {
                            for i in 0..linear.inputs {
                                weight[(map * linear.outputs + o) * linear.inputs + i] += gradient
                                    [map * linear.outputs + o]
                                    * input[map * linear.from_step + i];
                            }
                        }
                    }
                }
                self.add_parameter(linear.weight, &weight, *write);
            }
            Op::ActivateBack {
                activate,
                gradient,
                into,
            } => self.activate_back(activate, *gradient, *into),
            Op::SigmoidBack {
                output,
                gradient,
                into,
            } => {
                let (output, gradient) = (self.read(*output), self.read(*gradient));
                let slope = |(g, s): (&f64, &f64)| g * s * (1.0 - s);
                let rows: Vec<Vec<f64>> = zip(&gradient, &output, |g, s| {
                    g.iter().zip(s).map(slope).collect()
                });
                self.write(*into, &rows);
            }
            Op::SoftmaxBack {
                output,
                gradient,
                width,
                into,
            } => {
                let (output, gradient) = (self.read(*output), self.read(*gradient));
                let rows = zip(&gradient, &output, |gradient, output| {
                    let groups = gradient.chunks(*width).zip(output.chunks(*width));
                    let group = |(g, s): (&[f64], &[f64])| {
                        let mean: f64 = g.iter().zip(s).map(|(g, s)| g * s).sum();
                        g.iter()
                            .zip(s)
                            .map(|(g, s)| s * (g - mean))
                            .collect::<Vec<f64>>()
                    };
                    groups.flat_map(group).collect()
                });
                self.write(*into, &rows);
            }
            Op::MeansBack { gradient, into } => {
                let gradient = self.read(*gradient);
                for (part, into) in into.iter().enumerate() {
                    let Some(into) = into else { continue };
                    let width = into.to.width;
                    let rows: Vec<Vec<f64>> = gradient
                        .iter()
                        .map(|row| vec![row[part] / width as f64; width])
                        .collect();
                    self.write(*into, &rows);
                }
            }
            Op::MixBack {
                mix,
                gradient,
                into,
                into_by,
            } => self.mix_back(mix, *gradient, into, *into_by),
            Op::CrossBack {
                first,
                by,
                gradient,
                into_first,
                into_by,
                into_x,
            } => {
                let (first, by) = (self.read(*first), self.read(*by));
                let gradient = self.read(*gradient);
                self.write(*into_first, &product(&gradient, &by));
                self.write(*into_by, &product(&gradient, &first));
                if let Some(into_x) = into_x {
                    self.write(*into_x, &gradient);
                }
            }
            op => panic!("{op:?} is a forward operation"),
        }
    }

    fn pair(&self, weight: Address, bias: Address, width: usize) -> (Vec<f64>, Vec<f64>) {
        let read = |address| self.values.at(address, width).to_vec();
        (read(weight), read(bias))
    }

    /// Columns over their batch mean and deviation.
    fn normalised(&self, from: View) -> Vec<Vec<f64>> {
        let x = self.read(from);
        let n = self.rows as f64;
        let mean: Vec<f64> = columns(&x, from.width).iter().map(|sum| sum / n).collect();
        let squares: Vec<Vec<f64>> = x
            .iter()
            .map(|row| {
                row.iter()
                    .zip(&mean)
                    .map(|(x, m)| (x - m).powi(2))
                    .collect()
            })
            .collect();
        let variance: Vec<f64> = columns(&squares, from.width)
            .iter()
            .map(|sum| sum / n)
            .collect();
        let scaled = |row: &Vec<f64>| {
            (0..from.width)
                .map(|c| (row[c] - mean[c]) / (variance[c] + self.plan.norm_eps).sqrt())
                .collect()
        };
        x.iter().map(scaled).collect()
    }

    fn weight(&self, linear: &Linear) -> Vec<f64> {
        let len = linear.batch * linear.outputs * linear.inputs;
        self.values.at(linear.weight, len).to_vec()
    }

    fn linear(&self, linear: &Linear) -> Vec<Vec<f64>> {
        let weight = self.weight(linear);
        let bias = linear
            .bias
            .map(|bias| self.values.at(bias, linear.batch * linear.outputs));
        let row = |input: &Vec<f64>| {
            let output = |at: usize| {
                let from = at / linear.outputs * linear.from_step;
                let weight = &weight[at * linear.inputs..(at + 1) * linear.inputs];
                let sum: f64 = weight.iter().zip(&input[from..]).map(|(w, x)| w * x).sum();
                sum + bias.map_or(0.0, |bias| bias[at])
            };
            (0..linear.batch * linear.outputs).map(output).collect()
        };
        self.read(linear.read()).iter().map(row).collect()
    }

    fn activated(&self, activate: &Activate, row: &[f64]) -> Vec<f64> {
        let mut start = 0;
        let mut output = vec![];
        for &width in activate.groups.iter() {
            let group = self.shifted(activate, start, &row[start..start + width]);
            let act = |x: &f64| if *x >= 0.0 { *x } else { activate.slope * x };
            output.extend(match activate.norm {
                None => group.iter().map(act).collect::<Vec<f64>>(),
                Some(norm) => {
                    let (weight, bias) = self.norm(norm.weight, norm.bias, start, width);
                    match norm.place {
                        NormPlace::Pre => {
                            let (x, _) = self.standard(&group);
                            affine(&x, &weight, &bias).iter().map(act).collect()
                        }
                        NormPlace::Post => {
                            let group: Vec<f64> = group.iter().map(act).collect();
                            affine(&self.standard(&group).0, &weight, &bias)
                        }
                    }
                }
            });
            start += width;
        }
        assert_eq!(start, row.len(), "groups");
        output
    }

    fn shifted(&self, activate: &Activate, start: usize, group: &[f64]) -> Vec<f64> {
        match activate.bias {
            None => group.to_vec(),
            Some(bias) => {
                let bias = &self.values.at(bias, start + group.len())[start..];
                group.iter().zip(bias).map(|(x, b)| x + b).collect()
            }
        }
    }

    fn norm(
        &self,
        weight: Address,
        bias: Address,
        start: usize,
        width: usize,
    ) -> (Vec<f64>, Vec<f64>) {
        let (weight, bias) = self.pair(weight, bias, start + width);
        (weight[start..].to_vec(), bias[start..].to_vec())
    }

    fn standard(&self, row: &[f64]) -> (Vec<f64>, f64) {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        let scale = 1.0 / (variance + self.plan.norm_eps).sqrt();
        (row.iter().map(|x| (x - mean) * scale).collect(), scale)
    }

    fn activate_back(&mut self, activate: &Activate, gradient: View, into: Target) {
        let width = activate.from.width;
        let (x, gradient) = (self.read(activate.from), self.read(gradient));
        let mut rows = vec![];
        let [mut to_weight, mut to_bias, mut to_shift] =
            [vec![0.0; width], vec![0.0; width], vec![0.0; width]];
        for (x, gradient) in x.iter().zip(&gradient) {
            let mut start = 0;
            let mut row = vec![];
            for &len in activate.groups.iter() {
                let group = self.shifted(activate, start, &x[start..start + len]);
                let mut g = gradient[start..start + len].to_vec();
                let slope = |x: f64| if x >= 0.0 { 1.0 } else { activate.slope };
                let mut norm_back = |g: &mut Vec<f64>, input: &[f64], weight: &[f64]| {
                    let (x, scale) = self.standard(input);
                    for c in 0..len {
                        to_weight[start + c] += g[c] * x[c];
                        to_bias[start + c] += g[c];
                        g[c] *= weight[c];
                    }
                    let n = len as f64;
                    let mean = g.iter().sum::<f64>() / n;
                    let dot = g.iter().zip(&x).map(|(g, x)| g * x).sum::<f64>() / n;
                    for c in 0..len {
                        g[c] = scale * (g[c] - mean - x[c] * dot);
                    }
                };
                match activate.norm {
                    None => g.iter_mut().zip(&group).for_each(|(g, x)| *g *= slope(*x)),
                    Some(norm) => {
                        let (weight, bias) = self.norm(norm.weight, norm.bias, start, len);
                        match norm.place {
                            NormPlace::Pre => {
                                let y = affine(&self.standard(&group).0, &weight, &bias);
                                g.iter_mut().zip(&y).for_each(|(g, y)| *g *= slope(*y));
                                norm_back(&mut g, &group, &weight);
                            }
                            NormPlace::Post => {
                                let act: Vec<f64> = group.iter().map(|x| x * slope(*x)).collect();
                                norm_back(&mut g, &act, &weight);
                                g.iter_mut().zip(&group).for_each(|(g, x)| *g *= slope(*x));
                            }
                        }
                    }
                }
                for c in 0..len {
                    to_shift[start + c] += g[c];
                }
                row.extend(g);
                start += len;
            }
            rows.push(row);
        }
        if let Some(norm) = activate.norm {
            self.add_parameter(norm.weight, &to_weight, Write::Set);
            self.add_parameter(norm.bias, &to_bias, Write::Set);
        }
        if let Some(bias) = activate.bias {
            self.add_parameter(bias, &to_shift, Write::Set);
        }
        self.write(into, &rows);
    }

    fn mixed(&self, mix: &Mix) -> Vec<Vec<f64>> {
        let parts: Vec<Vec<Vec<f64>>> = mix.parts.iter().map(|part| self.read(*part)).collect();
        let by = mix.by.map(|by| self.read(by));
        let row = |row: usize| {
            let mut output = vec![0.0; if mix.sum { mix.to.width } else { 0 }];
            for (index, part) in parts.iter().enumerate() {
                let by = by.as_ref().map_or(1.0, |by| by[row][index]);
                let scaled = part[row].iter().map(|x| x * by);
                match mix.sum {
                    true => output.iter_mut().zip(scaled).for_each(|(to, x)| *to += x),
                    false => output.extend(scaled),
                }
            }
            output
        };
        (0..self.rows).map(row).collect()
    }

    fn mix_back(
        &mut self,
        mix: &Mix,
        gradient: View,
        into: &[Option<Target>],
        into_by: Option<Target>,
    ) {
        let gradient = self.read(gradient);
        let by = mix.by.map(|by| self.read(by));
        let mut to_by = vec![vec![]; self.rows];
        let mut start = 0;
        for (index, part) in mix.parts.iter().enumerate() {
            let values = self.read(*part);
            let mut rows = vec![];
            for row in 0..self.rows {
                let gradient = &gradient[row][start..start + part.width];
                let scale = by.as_ref().map_or(1.0, |by| by[row][index]);
                rows.push(gradient.iter().map(|g| g * scale).collect::<Vec<f64>>());
                to_by[row].push(gradient.iter().zip(&values[row]).map(|(g, x)| g * x).sum());
            }
            if let Some(into) = into[index] {
                self.write(into, &rows);
            }
            if !mix.sum {
                start += part.width;
            }
        }
        if let Some(into) = into_by {
            self.write(into, &to_by);
        }
    }
}

fn whole(buffer: usize, width: usize) -> View {
    View {
        buffer: mtmd_schema::plan::BufferId(buffer),
        start: 0,
        width,
    }
}

fn affine(x: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    x.iter()
        .zip(weight)
        .zip(bias)
        .map(|((x, w), b)| x * w + b)
        .collect()
}

fn columns(rows: &[Vec<f64>], width: usize) -> Vec<f64> {
    (0..width)
        .map(|c| rows.iter().map(|row| row[c]).sum())
        .collect()
}

fn product(one: &[Vec<f64>], other: &[Vec<f64>]) -> Vec<Vec<f64>> {
    zip(one, other, |one, other| {
        one.iter().zip(other).map(|(x, y)| x * y).collect()
    })
}

fn zip(
    one: &[Vec<f64>],
    other: &[Vec<f64>],
    f: impl Fn(&[f64], &[f64]) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    one.iter()
        .zip(other)
        .map(|(one, other)| f(one, other))
        .collect()
}

fn softmax(group: &[f64]) -> Vec<f64> {
    let exps: Vec<f64> = group.iter().map(|x| x.exp()).collect();
    let sum: f64 = exps.iter().sum();
    exps.iter().map(|x| x / sum).collect()
}
