//! Batches of a pass over the data, read and decoded beside the step that uses them.
//!
//! Three threads: one reads row groups in slices, one encodes slices into blocks of rows, one orders a block's rows
//! and puts batches together. Everything between them is bounded, so memory holds two blocks, a few slices and a few
//! batches, whatever the size of row groups, files and data.
//! The order depends on the data, the seed and the epoch, never on timing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use arrow::array::RecordBatch;

use crate::data::batch::Batch;
use crate::data::check;
use crate::data::chunk::Chunk;
use crate::data::decode::{Decoder, Place};
use crate::data::learn::require_rows;
use crate::data::report::Report;
use crate::data::requests;
use crate::data::source::{Dataset, Unit};
use crate::data::split::Parts;
use crate::data::vocabularies::Vocabularies;
use crate::error::{Error, Result};
use crate::hash::Random;
use crate::schema::Schema;

/// Rows of a block that keeps the order of the files.
const BLOCK_ROWS: usize = 16_384;
/// Slices of row groups that wait to be encoded.
const SLICES: usize = 1;
/// Batches that wait for the step.
const WAITING: usize = 8;

/// What to read, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// Parts whose rows are wanted.
    pub parts: Parts,
    /// Rows of a batch; the last one may have fewer.
    pub batch: usize,
    /// `None` keeps the order of files and rows.
    pub shuffle: Option<Shuffle>,
    /// Usable rows, in the order of the pass, to leave out at its start: those that a resumed run has
    /// seen. What follows is what would have followed them.
    pub skip: u64,
}

/// A random order: row groups in a random order, then rows within a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Seed of the training.
    pub seed: u64,
    /// Each epoch has its own order.
    pub epoch: u64,
    /// Rows of the buffer (rounded up to what one read gives).
    pub buffer: usize,
}

/// The batches of one pass. After the last, [`Batches::report`] tells what became of the rows.
#[derive(Debug)]
pub struct Batches {
    receiver: Option<Receiver<Result<Step>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    report: Option<Report>,
}

#[derive(Debug)]
enum Step {
    Batch(Box<Batch>),
    End(Report),
}

enum Block {
    Rows(Box<Chunk>),
    End(Report),
}

impl Dataset {
    /// Reads rows as batches, beside the caller.
    ///
    /// # Errors
    /// A thread that cannot be started. Errors of the data come with the batches; so does an error at
    /// the end of a pass in which no row could be used.
    pub fn batches(&self, vocabularies: &Arc<Vocabularies>, scan: Scan) -> Result<Batches> {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut units, outside) = self.units(scan.parts)?;
        if let Some(Shuffle { seed, epoch, .. }) = scan.shuffle {
            Random::new(seed, &[epoch, 0]).shuffle(&mut units);
        }
        let (slice_sender, slice_receiver) = sync_channel(SLICES);
        // Without room in it, the channel holds back the decoder until its block is taken.
        let (block_sender, block_receiver) = sync_channel(0);
        let (step_sender, step_receiver) = sync_channel(WAITING);
        // A block that has been cut into batches gives its memory to one that is to be filled.
        let (spare_sender, spare_receiver) = sync_channel(1);
        let dataset = self.clone();
        let encoding = Encoding {
            dataset: self.clone(),
            vocabularies: Arc::clone(vocabularies),
            scan,
            outside,
            stop: Arc::clone(&stop),
            slices: slice_receiver,
            spare: spare_receiver,
            sender: block_sender,
        };
        let schema = self.schema();
        let threads = vec![
            spawn("mtmd-read", move || read(&dataset, units, &slice_sender))?,
            spawn("mtmd-encode", move || encoding.run())?,
            spawn("mtmd-batch", move || {
                assemble(schema, scan, &block_receiver, &spare_sender, &step_sender)
            })?,
        ];
        Ok(Batches {
            receiver: Some(step_receiver),
            stop,
            threads,
            report: None,
        })
    }
}

impl Batches {
    /// What became of the rows, once the pass is over.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Self::Item> {
        let step = self.receiver.as_ref()?.recv();
        let error = match step {
            Ok(Ok(Step::Batch(batch))) => return Some(Ok(*batch)),
            Ok(Ok(Step::End(report))) => {
                self.receiver = None;
                let usable = require_rows(&report);
                self.report = Some(report);
                return usable.err().map(Err);
            }
            Ok(Err(error)) => error,
            Err(_) => ended_early(),
        };
        self.receiver = None;
        Some(Err(error))
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.receiver = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has been reported by `next`.
            let _ = thread.join();
        }
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|source| {
        Error::run(
            "the data reader",
            format!("no thread: {source}"),
            "free some memory, then run again",
        )
    })
}

/// Some rows of a row group.
struct Slice {
    file: usize,
    /// Row of the file that is the first here.
    first_row: u64,
    rows: RecordBatch,
}

/// The first thread's work: reads the row groups in slices, and `None` after the last.
fn read(dataset: &Dataset, units: Vec<Unit>, sender: &SyncSender<Result<Option<Slice>>>) {
    let columns = check::columns(dataset.schema());
    let slices = units.into_iter().flat_map(|unit| {
        let (group, error) = match dataset.read(unit, &columns) {
            Ok(group) => (Some(group), None),
            Err(error) => (None, Some(Err(error))),
        };
        let mut next_row = unit.first_row;
        let slices = group.into_iter().flatten().map(move |rows| {
            let rows = rows?;
            let first_row = next_row;
            next_row += rows.num_rows() as u64;
            Ok(Some(Slice {
                file: unit.file,
                first_row,
                rows,
            }))
        });
        slices.chain(error)
    });
    for slice in slices.chain(std::iter::once(Ok(None))) {
        let is_error = slice.is_err();
        // A send fails if the batches are not wanted any more.
        if sender.send(slice).is_err() || is_error {
            return;
        }
    }
}

