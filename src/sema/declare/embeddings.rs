//! How the rows of tables are trained: for all tables in `training`, for one where it is declared.

use crate::sema::context::Context;
use crate::sema::settings::Settings;
use crate::sema::settings::declaration::{Defaulted, OneOf, OrNone, Setting};
use crate::sema::settings::forms::{Bound, SettingsTable};
use crate::sema::spec::{Embeddings, TableOptimiser, Training};
use crate::syntax::ast::Block;

const DEFAULT: Embeddings = Training::DEFAULT.embeddings;
static OPTIMISER: Defaulted<OneOf<TableOptimiser>> = Setting::choice("optimiser")
    .help(
        "AdamW equal to the dense one; Adam of the rows that a batch contains; Adagrad of \
         those rows, with one number of state a row",
    )
    .default(DEFAULT.optimiser);
static LR: Defaulted<f64> = Setting::real("lr", Bound::Positive)
    .help("learning rate of the tables")
    .default(DEFAULT.lr);
static WEIGHT_DECAY: Defaulted<f64> = Setting::real("weight_decay", Bound::NotNegative)
    .help("weight decay of the tables")
    .default(DEFAULT.weight_decay);
static STD: Defaulted<f64> = Setting::real("std", Bound::Positive)
    .help("standard deviation of the initial values")
    .default(DEFAULT.std);
static FREQUENCY: Defaulted<OrNone<f64>> = Setting::real_or_none("frequency", Bound::Positive)
    .help(
        "a row that n steps have contained, the present one included, learns at n / (n + X) \
         of the rate",
    )
    .default(DEFAULT.frequency);

pub(in crate::sema) static EMBEDDINGS_BLOCK: SettingsTable = SettingsTable {
    owner: "`embeddings`",
    empty_is_idle: true,
    settings: &[&OPTIMISER, &LR, &WEIGHT_DECAY, &STD, &FREQUENCY],
};

/// The settings of one `embeddings` block.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::sema) struct GivenEmbeddings {
    optimiser: Option<TableOptimiser>,
    lr: Option<f64>,
    weight_decay: Option<f64>,
    std: Option<f64>,
    frequency: Option<Option<f64>>,
}

impl GivenEmbeddings {
    /// Reads the block of a setting among some; without one, nothing is set.
    pub fn read(
        context: &mut Context<'_>,
        settings: &Settings<'_>,
        block: &Setting<Block>,
    ) -> Self {
        let Some(settings) = settings.inner(context, block) else {
            return Self::default();
        };
        Self {
            optimiser: settings.of(&OPTIMISER),
            lr: settings.of(&LR),
            weight_decay: settings.of(&WEIGHT_DECAY),
            std: settings.of(&STD),
            frequency: settings.of(&FREQUENCY),
        }
    }

    /// The effective settings, with `base` for those that are not set.
    pub fn over(&self, base: Embeddings) -> Embeddings {
        Embeddings {
            optimiser: self.optimiser.unwrap_or(base.optimiser),
            lr: self.lr.unwrap_or(base.lr),
            weight_decay: self.weight_decay.unwrap_or(base.weight_decay),
            std: self.std.unwrap_or(base.std),
            frequency: self.frequency.unwrap_or(base.frequency),
        }
    }
}
