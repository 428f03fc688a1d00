//! The distance between two results.

use std::fmt::{Display, Formatter};

use mtmd::exec::host::Real;
use mtmd_schema::plan::{Parameter, Plan};

/// The largest distance so far, and of what.
#[derive(Debug, Default)]
pub struct Distance {
    pub distance: f64,
    what: String,
}

impl Distance {
    pub fn add(&mut self, what: &str, distance: f64) {
        assert!(distance.is_finite(), "{what} is not finite");
        if distance >= self.distance {
            self.distance = distance;
            what.clone_into(&mut self.what);
        }
    }
}

impl Display for Distance {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1e} in {}", self.distance, self.what)
    }
}

/// The largest size of numbers.
pub fn largest<'a, E: Real>(values: impl IntoIterator<Item = &'a E>) -> f64 {
    let sizes = values.into_iter().map(|x| x.float64().abs());
    sizes.fold(0.0, f64::max)
}

/// The largest difference, as a part of the larger of the largest number and a thousandth of `all`.
pub fn distance<E: Real, F: Real>(expected: &[E], found: &[F], all: f64) -> f64 {
    assert_eq!(expected.len(), found.len(), "lengths");
    let pairs = expected.iter().zip(found);
    let difference = |(x, y): (&E, &F)| (x.float64() - y.float64()).abs();
    // NaN must not be lost.
    let apart = pairs
        .map(difference)
        .fold(0.0, |most: f64, x| match x > most || x.is_nan() {
            true => x,
            false => most,
        });
    match apart == 0.0 {
        true => 0.0,
        false => apart / largest(expected).max(1e-3 * all),
    }
}

/// The distance of every parameter's gradient. Asserts that the padding between them is 0.
pub fn per_parameter<E: Real>(plan: &Plan, expected: &[E], found: &[f32], worst: &mut Distance) {
    let all = largest(expected);
    let mut rest = found.to_vec();
    let mut add = |parameter: &Parameter, start: usize, name: &str| {
        let range = parameter.range();
        let range = start + range.start..start + range.end;
        rest[range.clone()].fill(0.0);
        let what = format!("the gradient of {name} {}", parameter.name);
        worst.add(
            &what,
            distance(&expected[range.clone()], &found[range], all),
        );
    };
    for (name, tower) in [("query", &plan.query), ("item", &plan.item)] {
        for parameter in tower.shared.iter() {
            add(parameter, 0, name);
        }
        for program in tower.programs.iter() {
            for (block, domain) in program.domains.iter().enumerate() {
                let start = program.parameters.at(block);
                for parameter in program.own.iter() {
                    add(parameter, start, &format!("{name} {}", domain.0));
                }
            }
        }
    }
    for head in plan.heads.iter() {
        if let Some(at) = head.bias {
            rest[at] = 0.0;
            worst.add(
                "a head's bias",
                distance(&[expected[at]], &[found[at]], all),
            );
        }
    }
    assert!(rest.iter().all(|x| *x == 0.0), "padding");
}
