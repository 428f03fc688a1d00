//! The pages of a row group's columns: read in pieces, and unpacked by one Zstandard decoder a thread.
//!
//! Of itself the Parquet reader makes a decoder, and an encoder beside it, for each column of each row group, and asks the
//! file for every page's header and bytes apart.

use std::cell::RefCell;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::arrow::arrow_reader::RowGroups;
use parquet::basic::Compression;
use parquet::column::page::{Page, PageIterator, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ParquetMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, Length};
use parquet::file::serialized_reader::SerializedPageReader;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::{DCtx, get_frame_content_size};

use crate::bug::bug;

/// Bytes of a piece at least.
const PIECE: u64 = 64 << 10;
/// Bytes that are read of what follows a page: the next one's header.
const AHEAD: u64 = 1 << 10;

thread_local! {
    static DECODER: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// A row group in bytes of its file.
pub(crate) struct Pages<S> {
    source: Arc<S>,
    metadata: Arc<ParquetMetaData>,
    group: usize,
}

impl<S: ChunkReader + 'static> Pages<S> {
    pub(crate) fn new(source: S, metadata: &Arc<ParquetMetaData>, group: usize) -> Self {
        Self {
            source: Arc::new(source),
            metadata: Arc::clone(metadata),
            group,
        }
    }

    /// Those of some columns, given by their places in the file.
    pub(crate) fn of(self, leaves: Vec<usize>) -> Chosen<S> {
        Chosen {
            pages: self,
            leaves,
        }
    }

    fn num_rows(&self) -> usize {
        let rows = self.metadata.row_group(self.group).num_rows();
        match usize::try_from(rows) {
            Ok(rows) => rows,
            Err(_) => bug!("a row group of {rows} rows passed the footer's check"),
        }
    }

    /// The pages of a column.
    pub(crate) fn column(&self, index: usize) -> Result<Box<dyn PageReader>> {
        let group = self.metadata.row_group(self.group);
        let column = group.columns().get(index);
        let column = column.ok_or_else(|| damaged("it lacks a column"))?;
        let (start, length) = column.byte_range();
        let pieces = Pieces::new(&self.source, start..start + length);
        let rows = self.num_rows();
        let zstd = matches!(column.compression(), Compression::ZSTD(_));
        let as_they_are = column.clone().into_builder();
        let column = match zstd {
            true => &as_they_are
                .set_compression(Compression::UNCOMPRESSED)
                .build()?,
            false => column,
        };
        let pages = SerializedPageReader::new(Arc::new(pieces), column, rows, None)?;
        Ok(match zstd {
            true => Box::new(Packed {
                pages,
                most: usize::try_from(column.uncompressed_size().min(i64::from(i32::MAX)))?,
            }),
            false => Box::new(pages),
        })
    }
}

/// Some columns of a row group, numbered from 0.
pub(crate) struct Chosen<S> {
    pages: Pages<S>,
    /// Their places in the file.
    leaves: Vec<usize>,
}

impl<S: ChunkReader + 'static> RowGroups for Chosen<S> {
    fn num_rows(&self) -> usize {
        self.pages.num_rows()
    }

    fn column_chunks(&self, index: usize) -> Result<Box<dyn PageIterator>> {
        let leaf = self.leaves.get(index);
        let leaf = leaf.ok_or_else(|| damaged("it lacks a column"))?;
        Ok(Box::new(One(Some(self.pages.column(*leaf)?))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        let group = self.pages.metadata.row_group(self.pages.group);
        Box::new(std::iter::once(group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        &self.pages.metadata
    }
}

/// The column of one row group.
struct One(Option<Box<dyn PageReader>>);

impl Iterator for One {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.take().map(Ok)
    }
}

impl PageIterator for One {}

/// Pages packed by Zstandard, which their reader takes for plain ones.
struct Packed<S: ChunkReader + 'static> {
    pages: SerializedPageReader<Pieces<S>>,
    /// Bytes that a page may have.
    most: usize,
}

impl<S: ChunkReader + 'static> Iterator for Packed<S> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl<S: ChunkReader + 'static> PageReader for Packed<S> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let Some(mut page) = self.pages.get_next_page()? else {
            return Ok(None);
        };
        match &mut page {
            Page::DataPage { buf, .. } | Page::DictionaryPage { buf, .. } => {
                *buf = unpacked(buf, 0, self.most)?;
            }
            Page::DataPageV2 {
                buf,
                def_levels_byte_len,
                rep_levels_byte_len,
                is_compressed: true,
                ..
            } => {
                let levels = u64::from(*def_levels_byte_len) + u64::from(*rep_levels_byte_len);
                *buf = unpacked(buf, usize::try_from(levels)?, self.most)?;
            }
            Page::DataPageV2 { .. } => {}
        }
        Ok(Some(page))
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.pages.at_record_boundary()
    }
}

