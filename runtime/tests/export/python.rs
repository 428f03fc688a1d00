//! Scores of the ONNX files in onnxruntime, of rows that Python encodes: `tests/export/check.py`, with the book's programs.
//!
//! `MTMD_PYTHON` is a Python that has the packages of `tests/export/requirements.txt`; without one the test is skipped.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use mtmd::export::Settings;
use mtmd::schema::TableLookup;

use crate::edges;
use crate::models::{Model, WHOLE, of_architectures, of_inputs, of_specs};

/// Exports a model whole, with other options, and a slice of it.
fn export(model: &Model, options: bool) {
    model.export("whole", WHOLE);
    let schema = &model.compiled.schema;
    // A cell of the last task: the child of the others, if there is one.
    let task = &schema.tasks[schema.tasks.len() - 1];
    let [surface, product] = [
        schema.surfaces.domain(task.surfaces[0]),
        schema.products.domain(task.products[0]),
    ];
    let slice = Settings {
        surface: Some(&surface.name),
        product: Some(&product.name),
        ..WHOLE
    };
    model.export("slice", slice);
    if options {
        let (embed, tables) = (true, TableLookup::Outside);
        model.export("embedded", Settings { embed, ..WHOLE });
        model.export("outside", Settings { tables, ..WHOLE });
    }
}

#[test]
fn onnxruntime_gives_the_same_scores() {
    let Some(python) = env::var_os("MTMD_PYTHON") else {
        println!("skipped: MTMD_PYTHON is not set");
        return;
    };
    let root = tempfile::tempdir().expect("a folder");
    // The exports are kept where the reader wants them, for the other runtime (`tests/export/tract`).
    let root = match env::var_os("ONNX_EXPORTS") {
        Some(kept) => {
            let kept = PathBuf::from(kept);
            let _ = fs::remove_dir_all(&kept);
            kept
        }
        None => root.path().to_owned(),
    };
    let inputs = Model::new(&root, of_inputs(), Some(edges::rows()));
    export(&inputs, true);
    for compiled in of_specs() {
        export(&Model::new(&root, compiled, None), false);
    }
    for compiled in of_architectures() {
        export(&Model::new(&root, compiled, None), false);
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/export/check.py");
    let output = Command::new(python)
        .arg(script)
        .arg(&root)
        .output()
        .expect("Python");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    print!("{}", text(&output.stdout));
    assert!(output.status.success(), "{}", text(&output.stderr));
}
