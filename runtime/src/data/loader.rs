//! Batches of a pass over the data, read and decoded beside the step that uses them.
//!
//! Some threads read row groups in slices, one encodes slices into blocks of rows, one orders a block's rows
//! and puts batches together. Everything between them is bounded, so memory holds two blocks, a few slices and a few
//! batches, whatever the size of row groups, files and data.
//! The order depends on the data, the seed and the epoch, never on timing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::data::batch::Batch;
use crate::data::chunk::Chunk;
use crate::data::decode::{Decoder, Place};
use crate::data::learn::require_rows;
use crate::data::records::Records;
use crate::data::report::Report;
use crate::data::requests;
use crate::data::slices::{Slices, ended_early, spawn};
use crate::data::source::Dataset;
use crate::data::split::Parts;
use crate::data::vocabularies::Vocabularies;
use crate::error::Result;
use crate::hash::Random;
use crate::schema::Schema;

/// Rows of a block that keeps the order of the files.
const BLOCK_ROWS: usize = 16_384;
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
    Rows(Box<Rows>),
    End(Report),
}

/// The rows of a block.
enum Rows {
    /// In columns, where they keep their order.
    Ordered(Chunk),
    /// Each in one place, where they are shuffled.
    Shuffled(Records, Shuffle),
}

impl Rows {
    fn new(schema: &Schema, shuffle: Option<Shuffle>) -> Self {
        match shuffle {
            None => Self::Ordered(Chunk::new(schema)),
            Some(shuffle) => Self::Shuffled(Records::default(), shuffle),
        }
    }

    fn count(&self) -> usize {
        match self {
            Self::Ordered(chunk) => chunk.rows(),
            Self::Shuffled(records, _) => records.rows(),
        }
    }

    /// Whether there are `rows` rows, or so many entries of lists that their offsets come near to 32 bits.
    fn are_full(&self, rows: usize) -> bool {
        const ENTRIES: usize = 1 << 30;
        let long = match self {
            Self::Ordered(chunk) => chunk.has_entries(ENTRIES),
            Self::Shuffled(records, _) => records.has_entries(ENTRIES),
        };
        long || self.count() >= rows.min(ENTRIES)
    }

    /// Takes the rows out and keeps their memory.
    fn clear(&mut self) {
        match self {
            Self::Ordered(chunk) => chunk.clear(),
            Self::Shuffled(records, _) => records.clear(),
        }
    }
}

