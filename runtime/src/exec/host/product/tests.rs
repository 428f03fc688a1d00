//! Products in every layout, both ways.

use mtmd_schema::Choice;
use proptest::prelude::*;

use super::*;

fn draws(length: usize, seed: u64) -> Vec<f32> {
    let mut random = crate::hash::Random::new(seed, &[length as u64]);
    (0..length).map(|_| random.normals().0 as f32).collect()
}

/// The implementations available here, in this precision. AMX is left out if the machine lacks it.
fn ways(precision: Precision) -> Vec<Way> {
    static SKIPPED: std::sync::Once = std::sync::Once::new();
    if !tiles::available() {
        SKIPPED
            .call_once(|| println!("skipped: products by AMX, which this machine does not have"));
    }
    let tiles = tiles::available() && precision != Precision::Tf32;
    let ways = [false, tiles].map(|tiles| Way {
        tiles,
        precision,
        alike: false,
    });
    ways.into_iter()
        .take(1 + usize::from(ways[1].tiles))
        .collect()
}

fn rounded(values: &[f32], precision: Precision) -> Vec<f32> {
    values
        .iter()
        .map(|value| value.rounded(precision))
        .collect()
}

fn transposed(values: &[f32], columns: usize) -> Vec<f32> {
    let rows = values.len() / columns;
    let at = |at: usize| values[at % rows * columns + at / rows];
    (0..values.len()).map(at).collect()
}

/// Largest error of an element, as a part of the root of the sum of its squared terms.
fn error(found: &[f32], a: &[f32], b: &[f32], k: usize) -> f64 {
    let n = b.len() / k;
    let deviation = |(at, &found): (usize, &f32)| {
        let terms = (0..k).map(|i| f64::from(a[at / n * k + i]) * f64::from(b[i * n + at % n]));
        let (sum, squares) = terms.fold((0.0, 0.0), |(s, q), term| (s + term, q + term * term));
        (f64::from(found) - sum).abs() / squares.sqrt()
    };
    found.iter().enumerate().map(deviation).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// To the bit, whatever rows stand beside it, and however many: as weights lie in memory, and as those of a mix do.
    #[test]
    fn a_row_has_its_product_alone_and_among_others(
        m in 1_usize..150,
        n in prop::sample::select(vec![9_usize, 12, 32, 64, 65, 128, 300, 512]),
        k in prop::sample::select(vec![1_usize, 2, 3, 31, 100, 384, 512, 513, 640, 1100]),
        bfloat16: bool,
        add: bool,
    ) {
        let precision = if bfloat16 { Precision::Bfloat16 } else { Precision::Float32 };
        let way = Way::alike(precision);
        let write = if add { Write::Add } else { Write::Set };
        let (a, b, start) = (draws(m * k, 1), draws(k * n, 2), draws(m * n, 3));
        let b_transposed = transposed(&b, n);
        for right in [Matrix::new(&b, n), Matrix::new(&b_transposed, k).transpose()] {
            let side = Side::right(right, way);
            let made = |rows: Range<usize>| {
                let mut to = start[rows.start * n..rows.end * n].to_vec();
                let left = Matrix::new(&a[rows.start * k..rows.end * k], k);
                multiply(&Side::left(left, way), &side, MatrixMut::new(&mut to, n), write);
                to.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
            };
            let all = made(0..m);
            for rows in [0..1, m - 1..m, m / 2..m, 0..m.min(5), 0..m.min(64), m / 3..m / 3 + 1] {
                prop_assert!(made(rows.clone()) == all[rows.start * n..rows.end * n], "{rows:?}");
            }
            let found: Vec<f32> = all.iter().map(|bits| f32::from_bits(*bits)).collect();
            if !bfloat16 && !add {
                prop_assert!(error(&found, &a, &b, k) < 1e-5);
            }
        }
    }
}

