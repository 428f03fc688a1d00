//! What the parity tests share: fixtures, and comparison to float32 rounding.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "this crate is test code: a broken fixture fails the test"
)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use mtmd::params::transfer::TransferTarget;
use mtmd::schema::Compiled;
use safetensors::{Dtype, SafeTensors};
use support::rng::Rng;

/// Hands the names of all generated crates to a macro.
#[macro_export]
macro_rules! each_model {
    ($with:ident) => {
        $with! { kuairand marketplace minimal network pinterest travel video }
    };
}

macro_rules! models {
    ($($name:ident)*) => {
        /// The models of all generated crates.
        pub static MODELS: &[&Compiled] = &[$(&$name::MODEL),*];
    };
}

each_model!(models);

/// A fixture of float64 and int64 arrays and texts, written by a script in `tests/parity`.
#[derive(Debug, Default)]
pub struct Fixture {
    metadata: BTreeMap<String, String>,
    floats: BTreeMap<String, Vec<f64>>,
    ints: BTreeMap<String, Vec<i64>>,
    texts: BTreeMap<String, String>,
    /// Keys of the arrays that have been asked for.
    read: RefCell<BTreeSet<String>>,
}

impl Fixture {
    /// Opens `tests/parity/NAME.safetensors`.
    pub fn open(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../parity");
        let bytes = std::fs::read(folder.join(format!("{name}.safetensors"))).expect("fixture");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("safetensors");
        let file = SafeTensors::deserialize(&bytes).expect("safetensors");
        let mut fixture = Self::default();
        if let Some(metadata) = header.metadata() {
            fixture.metadata.extend(metadata.clone());
        }
        for (key, view) in file.iter() {
            let (chunks, _) = view.data().as_chunks::<8>();
            let key = key.to_owned();
            match view.dtype() {
                Dtype::F64 => {
                    let values = chunks.iter().map(|&bytes| f64::from_le_bytes(bytes));
                    fixture.floats.insert(key, values.collect());
                }
                Dtype::I64 => {
                    let values = chunks.iter().map(|&bytes| i64::from_le_bytes(bytes));
                    fixture.ints.insert(key, values.collect());
                }
                Dtype::U8 => {
                    let text = String::from_utf8(view.data().to_vec()).expect("a text");
                    fixture.texts.insert(key, text);
                }
                other => panic!("{key}: unexpected type {other:?}"),
            }
        }
        fixture
    }

    /// An entry of the file's metadata.
    pub fn metadata(&self, name: &str) -> &str {
        self.metadata
            .get(name)
            .unwrap_or_else(|| panic!("no metadata `{name}`"))
    }

    /// Values of a float array.
    pub fn floats(&self, key: &str) -> &[f64] {
        self.get(&self.floats, key).as_slice()
    }

    /// Whether there is such a float array.
    pub fn has(&self, key: &str) -> bool {
        self.floats.contains_key(key)
    }

    /// A text.
    pub fn text(&self, key: &str) -> &str {
        self.get(&self.texts, key).as_str()
    }

    fn get<'a, T>(&self, arrays: &'a BTreeMap<String, T>, key: &str) -> &'a T {
        self.read.borrow_mut().insert(key.to_owned());
        arrays.get(key).unwrap_or_else(|| panic!("no `{key}`"))
    }

    /// Asserts that every array has been asked for: what nobody reads tests nothing.
    pub fn assert_all_read(&self) {
        let read = self.read.borrow();
        let keys = self.floats.keys().chain(self.ints.keys());
        let unread: Vec<_> = keys
            .chain(self.texts.keys())
            .filter(|key| !read.contains(*key))
            .collect();
        assert!(unread.is_empty(), "not read: {unread:?}");
    }

    /// Values of a float array as the runtime holds them.
    pub fn f32s(&self, key: &str) -> Vec<f32> {
        self.floats(key).iter().map(|&value| value as f32).collect()
    }

    /// Values of an integer array.
    pub fn ints(&self, key: &str) -> &[i64] {
        self.get(&self.ints, key).as_slice()
    }

    /// Values of an integer array that are places or rows.
    pub fn indices(&self, key: &str) -> Vec<u32> {
        self.ints(key)
            .iter()
            .map(|&value| u32::try_from(value).expect("an index"))
            .collect()
    }
}

/// Asserts that float32 results agree with float64 ones to `tolerance`, each relative to its own size, or to a thousandth of
/// the largest if it is smaller than that. Returns the largest distance, in the same measure.
pub fn assert_close(what: &str, actual: &[f32], expected: &[f64], tolerance: f64) -> f64 {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    let largest = expected
        .iter()
        .fold(0.0_f64, |largest, value| largest.max(value.abs()));
    let mut furthest = 0.0_f64;
    for (at, (&actual, &expected)) in actual.iter().zip(expected).enumerate() {
        let error = (f64::from(actual) - expected).abs();
        let scale = expected.abs().max(1e-3 * largest);
        assert!(
            error <= tolerance * scale,
            "{what}[{at}]: {actual} instead of {expected}, off by {error:e} at scale {scale}"
        );
        furthest = furthest.max(error / scale.max(f64::MIN_POSITIVE));
    }
    furthest
}

/// `count` numbers in [-1, 1) that depend on the key alone: SplitMix64 started at the key's FNV-1a hash, as in
/// `reference_model.py`.
pub fn uniform(key: &str, count: usize) -> Vec<f64> {
    let start = key.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |state, byte| {
        (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    let mut rng = Rng::new(start);
    std::iter::repeat_with(|| rng.signed())
        .take(count)
        .collect()
}

/// The weight of a key, as in `reference_model.py`.
pub fn weight(key: &str, shape: &[usize]) -> Vec<f32> {
    let is_table = key.starts_with("tables.");
    let scaled = |u: f64| {
        if is_table {
            u
        } else if key.ends_with(".running_var") {
            1.0 + 0.5 * u
        } else if let [_, inputs] = shape {
            u * (3.0 / *inputs as f64).sqrt()
        } else if key.ends_with(".norm.weight") {
            1.0 + 0.25 * u
        } else {
            0.25 * u
        }
    };
    let mut values: Vec<f32> = uniform(key, shape.iter().product())
        .into_iter()
        .map(|u| scaled(u) as f32)
        .collect();
    if let ([_, dim], true) = (shape, is_table) {
        values.iter_mut().take(*dim).for_each(|value| *value = 0.0);
    }
    values
}

/// Sets all weights of a model to those of their keys.
pub fn set_weights(targets: &mut BTreeMap<String, TransferTarget<'_>>) {
    for (key, target) in targets {
        let values = weight(key, &target.shape);
        let width = target.shape.iter().skip(1).product::<usize>().max(1);
        let rows = target.values.chunks_mut(target.stride.max(1));
        for (row, values) in rows.zip(values.chunks(width)) {
            let (_, row) = row.split_at_mut(target.start);
            row.iter_mut()
                .zip(values)
                .for_each(|(to, value)| *to = *value);
        }
    }
}
