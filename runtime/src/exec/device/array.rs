//! Arrays in device memory.

use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::bug::{bug, zip_equal};

/// An array of 4-byte elements in device memory.
#[derive(Debug, Clone)]
pub struct Array {
    handle: Handle,
    len: usize,
}

impl Array {
    /// Whose elements are whatever was there.
    pub fn uninitialised(client: &Client, len: usize) -> Self {
        // A buffer cannot be empty.
        let len = len.max(1);
        Self {
            handle: client.empty(len * size_of::<f32>()),
            len,
        }
    }

    /// With a copy of these elements.
    pub fn copy<E: CubeElement>(client: &Client, values: &[E]) -> Self {
        match values {
            [] => Self::uninitialised(client, 1),
            values => Self {
                handle: client.create_from_slice(E::as_bytes(values)),
                len: values.len(),
            },
        }
    }

    /// As an argument of a launch.
    pub fn argument(&self) -> BufferArg {
        #[expect(
            unsafe_code,
            reason = "the length is that of the buffer, which only `self` knows"
        )]
        // SAFETY: `handle` has `len` elements of 4 bytes.
        unsafe {
            BufferArg::from_raw_parts(self.handle.clone(), self.len)
        }
    }
}

/// The first elements of arrays, read in one go: as many as are asked of each.
pub fn read(client: &Client, arrays: &[(&Array, usize)]) -> Vec<Vec<f32>> {
    let handles = arrays.iter().map(|(array, _)| array.handle.clone());
    let found = match client.read(handles.collect()) {
        Ok(found) => found,
        Err(error) => failed(&error.to_string()),
    };
    let values = |(bytes, &(_, len)): (&cubecl::bytes::Bytes, &(&Array, usize))| {
        let values = f32::from_bytes(bytes);
        match values.get(..len) {
            Some(values) => values.to_vec(),
            None => bug!("{len} of {} elements of an array", values.len()),
        }
    };
    zip_equal(&found, arrays).map(values).collect()
}

/// Ends the command: a device that fails is neither the input's fault nor a bug, and nothing in memory can be trusted. The
/// command shows the message.
#[expect(
    clippy::panic,
    reason = "a step has no way to go on, and the command catches it"
)]
pub fn failed(cause: &str) -> ! {
    std::panic::panic_any(format!("the device failed: {cause}"))
}
