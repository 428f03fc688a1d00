//! `synth`: made-up rows for this model.

use mtmd_options::Synth;

use super::say;
use crate::data;
use crate::error::Result;
use crate::evaluation::grouped;
use crate::schema::Schema;

pub fn synth(schema: &'static Schema, args: &Synth) -> Result<()> {
    let rows = args.rows as u64;
    let files = data::synth(schema, rows, args.per_request as u64, args.seed, &args.out)?;
    say(format!(
        "{} rows in {} {} in {}. Train on them by `train --data {}`.",
        grouped(rows),
        files.len(),
        if files.len() == 1 { "file" } else { "files" },
        args.out.display(),
        args.out.display(),
    ));
    Ok(())
}
