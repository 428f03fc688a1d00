//! First values.

use mtmd_schema::plan::{Init, Plan};

use super::{ParameterIndex, Params};
use crate::hash::{hash_text, mix};

impl Params<f32> {
    /// The weights of a new model.
    ///
    /// A value depends on the seed, the parameter's key and its place in the parameter alone: a
    /// domain more or less leaves the others' weights as they are.
    pub fn initialised(index: &ParameterIndex<'_>, seed: u64) -> Self {
        let plan: &Plan = index.plan();
        let mut params = Self::zeros(plan);
        for entry in index.entries() {
            let key = index.key(&entry);
            let values = params.of_mut(&entry);
            match entry.init {
                Init::Zeros => {}
                Init::Ones => values.fill(1.0),
                Init::Uniform(fan_in) => draw(values, fan_in, Stream::new(seed, &key)),
            }
        }
        params
    }
}

/// Draws from U(±1/√fan_in).
fn draw(values: &mut [f32], fan_in: usize, mut stream: Stream) {
    let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
    for value in values {
        *value = (bound * (2.0 * stream.next_unit() - 1.0)) as f32;
    }
}

/// SplitMix64, started by the seed and a parameter's key.
struct Stream {
    state: u64,
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Stream {
    fn new(seed: u64, key: &str) -> Self {
        Self {
            state: mix(seed.wrapping_add(GOLDEN)) ^ hash_text(key),
        }
    }

    /// A draw from U[0, 1) with 53 bits.
    fn next_unit(&mut self) -> f64 {
        self.state = self.state.wrapping_add(GOLDEN);
        (mix(self.state) >> 11) as f64 / (1_u64 << 53) as f64
    }
}
