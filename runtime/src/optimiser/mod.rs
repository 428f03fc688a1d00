//! AdamW over the flat dense parameters, with clipping by the global norm of their gradient.

#![expect(
    clippy::indexing_slicing,
    reason = "the ranges are those of an index, whose plan the arrays are laid out by; `step` asserts their sizes"
)]

#[cfg(feature = "device")]
pub mod device;
mod update;

use std::ops::Range;

use rayon::prelude::*;

use crate::bug::check;
#[cfg(feature = "device")]
use crate::bug::zip_equal;
use crate::params::{Array, ParameterIndex, Part, Reader, Writer, disjoint};
use crate::schema::AdamW;
use update::{PIECE, Rates, Stretch, squared_sum, step_piece};

/// AdamW with the betas and epsilon of [`crate::schema::constants`] and decoupled decay of every
/// parameter, as `torch.optim.AdamW`. A [`Part`] without a gradient in a step is unchanged, including its moments
/// and its count of steps: PyTorch does the same with a gradient that is `None`.
#[derive(Debug, Clone)]
pub struct Optimiser {
    weight_decay: f64,
    clip: Option<f64>,
    /// In the order of the flat array.
    parts: Vec<PartSteps>,
    /// Mean of the gradient: `[Plan::parameters]`.
    first: Vec<f32>,
    /// Mean of its square.
    second: Vec<f32>,
}

/// How often a part was stepped.
#[derive(Debug, Clone)]
struct PartSteps {
    part: Part,
    range: Range<usize>,
    steps: u64,
}

impl Optimiser {
    /// An optimiser that has made no step. `clip` bounds the norm of the whole gradient.
    pub fn new(index: &ParameterIndex<'_>, settings: &AdamW, clip: Option<f64>) -> Self {
        let parameters = index.plan().parameters;
        let ranges = index.ranges().into_iter();
        let parts = ranges.map(|(part, range)| PartSteps {
            part,
            range,
            steps: 0,
        });
        Self {
            weight_decay: settings.weight_decay,
            clip,
            parts: parts.collect(),
            first: vec![0.0; parameters],
            second: vec![0.0; parameters],
        }
    }

    /// Steps the parts that have a gradient; returns the gradient's global norm before clipping. If
    /// that is not finite, nothing is stepped. The gradient is 0 between parameters.
    pub fn step(
        &mut self,
        values: &mut [f32],
        gradient: &[f32],
        has_gradient: impl Fn(Part) -> bool,
        learning_rate: f64,
    ) -> f64 {
        let parameters = self.first.len();
        check!(
            values.len() == parameters && gradient.len() == parameters,
            "{} parameters and a gradient of {} for an optimiser of {parameters}",
            values.len(),
            gradient.len()
        );
        let parts = self.parts.iter_mut();
        let mut parts: Vec<&mut PartSteps> =
            parts.filter(|steps| has_gradient(steps.part)).collect();
        let norm = norm(parts.iter().flat_map(|part| part.pieces()), gradient);
        if !norm.is_finite() {
            return norm;
        }
        let scale = match self.clip {
            Some(clip) if norm > clip => clip / norm,
            _ => 1.0,
        };
        let mut rated: Vec<(Range<usize>, Rates)> = Vec::new();
        for part in &mut parts {
            part.steps += 1;
            let rates = Rates::new(part.steps, learning_rate, self.weight_decay, scale);
            rated.extend(part.pieces().map(|piece| (piece, rates)));
        }
        let ranges = || rated.iter().map(|(range, _)| range.clone());
        let moments = disjoint(&mut self.first, ranges()).zip(disjoint(&mut self.second, ranges()));
        let all = disjoint(values, ranges()).zip(moments).zip(&rated);
        let pieces = all.map(|((value, (first, second)), (range, rates))| Stretch {
            value,
            gradient: &gradient[range.clone()],
            first,
            second,
            rates: *rates,
        });
        let pieces: Vec<Stretch<'_>> = pieces.collect();
        pieces.into_par_iter().for_each(step_piece);
        norm
    }

    /// How often each part was stepped.
    #[cfg(feature = "device")]
    pub fn steps(&self) -> Vec<u64> {
        self.parts.iter().map(|part| part.steps).collect()
    }

    /// Takes back steps that were counted and not made: these were the counts before them.
    #[cfg(feature = "device")]
    pub fn rewind(&mut self, steps: &[u64]) {
        for (part, steps) in zip_equal(&mut self.parts, steps) {
            part.steps = *steps;
        }
    }

    /// Takes the moments of a device, `[Plan::parameters]` each.
    #[cfg(feature = "device")]
    pub fn take_moments(&mut self, [first, second]: [Vec<f32>; 2]) {
        check!(
            first.len() == self.first.len() && second.len() == self.second.len(),
            "moments of another plan"
        );
        (self.first, self.second) = (first, second);
    }

