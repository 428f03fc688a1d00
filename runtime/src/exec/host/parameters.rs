//! Parameters of a domain, and where their gradients go.

#![expect(
    clippy::indexing_slicing,
    reason = "an address outside the parameters stops with a message"
)]

use mtmd_schema::plan::{Address, Scope, Write};

use super::real::{Real, add};

/// Parameters as a domain's program addresses them.
#[derive(Debug, Clone, Copy)]
pub struct Parameters<'a, E> {
    /// The flat array.
    pub all: &'a [E],
    /// First element of the domain's block.
    pub own: usize,
}

impl<'a, E> Parameters<'a, E> {
    /// Elements from an address on.
    #[inline(always)]
    pub fn get(&self, first: Address, count: usize) -> &'a [E] {
        let start = match first.scope {
            Scope::Own => self.own + first.offset,
            Scope::Tower => first.offset,
        };
        &self.all[start..start + count]
    }
}

/// Where a lane's gradients of parameters go. What no operation has written has no meaning.
#[derive(Debug)]
pub struct Gradients<'a, E> {
    /// Those of the domain's block.
    pub own: &'a mut [E],
    /// Those of the tower's shared parameters.
    pub tower: &'a mut [E],
    /// First element of the tower's shared parameters in the flat array.
    pub tower_start: usize,
    /// Whether these are the lane's first rows: later ones add to what is there.
    pub first: bool,
}

impl<E: Real> Gradients<'_, E> {
    /// The elements from an address on, and how they are to be written.
    #[inline(always)]
    pub fn slot(&mut self, first: Address, count: usize, write: Write) -> (&mut [E], Write) {
        let write = match self.first {
            true => write,
            false => Write::Add,
        };
        let slot = match first.scope {
            Scope::Own => &mut self.own[first.offset..first.offset + count],
            Scope::Tower => {
                let start = first.offset - self.tower_start;
                &mut self.tower[start..start + count]
            }
        };
        (slot, write)
    }

    /// Writes these elements from an address on.
    #[inline(always)]
    pub fn write(&mut self, first: Address, values: &[E], write: Write) {
        let (to, write) = self.slot(first, values.len(), write);
        match write {
            Write::Set => to.copy_from_slice(values),
            Write::Add => add(to, values),
        }
    }
}
