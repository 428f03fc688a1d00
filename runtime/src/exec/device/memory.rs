//! The buffers of a program.

use burn::tensor::{Device, Tensor};
use mtmd_schema::plan::{BufferId, Program, Storage, Target, View, Write};

use super::element::{DeviceReal, zeros};
use crate::bug::{bug, check};

/// The buffers of one domain's rows, a tensor `[rows, width]` each.
#[derive(Debug)]
pub struct Memory<'p, E> {
    program: &'p Program,
    /// Number of rows.
    pub rows: usize,
    /// By buffer; `None` before anything is written to it.
    buffers: Vec<Option<Tensor<2>>>,
    device: Device,
    element: std::marker::PhantomData<E>,
}

impl<'p, E: DeviceReal> Memory<'p, E> {
    /// Without any values.
    pub fn new(program: &'p Program, rows: usize, device: &Device) -> Self {
        Self {
            program,
            rows,
            buffers: vec![None; program.buffers.len()],
            device: device.clone(),
            element: std::marker::PhantomData,
        }
    }

    /// All columns of a buffer.
    pub fn whole(&self, buffer: BufferId) -> View {
        let Some(found) = self.program.buffers.get(buffer.0) else {
            bug!("buffer {} of another program", buffer.0);
        };
        View {
            buffer,
            start: 0,
            width: found.width,
        }
    }

    /// The columns of a view.
    pub fn read(&self, view: View) -> Tensor<2> {
        let Some(Some(buffer)) = self.buffers.get(view.buffer.0) else {
            bug!("buffer {} is read before it is written", view.buffer.0);
        };
        let buffer = buffer.clone();
        match view == self.whole(view.buffer) {
            true => buffer,
            false => buffer.narrow(1, view.start, view.width),
        }
    }

    /// Overwrites the columns of a view.
    pub fn write(&mut self, view: View, values: Tensor<2>) {
        let whole = self.whole(view.buffer);
        check!(
            values.dims() == [self.rows, view.width],
            "{:?} values for {} rows of {view:?}",
            values.dims(),
            self.rows
        );
        let Some(buffer) = self.buffers.get_mut(view.buffer.0) else {
            bug!("buffer {} of another program", view.buffer.0);
        };
        *buffer = Some(match view == whole {
            true => values,
            false => {
                // Taken, so that it has one owner and is written in place.
                let before = buffer.take();
                let before =
                    before.unwrap_or_else(|| zeros::<E, 2>([self.rows, whole.width], &self.device));
                let columns = view.start..view.start + view.width;
                before.slice_assign([0..self.rows, columns], values)
            }
        });
    }

    /// Writes a gradient as its target specifies.
    pub fn put(&mut self, target: Target, values: Tensor<2>) {
        let values = match target.write {
            Write::Set => values,
            Write::Add => self.read(target.to) + values,
        };
        self.write(target.to, values);
    }

    /// Zeros.
    pub fn clear(&mut self, view: View) {
        let values = zeros::<E, 2>([self.rows, view.width], &self.device);
        self.write(view, values);
    }

    /// Drops what does not live from the forward to the backward pass.
    pub fn drop_scratch(&mut self) {
        for (buffer, of) in self.buffers.iter_mut().zip(self.program.buffers.iter()) {
            if let Storage::Scratch(_) = of.storage {
                *buffer = None;
            }
        }
    }

    /// Drops all buffers.
    pub fn drop_all(&mut self) {
        self.buffers.fill(None);
    }
}
