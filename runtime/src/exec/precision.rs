//! What the products of a pass are rounded to.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What both sides of a linear map's products are rounded to, forward and backward. All else keeps its type: weights, biases, norms,
/// softmax, losses, tables, optimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Nothing is rounded.
    #[default]
    Float32,
    /// 8 bits of a number, of float32's exponent.
    Bfloat16,
}

impl Precision {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
        }
    }
}

impl Display for Precision {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = [Self::Float32, Self::Bfloat16].into_iter();
        let found = all.find(|precision| precision.name() == text);
        found.ok_or_else(|| "it must be float32 or bfloat16".to_owned())
    }
}