/// The second thread's work.
struct Encoding {
    dataset: Dataset,
    vocabularies: Arc<Vocabularies>,
    scan: Scan,
    /// Rows of row groups that are not read.
    outside: u64,
    stop: Arc<AtomicBool>,
    slices: Receiver<Result<Option<Slice>>>,
    /// Blocks without rows.
    spare: Receiver<Chunk>,
    sender: SyncSender<Result<Block>>,
}

impl Encoding {
    fn run(self) {
        // A send fails if the batches are not wanted any more.
        match self.encode() {
            Ok(Some(report)) => drop(self.sender.send(Ok(Block::End(report)))),
            Ok(None) => {}
            Err(error) => drop(self.sender.send(Err(error))),
        }
    }

    /// Encodes and sends all blocks; `None` if the batches are not wanted any more.
    fn encode(&self) -> Result<Option<Report>> {
        let schema = self.dataset.schema();
        let decoder = Decoder::new(&self.dataset, self.scan.parts);
        let mut report = decoder.report();
        report.outside = self.outside;
        let size = self
            .scan
            .shuffle
            .map_or(BLOCK_ROWS, |shuffle| shuffle.buffer.max(1));
        let rows = usize::try_from(self.dataset.rows()).unwrap_or(usize::MAX);
        let mut block = Chunk::new(schema);
        block.reserve(size.min(rows));
        loop {
            let slice = self.slices.recv().map_err(|_| ended_early())?;
            let Some(slice) = slice? else { break };
            let place = Place {
                path: self.dataset.path(slice.file),
                file: slice.file,
                first_row: slice.first_row,
            };
            let usable = decoder.usable(&slice.rows, place, &mut report)?;
            usable.encode(schema, &self.vocabularies, place, &mut block);
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if block.is_full(size) && !self.send(&mut block) {
                return Ok(None);
            }
        }
        let sent = block.rows() == 0 || self.send(&mut block);
        Ok(sent.then_some(report))
    }

    fn send(&self, block: &mut Chunk) -> bool {
        let spare = self.spare.try_recv();
        let empty = spare.unwrap_or_else(|_| Chunk::new(self.dataset.schema()));
        let full = std::mem::replace(block, empty);
        self.sender.send(Ok(Block::Rows(Box::new(full)))).is_ok()
    }
}

/// A thread ended without a word.
fn ended_early() -> Error {
    Error::run(
        "the data reader",
        "its thread ended early",
        "report this as a bug",
    )
}

/// The third thread's work: orders the rows of every block and cuts them into batches. Rows that do
/// not fill a batch go in front of the next block.
fn assemble(
    schema: &Schema,
    scan: Scan,
    blocks: &Receiver<Result<Block>>,
    spare: &SyncSender<Chunk>,
    sender: &SyncSender<Result<Step>>,
) {
    let size = scan.batch.max(1);
    let mut skip = usize::try_from(scan.skip).unwrap_or(usize::MAX);
    let mut rest = Chunk::new(schema);
    for index in 1.. {
        let (block, report) = match blocks.recv() {
            Ok(Ok(Block::Rows(block))) => (*block, None),
            Ok(Ok(Block::End(report))) => (Chunk::new(schema), Some(report)),
            Ok(Err(error)) => return drop(sender.send(Err(error))),
            // The decoder has stopped because the batches are not wanted any more.
            Err(_) => return,
        };
        let mut order: Vec<u32> = match scan.shuffle {
            Some(Shuffle { seed, epoch, .. }) => {
                requests::shuffle(&block, &mut Random::new(seed, &[epoch, index]))
            }
            None => (0..block.rows() as u32).collect(),
        };
        let skipped = skip.min(order.len());
        skip -= skipped;
        order.drain(..skipped);
        let (mut block, order) = join(
            std::mem::replace(&mut rest, Chunk::new(schema)),
            block,
            order,
        );
        let mut batches = order.chunks(size);
        for rows in &mut batches {
            if rows.len() < size && report.is_none() {
                rest.extend(&block, rows);
            } else if sender
                .send(Ok(Step::Batch(Box::new(block.batch(schema, rows)))))
                .is_err()
            {
                return;
            }
        }
        if let Some(report) = report {
            return drop(sender.send(Ok(Step::End(report))));
        }
        block.clear();
        // There is one already, or nobody fills blocks any more.
        drop(spare.try_send(block));
    }
}

/// Puts all rows of `rest` before those of `block` in its order.
fn join(rest: Chunk, mut block: Chunk, order: Vec<u32>) -> (Chunk, Vec<u32>) {
    if rest.rows() == 0 {
        return (block, order);
    }
    let all: Vec<u32> = (0..rest.rows() as u32).collect();
    let first = block.rows() as u32;
    block.extend(&rest, &all);
    let order = all.iter().map(|row| first + row).chain(order).collect();
    (block, order)
}