    /// Adds the state to a file that is to be written: `KEY.exp_avg` and `KEY.exp_avg_sq` of every
    /// parameter that was ever stepped and, in the header, `PART.step`.
    pub fn write<'a>(&'a self, index: &ParameterIndex<'_>, writer: &mut Writer<'a>) {
        for PartSteps { part, steps, .. } in self.parts.iter().filter(|part| part.steps > 0) {
            writer
                .metadata
                .insert(step_key(index, *part), steps.to_string());
            for entry in values_of(index, *part) {
                let key = index.key(&entry);
                for (name, moment) in [("exp_avg", &self.first), ("exp_avg_sq", &self.second)] {
                    let values = &moment[entry.range.clone()];
                    writer.insert(format!("{key}.{name}"), entry.shape.to_vec(), values);
                }
            }
        }
    }

    /// Reads the state into an optimiser that has made no step. Arrays that do not fit are recorded by
    /// the reader.
    pub fn read(&mut self, index: &ParameterIndex<'_>, reader: &mut Reader) {
        for PartSteps { part, steps, .. } in &mut self.parts {
            let name = step_key(index, *part);
            if !reader.metadata.contains_key(&name) {
                continue;
            }
            let Some(found) = reader.header(&name) else {
                continue;
            };
            *steps = found;
            for entry in values_of(index, *part) {
                let key = index.key(&entry);
                for (name, moment) in [
                    ("exp_avg", &mut self.first),
                    ("exp_avg_sq", &mut self.second),
                ] {
                    let values = &mut moment[entry.range.clone()];
                    reader.read(&format!("{key}.{name}"), entry.shape, values);
                }
            }
        }
    }
}

impl PartSteps {
    /// Pieces of the part that one thread takes at a time.
    fn pieces(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let end = self.range.end;
        let starts = self.range.clone().step_by(PIECE);
        starts.map(move |start| start..end.min(start + PIECE))
    }
}

/// Norm of the gradient's pieces. They are summed in their order, so that it does not depend on the
/// number of threads.
fn norm(pieces: impl Iterator<Item = Range<usize>>, gradient: &[f32]) -> f64 {
    let pieces: Vec<Range<usize>> = pieces.collect();
    let sums = pieces
        .into_par_iter()
        .map(|piece| squared_sum(&gradient[piece]));
    sums.collect::<Vec<f64>>().iter().sum::<f64>().sqrt()
}

fn step_key(index: &ParameterIndex<'_>, part: Part) -> String {
    format!("{}.step", index.part_key(part))
}

