//! `index`: the embeddings of items, to be served.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use mtmd_options::Index as Options;

use super::args::apply_rows;
use super::{say, set_threads};
use crate::data::{Dataset, KeptColumns, Purpose};
use crate::error::{Error, Result};
use crate::evaluation::grouped;
use crate::index::{Build, BuildReport, DomainFacts, Index, IndexFile, convert};
use crate::schema::{Compiled, ElementType, IndexFormat};
use crate::score::{Scorer, golden};
use crate::training::{Existing, checkpoint, checksums, folder};

pub fn index(model: &'static Compiled, args: &Options) -> Result<()> {
    let started = Instant::now();
    set_threads(args.threads)?;
    let schema = &model.schema;
    refuse_taken(args)?;
    let id = [args.id.clone()];
    let kept = KeptColumns {
        columns: &id,
        place: "--id",
        user: "the index",
        raw_values: true,
    };
    let dataset = Dataset::open_for(schema, &args.data, Purpose::Embed(args.side), kept)?;
    let reader = apply_rows(&args.bad_rows, dataset, Existing::Refuse)?;
    let path = checkpoint::find_model(&args.model)?;
    let (weights, vocabularies) = checkpoint::load_model(&path, schema)?;
    let identity = checkpoint::identity(&path)?;
    let earlier = args
        .since
        .as_deref()
        .map(|folder| earlier(args, folder, &identity));
    let earlier = earlier.transpose()?.flatten();
    let scorer = Scorer::load(model, weights)?;
    let vocabularies = Arc::new(vocabularies);
    golden::check(&scorer.ready(), &vocabularies, &path)?;
    let build = Build {
        scorer: &scorer,
        weights: &identity,
        reader: &reader,
        vocabularies: &vocabularies,
        tower: args.side,
        id: &args.id,
        element: args.element,
        earlier: earlier.as_ref(),
        last_wins: args.last_wins,
    };
    let mut built = None;
    folder::write_folder(&args.out, |to| {
        built = Some(write(&build, args.format, to)?);
        checksums::write(to)
    })?;
    if let Some((file, report)) = built {
        tell(&file, &report, args, started.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Refuses a folder with something in it, unless it is an index that is to be replaced.
fn refuse_taken(args: &Options) -> Result<()> {
    let path = &args.out;
    let Ok(mut entries) = fs::read_dir(path) else {
        return Ok(());
    };
    if entries.next().is_none() || (args.force && path.join("index.json").exists()) {
        return Ok(());
    }
    Err(Error::usage(
        path.display().to_string(),
        "the folder is not empty",
        match args.force {
            true => "it holds no index that could be replaced: give another folder by `--out`",
            false => "give another folder by `--out`, or replace an index by `--force`",
        },
    ))
}

/// The index that rows are taken over from; `None`, told, if it is of other weights.
fn earlier(args: &Options, folder: &Path, weights: &str) -> Result<Option<Index>> {
    let index = Index::open(folder, true)?;
    let file = &index.file;
    let other = match () {
        () if file.tower != args.side => Some(format!("of the {} tower", file.tower)),
        () if file.element != args.element => Some(format!("of {}", file.element)),
        () if file.id.column != args.id => Some(format!("by `{}`", file.id.column)),
        () => None,
    };
    if let Some(other) = other {
        return Err(Error::usage(
            "--since",
            format!("the index in {} is {other}", folder.display()),
            "give the index that this one follows, made with the same `--side`, `--type` and `--id`",
        ));
    }
    if file.weights != weights {
        say("note: the earlier index is of another model; every row is computed anew");
        return Ok(None);
    }
    Ok(Some(index))
}

/// Writes the index, in its format.
fn write(build: &Build<'_>, format: IndexFormat, to: &Path) -> Result<(IndexFile, BuildReport)> {
    if format == IndexFormat::Index {
        return build.run(to);
    }
    // The other formats are made of an index, which goes when they are there.
    let own = to.join("index");
    fs::create_dir(&own).map_err(|source| Error::file(&own, "create the folder", source))?;
    let built = build.run(&own)?;
    convert(&Index::open(&own, false)?, &own, format, to)?;
    fs::remove_dir_all(&own).map_err(|source| Error::file(&own, "remove the folder", source))?;
    Ok(built)
}

fn tell(file: &IndexFile, report: &BuildReport, args: &Options, seconds: f64) {
    let rows: usize = file.domains.iter().map(|domain| domain.rows).sum();
    let bytes: usize = file.domains.iter().map(|it| it.rows * it.stride).sum();
    say(format!(
        "{} rows of {} embeddings, {:.1} MB as {}, in {seconds:.1} s, into {}",
        grouped(rows as u64),
        file.tower,
        bytes as f64 / 1e6,
        file.element,
        args.out.display()
    ));
    if args.since.is_some() {
        say(format!(
            "  {} computed, {} taken over",
            grouped(report.computed),
            grouped(report.taken)
        ));
    }
    if report.repeated > 0 {
        let rows = grouped(report.repeated);
        say(format!(
            "  {rows} rows gave way to a later one of their item"
        ));
    }
    for unknown in [&report.rows.surfaces, &report.rows.products] {
        if unknown.rows > 0 {
            let rows = grouped(unknown.rows);
            say(format!("  {rows} left out: of no domain: {unknown}"));
        }
    }
    for (column, bad) in &report.rows.bad {
        let rows = grouped(bad.rows);
        say(format!(
            "  {rows} left out: bad `{column}`, the first in {}",
            bad.first
        ));
    }
    if let Some((rows, first)) = &report.without_id {
        let rows = grouped(*rows);
        say(format!(
            "  {rows} left out: without an id, the first in {first}"
        ));
    }
    for domain in &file.domains {
        say(domain_line(file.element, domain));
    }
}

/// A domain's rows and, where the type of the numbers loses something, how much by task.
fn domain_line(element: ElementType, domain: &DomainFacts) -> String {
    let mut line = format!("  {}: {} rows", domain.name, grouped(domain.rows as u64));
    if element != ElementType::Float32 && domain.rows > 0 {
        let errors = domain.tasks.iter();
        let errors = errors.map(|task| format!("{} {:.1e}", task.name, task.error));
        let errors: Vec<String> = errors.collect();
        line += &format!(", relative error {}", errors.join(", "));
    }
    line
}
