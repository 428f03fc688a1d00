//! A device, and arrays in its memory.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use cubecl::client::Client;
use cubecl::prelude::*;
use cubecl::server::Handle;

use super::watch::{Doing, Watch};
use crate::bug::{bug, check, zip_equal};

/// A device, by which kernels are launched. It counts what goes between it and the host.
#[derive(Clone)]
pub struct Device {
    client: Client,
    traffic: Arc<Counters>,
    watch: Arc<OnceLock<Arc<Watch>>>,
}

#[derive(Debug, Default)]
struct Counters {
    waits: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

/// What went between a device and the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Times that the host waited for the device.
    pub waits: u64,
    /// Bytes to the device.
    pub sent: u64,
    /// Bytes from it.
    pub received: u64,
}

impl Device {
    /// Of a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            traffic: Arc::default(),
            watch: Arc::default(),
        }
    }

    /// Has launches watched from now on.
    pub fn watch_by(&self, watch: Arc<Watch>) {
        check!(self.watch.set(watch).is_ok(), "a device is watched twice");
    }

    /// What watches its launches, if anything does.
    pub fn watch(&self) -> Option<&Watch> {
        self.watch.get().map(|watch| &**watch)
    }

    /// Says what the launches that come next are of.
    pub fn doing(&self, doing: Doing) {
        if let Some(watch) = self.watch() {
            watch.doing(doing);
        }
    }

    /// What went between it and the host so far.
    pub fn traffic(&self) -> Traffic {
        let Counters {
            waits,
            sent,
            received,
        } = &*self.traffic;
        Traffic {
            waits: waits.load(Ordering::Relaxed),
            sent: sent.load(Ordering::Relaxed),
            received: received.load(Ordering::Relaxed),
        }
    }
}

impl Deref for Device {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("traffic", &self.traffic())
            .finish_non_exhaustive()
    }
}

/// An array of 4-byte elements in device memory.
#[derive(Debug, Clone)]
pub struct Array {
    handle: Handle,
    len: usize,
}

impl Array {
    /// Whose elements are whatever was there.
    pub fn uninitialised(device: &Device, len: usize) -> Self {
        // A buffer cannot be empty.
        let len = len.max(1);
        Self {
            handle: device.empty(len * size_of::<f32>()),
            len,
        }
    }

    /// With a copy of these elements.
    pub fn copy<E: CubeElement>(device: &Device, values: &[E]) -> Self {
        match values {
            [] => Self::uninitialised(device, 1),
            values => {
                let bytes = E::as_bytes(values);
                let sent = &device.traffic.sent;
                sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Self {
                    handle: device.create_from_slice(bytes),
                    len: values.len(),
                }
            }
        }
    }

    /// The first elements, in host memory.
    pub fn read(&self, device: &Device, len: usize) -> Vec<f32> {
        let [found] = read(device, [(self, len)]);
        found
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
pub fn read<const N: usize>(device: &Device, arrays: [(&Array, usize); N]) -> [Vec<f32>; N] {
    let handles = arrays.iter().map(|(array, _)| array.handle.clone());
    device.traffic.waits.fetch_add(1, Ordering::Relaxed);
    let found = match device.read(handles.collect()) {
        Ok(found) => found,
        Err(error) => failed(&error.to_string()),
    };
    let values = |(bytes, (_, len)): (&cubecl::bytes::Bytes, (&Array, usize))| {
        let received = &device.traffic.received;
        received.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let values = f32::from_bytes(bytes);
        match values.get(..len) {
            Some(values) => values.to_vec(),
            None => bug!("{len} of {} elements of an array", values.len()),
        }
    };
    let found: Vec<Vec<f32>> = zip_equal(&found, arrays).map(values).collect();
    match found.try_into() {
        Ok(found) => found,
        Err(_) => bug!("arrays that were read are not there"),
    }
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
