//! Rows of a pass in their first order, encoded by several threads: in slices where they keep it, else
//! in blocks of a shuffle's size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;

use crate::data::chunk::Chunk;
use crate::data::decode::{Decoder, Place};
use crate::data::loader::Scan;
use crate::data::ordered::{Feed, Ordered, ordered, workers};
use crate::data::records::Records;
use crate::data::report::Report;
use crate::data::slices::{Slice, Slices, ended_early};
use crate::data::source::Dataset;
use crate::data::vocabularies::Vocabularies;
use crate::error::Result;

/// Entries of a list at most: their offsets have 32 bits.
const ENTRIES: usize = 1 << 30;

/// What the assembly gets.
pub(super) enum Block {
    Rows(Rows),
    End(Report),
}

/// The rows of a block.
pub(super) enum Rows {
    /// In columns, where they keep their order.
    Ordered(Chunk),
    /// Each in one place, where they are shuffled.
    Shuffled(Records),
}

impl Rows {
    /// Number of rows.
    pub(super) fn count(&self) -> usize {
        match self {
            Self::Ordered(chunk) => chunk.rows(),
            Self::Shuffled(records) => records.rows(),
        }
    }

    /// Appends the given rows to a chunk.
    pub(super) fn read(&self, rows: &[u32], to: &mut Chunk) {
        match self {
            Self::Ordered(chunk) => to.extend(chunk, rows),
            Self::Shuffled(records) => records.read(rows, to),
        }
    }
}

/// A slice's usable rows, and what became of the others.
struct Encoded {
    rows: Chunk,
    report: Report,
}

/// The work of the thread that makes blocks.
pub(super) struct Blocks {
    /// Rows of a block that is shuffled; `None` keeps the order.
    size: Option<usize>,
    report: Report,
    stop: Arc<AtomicBool>,
    slices: Slices,
    feed: Feed<Slice>,
    encoded: Ordered<Result<Encoded>>,
    /// Slices that are being encoded, and how many may be: two a worker, one of which may wait to be
    /// taken, so that no worker is given a slice before its last result has room.
    under_way: usize,
    ahead: usize,
    /// What the slices end with, once they have.
    end: Option<Result<()>>,
    /// Blocks without rows, whose memory serves again.
    spare: Receiver<Records>,
    sender: SyncSender<Result<Block>>,
}

impl Blocks {
    /// Starts the threads that encode.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub(super) fn start(
        dataset: &Dataset,
        vocabularies: &Arc<Vocabularies>,
        (scan, outside): (Scan, u64),
        (slices, stop): (Slices, Arc<AtomicBool>),
        (spare, sender): (Receiver<Records>, SyncSender<Result<Block>>),
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Self> {
        let workers = match dataset.quarantine() {
            // Lines of the file are in the order of the rows.
            Some(_) => 1,
            None => workers(),
        };
        let decoder = Arc::new(Decoder::new(dataset, scan.parts));
        let mut report = decoder.report();
        report.outside = outside;
        let work = || {
            let (dataset, vocabularies) = (dataset.clone(), Arc::clone(vocabularies));
            let decoder = Arc::clone(&decoder);
            move |slice: Slice| encode(&dataset, &vocabularies, &decoder, &slice)
        };
        let (feed, encoded) = ordered("mtmd-encode", workers, 1, threads, work)?;
        Ok(Self {
            size: scan.shuffle.map(|shuffle| shuffle.buffer.max(1)),
            report,
            stop,
            slices,
            feed,
            encoded,
            under_way: 0,
            ahead: 2 * workers,
            end: None,
            spare,
            sender,
        })
    }

    /// Makes and sends all blocks.
    pub(super) fn run(mut self) {
        // A send fails if the batches are not wanted any more.
        match self.send_all() {
            Ok(true) => drop(self.sender.send(Ok(Block::End(self.report)))),
            Ok(false) => {}
            Err(error) => drop(self.sender.send(Err(error))),
        }
    }

    /// `false` if the batches are not wanted any more.
    fn send_all(&mut self) -> Result<bool> {
        let mut records = Records::default();
        while let Some(Encoded { rows, report }) = self.next()? {
            self.report.add(report);
            if self.stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let Some(size) = self.size else {
                if rows.rows() > 0 && !self.send(Rows::Ordered(rows)) {
                    return Ok(false);
                }
                continue;
            };
            records.push(&rows);
            if records.rows() >= size.min(ENTRIES) || records.has_entries(ENTRIES) {
                let empty = self.spare.try_recv().unwrap_or_default();
                let full = std::mem::replace(&mut records, empty);
                if !self.send(Rows::Shuffled(full)) {
                    return Ok(false);
                }
            }
        }
        Ok(records.rows() == 0 || self.send(Rows::Shuffled(records)))
    }

    /// The next slice, encoded; `None` after the last.
    fn next(&mut self) -> Result<Option<Encoded>> {
        while self.end.is_none() && self.under_way < self.ahead {
            match self.slices.next() {
                Ok(Some(slice)) => {
                    if !self.feed.send(slice) {
                        return Err(ended_early());
                    }
                    self.under_way += 1;
                }
                Ok(None) => self.end = Some(Ok(())),
                Err(error) => self.end = Some(Err(error)),
            }
        }
        if self.under_way > 0 {
            self.under_way -= 1;
            let encoded = self.encoded.next();
            return encoded.unwrap_or_else(|| Err(ended_early())).map(Some);
        }
        self.end.take().unwrap_or(Ok(())).map(|()| None)
    }

    fn send(&self, rows: Rows) -> bool {
        self.sender.send(Ok(Block::Rows(rows))).is_ok()
    }
}

/// The usable rows of a slice.
fn encode(
    dataset: &Dataset,
    vocabularies: &Vocabularies,
    decoder: &Decoder,
    slice: &Slice,
) -> Result<Encoded> {
    let place = Place {
        path: dataset.path(slice.file),
        file: slice.file,
        first_row: slice.first_row,
    };
    let mut report = decoder.report();
    let usable = decoder.usable(&slice.rows, place, &mut report)?;
    let mut rows = Chunk::new(dataset.schema());
    usable.encode(dataset.schema(), vocabularies, place, &mut rows);
    Ok(Encoded { rows, report })
}
