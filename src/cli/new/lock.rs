//! The lock file of a new project, so that it is built from the versions that the runtime was tested with and its first
//! build changes nothing. Only cargo knows which part of this repository's lock file a project needs, so that part stands
//! beside it; a test holds it fresh.

const LOCK: &str = include_str!("templates/Cargo.lock");
const BETWEEN: &str = "\n[[package]]\n";

/// The lock file, with the crate of `model` at its place among the packages.
pub(super) fn project(model: &str) -> String {
    let (header, packages) = LOCK.split_once(BETWEEN).unwrap_or((LOCK, ""));
    let own = format!("name = \"{model}\"\nversion = \"0.1.0\"\ndependencies = [\n \"mtmd\",\n]\n");
    let mut packages: Vec<&str> = packages.split(BETWEEN).chain([own.as_str()]).collect();
    // By name; those of one name stand by version already.
    packages.sort_by_key(|package| package.lines().next());
    let packages = packages.join(BETWEEN);
    format!("{header}{BETWEEN}{packages}")
}