/// A page of at most `most` bytes, whose first `plain` are not packed.
fn unpacked(page: &Bytes, plain: usize, most: usize) -> Result<Bytes> {
    let (plain, packed) = page
        .split_at_checked(plain)
        .ok_or_else(|| damaged("a page is too short"))?;
    if packed.is_empty() {
        return Ok(page.clone());
    }
    let size = get_frame_content_size(packed).ok().flatten();
    let size = size.and_then(|size| usize::try_from(size).ok());
    let size = size.filter(|size| *size <= most);
    let mut bytes = Vec::with_capacity(plain.len() + size.unwrap_or(packed.len()));
    bytes.extend_from_slice(plain);
    DECODER.with_borrow_mut(|decoder| {
        if size.is_some() {
            let mut to = Cursor::new(&mut bytes);
            to.set_position(plain.len() as u64);
            if decoder.decompress(&mut to, packed).is_ok() {
                return Ok(());
            }
            bytes.truncate(plain.len());
        }
        // Some writers do not say how long a page is, or cut it into several frames.
        let parts = Decoder::with_context(packed, decoder);
        let most = (most as u64).saturating_add(1);
        parts.take(most).read_to_end(&mut bytes).map(drop)
    })?;
    if bytes.len() > most {
        return Err(damaged("a page is longer than its column"));
    }
    Ok(bytes.into())
}

/// The bytes of a column, of which one piece is here.
struct Pieces<S>(Arc<ColumnBytes<S>>);

struct ColumnBytes<S> {
    source: Arc<S>,
    span: Range<u64>,
    piece: Mutex<Piece>,
}

struct Piece {
    start: u64,
    bytes: Bytes,
}

impl<S: ChunkReader> Pieces<S> {
    fn new(source: &Arc<S>, span: Range<u64>) -> Self {
        let piece = Piece {
            start: span.start,
            bytes: Bytes::new(),
        };
        Self(Arc::new(ColumnBytes {
            source: Arc::clone(source),
            span,
            piece: Mutex::new(piece),
        }))
    }

    /// What is here from a place on: `length` bytes at least, or all that the column still has.
    fn from(&self, at: u64, length: u64) -> Result<Bytes> {
        let ColumnBytes {
            source,
            span,
            piece,
        } = self.0.as_ref();
        let mut piece = piece.lock().unwrap_or_else(PoisonError::into_inner);
        let length = length.min(span.end.saturating_sub(at));
        let end = piece.start + piece.bytes.len() as u64;
        if at < piece.start || at + length > end {
            let size = PIECE.max(length + AHEAD).min(span.end.saturating_sub(at));
            piece.bytes = source.get_bytes(at, usize::try_from(size)?)?;
            piece.start = at;
        }
        let from = usize::try_from(at - piece.start)?;
        Ok(piece.bytes.slice(from.min(piece.bytes.len())..))
    }
}

impl<S: ChunkReader> Length for Pieces<S> {
    fn len(&self) -> u64 {
        self.0.source.len()
    }
}

impl<S: ChunkReader + 'static> ChunkReader for Pieces<S> {
    type T = Rest<S>;

    fn get_read(&self, start: u64) -> Result<Rest<S>> {
        Ok(Rest {
            pieces: Self(Arc::clone(&self.0)),
            at: start,
            here: Bytes::new(),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let here = self.from(start, length as u64)?;
        match here.len() < length {
            true => Err(damaged("a page ends outside its column")),
            false => Ok(here.slice(..length)),
        }
    }
}

/// Reads on from a place to the end of its column.
struct Rest<S> {
    pieces: Pieces<S>,
    at: u64,
    /// What is here from there.
    here: Bytes,
}

impl<S: ChunkReader> Read for Rest<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.here.is_empty() {
            self.here = self.pieces.from(self.at, 1).map_err(io::Error::other)?;
        }
        let read = self.here.as_ref().read(buffer)?;
        self.here = self.here.slice(read..);
        self.at += read as u64;
        Ok(read)
    }
}

fn damaged(cause: &str) -> ParquetError {
    ParquetError::General(cause.to_owned())
}

#[cfg(test)]
mod tests {
    use arrow_array::{ArrayRef, Int32Array, RecordBatch};
    use parquet::arrow::ArrowWriter;
    use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
    use parquet::basic::ZstdLevel;
    use parquet::file::properties::WriterProperties;

    use super::*;

