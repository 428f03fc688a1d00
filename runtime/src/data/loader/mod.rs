//! Batches of a pass over the data, read, decoded and made ready next to the step that uses them.
//!
//! Some threads read row groups in slices and some encode them; one makes blocks of them, one orders a
//! block's rows and cuts them into batches, and some put batches together and make them ready
//! ([`RowReader::prepared`]). Everything between them is bounded, so memory holds two blocks, a few
//! slices and a few batches, whatever the size of row groups, files and data. The batches depend on
//! the data, the seed and the epoch, never on timing or the number of threads, which is that of the
//! thread pool.

mod blocks;
mod ordered;
pub(super) mod slices;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use crate::bug::bug;
use crate::data::batch::Batch;
use crate::data::batch::chunk::Chunk;
use crate::data::batch::requests;
use crate::data::batch::shuffle_buffer::Records;
use crate::data::learn::require_rows;
use crate::data::loader::blocks::{BlockBuilder, BlockMessage, BlockRows};
use crate::data::loader::ordered::{Feed, Ordered, ordered, spawn, workers};
use crate::data::loader::slices::{Slices, ended_early};
use crate::data::reader::RowReader;
use crate::data::report::RowReport;
use crate::data::scan::{Scan, Shuffle};
use crate::error::{Error, Result};
use crate::hash::Random;
use crate::schema::Schema;
use crate::vocab::Vocabularies;

/// Batches that wait for the step.
const WAITING: usize = 8;

/// The batches of one pass, made ready as `T`. After the last, [`Batches::report`] has the counts of
/// the rows.
#[derive(Debug)]
pub struct Batches<T = Batch> {
    ready: Option<Ordered<JobResult<T>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
    report: Option<RowReport>,
}

/// What a worker is to do.
enum BatchJob {
    /// Puts a batch together of rows of some blocks.
    Batch(Vec<(Arc<BlockRows>, Vec<u32>)>),
    /// Hands on the end of the pass.
    End(RowReport),
    /// Hands on an error.
    Failed(Error),
}

#[derive(Debug)]
enum JobResult<T> {
    Batch(Box<T>),
    End(RowReport),
    Failed(Error),
}

impl RowReader {
    /// Reads rows as batches, next to the caller.
    ///
    /// # Errors
    /// A thread that cannot be started, or ids of a kind that a learned table does not contain. Errors
    /// of the data come with the batches; so does an error at the end of a pass in which no row could
    /// be used.
    pub fn batches(&self, vocabularies: &Arc<Vocabularies>, scan: Scan) -> Result<Batches> {
        self.prepared(vocabularies, scan, |batch| batch)
    }

    /// The same, with each batch made ready by `prepare` on one of the loader's threads.
    ///
    /// # Errors
    /// Those of [`RowReader::batches`].
    pub fn prepared<T: Send + 'static>(
        &self,
        vocabularies: &Arc<Vocabularies>,
        scan: Scan,
        prepare: impl Fn(Batch) -> T + Clone + Send + 'static,
    ) -> Result<Batches<T>> {
        let stop = Arc::new(AtomicBool::new(false));
        self.require_kinds(vocabularies)?;
        let (mut units, outside) = self.units(scan.parts);
        if let Some(Shuffle { seed, epoch, .. }) = scan.shuffle {
            Random::new(seed, &[epoch, 0]).shuffle(&mut units);
        }
        let mut threads = Vec::new();
        let slices = Slices::read(self, units, &mut threads)?;
        // Without room in it, the channel holds back the encoding until its block is taken.
        let (block_sender, block_receiver) = sync_channel(0);
        // A block that has been cut into batches gives its memory to one that is to be filled.
        let (spare_sender, spare_receiver) = sync_channel(1);
        let blocks = BlockBuilder::start(
            self,
            vocabularies,
            (scan, outside),
            (slices, Arc::clone(&stop)),
            (spare_receiver, block_sender),
            &mut threads,
        )?;
        threads.push(spawn("mtmd-block", move || blocks.run())?);
        let workers = workers();
        let schema = self.schema();
        let work = || {
            let (prepare, mut rows) = (prepare.clone(), Chunk::new(schema));
            move |job| job_done(schema, job, &mut rows, &prepare)
        };
        let waiting = WAITING.div_ceil(workers);
        let (feed, ready) = ordered("mtmd-batch", workers, waiting, &mut threads, work)?;
        threads.push(spawn("mtmd-order", move || {
            let assembly = Assembly {
                size: scan.batch.max(1),
                rest: Vec::new(),
                feed,
                spare: spare_sender,
                last: None,
            };
            assembly.run(scan, &block_receiver);
        })?);
        Ok(Batches {
            ready: Some(ready),
            stop,
            threads,
            report: None,
        })
    }
}

impl<T> Batches<T> {
    /// The fate of the rows, once the pass is over.
    pub fn report(&self) -> Option<&RowReport> {
        self.report.as_ref()
    }
}