#[test]
fn both_ways_are_the_product_in_every_layout() {
    for way in Precision::ALL.iter().copied().flat_map(ways) {
        for (m, n, k) in [
            (1, 1, 1),
            (16, 16, 32),
            (37, 45, 70),
            (130, 65, 301),
            (64, 3, 33),
        ] {
            let (a, b) = (draws(m * k, 1), draws(k * n, 2));
            let (a_transposed, b_transposed) = (transposed(&a, k), transposed(&b, n));
            let (exact_a, exact_b) = (rounded(&a, way.precision), rounded(&b, way.precision));
            let lefts = [
                Matrix::new(&a, k),
                Matrix::new(&a_transposed, m).transpose(),
            ];
            let rights = [
                Matrix::new(&b, n),
                Matrix::new(&b_transposed, k).transpose(),
            ];
            for (left, right) in lefts.into_iter().flat_map(|l| rights.map(|r| (l, r))) {
                let whole = product(left, right, way);
                let left = Side::left(left, way);
                let ready = Side::right(right, way);
                let mut to = vec![f32::NAN; m * n];
                multiply(&left, &ready, MatrixMut::new(&mut to, n), Write::Set);
                let worst = error(&to, &exact_a, &exact_b, k);
                assert!(worst < 4e-6, "{way:?} {m} {n} {k}: {worst}");
                if way.precision != Precision::Float32 && k > 1 {
                    let other = error(&to, &a, &b, k);
                    assert!(other > 2e-5, "{way:?} {m} {n} {k}: {other}");
                }
                assert!(
                    error(&whole, &exact_a, &exact_b, k) < 4e-6,
                    "{way:?} {m} {n} {k}"
                );
                let once = to.clone();
                multiply(&left, &ready, MatrixMut::new(&mut to, n), Write::Add);
                assert!(to.iter().zip(&once).all(|(two, one)| *two == 2.0 * one));
                multiply(
                    &left,
                    &Side::passing(right, way),
                    MatrixMut::new(&mut to, n),
                    Write::Set,
                );
                assert_eq!(to, once);
            }
        }
    }
}

#[test]
fn parts_are_no_less_exact_than_float32() {
    let (m, n, k) = (96, 80, 512);
    let (a, b) = (draws(m * k, 3), draws(k * n, 4));
    let worst = ways(Precision::Float32).into_iter().map(|way| {
        let mut to = vec![0.0; m * n];
        let left = Side::left(Matrix::new(&a, k), way);
        let right = Side::right(Matrix::new(&b, n), way);
        multiply(&left, &right, MatrixMut::new(&mut to, n), Write::Set);
        error(&to, &a, &b, k)
    });
    let worst: Vec<f64> = worst.collect();
    assert!(
        worst.is_sorted_by(|plain, tiles| tiles <= plain),
        "{worst:?}"
    );
}

#[test]
fn a_row_is_the_same_whatever_is_multiplied_with_it() {
    let (n, k) = (48, 100);
    let (a, b) = (draws(200 * k, 5), draws(k * n, 6));
    let product = |a: &[f32]| {
        let way = Way::of::<f32>(200, Precision::Float32);
        let mut to = vec![0.0; a.len() / k * n];
        let left = Side::left(Matrix::new(a, k), way);
        let right = Side::right(Matrix::new(&b, n), way);
        multiply(&left, &right, MatrixMut::new(&mut to, n), Write::Set);
        to
    };
    let (whole, part) = (product(&a), product(&a[70 * k..150 * k]));
    assert_eq!(whole[70 * n..150 * n], part);
}

#[test]
fn bfloat16_is_the_nearest_and_ties_are_even() {
    let of = |bits: u32| f32::from_bits(bits).rounded(Precision::Bfloat16).to_bits();
    for (bits, nearest) in [
        (0x3F80_0000, 0x3F80_0000),
        (0x3F80_7FFF, 0x3F80_0000),
        (0x3F80_8000, 0x3F80_0000),
        (0x3F81_8000, 0x3F82_0000),
        (0xBF80_8001, 0xBF81_0000),
        (0x7F7F_FFFF, 0x7F80_0000),
        (0x7F80_0000, 0x7F80_0000),
    ] {
        assert_eq!(of(bits), nearest, "{bits:x}");
    }
    assert!(
        f32::from_bits(0x7FFF_FFFF)
            .rounded(Precision::Bfloat16)
            .is_nan()
    );
    assert_eq!(
        (1.0_f64 + 2.0_f64.powi(-8)).rounded(Precision::Bfloat16),
        1.0
    );
}

