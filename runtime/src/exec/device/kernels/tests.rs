//! Products by the device that there is, against loops in float64 over the same rounded factors.

use cubecl::prelude::CubeCount;
use mtmd_schema::Choice;
use proptest::prelude::*;

use super::block::Way;
use super::words::{NONE, SIDE, domain, product, tile, weight as words_of};
use super::{cube_dim, product as products, weight};
use crate::exec::device::array::{Array, Device};
use crate::exec::device::pass::by_item;
use crate::exec::device::piece::{item, word};
use crate::exec::host::Real;
use crate::schema::Precision;

/// Largest distance from the sum of the terms, as a part of the sum of their sizes: the rounding of some hundred sums of
/// float32.
const ROUNDED: f64 = 1e-5;

/// The device; where there is none, the test prints that and is skipped.
fn device() -> Option<Device> {
    #[cfg(feature = "wgpu")]
    let found = cubecl::Device::wgpu(cubecl::device::WgpuDeviceKind::DefaultDevice);
    #[cfg(not(feature = "wgpu"))]
    let found = cubecl::Device::cuda(0);
    match found {
        Ok(device) => Some(Device::new(device.client())),
        Err(error) => {
            println!("skipped: {error}");
            None
        }
    }
}

/// Numbers around 0, none of which bfloat16 or TF32 has.
fn draws(count: usize, seed: u64) -> Vec<f32> {
    let mut draws = support::rng::Rng::new(seed);
    let mut draw = || (draws.below(1 << 20) as f32 - 524_288.0) / 300_000.0;
    (0..count).map(|_| draw()).collect()
}

/// Sum of products and of their sizes.
fn summed(terms: impl Iterator<Item = (f32, f32)>, precision: Precision) -> (f64, f64) {
    let factor = |x: f32| f64::from(x.rounded(precision));
    let products = terms.map(|(x, y)| factor(x) * factor(y));
    products.fold((0.0, 0.0), |(sum, size), term| {
        (sum + term, size + term.abs())
    })
}

fn near(found: f32, (expected, size): (f64, f64), what: &str) -> Result<(), TestCaseError> {
    let apart = (f64::from(found) - expected).abs();
    prop_assert!(
        apart <= ROUNDED * (1e-3 + size),
        "{what}: {found} for {expected}"
    );
    Ok(())
}

/// A matrix, as it is or transposed; whether the result is added, has a bias, is wide.
type Choices = (bool, bool, bool, bool);

/// One tile by one matrix, in all precisions.
fn check_product(
    (rows, inputs, outputs): (usize, usize, usize),
    (transposed, add, biased, wide): Choices,
) -> Result<(), TestCaseError> {
    let Some(device) = device() else {
        return Ok(());
    };
    let stride = inputs + outputs + 3;
    let memory = draws((rows + 2) * stride, 1);
    let parameters = draws(outputs * inputs + outputs, 2);
    let matrix = |output: usize, input: usize| match transposed {
        false => (output * inputs + input, inputs, 1),
        true => (input * outputs + output, 1, outputs),
    };
    let (_, by_output, by_input) = matrix(0, 0);
    let bias = outputs * inputs;
    let of = item(
        product::WORDS,
        &[
            (product::FROM, 1),
            (product::INPUTS, word(inputs)),
            (product::INTO, word(inputs + 2)),
            (product::OUTPUTS, word(outputs)),
            (product::WEIGHT, 0),
            (product::BY_OUTPUT, word(by_output)),
            (product::BY_INPUT, word(by_input)),
            (product::BIAS, if biased { word(bias) } else { NONE }),
            (product::ADD, u32::from(add)),
            (product::WIDE, u32::from(wide)),
        ],
    );
    let words = [vec![2, 1], of].concat();
    let tile = item(tile::WORDS, &[(tile::ROW, 1), (tile::ROWS, word(rows))]);
    for &precision in Precision::ALL {
        let found = Array::copy(&device, &memory);
        products::run::launch(
            &device,
            CubeCount::Static(1, 1, 1),
            cube_dim(),
            Array::copy(&device, &words).argument(),
            Array::copy(&device, &tile).argument(),
            Array::copy(&device, &parameters).argument(),
            found.argument(),
            0,
            word(stride),
            Way::of(device.properties(), precision),
        );
        let found = found.read(&device, memory.len());
        let rounded = if wide { precision } else { Precision::Float32 };
        let mut expected = memory.clone();
        for row in 1..=rows {
            for output in 0..outputs {
                let terms = (0..inputs).map(|input| {
                    let x = memory[row * stride + 1 + input];
                    (x, parameters[matrix(output, input).0])
                });
                let (mut sum, size) = summed(terms, rounded);
                let at = row * stride + inputs + 2 + output;
                sum += if biased {
                    f64::from(parameters[bias + output])
                } else {
                    0.0
                };
                sum += if add { f64::from(memory[at]) } else { 0.0 };
                near(
                    found[at],
                    (sum, size + 2.0),
                    &format!("{precision} [{row}, {output}]"),
                )?;
                expected[at] = found[at];
            }
        }
        prop_assert_eq!(&found, &expected, "{} writes elsewhere", precision);
    }
    Ok(())
}