impl Dataset {
    /// Reads rows as batches, beside the caller.
    ///
    /// # Errors
    /// A thread that cannot be started, and ids of the kind that a learned table knows none of. Errors of the data come with the batches; so does an error at
    /// the end of a pass in which no row could be used.
    pub fn batches(&self, vocabularies: &Arc<Vocabularies>, scan: Scan) -> Result<Batches> {
        let stop = Arc::new(AtomicBool::new(false));
        self.require_kinds(vocabularies)?;
        let (mut units, outside) = self.units(scan.parts);
        if let Some(Shuffle { seed, epoch, .. }) = scan.shuffle {
            Random::new(seed, &[epoch, 0]).shuffle(&mut units);
        }
        let mut threads = Vec::new();
        let slices = Slices::read(self, units, &mut threads)?;
        // Without room in it, the channel holds back the decoder until its block is taken.
        let (block_sender, block_receiver) = sync_channel(0);
        let (step_sender, step_receiver) = sync_channel(WAITING);
        // A block that has been cut into batches gives its memory to one that is to be filled.
        let (spare_sender, spare_receiver) = sync_channel(1);
        let encoding = Encoding {
            dataset: self.clone(),
            vocabularies: Arc::clone(vocabularies),
            scan,
            outside,
            stop: Arc::clone(&stop),
            slices,
            spare: spare_receiver,
            sender: block_sender,
        };
        let schema = self.schema();
        threads.push(spawn("mtmd-encode", move || encoding.run())?);
        threads.push(spawn("mtmd-batch", move || {
            assemble(schema, scan, &block_receiver, &spare_sender, &step_sender);
        })?);
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

/// The work of the thread that encodes.
struct Encoding {
    dataset: Dataset,
    vocabularies: Arc<Vocabularies>,
    scan: Scan,
    /// Rows of row groups that are not read.
    outside: u64,
    stop: Arc<AtomicBool>,
    slices: Slices,
    /// Blocks without rows.
    spare: Receiver<Rows>,
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
        let mut block = Rows::new(schema, self.scan.shuffle);
        let mut columns = Chunk::new(schema);
        loop {
            let Some(slice) = self.slices.next()? else {
                break;
            };
            let place = Place {
                path: self.dataset.path(slice.file),
                file: slice.file,
                first_row: slice.first_row,
            };
            let usable = decoder.usable(&slice.rows, place, &mut report)?;
            match &mut block {
                Rows::Ordered(chunk) => usable.encode(schema, &self.vocabularies, place, chunk),
                Rows::Shuffled(records, _) => {
                    columns.clear();
                    usable.encode(schema, &self.vocabularies, place, &mut columns);
                    records.push(&columns);
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if block.are_full(size) && !self.send(&mut block) {
                return Ok(None);
            }
        }
        let sent = block.count() == 0 || self.send(&mut block);
        Ok(sent.then_some(report))
    }

    fn send(&self, block: &mut Rows) -> bool {
        let spare = self.spare.try_recv();
        let empty = spare.unwrap_or_else(|_| Rows::new(self.dataset.schema(), self.scan.shuffle));
        let full = std::mem::replace(block, empty);
        self.sender.send(Ok(Block::Rows(Box::new(full)))).is_ok()
    }
}

/// The work of the thread that batches: orders the rows of every block and cuts them into batches. Rows that do
/// not fill a batch go in front of the next block.
struct Assembly<'a> {
    schema: &'a Schema,
    /// Rows of a batch.
    size: usize,
    /// Rows that wait for others of their batch.
    rest: Chunk,
    sender: &'a SyncSender<Result<Step>>,
}

fn assemble(
    schema: &Schema,
    scan: Scan,
    blocks: &Receiver<Result<Block>>,
    spare: &SyncSender<Rows>,
    sender: &SyncSender<Result<Step>>,
) {
    let mut assembly = Assembly {
        schema,
        size: scan.batch.max(1),
        rest: Chunk::new(schema),
        sender,
    };
    let mut skip = usize::try_from(scan.skip).unwrap_or(usize::MAX);
    for index in 1.. {
        let block = match blocks.recv() {
            Ok(Ok(Block::Rows(block))) => *block,
            Ok(Ok(Block::End(report))) => {
                if assembly.rest.rows() == 0 || assembly.send_rest() {
                    drop(sender.send(Ok(Step::End(report))));
                }
                return;
            }
            Ok(Err(error)) => return drop(sender.send(Err(error))),
            // The decoder has stopped because the batches are not wanted any more.
            Err(_) => return,
        };
        let skipped = skip.min(block.count());
        skip -= skipped;
        let left = match block {
            Rows::Ordered(chunk) => {
                let order = (skipped as u32..chunk.rows() as u32).collect();
                assembly.take_ordered(chunk, order).map(Rows::Ordered)
            }
            Rows::Shuffled(records, shuffle) => {
                let mut random = Random::new(shuffle.seed, &[shuffle.epoch, index]);
                let order = requests::shuffle(records.rows(), &records.request, &mut random);
                let order = order.get(skipped..).unwrap_or_default();
                let wanted = assembly.take_shuffled(&records, order);
                wanted.then_some(Rows::Shuffled(records, shuffle))
            }
        };
        let Some(mut block) = left else { return };
        block.clear();
        // There is one already, or nobody fills blocks any more.
        drop(spare.try_send(block));
    }
}

impl Assembly<'_> {
    /// Sends a batch; `false` if batches are not wanted any more.
    fn send(&self, batch: Batch) -> bool {
        self.sender.send(Ok(Step::Batch(Box::new(batch)))).is_ok()
    }

    /// Sends the rows that wait as a batch.
    fn send_rest(&mut self) -> bool {
        let rows: Vec<u32> = (0..self.rest.rows() as u32).collect();
        let sent = self.send(self.rest.batch(self.schema, &rows));
        self.rest.clear();
        sent
    }

    /// Makes batches of rows of a block, in this order; `None` if they are not wanted any more.
    fn take_ordered(&mut self, block: Chunk, order: Vec<u32>) -> Option<Chunk> {
        let rest = std::mem::replace(&mut self.rest, Chunk::new(self.schema));
        let (block, order) = join(rest, block, order);
        for rows in order.chunks(self.size) {
            if rows.len() < self.size {
                self.rest.extend(&block, rows);
            } else if !self.send(block.batch(self.schema, rows)) {
                return None;
            }
        }
        Some(block)
    }

    /// The same, with the rows taken from where they are scattered.
    fn take_shuffled(&mut self, block: &Records, mut order: &[u32]) -> bool {
        while !order.is_empty() {
            let (rows, others) = order.split_at(order.len().min(self.size - self.rest.rows()));
            block.read(rows, &mut self.rest);
            order = others;
            if self.rest.rows() == self.size && !self.send_rest() {
                return false;
            }
        }
        true
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
