//! Each kernel against its composition, outputs and gradients, in float32 and float64; on sizes
//! that one thread does alone and on sizes that are split.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::composed;
use super::*;

fn random<const D: usize>(shape: [usize; D], dtype: DType, seed: usize) -> Tensor<D> {
    let length: usize = shape.iter().product();
    let values: Vec<f64> = (0..length)
        .map(|at| (((at * 7919 + seed * 104_729) % 9973) as f64 / 9973.0 * 37.0).sin())
        .collect();
    let device = Device::flex().autodiff();
    Tensor::from_data(TensorData::new(values, shape), (&device, dtype)).require_grad()
}

/// Compares two functions of matrices and vectors, and their gradients.
fn compare<const M: usize, const V: usize, const O: usize>(
    matrices: [[usize; 2]; M],
    vectors: [usize; V],
    kernel: impl Fn([Tensor<2>; M], [Tensor<1>; V]) -> Tensor<O>,
    composition: impl Fn([Tensor<2>; M], [Tensor<1>; V]) -> Tensor<O>,
) {
    for (dtype, tolerance) in [(DType::F32, 1e-3), (DType::F64, 1e-11)] {
        let run = |function: &dyn Fn([Tensor<2>; M], [Tensor<1>; V]) -> Tensor<O>| {
            let mut seeds = 1..;
            let mut seed = || seeds.next().unwrap_or(0);
            let matrices = matrices.map(|shape| random(shape, dtype, seed()));
            let vectors = vectors.map(|length| random([length], dtype, seed()));
            let output = function(matrices.clone(), vectors.clone());
            let weights = random(output.dims(), dtype, seed()).detach();
            let gradients = (output.clone() * weights).sum().backward();
            let mut found = vec![output.into_data()];
            found.extend(matrices.map(|x| x.grad(&gradients).unwrap().into_data()));
            found.extend(vectors.map(|x| x.grad(&gradients).unwrap().into_data()));
            found
        };
        for (at, (found, expected)) in run(&kernel).iter().zip(run(&composition)).enumerate() {
            let pairs = found.iter::<f64>().zip(expected.iter::<f64>());
            for (element, (found, expected)) in pairs.enumerate() {
                assert!(
                    (found - expected).abs() <= tolerance * (1.0 + expected.abs()),
                    "{dtype:?}, result {at}, element {element}: {found}, composed {expected}"
                );
            }
        }
    }
}

/// Rows that one thread does alone, and rows that are split.
const ROWS: [usize; 3] = [1, 5, 1000];

#[test]
fn linear_is_its_composition() {
    for rows in ROWS {
        compare(
            [[rows, 20], [33, 20]],
            [33],
            |[x, w], [b]| linear(x, w, b, Precision::Float32),
            |[x, w], [b]| composed::linear(x, w, b, Precision::Float32),
        );
        compare(
            [[rows, 20], [33, 20]],
            [],
            |[x, w], []| linear_without_bias(x, w, Precision::Float32),
            |[x, w], []| composed::linear_without_bias(x, w, Precision::Float32),
        );
    }
}

/// A product in bfloat16 and its gradients are those of rounded sides: here up to the rounding of float32's sums, in the composition up
/// to that of the result, half of the last of 8 bits. From the product of the sides as they are they are further.
#[test]
fn bfloat16_rounds_the_sides_of_products() {
    type Product = fn(Tensor<2>, Tensor<2>, Precision) -> Tensor<2>;
    const WAYS: [(Product, f64); 2] = [
        (linear_without_bias, 1e-5),
        (composed::linear_without_bias, 1.01 / 256.0),
    ];
    let rounded = |x: Tensor<2>| x.cast(DType::BF16).cast(DType::F64);
    let values = |x: Tensor<2>| x.into_data().iter::<f64>().collect::<Vec<_>>();
    for (rows, (product, tolerance)) in ROWS
        .into_iter()
        .flat_map(|rows| WAYS.map(|way| (rows, way)))
    {
        let [x, w, g] = [[rows, 70], [33, 70], [rows, 33]]
            .into_iter()
            .zip(1..)
            .map(|(shape, seed)| random::<2>(shape, DType::F32, seed))
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        let y = product(x.clone(), w.clone(), Precision::Bfloat16);
        assert_eq!(y.dtype(), DType::F32);
        let gradients = (y.clone() * g.clone().detach()).sum().backward();
        let of = |x: &Tensor<2>| x.grad(&gradients).unwrap();
        let found = [y.inner(), of(&x), of(&w)].map(values);
        let [x, w, g] = [x, w, g].map(Tensor::inner);
        let products = |round: &dyn Fn(Tensor<2>) -> Tensor<2>| {
            let [x, w, g] = [&x, &w, &g].map(|side| round(side.clone()));
            [
                x.clone().matmul(w.clone().transpose()),
                g.clone().matmul(w),
                g.transpose().matmul(x),
            ]
            .map(values)
        };
        let expected = products(&rounded);
        let exact = products(&|side| side.cast(DType::F64));
        for ((found, expected), exact) in found.iter().zip(&expected).zip(&exact) {
            let size = expected.iter().fold(0.0_f64, |size, x| size.max(x.abs()));
            let far = |others: &[f64]| {
                let pairs = found.iter().zip(others);
                pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max) / size
            };
            assert!(
                far(expected) <= tolerance,
                "{} rows: {}",
                rows,
                far(expected)
            );
            assert!(far(exact) > 1e-4, "{} rows: {}", rows, far(exact));
        }
    }
}

#[test]
fn norm_is_its_composition() {
    for rows in ROWS {
        for slope in [0.2, 1.0] {
            compare(
                [[rows, 37]],
                [37, 37, 37],
                |[x], [s, w, b]| norm_activate(x, s, w, b, slope),
                |[x], [s, w, b]| composed::norm_activate(x, s, w, b, slope),
            );
        }
    }
}

#[test]
fn route_is_its_composition() {
    for rows in ROWS {
        compare(
            [[rows, 3], [rows, 13], [rows, 13], [rows, 13]],
            [],
            |[w, a, b, c], []| route(w, [a, b, c]),
            |[w, a, b, c], []| composed::route(w, vec![a, b, c]),
        );
    }
}

#[test]
fn cross_is_its_composition() {
    for rows in ROWS {
        compare(
            [[rows, 35], [rows, 35], [rows, 35]],
            [35],
            |[f, u, x], [b]| cross(f, u, b, x),
            |[f, u, x], [b]| composed::cross(f, u, b, x),
        );
    }
}

#[test]
fn squeeze_and_excite_are_their_compositions() {
    let fields: Fields = [0..16, 16..17, 17..40, 40..41].into_iter().collect();
    for rows in ROWS {
        compare(
            [[rows, 41]],
            [],
            |[x], []| squeeze(x, &fields),
            |[x], []| composed::squeeze(x, &fields),
        );
        compare(
            [[rows, 41], [rows, 4]],
            [],
            |[x, w], []| excite(x, w, &fields),
            |[x, w], []| composed::excite(x, w, &fields),
        );
    }
}

#[test]
fn pair_dot_is_its_composition() {
    for rows in ROWS {
        let left: Vec<u32> = (0..rows as u32).rev().collect();
        let right: Vec<u32> = (0..rows as u32).map(|at| at / 2).collect();
        compare(
            [[rows, 19], [rows, 19]],
            [],
            |[l, r], []| pair_dot(l, r, &left, &right, 0.3),
            |[l, r], []| composed::pair_dot(l, r, &left, &right, 0.3),
        );
    }
}
