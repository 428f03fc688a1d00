//! Which columns of a file are encrypted. The Parquet crate, built without decryption, leaves that out of what it reads of a
//! footer, and then meets pages that it takes for broken ones.
//!
//! Of Thrift's compact protocol no more is read than it takes to find the columns.

use std::collections::BTreeSet;

/// Structs within structs at most.
const DEPTH: usize = 64;

/// Kinds of values.
mod kind {
    pub const BOOLS: [u8; 2] = [1, 2];
    pub const BYTE: u8 = 3;
    pub const INTS: [u8; 3] = [4, 5, 6];
    pub const DOUBLE: u8 = 7;
    pub const BINARY: u8 = 8;
    pub const LISTS: [u8; 2] = [9, 10];
    pub const MAP: u8 = 11;
    pub const STRUCT: u8 = 12;
}

/// Fields of `FileMetaData`, `RowGroup` and `ColumnChunk`, by their numbers in the format.
const ROW_GROUPS: i64 = 4;
const COLUMNS: i64 = 1;
const CRYPTO_METADATA: i64 = 8;

/// Places of the columns, among the leaves, that are encrypted in some row group; none if this is not a footer.
pub(crate) fn encrypted_columns(footer: &[u8]) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    let walked = ThriftReader(footer).fields(|file, field| {
        if field != (ROW_GROUPS, kind::LISTS[0]) {
            return Some(false);
        }
        file.structs(|_, group| {
            group.fields(|group, field| {
                if field != (COLUMNS, kind::LISTS[0]) {
                    return Some(false);
                }
                group.structs(|place, column| {
                    column.fields(|_, (id, _)| {
                        if id == CRYPTO_METADATA {
                            found.insert(place);
                        }
                        Some(false)
                    })
                })?;
                Some(true)
            })
        })?;
        Some(true)
    });
    match walked {
        Some(()) => found,
        None => BTreeSet::new(),
    }
}

/// What is left of a message.
struct ThriftReader<'a>(&'a [u8]);

/// Reads the value of a field, by its number and kind, or says that it has not.
type ReadField<'f, R> = dyn FnMut(&mut R, (i64, u8)) -> Option<bool> + 'f;

impl<'a> ThriftReader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// The fields of a struct, by number and kind; `each` says whether it has read the field's value.
    fn fields(&mut self, mut each: impl FnMut(&mut Self, (i64, u8)) -> Option<bool>) -> Option<()> {
        self.fields_within(DEPTH, &mut each)
    }

    fn fields_within(&mut self, depth: usize, each: &mut ReadField<'_, Self>) -> Option<()> {
        let mut id = 0;
        loop {
            let header = self.byte()?;
            if header == 0 {
                return Some(());
            }
            id = match header >> 4 {
                0 => {
                    let number = self.number()?;
                    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
                }
                more => id + i64::from(more),
            };
            let kind = header & 0xf;
            if !each(self, (id, kind))? && !kind::BOOLS.contains(&kind) {
                self.skip(kind, depth)?;
            }
        }
    }

    /// The structs of a list, by place.
    fn structs(&mut self, mut each: impl FnMut(usize, &mut Self) -> Option<()>) -> Option<()> {
        let (length, kind) = self.list()?;
        if kind != kind::STRUCT {
            return None;
        }
        (0..length).try_for_each(|place| each(place, self))
    }

    fn list(&mut self) -> Option<(usize, u8)> {
        let header = self.byte()?;
        let length = match header >> 4 {
            15 => usize::try_from(self.number()?).ok()?,
            length => usize::from(length),
        };
        Some((length, header & 0xf))
    }

    /// A value that is not a field: there, a boolean has a byte.
    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            kind::BYTE => drop(self.byte()?),
            kind::DOUBLE => drop(self.take(8)?),
            kind::BINARY => {
                let length = usize::try_from(self.number()?).ok()?;
                self.take(length)?;
            }
            kind::MAP => {
                let length = self.number()?;
                if length > 0 {
                    let kinds = self.byte()?;
                    for _ in 0..length {
                        self.skip(kinds >> 4, depth)?;
                        self.skip(kinds & 0xf, depth)?;
                    }
                }
            }
            kind::STRUCT => self.fields_within(depth, &mut |_, _| Some(false))?,
            kind if kind::BOOLS.contains(&kind) => drop(self.byte()?),
            kind if kind::INTS.contains(&kind) => drop(self.number()?),
            kind if kind::LISTS.contains(&kind) => {
                let (length, kind) = self.list()?;
                for _ in 0..length {
                    self.skip(kind, depth)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footer of two row groups with two columns each; the second column of the second has a key.
    fn footer() -> Vec<u8> {
        let plain = [0x26, 0x08, 0];
        // A path, an offset, and, six fields on, an empty struct.
        let keyed = [0x18, 2, b'x', b'y', 0x16, 0x08, 0x6c, 0, 0];
        let group = |columns: [&[u8]; 2]| {
            let bytes: [&[u8]; 4] = [&[0x19, 0x2c], columns[0], columns[1], &[0x16, 0x02, 0]];
            bytes.concat()
        };
        // A version, no schema, rows, row groups, and a list of booleans with a number of its own.
        [
            &[0x15, 0x02, 0x19, 0x0c, 0x16, 0x08, 0x19, 0x2c][..],
            &group([&plain, &plain]),
            &group([&plain, &keyed]),
            &[0x09, 0x28, 0x31, 1, 2, 1, 0],
        ]
        .concat()
    }

    #[test]
    fn columns_with_a_key_are_found() {
        assert_eq!(encrypted_columns(&footer()), BTreeSet::from([1]));
    }

    #[test]
    fn what_is_not_a_footer_has_no_such_columns() {
        let footer = footer();
        for end in 0..footer.len() {
            let cut = footer.get(..end).unwrap();
            assert_eq!(encrypted_columns(cut), BTreeSet::new());
        }
        let nested = vec![0x1c; 10_000];
        assert_eq!(encrypted_columns(&nested), BTreeSet::new());
    }
}
