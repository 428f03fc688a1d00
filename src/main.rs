//! The command `mtmdc`.

fn main() -> std::process::ExitCode {
    mtmdc::cli::run()
}
