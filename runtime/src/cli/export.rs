//! `export`: a trained model for other programs.

use mtmd_options::Export;

use super::say;
use crate::error::Result;
use crate::export::{self, Settings};
use crate::schema::Compiled;

pub fn export(model: &'static Compiled, args: &Export) -> Result<()> {
    let settings = Settings {
        surface: args.surface.as_deref(),
        product: args.product.as_deref(),
        tables: args.tables,
        embed: args.embed,
        replace: args.force,
    };
    export::export(model, &args.model, &args.out, settings)?;
    say(format!("exported: {}", args.out.display()));
    Ok(())
}