/// A block of the gradient of one matrix over the rows of some domains, which are split every `chunk` rows.
fn check_weight(
    domains: &[usize],
    (outputs, inputs): (usize, usize),
    chunk: usize,
    (add, wide): (bool, bool),
) -> Result<(), TestCaseError> {
    let Some(device) = device() else {
        return Ok(());
    };
    let rows: usize = domains.iter().sum();
    let stride = inputs + outputs + 3;
    let memory = draws((rows + 1) * stride, 3);
    let before = draws(outputs * inputs + 7, 4);
    let mut domain_words = Vec::new();
    let mut words = Vec::new();
    let mut start = 1;
    for (at, &count) in domains.iter().enumerate() {
        let of = [(domain::ROW, word(start)), (domain::ROWS, word(count))];
        domain_words.extend(item(domain::WORDS, &of));
        words.extend([word(at), 1, word(outputs + 2)]);
        start += count;
    }
    let first = word(words.len());
    let of = [
        (words_of::AT, 5),
        (words_of::BY_OUTPUT, word(inputs)),
        (words_of::OUTPUTS, word(outputs)),
        (words_of::INPUTS, word(inputs)),
        (words_of::ADD, u32::from(add)),
        (words_of::WIDE, u32::from(wide)),
        (words_of::SOURCES, word(domains.len())),
    ];
    words.extend(item(words_of::WORDS, &of));
    let chunks = rows.div_ceil(chunk).max(1);
    let copied = |values: &[u32]| Array::copy(&device, values);
    let (words, domain_words) = (copied(&words), copied(&domain_words));
    for &precision in Precision::ALL {
        let memory_there = Array::copy(&device, &memory);
        let gradient = Array::copy(&device, &before);
        let partial = Array::uninitialised(&device, chunks * SIDE * SIDE);
        weight::run::launch(
            &device,
            by_item(chunks),
            cube_dim(),
            words.argument(),
            domain_words.argument(),
            memory_there.argument(),
            gradient.argument(),
            partial.argument(),
            first,
            1,
            word(chunks),
            word(chunk),
            word(stride),
            Way::of(device.properties(), precision),
        );
        weight::join::launch(
            &device,
            by_item(1),
            cube_dim(),
            words.argument(),
            domain_words.argument(),
            partial.argument(),
            gradient.argument(),
            first,
            1,
            word(chunk),
        );
        let found = gradient.read(&device, before.len());
        let rounded = if wide { precision } else { Precision::Float32 };
        let mut expected = before.clone();
        for output in 0..outputs {
            for input in 0..inputs {
                let terms = (1..=rows).map(|row| {
                    let at = row * stride;
                    (memory[at + 1 + output], memory[at + outputs + 2 + input])
                });
                let (mut sum, size) = summed(terms, rounded);
                let at = 5 + output * inputs + input;
                sum += if add { f64::from(before[at]) } else { 0.0 };
                near(
                    found[at],
                    (sum, size + 2.0),
                    &format!("{precision} [{output}, {input}]"),
                )?;
                expected[at] = found[at];
            }
        }
        prop_assert_eq!(&found, &expected, "{} writes elsewhere", precision);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn products_of_any_size(
        sizes in (1..=64_usize, 1..=150_usize, 1..=64_usize),
        choices in any::<Choices>(),
    ) {
        check_product(sizes, choices)?;
    }

    #[test]
    fn gradients_of_any_rows(
        domains in prop::collection::vec(0..=90_usize, 0..=4),
        sizes in (1..=64_usize, 1..=64_usize),
        chunk in 1..=200_usize,
        choices in any::<(bool, bool)>(),
    ) {
        check_weight(&domains, sizes, chunk, choices)?;
    }
}

/// Sizes at which blocks, steps and chunks are full to the brim.
#[test]
fn whole_blocks() {
    for (transposed, wide) in [(false, true), (true, true), (false, false)] {
        check_product((64, 64, 64), (transposed, false, true, wide)).unwrap();
        check_weight(&[64, 64], (64, 64), 64, (false, wide)).unwrap();
    }
    check_weight(&[], (3, 2), 64, (false, true)).unwrap();
}

/// What is not finite stays so in every precision, whatever its bits.
#[test]
fn a_nan_is_not_rounded_to_a_number() {
    let Some(device) = device() else { return };
    for bits in [0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0x7f80_0000] {
        let value = f32::from_bits(bits);
        for &precision in Precision::ALL {
            let memory = Array::copy(&device, &[value, 0.0]);
            products::run::launch(
                &device,
                CubeCount::Static(1, 1, 1),
                cube_dim(),
                copied_item(&device).argument(),
                Array::copy(&device, &item(tile::WORDS, &[(tile::ROWS, 1)])).argument(),
                Array::copy(&device, &[1.0f32]).argument(),
                memory.argument(),
                0,
                2,
                Way::of(device.properties(), precision),
            );
            let found = memory.read(&device, 2)[1];
            assert_eq!(
                (found.is_nan(), found.is_infinite()),
                (value.is_nan(), value.is_infinite()),
                "{precision} {bits:x}: {found}"
            );
        }
    }
}

/// The product of one column with a matrix of one element, and what finds it.
fn copied_item(device: &Device) -> Array {
    let of = [
        (product::INPUTS, 1),
        (product::INTO, 1),
        (product::OUTPUTS, 1),
        (product::BY_OUTPUT, 1),
        (product::BY_INPUT, 1),
        (product::BIAS, NONE),
        (product::WIDE, 1),
    ];
    Array::copy(device, &[vec![2, 1], item(product::WORDS, &of)].concat())
}
