//! One query's logits with many stored items: a pass over their memory.

use multiversion::multiversion;

use super::real::{LANES, dot, total};
use crate::bug::bug;
use crate::data::prefetch::fetch;

/// Embeddings as they are stored, row by row.
#[derive(Debug, Clone, Copy)]
pub enum StoredRows<'a> {
    /// 32-bit floats.
    Float32(&'a [f32]),
    /// 16-bit floats, by their bits; none is infinite or NaN.
    Float16(&'a [u16]),
    /// 8-bit integers, and a scale for each row and task.
    Int8 {
        /// The integers.
        values: &'a [i8],
        /// `[rows, tasks]`.
        scales: &'a [f32],
        /// Tasks of a row.
        tasks: usize,
    },
}

/// A task's part of the query and of a row.
#[derive(Debug, Clone, Copy)]
pub struct TaskQuery<'a> {
    /// The query's embedding of the task.
    pub query: &'a [f32],
    /// First number of a row that is the task's.
    pub start: usize,
    /// Index of the task among those of a row.
    pub index: usize,
    /// What the dot product is multiplied with.
    pub scale: f64,
    /// What is added.
    pub bias: f64,
}

/// Rows that are asked for ahead of the one that is read, where rows lie anywhere.
const AHEAD: usize = 8;

/// Writes the logits of rows `first..first + to.len() / tasks.len()`: `[rows, tasks]`. Those of float32 are, to the bit,
/// those of [`super::logit`].
pub fn scan(
    rows: StoredRows<'_>,
    stride: usize,
    first: usize,
    tasks: &[TaskQuery<'_>],
    to: &mut [f64],
) {
    let places = first..first + to.len() / tasks.len().max(1);
    let read = Read {
        stride,
        tasks,
        ahead: false,
    };
    read.all(rows, places, to);
}

/// The same of rows anywhere.
pub fn gather(
    rows: StoredRows<'_>,
    stride: usize,
    places: &[u32],
    tasks: &[TaskQuery<'_>],
    to: &mut [f64],
) {
    let read = Read {
        stride,
        tasks,
        ahead: true,
    };
    let places = places.iter().map(|place| *place as usize);
    read.all(rows, places, to);
}

/// How rows are read.
#[derive(Clone, Copy)]
struct Read<'a> {
    stride: usize,
    tasks: &'a [TaskQuery<'a>],
    ahead: bool,
}

impl Read<'_> {
    fn all(
        self,
        rows: StoredRows<'_>,
        places: impl Iterator<Item = usize> + Clone,
        to: &mut [f64],
    ) {
        match rows {
            StoredRows::Float32(values) => float32(self, values, places, to),
            StoredRows::Float16(values) => float16(self, values, places, to),
            StoredRows::Int8 {
                values,
                scales,
                tasks,
            } => int8(self, (values, scales, tasks), places, to),
        }
    }

    /// Writes the logits of each row; `product` is that of a task's query with an item, which stands at a place.
    #[inline(always)]
    fn each<T>(
        self,
        values: &[T],
        places: impl Iterator<Item = usize> + Clone,
        to: &mut [f64],
        product: impl Fn(&TaskQuery<'_>, &[T], usize) -> f64,
    ) {
        let mut ahead = places.clone().skip(AHEAD);
        for (place, to) in places.zip(to.chunks_exact_mut(self.tasks.len().max(1))) {
            if self.ahead
                && let Some(next) = ahead.next()
            {
                fetch(part(values, next * self.stride, self.stride));
            }
            let row = part(values, place * self.stride, self.stride);
            for (task, to) in self.tasks.iter().zip(to) {
                let item = part(row, task.start, task.query.len());
                *to = task.scale * product(task, item, place) + task.bias;
            }
        }
    }
}

/// A versioned function for each type: what it calls is inlined into it, so that it is compiled for the same processor.
macro_rules! versions {
    ($name:ident, $rows:ident: $rows_type:ty, $read:ident, $places:ident, $to:ident, $body:expr) => {
        #[multiversion(targets(
            "x86_64+avx512f+avx512bw+avx512cd+avx512dq+avx512vl+avx2+fma+bmi1+bmi2",
            "x86_64+avx2+fma+bmi1+bmi2"
        ))]
        fn $name<P: Iterator<Item = usize> + Clone>(
            $read: Read<'_>,
            $rows: $rows_type,
            $places: P,
            $to: &mut [f64],
        ) {
            $body
        }
    };
}

versions!(float32, values: &[f32], read, places, to, {
    read.each(values, places, to, |task, item, _| f64::from(dot(task.query, item)));
});
versions!(float16, values: &[u16], read, places, to, {
    read.each(values, places, to, |task, item, _| {
        f64::from(product(task.query, item, half))
    });
});
versions!(int8, rows: (&[i8], &[f32], usize), read, places, to, {
    let (values, scales, tasks) = rows;
    read.each(values, places, to, |task, item, place| {
        let scale = part(scales, place * tasks + task.index, 1);
        let sum = product(task.query, item, f32::from);
        f64::from(sum * scale.iter().sum::<f32>())
    });
});