    /// CRC-32 as gzip and Parquet have it.
    fn checksum(bytes: &[u8]) -> u32 {
        let next = |crc: u32| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| next(crc));
        !bytes.iter().fold(!0, byte)
    }

    /// A number as Thrift's compact protocol has it.
    fn thrift(value: i32) -> Vec<u8> {
        let mut rest = ((value << 1) ^ (value >> 31)).cast_unsigned();
        let mut bytes = Vec::new();
        while rest > 0x7f {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    /// A file of one page, whose header gets the checksum that Arrow's writer leaves out.
    fn with_checksum(packing: Compression) -> (Vec<u8>, Arc<ParquetMetaData>) {
        let values = Arc::new(Int32Array::from_iter_values((0..1000).map(|row| row * row)));
        let rows = RecordBatch::try_from_iter([("a", values as ArrayRef)]).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(packing)
            .set_dictionary_enabled(false);
        let mut file = Vec::new();
        let properties = Some(properties.build());
        let mut writer = ArrowWriter::try_new(&mut file, rows.schema(), properties).unwrap();
        writer.write(&rows).unwrap();
        writer.close().unwrap();
        let bytes = Bytes::from(file.clone());
        let metadata = ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).unwrap();
        let metadata = metadata.metadata().as_ref().clone();
        let group = metadata.row_group(0).clone();
        let column = group.column(0).clone();
        let (start, length) = column.byte_range();
        let (mut at, mut size) = (start as usize, 0);
        // Its type, its bytes, and its bytes as packed; then its data header, the fifth field.
        for _ in 0..3 {
            assert_eq!(file[at], 0x15);
            let digits = file[at + 1..].iter().position(|byte| byte & 0x80 == 0);
            let digits = &file[at + 1..at + 2 + digits.unwrap()];
            let number = digits
                .iter()
                .rev()
                .fold(0, |number, byte| number << 7 | usize::from(byte & 0x7f));
            size = number / 2;
            at += 1 + digits.len();
        }
        assert_eq!(file[at], 0x2c);
        let end = (start + length) as usize;
        let crc = checksum(&file[end - size..end]).cast_signed();
        let field = [vec![0x15], thrift(crc), vec![0x1c]].concat();
        let more = field.len() as i64 - 1;
        file.splice(at..=at, field);
        let column = column
            .into_builder()
            .set_total_compressed_size(length as i64 + more)
            .build()
            .unwrap();
        let group = group
            .into_builder()
            .set_column_metadata(vec![column])
            .build()
            .unwrap();
        let metadata = metadata.into_builder().set_row_groups(vec![group]).build();
        (file, Arc::new(metadata))
    }

    #[test]
    fn a_page_that_is_not_what_its_checksum_says_is_refused() {
        for packing in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            let (file, metadata) = with_checksum(packing);
            let read = |file: &[u8]| {
                let pages = Pages::new(Bytes::copy_from_slice(file), &metadata, 0);
                pages.column(0).unwrap().get_next_page()
            };
            assert!(read(&file).unwrap().is_some());
            let (start, length) = metadata.row_group(0).column(0).byte_range();
            let end = (start + length) as usize;
            for place in [end - 900, end - 300, end - 1] {
                let mut other = file.clone();
                other[place] ^= 0x10;
                let error = read(&other).unwrap_err().to_string();
                assert!(error.contains("CRC"), "{packing}: {error}");
            }
        }
    }

    #[test]
    fn pages_of_any_writer_are_unpacked() {
        let page: Vec<u8> = (0..100_000_u32).map(|at| (at / 7) as u8).collect();
        let packed = |bytes: &[u8]| zstd::bulk::compress(bytes, 1).unwrap();
        // One frame that says its size, one that does not, two frames, and levels before them.
        let (front, back) = page.split_at(30_000);
        for (plain, bytes) in [
            (0, packed(&page)),
            (0, zstd::stream::encode_all(page.as_slice(), 1).unwrap()),
            (0, [packed(front), packed(back)].concat()),
            (front.len(), [front.to_vec(), packed(back)].concat()),
        ] {
            let found = unpacked(&bytes.into(), plain, 1 << 20).unwrap();
            assert!(found == page);
        }
        // One byte more than there may be.
        for bytes in [
            packed(&page),
            zstd::stream::encode_all(page.as_slice(), 1).unwrap(),
        ] {
            let bytes = bytes.into();
            assert!(unpacked(&bytes, 0, page.len()).is_ok());
            assert!(unpacked(&bytes, 0, page.len() - 1).is_err());
        }
        assert!(unpacked(&Bytes::from_static(b"no frame"), 0, 1 << 20).is_err());
        assert!(unpacked(&Bytes::from_static(b"short"), 6, 1 << 20).is_err());
    }
}
