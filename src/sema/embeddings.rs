//! How the rows of tables are trained: of all in `training`, of one where it is declared.

use super::context::Context;
use super::settings::{Settings, Table as SettingsTable, setting};
use super::spec::{Choice, Embeddings, TableOptimiser};
use super::value::{Bound, Form, SettingValue};

pub(super) static EMBEDDINGS: SettingsTable = SettingsTable {
    owner: "`embeddings`",
    settings: &[
        setting("optimiser", Form::Choice(TableOptimiser::WORDS)),
        setting("lr", Form::Real(Bound::Positive)),
        setting("weight_decay", Form::Real(Bound::NotNegative)),
        setting("std", Form::Real(Bound::Positive)),
        setting("frequency", Form::RealOrNone(Bound::Positive)),
    ],
};

/// What one `embeddings` block says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Given {
    optimiser: Option<TableOptimiser>,
    lr: Option<f64>,
    weight_decay: Option<f64>,
    std: Option<f64>,
    frequency: Option<Option<f64>>,
}

impl Given {
    /// Reads the block `embeddings` among some settings; without one, nothing is said.
    pub fn read(context: &mut Context<'_>, settings: &Settings<'_>) -> Self {
        let Some(block) = settings.block("embeddings") else {
            return Self::default();
        };
        let settings = Settings::read(context, Some(block), &EMBEDDINGS);
        Self {
            optimiser: settings.choice("optimiser"),
            lr: settings.real("lr"),
            weight_decay: settings.real("weight_decay"),
            std: settings.real("std"),
            frequency: match settings.value("frequency") {
                Some(SettingValue::Real(steps)) => Some(Some(*steps)),
                Some(SettingValue::None) => Some(None),
                _ => None,
            },
        }
    }

    /// What holds, with `base` for what is not said.
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
