//! Weights files, read by a reader that shares nothing with the runtime's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;

/// Shape and elements of every array, by key.
pub type Arrays = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The arrays of a file.
pub fn arrays(path: &Path) -> Arrays {
    let bytes = fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let array = |(key, view): (&str, safetensors::tensor::TensorView<'_>)| {
        let (chunks, _) = view.data().as_chunks::<4>();
        let values = chunks.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (key.to_owned(), (view.shape().to_vec(), values.collect()))
    };
    file.iter().map(array).collect()
}