/// The parameters of a part, without its running statistics.
fn values_of<'a>(
    index: &ParameterIndex<'a>,
    part: Part,
) -> impl Iterator<Item = crate::params::Entry<'a>> + use<'a> {
    let entries = index.of(part);
    entries.filter(|entry| entry.array == Array::Values)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mtmd_schema::{DomainId, Tower};

    use super::*;
    use crate::hash::Random;
    use crate::params::fixture::{index, plan};
    use crate::params::{Params, Problem, require_fit};

    const SETTINGS: AdamW = AdamW {
        lr: 0.1,
        weight_decay: 0.01,
    };

    /// Surface 1 has no rows.
    fn has_gradient(part: Part) -> bool {
        part != Part::Domain(Tower::Query, DomainId(1))
    }

    fn gradient(index: &ParameterIndex<'_>, seed: u64) -> Vec<f32> {
        let mut random = Random::new(seed, &[]);
        let mut gradient = vec![0.0; index.plan().parameters];
        for part in index.parts().filter(|part| has_gradient(*part)) {
            for entry in values_of(index, part) {
                gradient[entry.range].fill_with(|| random.normals().0 as f32);
            }
        }
        gradient
    }

    fn train(
        index: &ParameterIndex<'_>,
        values: &mut [f32],
        optimiser: &mut Optimiser,
        seeds: Range<u64>,
    ) {
        for seed in seeds {
            let gradient = gradient(index, seed);
            optimiser.step(values, &gradient, has_gradient, 0.1);
        }
    }

    #[test]
    fn steps_are_those_of_adamw() {
        let plan = plan();
        let index = index(&plan);
        for clip in [None, Some(0.5)] {
            let mut values = Params::initialised(&index, 1).values;
            let mut optimiser = Optimiser::new(&index, &SETTINGS, clip);
            let mut expected: Vec<f64> = values.iter().copied().map(f64::from).collect();
            let (mut first, mut second) = (vec![0.0; values.len()], vec![0.0; values.len()]);
            for step in 1..=3_u64 {
                let gradient = gradient(&index, step);
                let squares = gradient.iter().map(|g| f64::from(*g).powi(2));
                let norm = squares.sum::<f64>().sqrt();
                let scale = clip.map_or(1.0, |clip: f64| (clip / norm).min(1.0));
                for (part, range) in index.ranges() {
                    for at in range.filter(|_| has_gradient(part)) {
                        let gradient = f64::from(gradient[at]) * scale;
                        first[at] = 0.9 * first[at] + 0.1 * gradient;
                        second[at] = 0.999 * second[at] + 0.001 * gradient * gradient;
                        let first = first[at] / (1.0 - 0.9_f64.powf(step as f64));
                        let second: f64 = second[at] / (1.0 - 0.999_f64.powf(step as f64));
                        expected[at] *= 1.0 - 0.1 * 0.01;
                        expected[at] -= 0.1 * first / (second.sqrt() + 1e-8);
                    }
                }
                let found = optimiser.step(&mut values, &gradient, has_gradient, 0.1);
                assert!((found - norm).abs() < 1e-12 * norm);
                for (found, expected) in values.iter().zip(&expected) {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error < 1e-6, "{found} is not {expected}");
                }
            }
        }
    }

    #[test]
    fn only_parts_with_a_gradient_are_stepped() {
        let plan = plan();
        let index = index(&plan);
        let before = Params::initialised(&index, 1);
        let mut after = before.clone();
        let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(5.0));
        train(&index, &mut after.values, &mut optimiser, 0..2);
        for entry in index.entries() {
            let stepped = entry.array == Array::Values && has_gradient(entry.part);
            let same = before.of(&entry) == after.of(&entry);
            assert_eq!(same, !stepped, "{}", index.key(&entry));
        }
        let mut writer = Writer::default();
        optimiser.write(&index, &mut writer);
        let header = writer.metadata;
        assert_eq!(
            header.get("query.shared.step").map(String::as_str),
            Some("2")
        );
        assert_eq!(header.get("query.related.step"), None);
    }

    #[test]
    fn a_gradient_that_is_not_finite_steps_nothing() {
        let plan = plan();
        let index = index(&plan);
        let mut values = Params::initialised(&index, 1).values;
        let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(1.0));
        train(&index, &mut values, &mut optimiser, 0..1);
        let before = (values.clone(), optimiser.clone());
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut gradient = gradient(&index, 2);
            gradient[17] = bad;
            let norm = optimiser.step(&mut values, &gradient, has_gradient, 0.1);
            assert!(!norm.is_finite());
            assert_eq!(values, before.0);
            assert_eq!(optimiser.first, before.1.first);
            assert_eq!(optimiser.second, before.1.second);
            assert_eq!(optimiser.parts[0].steps, 1);
        }
        // The largest gradients have a finite norm.
        let gradient = vec![f32::MAX; values.len()];
        assert!(
            optimiser
                .step(&mut values, &gradient, |_| true, 0.1)
                .is_finite()
        );
    }

    fn save(optimiser: &Optimiser, index: &ParameterIndex<'_>, path: &Path) {
        let mut writer = Writer::default();
        optimiser.write(index, &mut writer);
        writer.save(path).unwrap();
    }

    /// Four steps at once, and two and two with the state saved between them, end in the same bits.
    #[test]
    fn a_resumed_training_is_the_uninterrupted_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let plan = plan();
        let index = index(&plan);
        let mut whole = Params::initialised(&index, 1).values;
        let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(0.1));
        train(&index, &mut whole, &mut optimiser, 0..4);

        let mut values = Params::initialised(&index, 1).values;
        let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(0.1));
        train(&index, &mut values, &mut optimiser, 0..2);
        save(&optimiser, &index, &path);
        let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(0.1));
        let mut reader = Reader::open(&path).unwrap();
        optimiser.read(&index, &mut reader);
        require_fit(&reader.finish()).unwrap();
        train(&index, &mut values, &mut optimiser, 2..4);
        assert_eq!(values, whole);
    }

    #[test]
    fn a_state_of_another_model_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let plan = plan();
        let index = index(&plan);
        let mut optimiser = Optimiser::new(&index, &SETTINGS, None);
        let mut values = Params::initialised(&index, 1).values;
        train(&index, &mut values, &mut optimiser, 0..1);
        save(&optimiser, &index, &path);
        let other = ParameterIndex::new(
            &plan,
            ["feed", "related", "find"],
            ["shop"],
            ["click", "buy"],
        );
        let mut optimiser = Optimiser::new(&other, &SETTINGS, None);
        let mut reader = Reader::open(&path).unwrap();
        optimiser.read(&other, &mut reader);
        let problems = reader.finish();
        let of_search = |problem: &Problem| match problem {
            Problem::Unexpected { key, .. } => key.starts_with("query.search."),
            _ => false,
        };
        assert_eq!(problems.len(), 6);
        assert!(problems.iter().all(of_search));
    }

    /// A part of more than one piece is stepped as a whole, by any number of threads alike.
    #[test]
    fn threads_do_not_matter() {
        let mut plan = plan();
        plan.query.shared.to_mut()[1].shape = vec![100_000].into();
        plan.query.shared.to_mut()[1].offset = 120;
        plan.parameters = 120 + 100_000;
        plan.query.shared.to_mut().remove(0);
        let index = index(&plan);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| {
                let mut values = Params::initialised(&index, 1).values;
                let mut optimiser = Optimiser::new(&index, &SETTINGS, Some(0.1));
                train(&index, &mut values, &mut optimiser, 0..3);
                values
            })
        };
        let values = run(1);
        assert_eq!(values, run(3));
        assert!(values[120..].iter().all(|value| *value != 0.0));
    }
}
