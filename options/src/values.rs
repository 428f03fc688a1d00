//! Values of options.

use std::fmt::{self, Display, Formatter};
use std::num::ParseIntError;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{PathBufValueParser, PossibleValue, PossibleValuesParser, TypedValueParser};
use mtmd_schema::{
    BadRows, Choice, ElementType, IndexFormat, Part, Precision, TableLookup, TablePlace, Tower, bug,
};

/// A device to run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// The processor.
    Cpu,
    /// An NVIDIA GPU, by its index.
    Cuda(usize),
    /// The best device that Vulkan, Metal or DirectX has here.
    Wgpu,
}

impl FromStr for Device {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || "expected cpu, cuda, cuda:N or wgpu".to_owned();
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            None if text == "wgpu" => Ok(Self::Wgpu),
            Some(("cuda", index)) => index.parse().map(Self::Cuda).map_err(|_| unknown()),
            _ => Err(unknown()),
        }
    }
}

impl Display for Device {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Wgpu => f.write_str("wgpu"),
        }
    }
}

/// One of some shares of about as many rows each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which: 1 to `count`.
    pub number: u64,
    /// How many there are, 1 or more.
    pub count: u64,
}

impl Shard {
    /// All rows.
    pub const WHOLE: Self = Self {
        number: 1,
        count: 1,
    };
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, count) = text.split_once('/')?;
            let (number, count) = (number.parse().ok()?, count.parse().ok()?);
            (1..=count)
                .contains(&number)
                .then_some(Self { number, count })
        };
        parse().ok_or_else(|| "expected I/N, such as 1/8 to 8/8".to_owned())
    }
}

impl Display for Shard {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.count)
    }
}

/// Whether data is in an object store and not in files.
pub fn in_object_store(path: &Path) -> bool {
    matches!(scheme(path), Some("s3" | "gs"))
}

/// The scheme of a URL; `None` for a path.
fn scheme(path: &Path) -> Option<&str> {
    let (scheme, _) = path.to_str()?.split_once("://")?;
    Some(scheme)
}

/// The words of a choice, each with its help.
pub(crate) fn choice<C: Choice + Send + Sync>(
    help: fn(C) -> &'static str,
) -> impl TypedValueParser<Value = C> {
    let values = C::ALL
        .iter()
        .map(|value| PossibleValue::new(value.word()).help(help(*value)));
    PossibleValuesParser::new(values).map(|word| match C::from_word(&word) {
        Some(value) => value,
        None => bug!("`{word}` is not one of {:?}", C::WORDS),
    })
}

/// Help of a tower.
pub(crate) fn tower(value: Tower) -> &'static str {
    match value {
        Tower::Query => "The query tower, by surface",
        Tower::Item => "The item tower, by product",
    }
}

/// Help of a format of an index.
pub(crate) fn index_format(value: IndexFormat) -> &'static str {
    match value {
        IndexFormat::Index => "Files that `serve` maps into memory",
        IndexFormat::Parquet => "Parquet: id, domain, and a list of numbers for each task",
        IndexFormat::Npy => "NumPy: an array for each domain, and its ids as text",
    }
}

/// Help of a type of an index's numbers.
pub(crate) fn element_type(value: ElementType) -> &'static str {
    match value {
        ElementType::Float32 => "32-bit floats: the scores of `predict`, to the bit",
        ElementType::Float16 => "16-bit floats: half the memory",
        ElementType::Int8 => {
            "8-bit integers with a scale for each item and task: a quarter of the memory"
        }
    }
}

/// Help of a precision.
pub(crate) fn precision(value: Precision) -> &'static str {
    match value {
        Precision::Float32 => "32-bit floats",
        Precision::Tf32 => "Factors are rounded to TF32: float32's exponent, 11 bits of precision",
        Precision::Bfloat16 => {
            "Factors are rounded to bfloat16: float32's exponent, 8 bits of precision"
        }
    }
}

/// Help of where tables are.
pub(crate) fn table_place(value: TablePlace) -> &'static str {
    match value {
        TablePlace::Device => "On the device, where it has room for them; else in host memory",
        TablePlace::Host => "In host memory",
    }
}

/// Help of where embeddings are looked up.
pub(crate) fn table_lookup(value: TableLookup) -> &'static str {
    match value {
        TableLookup::Inside => "In the ONNX graphs, whose inputs are rows of tables",
        TableLookup::Outside => "Before the ONNX graphs, whose inputs are embeddings",
    }
}

/// Help of what to do with rows that cannot be used.
pub(crate) fn bad_rows(value: BadRows) -> &'static str {
    match value {
        BadRows::Stop => "Stop and report the first one",
        BadRows::Skip => "Skip them and count them by column",
    }
}

/// Help of a part of the data.
pub(crate) fn part(value: Part) -> &'static str {
    match value {
        Part::Train => "Training rows",
        Part::Validate => "Validation rows",
        Part::Test => "Test rows",
        Part::All => "All three",
    }
}

/// A path, or the URL of an object store.
pub(crate) fn data_path() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| match scheme(&path) {
        Some(_) if !in_object_store(&path) => {
            Err("expected a path, or a URL that starts with s3:// or gs://")
        }
        _ => Ok(path),
    })
}

/// A number that may have `_` between its digits.
pub(crate) fn whole(text: &str) -> Result<usize, String> {
    let digits = text.replace('_', "");
    digits
        .parse()
        .map_err(|error: ParseIntError| error.to_string())
}

/// As [`whole`], 1 or more.
pub(crate) fn positive(text: &str) -> Result<usize, String> {
    match whole(text)? {
        0 => Err("must be at least 1".to_owned()),
        number => Ok(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read_as_they_are_written() {
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        for device in [Device::Cpu, Device::Cuda(0), Device::Cuda(3), Device::Wgpu] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
        for text in ["", "gpu", "cuda:", "cuda:x", "cpu:1"] {
            assert!(text.parse::<Device>().is_err(), "{text}");
        }
    }

    #[test]
    fn shards_are_counted_from_1() {
        for text in ["1/1", "3/8", "8/8"] {
            let shard: Result<Shard, String> = text.parse();
            assert_eq!(shard.map(|shard| shard.to_string()), Ok(text.to_owned()));
        }
        for text in ["0/8", "9/8", "1", "1/0", "/", "-1/3", "1/3/5"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    #[test]
    fn object_stores_are_known_by_their_urls() {
        for path in ["s3://bucket/folder", "gs://bucket"] {
            assert!(in_object_store(Path::new(path)), "{path}");
        }
        for path in ["folder/a=b.parquet", "s3", "ftp://host/s3://"] {
            assert!(!in_object_store(Path::new(path)), "{path}");
        }
    }

    #[test]
    fn numbers_may_be_grouped() {
        assert_eq!(whole("1_000"), Ok(1_000));
        assert_eq!(whole("0"), Ok(0));
        assert!(positive("0").is_err() && whole("-1").is_err() && whole("1k").is_err());
    }
}
