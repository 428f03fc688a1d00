//! Embeds what a new project needs from this repository in the binary: the sources of the runtime, of
//! the schema and of the options, the stand-in for cubecl-llvm and the settings of the workspace.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Files and folders that a project holds as they are here.
const WHOLE: [&str; 7] = [
    ".cargo/config.toml",
    "clippy.toml",
    "generated/rustfmt.toml",
    "options",
    "runtime/src",
    "schema",
    "third_party/cubecl-llvm",
];

/// Files of which a project holds a part.
const CUT: [&str; 2] = ["Cargo.toml", "runtime/Cargo.toml"];

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let mut files = vec![];
    for path in WHOLE.iter().chain(&CUT) {
        println!("cargo::rerun-if-changed={path}");
        collect(&root, &root.join(path), &mut files)?;
    }
    files.sort();
    let mut code = format!(
        "pub(super) static FILES: [(&str, &str); {}] = [\n",
        files.len()
    );
    for path in files {
        let absolute = root.join(&path);
        // Writing to a String cannot fail.
        let _ = writeln!(code, "    ({path:?}, include_str!({absolute:?})),");
    }
    code += "];\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("bundle.rs"), code)
}

/// Paths of the files at and below a path, relative to the root, with `/`.
fn collect(root: &Path, path: &Path, files: &mut Vec<String>) -> io::Result<()> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(root, &entry?.path(), files)?;
        }
        return Ok(());
    }
    if let Ok(relative) = path.strip_prefix(root) {
        files.push(relative.to_string_lossy().replace('\\', "/"));
    }
    Ok(())
}