#[test]
fn tf32_is_the_nearest_and_ties_are_away_from_zero() {
    let of = |bits: u32| f32::from_bits(bits).rounded(Precision::Tf32).to_bits();
    for (bits, nearest) in [
        (0x3F80_2000, 0x3F80_2000),
        (0x3F80_0FFF, 0x3F80_0000),
        (0x3F80_1000, 0x3F80_2000),
        (0xBF80_1000, 0xBF80_2000),
        (0x3F80_3000, 0x3F80_4000),
        (0x7F7F_FFFF, 0x7F80_0000),
        (0x7F80_0000, 0x7F80_0000),
    ] {
        assert_eq!(of(bits), nearest, "{bits:x}");
    }
    assert!(
        f32::from_bits(0x7FFF_FFFF)
            .rounded(Precision::Tf32)
            .is_nan()
    );
    assert_eq!((1.0_f64 + 2.0_f64.powi(-12)).rounded(Precision::Tf32), 1.0);
}

#[test]
fn strides_and_what_is_not_finite() {
    let values = draws(100 * 50, 7);
    let columns: Vec<f32> = values
        .chunks(50)
        .flat_map(|row| row[5..25].to_vec())
        .collect();
    let b = draws(20 * 30, 8);
    for way in Precision::ALL.iter().copied().flat_map(ways) {
        let product = |view| {
            let mut to = vec![0.0; 100 * 30];
            let (left, right) = (Side::left(view, way), Side::right(Matrix::new(&b, 30), way));
            multiply(&left, &right, MatrixMut::new(&mut to, 30), Write::Set);
            to
        };
        let strided = product(Matrix::strided(&values[5..], 100, 20, 50));
        assert_eq!(strided, product(Matrix::new(&columns, 20)));
        let mut broken = columns.clone();
        broken[3 * 20] = f32::INFINITY;
        broken[4 * 20] = f32::NAN;
        let product = product(Matrix::new(&broken, 20));
        let finite = |row: usize| {
            product[row * 30..(row + 1) * 30]
                .iter()
                .any(|x| x.is_finite())
        };
        assert!(finite(2) && !finite(3) && !finite(4) && finite(5));
    }
}

/// A matrix in memory: rows with a gap between them, as it is or transposed.
#[derive(Debug, Clone, Copy)]
struct Layout {
    gap: usize,
    transposed: bool,
}

fn layout() -> impl Strategy<Value = Layout> {
    (0_usize..5, any::<bool>()).prop_map(|(gap, transposed)| Layout { gap, transposed })
}

impl Layout {
    /// Elements of a matrix `[rows, columns]`, with others between its rows.
    fn values(self, (rows, columns): (usize, usize), seed: u64) -> Vec<f64> {
        let (rows, columns) = self.in_memory((rows, columns));
        let length = (rows * (columns + self.gap)).saturating_sub(self.gap);
        draws(length, seed).into_iter().map(f64::from).collect()
    }

    fn in_memory(self, (rows, columns): (usize, usize)) -> (usize, usize) {
        match self.transposed {
            true => (columns, rows),
            false => (rows, columns),
        }
    }

    fn matrix<E>(self, values: &[E], dims: (usize, usize)) -> Matrix<'_, E> {
        let (rows, columns) = self.in_memory(dims);
        let matrix = Matrix::strided(values, rows, columns, columns + self.gap);
        match self.transposed {
            true => matrix.transpose(),
            false => matrix,
        }
    }

    fn element(self, values: &[f64], dims: (usize, usize), row: usize, column: usize) -> f64 {
        let (_, columns) = self.in_memory(dims);
        let (row, column) = self.in_memory((row, column));
        values[row * (columns + self.gap) + column]
    }
}

/// Rows, columns and depth of products: less than a tile, whole tiles, and more.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        0_usize..5,
        5_usize..40,
        // More than one band of rows, and more than one block of columns.
        prop::sample::select(vec![64, 65, 130, 257])
    ]
}

