//! Runs exported ONNX files in tract: `export-tract FOLDER`.
//!
//! FOLDER is what `tests/export/check.py` leaves: by model a folder of exports, and next to each `EXPORT.FILE.npz`, the inputs of
//! a file (`in.NAME`) and its outputs in onnxruntime (`out.NAME`).

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpzError};
use tract_onnx::prelude::*;

/// Rounding of float32, relative to the size of a value or 1.
const TOLERANCE: f32 = 1e-4;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let root = std::env::args().nth(1).ok_or("give the folder of the exports")?;
    let (mut files, mut worst) = (0, 0.0_f32);
    for model in sorted(Path::new(&root))?.into_iter().filter(|path| path.is_dir()) {
        for case in sorted(&model)? {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Some((export, file)) = name.strip_suffix(".npz").and_then(|name| name.split_once('.')) else {
                continue;
            };
            let path = model.join(export).join(file);
            let far = compare(&path, &case).map_err(|error| format!("{}: {error}", path.display()))?;
            if far > TOLERANCE {
                return Err(format!("{}: off by {far:e}", path.display()).into());
            }
            (files, worst) = (files + 1, worst.max(far));
        }
    }
    println!("{files} files within {worst:.1e} of onnxruntime");
    match files {
        0 => Err("no file".into()),
        _ => Ok(()),
    }
}

fn sorted(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// The largest distance of the outputs of a file from those of a case.
fn compare(path: &Path, case: &Path) -> Outcome<f32> {
    let mut arrays = arrays(case)?;
    let mut model = tract_onnx::onnx().model_for_path(path)?;
    let mut inputs = tvec![];
    for (place, outlet) in model.input_outlets()?.to_vec().into_iter().enumerate() {
        let name = format!("in.{}", model.node(outlet.node).name);
        let tensor = arrays.remove(&name).ok_or_else(|| format!("no `{name}`"))?;
        let fact = InferenceFact::dt_shape(tensor.datum_type(), tensor.shape());
        model.set_input_fact(place, fact)?;
        inputs.push(tensor.into_tvalue());
    }
    let outlets = model.output_outlets()?.to_vec();
    let labels = outlets.iter().map(|outlet| match model.outlet_label(*outlet) {
        Some(label) => label.to_owned(),
        None => model.node(outlet.node).name.clone(),
    });
    let labels: Vec<String> = labels.collect();
    let outputs = model.into_optimized()?.into_runnable()?.run(inputs)?;
    let mut worst = 0.0_f32;
    for (label, output) in labels.iter().zip(outputs) {
        let label = label.strip_prefix("/output/").unwrap_or(label);
        let expected = arrays.remove(&format!("out.{label}")).ok_or_else(|| format!("no output `{label}`"))?;
        let (found, expected) = (output.to_plain_array_view::<f32>()?, expected.to_plain_array_view::<f32>()?);
        if found.shape() != expected.shape() {
            return Err(format!("`{label}` is {:?}, not {:?}", found.shape(), expected.shape()).into());
        }
        for (found, expected) in found.iter().zip(expected.iter()) {
            worst = worst.max((found - expected).abs() / expected.abs().max(1.0));
        }
    }
    Ok(worst)
}

/// The arrays of a file by name.
fn arrays(path: &Path) -> Outcome<BTreeMap<String, Tensor>> {
    let mut file = NpzReader::new(File::open(path)?)?;
    let mut arrays = BTreeMap::new();
    for name in file.names()? {
        let key = name.trim_end_matches(".npy").to_owned();
        let floats: Result<ndarray::ArrayBase<OwnedRepr<f32>, _>, ReadNpzError> = file.by_name(&name);
        let tensor = match floats {
            Ok(floats) => tensor(&floats)?,
            Err(_) => tensor(&file.by_name::<OwnedRepr<i64>, ndarray::IxDyn>(&name)?)?,
        };
        arrays.insert(key, tensor);
    }
    Ok(arrays)
}

fn tensor<T: Datum + Copy>(array: &ArrayD<T>) -> Outcome<Tensor> {
    let values: Vec<T> = array.iter().copied().collect();
    Ok(Tensor::from_shape(array.shape(), &values)?)
}
