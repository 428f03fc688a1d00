//! Rows of a pass in their first order, encoded by several threads: in slices where they keep it, else
//! in blocks of a shuffle's size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::thread::JoinHandle;

use crate::bug::bug;
use crate::data::batch::chunk::Chunk;
use crate::data::batch::shuffle_buffer::Records;
use crate::data::dataset::Dataset;
use crate::data::decode::Decoder;
use crate::data::loader::ordered::{Feed, Ordered, ordered, workers};
use crate::data::loader::slices::{RowSlice, Slices, ended_early};
use crate::data::origin::BatchOrigin;
use crate::data::reader::RowReader;
use crate::data::report::RowReport;
use crate::data::scan::Scan;
use crate::error::Result;
use crate::vocab::Vocabularies;

/// Entries of a list at most: their offsets have 32 bits.
const ENTRIES: usize = 1 << 30;

/// What the assembly receives.
pub(crate) enum BlockMessage {
    Rows(BlockRows),
    End(RowReport),
}

/// The rows of a block.
pub(crate) enum BlockRows {
    /// In columns, where they keep their order.
    Ordered(Chunk),
    /// Each in one place, where they are shuffled.
    Shuffled(Records),
}

impl BlockRows {
    /// Number of rows.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Ordered(chunk) => chunk.rows(),
            Self::Shuffled(records) => records.rows(),
        }
    }

    /// Appends the given rows to a chunk.
    pub(crate) fn read(&self, rows: &[u32], to: &mut Chunk) {
        match self {
            Self::Ordered(chunk) => to.extend(chunk, rows),
            Self::Shuffled(records) => records.read(rows, to),
        }
    }
}

/// A slice's usable rows, and the fate of the others.
struct Encoded {
    rows: Chunk,
    report: RowReport,
}

/// The work of the thread that makes blocks.
pub(crate) struct BlockBuilder {
    /// Rows of a block that is shuffled; `None` keeps the order.
    size: Option<usize>,
    report: RowReport,
    stop: Arc<AtomicBool>,
    slices: Slices,
    feed: Feed<RowSlice>,
    encoded: Ordered<Result<Encoded>>,
    /// Slices that are being encoded, and how many may be: two a worker, one of which may wait to be
    /// taken, so that no worker is given a slice before its last result has room.
    under_way: usize,
    ahead: usize,
    /// What the slices end with, once they have.
    end: Option<Result<()>>,
    /// Blocks without rows, whose memory serves again.
    spare: Receiver<Records>,
    sender: SyncSender<Result<BlockMessage>>,
}

impl BlockBuilder {
    /// Starts the threads that encode.
    ///
    /// # Errors
    /// A thread that cannot be started.
    pub(crate) fn start(
        reader: &RowReader,
        vocabularies: &Arc<Vocabularies>,
        (scan, outside): (Scan, u64),
        (slices, stop): (Slices, Arc<AtomicBool>),
        (spare, sender): (Receiver<Records>, SyncSender<Result<BlockMessage>>),
        threads: &mut Vec<JoinHandle<()>>,
    ) -> Result<Self> {
        let workers = match reader.quarantine() {
            // Lines of the file are in the order of the rows.
            Some(_) => 1,
            None => workers(),
        };
        let decoder = Arc::new(Decoder::new(reader, scan.parts));
        let mut report = decoder.report();
        report.outside = outside;
        let work = || {
            let (dataset, vocabularies) = (reader.dataset().clone(), Arc::clone(vocabularies));
            let decoder = Arc::clone(&decoder);
            move |slice: RowSlice| encode(&dataset, &vocabularies, &decoder, &slice)
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
    pub(crate) fn run(mut self) {
        // A send fails if the batches are not wanted any more.
        match self.send_all() {
            Ok(true) => drop(self.sender.send(Ok(BlockMessage::End(self.report)))),
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
                if rows.rows() > 0 && !self.send(BlockRows::Ordered(rows)) {
                    return Ok(false);
                }
                continue;
            };
            records.push(&rows);
            if records.rows() >= size.min(ENTRIES) || records.has_entries(ENTRIES) {
                let empty = self.spare.try_recv().unwrap_or_default();
                let full = std::mem::replace(&mut records, empty);
                if !self.send(BlockRows::Shuffled(full)) {
                    return Ok(false);
                }
            }
        }
        Ok(records.rows() == 0 || self.send(BlockRows::Shuffled(records)))
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
        match self.end.take() {
            Some(end) => end.map(|()| None),
            None => bug!("a slice is asked for after the last"),
        }
    }

    fn send(&self, rows: BlockRows) -> bool {
        self.sender.send(Ok(BlockMessage::Rows(rows))).is_ok()
    }
}

/// The usable rows of a slice.
fn encode(
    dataset: &Dataset,
    vocabularies: &Vocabularies,
    decoder: &Decoder,
    slice: &RowSlice,
) -> Result<Encoded> {
    let place = BatchOrigin {
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
