//! `serve`: answers to requests.

use mtmd_options::Serve;

use crate::error::{Error, Result};
use crate::schema::Compiled;

#[cfg(not(feature = "serve"))]
pub fn serve(_: &'static Compiled, _: &Serve) -> Result<()> {
    Err(Error::usage(
        "serve",
        "this program was built without the server",
        "run it by `mtmdc serve`, which builds it with one, or build its crate with `--features serve`",
    ))
}

#[cfg(feature = "serve")]
pub fn serve(model: &'static Compiled, args: &Serve) -> Result<()> {
    use std::time::Duration;

    use crate::serve::{Server, Settings, Source, run};

    super::set_threads(args.threads)?;
    let token = args.token.as_deref().map(token).transpose()?;
    let source = Source {
        model,
        weights: args.model.clone(),
        index: args.index.clone(),
    };
    let threads = rayon::current_num_threads();
    let settings = Settings {
        bind: args.bind,
        in_flight: args.in_flight.unwrap_or(4 * threads),
        body: args.max_body,
        items: args.max_items,
        deadline: Duration::from_millis(args.deadline as u64),
        drain: Duration::from_secs(args.drain as u64),
        token,
        log_requests: args.log_requests,
    };
    run(Server::new(source, settings)?)
}

/// The first line of a file.
#[cfg(feature = "serve")]
fn token(path: &std::path::Path) -> Result<String> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| Error::file(path, "read the token", source))?;
    match text.lines().next().map(str::trim) {
        Some(token) if !token.is_empty() => Ok(token.to_owned()),
        _ => Err(Error::usage(
            path.display().to_string(),
            "its first line is empty, and so is the token",
            "write the token into it",
        )),
    }
}