/// Sum of products, in the order of [`dot`].
#[inline(always)]
fn product<T: Copy>(query: &[f32], item: &[T], number: impl Fn(T) -> f32) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (blocks, rest) = query.as_chunks::<LANES>();
    let (other_blocks, other_rest) = item.as_chunks::<LANES>();
    for (block, other) in blocks.iter().zip(other_blocks) {
        for (sum, (&a, &b)) in sums.iter_mut().zip(block.iter().zip(other)) {
            *sum += a * number(b);
        }
    }
    let rest = rest.iter().zip(other_rest);
    total(sums) + rest.fold(0.0, |sum, (&a, &b)| sum + a * number(b))
}

/// A finite 16-bit float. Its exponent moves to where that of 32 bits is; a product with a power of 2 mends its bias, which
/// also makes a subnormal number right. So it takes the vector instructions that every processor has.
#[inline(always)]
fn half(bits: u16) -> f32 {
    const BIAS: f32 = f32::from_bits((127 + 112) << 23);
    let bits = u32::from(bits);
    let magnitude = f32::from_bits((bits & 0x7FFF) << 13) * BIAS;
    f32::from_bits(magnitude.to_bits() | (bits & 0x8000) << 16)
}

#[inline(always)]
fn part<T>(values: &[T], start: usize, count: usize) -> &[T] {
    match values.get(start..start + count) {
        Some(part) => part,
        None => bug!("numbers from {start} on of {}", values.len()),
    }
}

#[cfg(test)]
mod tests {
    use half::f16;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_half_is_its_float() {
        for bits in 0..=u16::MAX {
            let float = f16::from_bits(bits);
            if float.is_finite() {
                assert_eq!(half(bits).to_bits(), float.to_f32().to_bits(), "{bits:04x}");
            }
        }
    }

    proptest! {
        /// Against loops in float64: rows in order and anywhere, of widths that are no multiple of anything.
        #[test]
        fn logits_are_those_of_loops(
            widths in prop::collection::vec(1_usize..80, 1..4),
            rows in 0_usize..40,
            seed: u64,
            picked in prop::collection::vec(0_u32..40, 0..20),
        ) {
            let mut random = crate::hash::Random::new(seed, &[1]);
            let mut draw = || (random.below(2000) as f32 - 1000.0) / 512.0;
            let width: usize = widths.iter().sum();
            let stride = width.next_multiple_of(64);
            let queries: Vec<Vec<f32>> = widths.iter().map(|width| (0..*width).map(|_| draw()).collect()).collect();
            let mut start = 0;
            let tasks: Vec<TaskQuery<'_>> = queries.iter().enumerate().map(|(index, query)| {
                let task = TaskQuery { query, start, index, scale: 0.25, bias: -1.5 };
                start += query.len();
                task
            }).collect();
            let numbers: Vec<f32> = (0..rows * stride).map(|_| draw()).collect();
            let halves: Vec<u16> = numbers.iter().map(|number| f16::from_f32(*number).to_bits()).collect();
            let bytes: Vec<i8> = numbers.iter().map(|number| (number * 30.0) as i8).collect();
            let scales: Vec<f32> = (0..rows * tasks.len()).map(|at| 0.01 + at as f32 * 0.001).collect();
            let expected = |place: usize, task: &TaskQuery<'_>, number: &dyn Fn(usize) -> f64| {
                let start = place * stride + task.start;
                let terms = task.query.iter().enumerate();
                let dot: f64 = terms.map(|(at, query)| f64::from(*query) * number(start + at)).sum();
                0.25 * dot - 1.5
            };
            let picked: Vec<u32> = picked.into_iter().filter(|place| (*place as usize) < rows).collect();
            let all = [
                (StoredRows::Float32(&numbers), 0),
                (StoredRows::Float16(&halves), 1),
                (StoredRows::Int8 { values: &bytes, scales: &scales, tasks: tasks.len() }, 2),
            ];
            for (stored, kind) in all {
                let mut scanned = vec![0.0; rows * tasks.len()];
                scan(stored, stride, 0, &tasks, &mut scanned);
                let mut gathered = vec![0.0; picked.len() * tasks.len()];
                gather(stored, stride, &picked, &tasks, &mut gathered);
                for place in 0..rows {
                    for task in &tasks {
                        let scale = f64::from(scales[place * tasks.len() + task.index]);
                        let want = expected(place, task, &|at| match kind {
                            0 => f64::from(numbers[at]),
                            1 => f64::from(f16::from_bits(halves[at]).to_f32()),
                            _ => f64::from(bytes[at]) * scale,
                        });
                        let found = scanned[place * tasks.len() + task.index];
                        prop_assert!((found - want).abs() < 1e-3 * (1.0 + want.abs()), "{found} {want}");
                    }
                }
                for (at, place) in picked.iter().enumerate() {
                    let from = *place as usize * tasks.len();
                    let same = &scanned[from..from + tasks.len()];
                    prop_assert_eq!(&gathered[at * tasks.len()..][..tasks.len()], same);
                }
            }
        }
    }
}
