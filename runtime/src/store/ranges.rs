//! The bytes of an object as the Parquet reader asks for them, fetched ahead of it.
//!
//! The columns of a row group are read side by side, each from its start to its end. Of each column one window is here
//! and the next on its way, whatever the size of the row group.

use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::coalesce_ranges;
use parquet::errors::ParquetError;
use parquet::file::reader::{ChunkReader, Length};
use tokio::task::JoinHandle;

use crate::error::Result;
use crate::store::guard::{ByteSource, Failure};
use crate::store::object::{Object, each_end, spawn, wait};

/// Bytes of the windows of a row group's columns.
const WINDOWS: u64 = 8 << 20;
/// Bytes of a column's window at least, and of gaps that one request bridges.
const WINDOW: u64 = 64 << 10;

type Fetch = JoinHandle<Result<Bytes>>;

/// The bytes of an object.
#[derive(Clone)]
pub(crate) struct Ranges(Arc<Inner>);

struct Inner {
    size: u64,
    windows: Mutex<Vec<ColumnWindow>>,
    failure: Failure,
}

/// What is here of a column.
struct ColumnWindow {
    object: Object,
    /// The column's bytes in the object.
    span: Range<u64>,
    /// Bytes that a request asks for.
    size: u64,
    /// Where `bytes` begin.
    start: u64,
    bytes: Bytes,
    /// Those after them, on their way.
    next: Option<Fetch>,
}

/// The object of this URL, or those whose names, right below it, end in `.parquet`, sorted; each, with its bytes for the
/// footer, as `opened` makes it.
pub(crate) fn open<T>(
    url: &Path,
    mut opened: impl FnMut(Object, &Ranges) -> Result<T>,
) -> Result<Vec<T>> {
    each_end(url, |object, end| {
        let bytes = Ranges::of_end(&object, end);
        opened(object, &bytes)
    })
}

impl Ranges {
    /// For the footer, whose end is here.
    fn of_end(object: &Object, end: Bytes) -> Self {
        let start = object.size - end.len() as u64;
        let window = ColumnWindow::new(object, 0..object.size, WINDOW, start, end);
        Self::new(object, vec![window])
    }

    /// For columns that lie at `spans`, whose first windows are fetched, those that lie close together at once.
    pub(crate) fn of_columns(object: &Object, spans: Vec<Range<u64>>) -> Result<Self> {
        let all: u64 = spans.iter().map(|span| span.end - span.start).sum();
        // In proportion, as the columns are read side by side.
        let share = WINDOWS as f64 / all as f64;
        let windows = spans.into_iter().map(|span| {
            let size = (share * (span.end - span.start) as f64) as u64;
            ColumnWindow::new(
                object,
                span.clone(),
                size.max(WINDOW),
                span.start,
                Bytes::new(),
            )
        });
        let mut windows: Vec<ColumnWindow> = windows.collect();
        let firsts = windows.iter().map(|window| {
            let ColumnWindow { span, size, .. } = window;
            span.start..span.end.min(span.start + size)
        });
        let firsts: Vec<Range<u64>> = firsts.collect();
        let from = object.clone();
        let fetched = spawn(async move {
            coalesce_ranges(&firsts, |range| from.clone().fetch(range), WINDOW).await
        })?;
        for (window, bytes) in windows.iter_mut().zip(wait(fetched)?) {
            window.bytes = bytes;
        }
        Ok(Self::new(object, windows))
    }

    fn new(object: &Object, windows: Vec<ColumnWindow>) -> Self {
        Self(Arc::new(Inner {
            size: object.size,
            windows: Mutex::new(windows),
            failure: Failure::default(),
        }))
    }

    /// `length` bytes, or as many as the column still has if `up_to` is given.
    fn bytes(&self, at: u64, length: u64, up_to: bool) -> Result<Bytes, ParquetError> {
        let mut windows = self
            .0
            .windows
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let window = windows.iter_mut().find(|window| window.span.contains(&at));
        let rest = window.as_ref().map_or(0, |window| window.span.end - at);
        let Some(window) = window.filter(|_| up_to || length <= rest) else {
            return match up_to {
                true => Ok(Bytes::new()),
                false => Err(ParquetError::EOF(
                    "it names bytes outside a column".to_owned(),
                )),
            };
        };
        window.read(at, length.min(rest)).map_err(|error| {
            let text = error.to_string();
            self.0.failure.set(error);
            ParquetError::General(text)
        })
    }
}

impl ColumnWindow {
    fn new(object: &Object, span: Range<u64>, size: u64, start: u64, bytes: Bytes) -> Self {
        Self {
            object: object.clone(),
            span,
            size,
            start,
            bytes,
            next: None,
        }
    }

    /// Bytes of the span.
    fn read(&mut self, at: u64, length: u64) -> Result<Bytes> {
        if at < self.start || at > self.end() {
            (self.start, self.bytes, self.next) = (at, Bytes::new(), None);
        }
        let from = (at - self.start) as usize;
        let read = match at + length > self.end() {
            true => self.read_on(from, length as usize)?,
            false => self.bytes.slice(from..from + length as usize),
        };
        if self.next.is_none() && self.end() < self.span.end {
            self.next = Some(self.request(self.size)?);
        }
        Ok(read)
    }

    /// Bytes that begin in this window and end in a later one, which takes its place.
    fn read_on(&mut self, from: usize, length: usize) -> Result<Bytes> {
        let mut read = Vec::with_capacity(length);
        read.extend_from_slice(&self.bytes.slice(from..));
        while read.len() < length {
            let missing = length - read.len();
            let next = match self.next.take() {
                Some(next) => next,
                None => self.request(self.size.max(missing as u64))?,
            };
            let next = wait(next)?;
            self.start = self.end();
            self.bytes = next;
            let missing = missing.min(self.bytes.len());
            read.extend_from_slice(&self.bytes.slice(..missing));
        }
        Ok(read.into())
    }

    /// Asks for some bytes after those that are here.
    fn request(&self, length: u64) -> Result<Fetch> {
        let from = self.end();
        let to = self.span.end.min(from + length);
        spawn(self.object.clone().fetch(from..to))
    }

    /// Where the bytes that are here end.
    fn end(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ByteSource for Ranges {
    fn failure(&self) -> Failure {
        self.0.failure.clone()
    }
}

impl Length for Ranges {
    fn len(&self) -> u64 {
        self.0.size
    }
}

impl ChunkReader for Ranges {
    type T = WindowReader;

    fn get_read(&self, start: u64) -> Result<WindowReader, ParquetError> {
        Ok(WindowReader {
            ranges: self.clone(),
            at: start,
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        self.bytes(start, length as u64, false)
    }
}

/// Reads on from a place to the end of its column.
pub(crate) struct WindowReader {
    ranges: Ranges,
    at: u64,
}

impl Read for WindowReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.ranges.bytes(self.at, buffer.len() as u64, true);
        let bytes = bytes.map_err(io::Error::other)?;
        let (to, _) = buffer.split_at_mut(bytes.len());
        to.copy_from_slice(&bytes);
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}
