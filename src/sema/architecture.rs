//! What differs from the paper's widths.

use super::context::Context;
use super::head::Head;
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::Architecture;
use super::value::{Form, Value};
use crate::syntax::ast::Statement;

pub(super) static ARCHITECTURE: SettingsTable = SettingsTable {
    owner: "`architecture`",
    settings: &[
        setting("deep", Form::Sizes),
        setting("routing", Form::Sizes),
        setting("shallow", Form::Sizes),
        setting("shallow_width", Form::Whole(1)),
        setting("cross", Form::BlockOrNone),
        setting("se_reduction", Form::Whole(1)),
    ],
};

pub(super) static CROSS: SettingsTable = SettingsTable {
    owner: "`cross`",
    settings: &[
        setting("rank", Form::Whole(1)),
        setting("depth", Form::Whole(1)),
    ],
};

/// The paper's architecture (§2.1), with the spec's settings in place of its own.
pub(super) fn read(context: &mut Context<'_>, statement: Option<&Statement>) -> Architecture {
    let mut architecture = Architecture {
        deep: vec![512, 256, 128, 128],
        routing: vec![128, 64],
        shallow: vec![128],
        shallow_width: 64,
        cross_rank: 64,
        cross_depth: 1,
        se_reduction: 2,
    };
    let Some(statement) = statement else {
        return architecture;
    };
    let form = "architecture { … }";
    context.refuse_doc(statement);
    Head::new(statement, form).end(context);
    let block = context.require_block(statement, form);
    let settings = Settings::read(context, block, &ARCHITECTURE);
    architecture.deep = settings.sizes("deep").unwrap_or(architecture.deep);
    architecture.routing = settings.sizes("routing").unwrap_or(architecture.routing);
    architecture.shallow = settings.sizes("shallow").unwrap_or(architecture.shallow);
    architecture.shallow_width = settings
        .size("shallow_width")
        .unwrap_or(architecture.shallow_width);
    architecture.se_reduction = settings
        .size("se_reduction")
        .unwrap_or(architecture.se_reduction);
    match settings.value("cross") {
        Some(Value::None) => architecture.cross_depth = 0,
        Some(Value::Block(block)) => {
            let cross = Settings::read(context, Some(block), &CROSS);
            architecture.cross_rank = cross.size("rank").unwrap_or(architecture.cross_rank);
            architecture.cross_depth = cross.size("depth").unwrap_or(architecture.cross_depth);
        }
        _ => {}
    }
    architecture
}