/// Checks a product: every element against a plain loop in float64 over rounded sides, added to what was
/// there or not, with the elements between rows unchanged. The tolerance is relative to the sum of the
/// terms' magnitudes. The product by all threads, in bands of rows, must pass the same check.
fn check<E: Real>(
    way: Way,
    (m, k, n): (usize, usize, usize),
    (left, right, gap): (Layout, Layout, usize),
    (write, passing): (Write, bool),
) -> Result<(), TestCaseError> {
    let (a, b) = (left.values((m, k), 1), right.values((k, n), 2));
    let old: Vec<f64> = draws((m * (n + gap)).saturating_sub(gap), 3)
        .into_iter()
        .map(f64::from)
        .collect();
    let of = |values: &[f64]| -> Vec<E> { values.iter().map(|x| E::real(*x)).collect() };
    let (first, second, mut to) = (of(&a), of(&b), of(&old));
    let first = left.matrix(&first, (m, k));
    let second = right.matrix(&second, (k, n));
    let whole = product(first, second, way);
    let first = Side::left(first, way);
    let second = match passing {
        true => Side::passing(second, way),
        false => Side::right(second, way),
    };
    multiply(
        &first,
        &second,
        MatrixMut::strided(&mut to, n, n + gap),
        write,
    );
    let round = |x: f64| x.rounded(way.precision);
    let tolerance = if E::FLOAT32 { 1e-6 } else { 1e-14 };
    for (at, (found, old)) in to.iter().zip(&old).enumerate() {
        let (row, column) = (at / (n + gap), at % (n + gap));
        if column >= n {
            prop_assert_eq!(found.float64(), *old);
            continue;
        }
        let terms = (0..k).map(|i| {
            let a = left.element(&a, (m, k), row, i);
            round(a) * round(right.element(&b, (k, n), i, column))
        });
        let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), term| {
            (sum + term, size + term.abs())
        });
        let start = if write == Write::Add { *old } else { 0.0 };
        let near = |found: E, expected: f64| {
            let near = (found.float64() - expected).abs() <= tolerance * (1.0 + size + start.abs());
            prop_assert!(
                near,
                "{way:?} [{row}, {column}]: {found:?}, expected {expected}"
            );
            Ok(())
        };
        near(*found, start + sum)?;
        near(whole[row * n + column], sum)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn products_of_all_shapes_and_strides(
        dims in (size(), size(), size()),
        layouts in (layout(), layout(), 0_usize..5),
        write in prop::sample::select(vec![Write::Set, Write::Add]),
        passing in any::<bool>(),
    ) {
        for way in Precision::ALL.iter().copied().flat_map(ways) {
            check::<f32>(way, dims, layouts, (write, passing))?;
        }
        for &precision in Precision::ALL {
            let way = Way { tiles: false, precision, alike: false };
            check::<f64>(way, dims, layouts, (write, passing))?;
        }
    }
}

#[test]
#[should_panic(expected = "this is a bug of mtmdc: a product of [2, 3] and [4, 5]")]
fn shapes_that_do_not_fit_are_a_bug() {
    let way = Way::of::<f32>(2, Precision::Float32);
    let (a, b, mut to) = ([0.0_f32; 6], [0.0_f32; 20], [0.0_f32; 10]);
    let (left, right) = (
        Side::left(Matrix::new(&a, 3), way),
        Side::right(Matrix::new(&b, 5), way),
    );
    multiply(&left, &right, MatrixMut::new(&mut to, 5), Write::Set);
}

#[test]
#[should_panic(expected = "this is a bug of mtmdc: 9 elements hold no 2 rows of 5 columns")]
fn memory_that_is_too_small_is_a_bug() {
    let way = Way::of::<f32>(2, Precision::Float32);
    let (a, b, mut to) = ([0.0_f32; 6], [0.0_f32; 15], [0.0_f32; 9]);
    let (left, right) = (
        Side::left(Matrix::new(&a, 3), way),
        Side::right(Matrix::new(&b, 5), way),
    );
    multiply(&left, &right, MatrixMut::new(&mut to, 5), Write::Set);
}