impl<T> Iterator for Batches<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let error = match self.ready.as_mut()?.next() {
            Some(JobResult::Batch(batch)) => return Some(Ok(*batch)),
            Some(JobResult::End(report)) => {
                self.ready = None;
                let usable = require_rows(&report);
                self.report = Some(report);
                return usable.err().map(Err);
            }
            Some(JobResult::Failed(error)) => error,
            None => ended_early(),
        };
        self.ready = None;
        Some(Err(error))
    }
}

impl<T> Drop for Batches<T> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ready = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has been reported by `next`.
            let _ = thread.join();
        }
    }
}

/// Does a worker's job; `rows` is memory that it keeps.
fn job_done<T>(
    schema: &Schema,
    job: BatchJob,
    rows: &mut Chunk,
    prepare: &impl Fn(Batch) -> T,
) -> JobResult<T> {
    match job {
        BatchJob::Batch(parts) => {
            rows.clear();
            for (block, places) in &parts {
                block.read(places, rows);
            }
            let all: Vec<u32> = (0..rows.rows() as u32).collect();
            JobResult::Batch(Box::new(prepare(rows.batch(schema, &all))))
        }
        BatchJob::End(report) => JobResult::End(report),
        BatchJob::Failed(error) => JobResult::Failed(error),
    }
}

/// The work of the thread that orders the rows of every block and cuts them into batches. Rows that do
/// not fill a batch go in front of the next block's.
struct Assembly {
    /// Rows of a batch.
    size: usize,
    /// Rows that wait for others of their batch.
    rest: Vec<(Arc<BlockRows>, Vec<u32>)>,
    feed: Feed<BatchJob>,
    spare: SyncSender<Records>,
    /// The last block.
    last: Option<Arc<BlockRows>>,
}

impl Assembly {
    fn run(mut self, scan: Scan, blocks: &Receiver<Result<BlockMessage>>) {
        let mut skip = usize::try_from(scan.skip).unwrap_or(usize::MAX);
        for index in 1.. {
            let rows = match blocks.recv() {
                Ok(Ok(BlockMessage::Rows(rows))) => rows,
                Ok(Ok(BlockMessage::End(report))) => {
                    if self.rest.is_empty() || self.send_rest() {
                        self.feed.send(BatchJob::End(report));
                    }
                    return;
                }
                Ok(Err(error)) => {
                    self.feed.send(BatchJob::Failed(error));
                    return;
                }
                // The blocks have stopped because the batches are not wanted any more.
                Err(_) => return,
            };
            let skipped = skip.min(rows.count());
            skip -= skipped;
            let order = order(&rows, scan.shuffle, index);
            let rows = Arc::new(rows);
            let last = self.last.replace(Arc::clone(&rows));
            self.reuse(last);
            let Some(order) = order.get(skipped..) else {
                bug!("{skipped} of {} rows of a block are skipped", order.len());
            };
            if !self.cut(&rows, order) {
                return;
            }
        }
    }

    /// Makes batches of rows of a block, in this order; `false` if they are not wanted any more.
    fn cut(&mut self, block: &Arc<BlockRows>, mut order: &[u32]) -> bool {
        while !order.is_empty() {
            let waiting: usize = self.rest.iter().map(|(_, rows)| rows.len()).sum();
            let (rows, others) = order.split_at(order.len().min(self.size - waiting));
            self.rest.push((Arc::clone(block), rows.to_vec()));
            order = others;
            if waiting + rows.len() == self.size && !self.send_rest() {
                return false;
            }
        }
        true
    }

    /// Sends the rows that wait as a batch.
    fn send_rest(&mut self) -> bool {
        self.feed
            .send(BatchJob::Batch(std::mem::take(&mut self.rest)))
    }

    /// Gives the memory of a block on, unless a batch still needs its rows.
    fn reuse(&self, block: Option<Arc<BlockRows>>) {
        let Some(BlockRows::Shuffled(mut records)) = block.and_then(Arc::into_inner) else {
            return;
        };
        records.clear();
        // There is one already, or nobody fills blocks any more.
        drop(self.spare.try_send(records));
    }
}

/// The rows of block number `index` in the order of the pass.
fn order(rows: &BlockRows, shuffle: Option<Shuffle>, index: u64) -> Vec<u32> {
    match (rows, shuffle) {
        (BlockRows::Ordered(chunk), None) => (0..chunk.rows() as u32).collect(),
        (BlockRows::Shuffled(records), Some(shuffle)) => {
            let mut random = Random::new(shuffle.seed, &[shuffle.epoch, index]);
            requests::shuffle(records.rows(), &records.request, &mut random)
        }
        (BlockRows::Ordered(_), Some(_)) | (BlockRows::Shuffled(_), None) => {
            bug!("a block of another order than the pass's")
        }
    }
}
