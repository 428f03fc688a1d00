//! Event files of TensorBoard: scalars by tag and step.
//!
//! A file is a row of records, each its length, the length's checksum, the bytes and their checksum. The bytes are a
//! protocol buffer `tensorflow.Event`, of which a scalar needs five fields; they are written by hand.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// An event file, open for writing.
#[derive(Debug)]
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file in the folder for a run that has done `step` steps. It tells TensorBoard to forget what files of
    /// this run's earlier processes say of later steps.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(folder: &Path, step: u64) -> Result<Self> {
        fs::create_dir_all(folder)
            .map_err(|source| Error::file(folder, "create the folder", source))?;
        // Files are read in the order of their names.
        let name = format!(
            "events.out.tfevents.{:010}.{:010}.mtmd",
            now() as u64,
            std::process::id()
        );
        let path = folder.join(name);
        let file =
            File::create(&path).map_err(|source| Error::file(&path, "write the events", source))?;
        let mut events = Self { path, file };
        let mut version = ProtoMessage::event(0);
        version.bytes(3, b"brain.Event:2");
        let mut started = ProtoMessage::event(step + 1);
        let mut session = ProtoMessage::default();
        session.whole(1, 1);
        started.bytes(7, &session.0);
        events.record(&version)?;
        events.record(&started)?;
        Ok(events)
    }

    /// Writes figures of a step. Those that are not finite are left out: no curve has a place for them.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn scalars(&mut self, step: u64, scalars: &[(String, f64)]) -> Result<()> {
        let mut summary = ProtoMessage::default();
        for (tag, value) in scalars.iter().filter(|(_, value)| value.is_finite()) {
            let mut scalar = ProtoMessage::default();
            scalar.bytes(1, tag.as_bytes());
            scalar.fixed(2, 5, &(*value as f32).to_le_bytes());
            summary.bytes(1, &scalar.0);
        }
        let mut event = ProtoMessage::event(step);
        event.bytes(5, &summary.0);
        self.record(&event)
    }

    fn record(&mut self, message: &ProtoMessage) -> Result<()> {
        let length = (message.0.len() as u64).to_le_bytes();
        let record = [
            &length[..],
            &masked(&length),
            &message.0,
            &masked(&message.0),
        ]
        .concat();
        self.file
            .write_all(&record)
            .map_err(|source| Error::file(&self.path, "write the events", source))
    }
}

/// The checksum of the format, so that a checksum of bytes with checksums in them is sound.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let checksum = crc32c::crc32c(bytes);
    checksum
        .rotate_right(15)
        .wrapping_add(0xA282_EAD8)
        .to_le_bytes()
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}

/// Fields of a protocol buffer.
#[derive(Default)]
struct ProtoMessage(Vec<u8>);

impl ProtoMessage {
    /// An event of a step, now.
    fn event(step: u64) -> Self {
        let mut event = Self::default();
        event.fixed(1, 1, &now().to_le_bytes());
        event.whole(2, step);
        event
    }

    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    /// A whole number.
    fn whole(&mut self, field: u64, number: u64) {
        self.varint(field << 3);
        self.varint(number);
    }

    /// A number of eight (`wire` 1) or four bytes (5).
    fn fixed(&mut self, field: u64, wire: u64, bytes: &[u8]) {
        self.varint(field << 3 | wire);
        self.0.extend_from_slice(bytes);
    }

    /// A string or a message.
    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}
