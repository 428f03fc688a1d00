//! Embeddings as the bytes of a row, and what is lost on the way.

use half::f16;

use super::{LINE, TaskFacts};
use crate::bug::{bug, zip_equal};
use crate::schema::ElementType;

/// Bytes of a number.
pub const fn size(element: ElementType) -> usize {
    match element {
        ElementType::Float32 => 4,
        ElementType::Float16 => 2,
        ElementType::Int8 => 1,
    }
}

/// Bytes from one row of so many numbers to the next.
pub const fn stride(element: ElementType, width: usize) -> usize {
    (width * size(element)).next_multiple_of(LINE)
}

/// The largest number of int8 that a scale gives the largest of an embedding.
const MOST: f32 = 127.0;

/// What is stored of a row.
#[derive(Debug, Clone, Default)]
pub struct StoredRow {
    /// The row's bytes, `stride` of them.
    pub bytes: Vec<u8>,
    /// Of int8, the scale of each task.
    pub scales: Vec<f32>,
}

/// Sums by which a task's error is measured.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ErrorSums {
    /// Squares of what was changed.
    changed: f64,
    /// Squares of the numbers.
    all: f64,
}

impl ErrorSums {
    /// Root mean square of the changes, over that of the numbers; 0 of none.
    pub fn relative(&self) -> f64 {
        match self.all > 0.0 {
            true => (self.changed / self.all).sqrt(),
            false => 0.0,
        }
    }

    fn add(&mut self, value: f32, stored: f32) {
        let value = f64::from(value);
        self.changed += (value - f64::from(stored)).powi(2);
        self.all += value * value;
    }
}

impl StoredRow {
    /// Stores a row of embeddings of these tasks; `false` if a number is beyond what the type holds.
    #[must_use]
    pub fn store(
        &mut self,
        element: ElementType,
        tasks: &[TaskFacts],
        row: &[f32],
        errors: &mut [ErrorSums],
    ) -> bool {
        self.bytes.clear();
        self.scales.clear();
        for (task, error) in zip_equal(tasks, errors) {
            let Some(values) = row.get(task.start..task.start + task.width) else {
                bug!("task `{}` lies outside a row of {}", task.name, row.len());
            };
            self.store_task(element, values, error);
        }
        self.bytes.resize(stride(element, row.len()), 0);
        let most = match element {
            ElementType::Float32 | ElementType::Int8 => f32::MAX,
            ElementType::Float16 => f16::MAX.to_f32(),
        };
        row.iter().all(|value| value.abs() <= most)
    }

    fn store_task(&mut self, element: ElementType, values: &[f32], error: &mut ErrorSums) {
        match element {
            ElementType::Float32 => {
                let bytes = values.iter().flat_map(|value| value.to_le_bytes());
                self.bytes.extend(bytes);
            }
            ElementType::Float16 => {
                for &value in values {
                    let stored = f16::from_f32(value);
                    self.bytes.extend(stored.to_le_bytes());
                    error.add(value, stored.to_f32());
                }
            }
            ElementType::Int8 => {
                let largest = values
                    .iter()
                    .fold(0.0_f32, |most, value| most.max(value.abs()));
                let scale = largest / MOST;
                // A scale that is no normal number would lose what the integers hold.
                let scale = if scale.is_normal() { scale } else { 0.0 };
                for &value in values {
                    let stored = match scale > 0.0 {
                        true => (value / scale).round().clamp(-MOST, MOST) as i8,
                        false => 0,
                    };
                    self.bytes.extend(stored.to_le_bytes());
                    error.add(value, f32::from(stored) * scale);
                }
                self.scales.push(scale);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(element: ElementType, row: &[f32]) -> (StoredRow, bool, f64) {
        let task = TaskFacts {
            name: "ctr".to_owned(),
            start: 0,
            width: row.len(),
            error: 0.0,
        };
        let (mut stored, mut errors) = (StoredRow::default(), [ErrorSums::default()]);
        let fits = stored.store(element, &[task], row, &mut errors);
        (stored, fits, errors[0].relative())
    }

    #[test]
    fn rows_are_lines_of_bytes() {
        for (element, size) in [
            (ElementType::Float32, 4),
            (ElementType::Float16, 2),
            (ElementType::Int8, 1),
        ] {
            let (row, fits, _) = stored(element, &[1.0; 33]);
            assert_eq!(row.bytes.len(), (33 * size as usize).next_multiple_of(64));
            assert!(fits);
        }
    }

    #[test]
    fn errors_are_those_of_the_type() {
        let row: Vec<f32> = (0..257).map(|at| (at as f32 * 0.37).sin()).collect();
        assert_eq!(stored(ElementType::Float32, &row).2, 0.0);
        let half = stored(ElementType::Float16, &row).2;
        assert!(half > 0.0 && half < 3e-4, "{half}");
        let eighth = stored(ElementType::Int8, &row).2;
        assert!(eighth > 1e-3 && eighth < 5e-3, "{eighth}");
        // All zeros, and numbers too small for a scale.
        for row in [[0.0; 3], [1e-44; 3]] {
            let (row, fits, _) = stored(ElementType::Int8, &row);
            assert_eq!((row.scales, fits), (vec![0.0], true));
        }
    }

    #[test]
    fn what_a_type_does_not_hold_is_told() {
        assert!(stored(ElementType::Float32, &[1e30]).1);
        assert!(!stored(ElementType::Float16, &[1e5]).1);
        assert!(!stored(ElementType::Float32, &[f32::NAN]).1);
        assert!(!stored(ElementType::Int8, &[f32::INFINITY]).1);
    }
}
