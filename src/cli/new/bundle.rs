//! The files of this repository that a new project holds, as the build script found them.

include!(concat!(env!("OUT_DIR"), "/bundle.rs"));

/// Paths and texts, by path.
pub(super) fn files() -> Vec<(&'static str, String)> {
    let text = |(path, text): &(&'static str, &str)| {
        let text = match *path {
            "Cargo.toml" => workspace(text),
            "runtime/Cargo.toml" => without_benches(text),
            _ => (*text).to_owned(),
        };
        (*path, text)
    };
    FILES.iter().map(text).collect()
}

/// The workspace's settings alone: the compiler's own package comes after them.
fn workspace(manifest: &str) -> String {
    let settings = manifest.split("\n[package]").next().unwrap_or(manifest);
    let lines = settings.lines().map(|line| match line {
        _ if line.starts_with("members = ") => {
            "members = [\"schema\", \"runtime\", \"generated/*\"]"
        }
        _ if line.starts_with("exclude = ") => "",
        _ => line,
    });
    lines.fold(String::new(), |text, line| text + line + "\n")
}

/// The runtime's benchmarks and tests stay here.
fn without_benches(manifest: &str) -> String {
    let rest = manifest.split("\n[dev-dependencies]").next();
    rest.unwrap_or(manifest).trim_end().to_owned() + "\n"
}
