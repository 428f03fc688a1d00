//! Spare memory, by size.

/// Spare memory by size: vectors as long as a power of two, by its binary logarithm.
#[derive(Debug)]
pub struct BySize<T>(Vec<Vec<Vec<T>>>);

impl<T: Clone + Default> BySize<T> {
    /// Without memory.
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Memory for at least `length` elements, of any value, if there is some to spare.
    pub fn take(&mut self, length: usize) -> Option<Vec<T>> {
        let class = length.next_power_of_two().trailing_zeros() as usize;
        self.0.get_mut(class).and_then(Vec::pop)
    }

    /// New memory for at least `length` elements.
    pub fn fresh(length: usize) -> Vec<T> {
        vec![T::default(); length.next_power_of_two()]
    }

    /// Keeps memory that came from here.
    pub fn put(&mut self, values: Vec<T>) {
        let class = values.len().trailing_zeros() as usize;
        if self.0.len() <= class {
            self.0.resize_with(class + 1, Vec::new);
        }
        if let Some(spare) = self.0.get_mut(class) {
            spare.push(values);
        }
    }
}
