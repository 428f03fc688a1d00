//! Work that several threads share and that keeps its order.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use crate::error::{Error, Result};

/// Where items go to be worked on. Item `n` is worker `n % workers`'s.
pub(crate) struct Feed<I> {
    workers: Vec<SyncSender<I>>,
    next: usize,
}

/// The results of the items, in their order; it ends with the last item once the [`Feed`] is dropped.
#[derive(Debug)]
pub(crate) struct Ordered<O> {
    workers: Vec<Receiver<O>>,
    next: usize,
}

/// Starts `workers` threads, each with its own `work`; at most `waiting` results wait for each.
///
/// # Errors
/// A thread that cannot be started.
pub(crate) fn ordered<I: Send + 'static, O: Send + 'static, W: FnMut(I) -> O + Send + 'static>(
    name: &str,
    workers: usize,
    waiting: usize,
    threads: &mut Vec<JoinHandle<()>>,
    mut work: impl FnMut() -> W,
) -> Result<(Feed<I>, Ordered<O>)> {
    let (mut feed, mut results) = (Vec::new(), Vec::new());
    for _ in 0..workers.max(1) {
        let (item_sender, item_receiver) = sync_channel(0);
        let (result_sender, result_receiver) = sync_channel(waiting);
        let mut work = work();
        threads.push(spawn(name, move || {
            for item in item_receiver {
                // A send fails if the results are not wanted any more.
                if result_sender.send(work(item)).is_err() {
                    return;
                }
            }
        })?);
        feed.push(item_sender);
        results.push(result_receiver);
    }
    let feed = Feed {
        workers: feed,
        next: 0,
    };
    let results = Ordered {
        workers: results,
        next: 0,
    };
    Ok((feed, results))
}

impl<I> Feed<I> {
    /// Gives the next item to its worker, once that is free; `false` if results are not wanted any
    /// more.
    pub(crate) fn send(&mut self, item: I) -> bool {
        let worker = self.next % self.workers.len();
        self.next += 1;
        let worker = self.workers.get(worker);
        worker.is_some_and(|worker| worker.send(item).is_ok())
    }
}

impl<O> Iterator for Ordered<O> {
    type Item = O;

    fn next(&mut self) -> Option<O> {
        let worker = self.workers.get(self.next % self.workers.len())?;
        self.next += 1;
        worker.recv().ok()
    }
}

/// Workers of a stage: as many as the thread pool has threads, up to eight. More would wait for the
/// thread that orders what they do.
pub(crate) fn workers() -> usize {
    rayon::current_num_threads().min(8)
}

/// A thread of the reader.
pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|source| {
        Error::run(
            "the data reader",
            format!("no thread: {source}"),
            "free some memory, then run again",
        )
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Whatever the workers' speeds, and however many there are.
    #[test]
    fn results_keep_the_order_of_items() {
        for workers in [1, 2, 5] {
            let mut threads = Vec::new();
            let slow = || {
                |item: u64| {
                    thread::sleep(Duration::from_micros(item * 7919 % 500));
                    2 * item
                }
            };
            let (mut feed, results) =
                ordered("test", workers, 1, &mut threads, slow).expect("threads");
            threads.push(thread::spawn(move || {
                assert!((0..200).all(|item| feed.send(item)));
            }));
            let results: Vec<u64> = results.collect();
            assert!(results.iter().copied().eq((0..200).map(|item| 2 * item)));
            for thread in threads {
                thread.join().expect("it ends");
            }
        }
    }

    #[test]
    fn workers_end_when_nobody_wants_results() {
        let mut threads = Vec::new();
        let (mut feed, results) =
            ordered("test", 2, 1, &mut threads, || |item: u64| item).expect("threads");
        drop(results);
        while feed.send(1) {}
        drop(feed);
        for thread in threads {
            thread.join().expect("it ends");
        }
    }
}
