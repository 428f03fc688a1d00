//! Types of Parquet, and what writers say about them beside the file's own schema.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::Float64Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Date64Array, Decimal128Array,
    Float32Array, Float64Array, Int64Array, ListArray, StringArray, TimestampSecondArray,
    UInt64Array, new_null_array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema as ArrowSchema, TimeUnit};
use mtmd::data::Parts;
use mtmd::data::batch::Column;
use mtmd::schema::{
    self, Axis, BadRows, Derive, Domain, DomainSet, Feature, FeatureKind, Label, Others, Request,
    Schema, Split, Task, TimePart, Transform, Unit, Value,
};
use mtmd::vocab::{RawValue, Vocabularies};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::arrow::encode_arrow_schema;
use parquet::data_type::{Int32Type, Int96, Int96Type};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use crate::fixture::{Folder, Frame, frame, read, schema};

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

/// Writes rows with this text as Arrow's schema beside that of Parquet.
fn write_told(frame: &Frame, path: &Path, told: String) {
    let key = KeyValue::new("ARROW:schema".to_owned(), told);
    let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![key]));
    let options = ArrowWriterOptions::new()
        .with_properties(properties.build())
        .with_skip_arrow_metadata(true);
    let batch = frame.batch();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new_with_options(file, batch.schema(), options).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

/// The same, with some columns said to have been of these types in the writer's memory.
fn told(frame: &Frame, types: &[(&str, DataType)]) -> Folder {
    let folder = Folder::new(&[]);
    let types: HashMap<&str, &DataType> =
        types.iter().map(|(name, found)| (*name, found)).collect();
    let schema = frame.batch().schema();
    let fields = schema.fields().iter().map(|field| {
        let field = field.as_ref().clone();
        match types.get(field.name().as_str()) {
            Some(found) => field.with_data_type((*found).clone()),
            None => field,
        }
    });
    let schema = ArrowSchema::new(fields.collect::<Vec<_>>());
    write_told(
        frame,
        &folder.file("a.parquet"),
        encode_arrow_schema(&schema),
    );
    folder
}

/// What was read, in a form that is equal where both have NaN.
fn shown(folder: &Folder) -> String {
    format!("{:?}", read(&folder.open().unwrap(), 1_000).unwrap())
}

fn coded(keys: DataType, values: DataType) -> DataType {
    DataType::Dictionary(Box::new(keys), Box::new(values))
}

/// How a column looked in the memory of its writer is not how it is in the file.
#[test]
fn the_schema_of_parquet_decides() {
    let plain = frame().with(
        "is_click",
        array(BooleanArray::from(vec![true, false, true, false])),
    );
    let expected = shown(&plain.folder());
    let list = |entry| Arc::new(Field::new_list_field(entry, true));
    for types in [
        vec![("user_id", coded(DataType::Int8, DataType::Utf8))],
        vec![("is_click", coded(DataType::Int32, DataType::Boolean))],
        vec![("hw_ctr", coded(DataType::Int32, DataType::Float32))],
        vec![("history", DataType::ListView(list(DataType::Int64)))],
        vec![("history", DataType::LargeListView(list(DataType::Int64)))],
        vec![("tags", DataType::FixedSizeList(list(DataType::Int64), 3))],
        vec![
            ("kind", DataType::Utf8View),
            ("product", DataType::LargeUtf8),
        ],
    ] {
        assert_eq!(shown(&told(&plain, &types)), expected, "{types:?}");
    }
    // Nor does it matter that the text is of no schema at all.
    for text in ["", "no base 64", "QUJD"] {
        let folder = Folder::new(&[]);
        write_told(&plain, &folder.file("a.parquet"), text.to_owned());
        assert_eq!(shown(&folder), expected, "{text}");
    }
}

/// More strings than the writer's codes of 8 bits could tell apart.
#[test]
fn a_dictionary_may_have_more_strings_than_its_codes_say() {
    let cities = (0..400).map(|row| Some(format!("c{}", row % 300)));
    let long =
        crate::fixture::numbered(0, 400).with("user_id", array(cities.collect::<StringArray>()));
    let folder = told(&long, &[("user_id", coded(DataType::Int8, DataType::Utf8))]);
    assert_eq!(shown(&folder), shown(&long.folder()));
}

/// Where Parquet has plain integers, Arrow's schema says what they are: of another unit, or no number at all.
#[test]
fn plain_integers_may_be_times() {
    let with_days = |days: ArrayRef| {
        let folder = frame().with("day", days).folder();
        let schema = schema(|schema| {
            schema.spec.rows.split = Split::Column {
                column: schema::text("day"),
                train: schema::list(&[(
                    Value::Text(schema::text("2022-04-25")),
                    Value::Text(schema::text("2022-04-26")),
                )]),
                validate: schema::list(&[]),
                test: schema::list(&[]),
                place: schema::text("line 1"),
            }
        });
        (
            folder
                .open_as(schema)
                .and_then(|dataset| read(&dataset, 10)),
            folder,
        )
    };
    // 25 April 2022 is day 19,107.
    let days = [19_107, 19_108, 19_109, 19_110];
    let (found, _folder) = with_days(array(Date32Array::from(days.to_vec())));
    let expected = format!("{:?}", found.unwrap());
    let milliseconds = days.map(|day| i64::from(day) * 86_400_000);
    let (found, _folder) = with_days(array(Date64Array::from(milliseconds.to_vec())));
    assert_eq!(format!("{:?}", found.unwrap()), expected);
    let seconds = days.map(|day| i64::from(day) * 86_400);
    let (found, folder) = with_days(array(TimestampSecondArray::from(seconds.to_vec())));
    let text = folder.text(&found.unwrap_err());
    assert!(
        text.contains("Timestamp(s) in a.parquet, where strings"),
        "{text}"
    );

    // A unit of the spec is that of numbers: this column says its own.
    let folder = frame()
        .with("price", array(TimestampSecondArray::from(seconds.to_vec())))
        .folder();
    let dataset = folder
        .open_as(with_time("price", Unit::Milliseconds))
        .unwrap();
    let (batches, _) = read(&dataset, 10).unwrap();
    let Column::Numbers(found) = &batches[0].item.columns[0] else {
        panic!("a number")
    };
    let mut found = found.clone();
    found.sort_by(f32::total_cmp);
    assert_eq!(found, days.map(|day| day as f32));
}

/// The small schema, whose items have the day of a column alone.
fn with_time(column: &'static str, unit: Unit) -> &'static Schema {
    let feature = Feature {
        name: schema::text("day"),
        column: schema::text(column),
        derive: Some(Derive::Time {
            part: TimePart::Day,
            unit,
        }),
        kind: FeatureKind::Number(Transform {
            default: -1.0,
            clip: None,
            log: false,
            standardise: None,
        }),
        domains: DomainSet::first::<2>(),
        place: schema::text("line 30"),
        doc: schema::text(""),
    };
    schema(|schema| schema.spec.item = vec![feature].into())
}

#[test]
fn a_time_without_a_date_is_a_bad_row() {
    let (inf, day) = (f64::INFINITY, 86_400.0);
    for (unit, value, cause) in [
        (
            Unit::Seconds,
            1_767_225_600_000.0,
            "a time must be in the years 1 to 9999, this is 1767225600000 seconds since 1970; \
             if the column counts milliseconds, write `unit milliseconds`",
        ),
        (
            Unit::Seconds,
            inf,
            "a time must be in the years 1 to 9999, this is inf",
        ),
        (
            Unit::Microseconds,
            1e300,
            "this is 1e300 microseconds since 1970",
        ),
        (
            Unit::Seconds,
            -719_163.0 * day,
            "this is -62135683200 seconds since 1970",
        ),
    ] {
        let times = vec![Some(0.0), None, Some(value), Some(f64::NAN)];
        let folder = frame()
            .with("price", array(Float64Array::from(times)))
            .folder();
        let schema = with_time("price", unit);
        let error = read(&folder.open_as(schema).unwrap(), 10).unwrap_err();
        let text = folder.text(&error);
        assert!(
            text.starts_with("a.parquet, row 2, column `price`: "),
            "{text}"
        );
        assert!(text.contains(cause), "{text}");
    }
    let stamps = array(Int64Array::from(vec![0, 1, 1_767_225_600_000, 2]));
    let stamps = cast(&stamps, &DataType::Timestamp(TimeUnit::Second, None)).unwrap();
    let folder = frame().with("price", stamps).folder();
    let schema = with_time("price", Unit::Seconds);
    let error = read(&folder.open_as(schema).unwrap(), 10).unwrap_err();
    assert!(
        error.to_string().contains("this is in the year 57971"),
        "{error}"
    );
    // Half a second before 1970 is the day before.
    let times = vec![-0.5, 0.0, 0.5, -86_400.0];
    let folder = frame()
        .with("price", array(Float64Array::from(times)))
        .folder();
    let (batches, _) = read(&folder.open_as(schema).unwrap(), 10).unwrap();
    let Column::Numbers(found) = &batches[0].item.columns[0] else {
        panic!("a number")
    };
    // Products are shop, std, shop, std.
    assert_eq!(found, &[-1.0, 0.0, 0.0, -1.0]);
}

/// What is told apart in a file of few columns, written without Arrow.
const PLAIN: &[Task] = &[Task {
    name: schema::text("click"),
    label: Label::Action,
    action: schema::list(&[schema::text("click")]),
    given: None,
    weight: 1.0,
    sample_weight: None,
    mask: schema::list(&[]),
    embedding: 4,
    surfaces: DomainSet::first::<1>(),
    products: DomainSet::first::<1>(),
    place: schema::text("line 7"),
    doc: schema::text(""),
}];

const fn axis(column: &'static str) -> Axis {
    Axis {
        column: schema::text(column),
        domains: schema::list(
            const {
                &[Domain {
                    name: schema::text("all"),
                    values: schema::list(&[Value::Int(0)]),
                    like: None,
                    doc: schema::text(""),
                }]
            },
        ),
        others: Others::Error,
        place: schema::text("line 3"),
    }
}

/// 9999-12-31 and 0001-01-01 are farther from 1970 than 64 bits of nanoseconds reach.
#[test]
fn far_days_of_12_bytes_are_read() {
    let days = [2_932_896_i64, -719_162, 0, 19_107];
    let folder = Folder::new(&[]);
    let message = "message schema {
        required int32 surface; required int32 product; required int32 click; optional int96 at;
    }";
    let message = Arc::new(parse_message_type(message).unwrap());
    let file = File::create(folder.file("a.parquet")).unwrap();
    let mut writer = SerializedFileWriter::new(file, message, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for values in [[0, 0, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0]] {
        let mut column = group.next_column().unwrap().unwrap();
        column
            .typed::<Int32Type>()
            .write_batch(&values, None, None)
            .unwrap();
        column.close().unwrap();
    }
    // Nanoseconds of the day, then the Julian day.
    let times = days.map(|day| {
        let mut time = Int96::new();
        time.set_data(1_000, 0, u32::try_from(day + 2_440_588).unwrap());
        time
    });
    let mut column = group.next_column().unwrap().unwrap();
    let defined = [1, 1, 1, 1];
    column
        .typed::<Int96Type>()
        .write_batch(&times, Some(&defined), None)
        .unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();

    let feature = Feature {
        domains: DomainSet::first::<1>(),
        ..with_time("at", Unit::Seconds).item[0].clone()
    };
    let schema = schema(|schema| {
        schema.spec.surfaces = axis("surface");
        schema.spec.products = axis("product");
        schema.spec.tasks = schema::list(PLAIN);
        schema.spec.query = schema::list(&[]);
        schema.spec.item = vec![feature].into();
        schema.spec.rows.split = Split::Column {
            column: schema::text("surface"),
            train: schema::list(&[(Value::Int(0), Value::Int(0))]),
            validate: schema::list(&[]),
            test: schema::list(&[]),
            place: schema::text("line 9"),
        };
    });
    let (batches, _) = read(&folder.open_as(schema).unwrap(), 10).unwrap();
    let found = &batches[0].item.columns[0];
    assert_eq!(found, &Column::Numbers(days.map(|day| day as f32).to_vec()));
}

/// The first error of a pass.
fn refusal(frame: &Frame, schema: &'static Schema) -> String {
    let folder = frame.folder();
    let error = read(&folder.open_as(schema).unwrap(), 10).unwrap_err();
    assert_eq!(error.exit_code(), 1, "{error}");
    folder.text(&error)
}

/// A float of 64 bits that is 2^53 may have been 2^53 + 1.
#[test]
fn ids_in_floats_are_exact_or_refused() {
    const BOUND: f64 = 9_007_199_254_740_992.0;
    let doubles = |value: f64| array(Float64Array::from(vec![1.0, value, 0.0, 2.0]));
    let small = schema(|_| {});
    let exact = |frame: Frame| read(&frame.folder().open().unwrap(), 10).unwrap().1.used;
    assert_eq!(exact(frame().with("ad_id", doubles(BOUND - 1.0))), 4);
    let text = refusal(&frame().with("ad_id", doubles(BOUND)), small);
    assert!(
        text.starts_with(
            "a.parquet, row 1, column `ad_id`: an id in a float is exact below 2^53 only, \
             this is 9007199254740992: write the column as int64\nhelp: repair the data"
        ),
        "{text}"
    );
    let singles = array(Float32Array::from(vec![1.0, 0.0, 2.0, -16_777_216.0]));
    let text = refusal(&frame().with("ad_id", Arc::clone(&singles)), small);
    assert!(
        text.contains("row 3, column `ad_id`: an id in a float is exact below 2^24"),
        "{text}"
    );
    let halves = Float64Array::from(vec![1.0, 2048.0, 0.0, 2.0]);
    let halves = cast(&array(halves), &DataType::Float16).unwrap();
    let text = refusal(&frame().with("ad_id", halves), small);
    assert!(
        text.contains("row 1, column `ad_id`: an id in a float is exact below 2^11"),
        "{text}"
    );
    let lists = vec![None, None, Some(vec![Some(1.0), Some(1e300)]), None];
    let lists = ListArray::from_iter_primitive::<Float64Type, _, _>(lists);
    let text = refusal(&frame().with("tags", array(lists)), small);
    assert!(
        text.contains("row 2, column `tags`: an id in a float is exact"),
        "{text}"
    );
    assert!(text.contains("this is 1e300"), "{text}");

    // A domain that is skipped is one of whose values none is known: this may be one that is.
    let skipping = schema(|schema| schema.spec.surfaces.others = Others::Skip);
    let text = refusal(&frame().with("surface", doubles(BOUND)), skipping);
    assert!(
        text.contains("row 1, column `surface`: a domain's value in a float"),
        "{text}"
    );
    let broken = frame()
        .with("surface", doubles(1.5))
        .with("text", new_null_array(&DataType::Null, 4));
    let (_, report) = read(&broken.folder().open_as(skipping).unwrap(), 10).unwrap();
    assert_eq!(report.surfaces.values.get("1.5"), Some(&1));

    let asking = schema(|schema| schema.spec.rows.request = Some(REQUEST));
    let text = refusal(&frame().with("asked", doubles(BOUND)), asking);
    assert!(
        text.contains("row 1, column `asked`: a request in a float"),
        "{text}"
    );
}

const REQUEST: Request = Request {
    column: schema::text("asked"),
    place: schema::text("line 40"),
};

/// -1 and 2^64 - 1 have the same bits.
#[test]
fn unsigned_ids_are_not_the_negative_ones_of_their_bits() {
    let most = u64::MAX;
    let signed = frame().with("user_id", array(Int64Array::from(vec![-1, -1, -2, 7])));
    let unsigned = frame().with(
        "user_id",
        array(UInt64Array::from(vec![most, most, most - 1, 7])),
    );
    let folder = Folder::new(&[("a.parquet", &signed), ("b.parquet", &unsigned)]);
    let dataset = folder.open().unwrap();
    let learned = dataset.learn(Parts::TRAIN).unwrap().vocabularies;
    let values = &learned.learned().next().unwrap().values;
    assert_eq!(
        values,
        &[
            RawValue::Int(-1),
            RawValue::Int(7),
            RawValue::Unsigned(most)
        ]
    );
    let json = learned.to_json().unwrap();
    assert!(json.contains("[-1,7,18446744073709551615]"), "{json}");
    assert_eq!(
        Vocabularies::from_json(dataset.schema(), &json).unwrap(),
        learned
    );
    let (batches, _) = read(&dataset, 10).unwrap();
    // Surfaces of both files are feed, search, search, feed.
    let users = Column::Ids(vec![1, 2, 3, 2, 1, 0, 3, 0]);
    assert_eq!(batches[0].query.columns[1], users);
    // As the entries of a list, and by hash, they have the row of their bits.
    let list = |values: Vec<u64>| Some(values.into_iter().map(Some).collect::<Vec<_>>());
    let lists = vec![list(vec![most, 5]), None, None, None];
    let lists = ListArray::from_iter_primitive::<arrow_array::types::UInt64Type, _, _>(lists);
    let (batches, _) = read(
        &frame().with("tags", array(lists)).folder().open().unwrap(),
        10,
    )
    .unwrap();
    let Column::Lists { ids, .. } = &batches[0].item.columns[2] else {
        panic!("a list")
    };
    let row = |value| mtmd::hash::row(mtmd::hash::hash_int(value), 100);
    assert_eq!(ids, &[row(-1), row(5)]);
    // One that no domain can name is of no domain.
    let unknown = frame().with("surface", array(UInt64Array::from(vec![0, 2, most, 0])));
    let text = refusal(&unknown, schema(|_| {}));
    assert!(
        text.contains("row 2, column `surface`: 18446744073709551615 is the value of no domain"),
        "{text}"
    );
}

#[test]
fn bytes_without_a_mark_are_strings_if_they_are_text() {
    let users: Vec<Option<&[u8]>> = vec![Some(b"ann"), Some(b"bob"), Some(b"ann"), None];
    let bytes = frame().with("user_id", array(BinaryArray::from(users)));
    let folder = bytes.folder();
    assert_eq!(shown(&folder), shown(&frame().folder()));
    let users: Vec<Option<&[u8]>> = vec![Some(b"ann"), Some(&[0xc3, 0x28]), None, None];
    let text = refusal(
        &frame().with("user_id", array(BinaryArray::from(users))),
        schema(|_| {}),
    );
    assert!(
        text.contains("row 1, column `user_id`: an id must be a whole number or a string, these are bytes that are not UTF-8"),
        "{text}"
    );
}

#[test]
fn a_type_that_will_not_do_says_which_would() {
    let prices = Decimal128Array::from(vec![1, 2, 3, 4]).with_precision_and_scale(19, 0);
    let folder = frame().with("ad_id", array(prices.unwrap())).folder();
    let text = folder.text(&folder.open().unwrap_err());
    assert!(
        text.contains("Decimal128(19, 0) (cast it to BIGINT or DOUBLE) in a.parquet, where"),
        "{text}"
    );
}

/// Gives the one column without values a logical type that no version has defined.
fn make_unknown(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    // In Thrift's compact protocol: the union's 11th member, which is empty, and the union's end.
    let always_null = [0xbc, 0, 0];
    let places = bytes.windows(3).enumerate();
    let places: Vec<usize> = places
        .filter_map(|(place, found)| (found == always_null).then_some(place))
        .collect();
    let [place] = places[..] else {
        panic!("{places:?}")
    };
    bytes[place] = 0x9c;
    fs::write(path, bytes).unwrap();
}

/// A type of a later format: the columns beside it are sound.
#[test]
fn a_column_that_cannot_be_read_spoils_no_other() {
    let nulls = || new_null_array(&DataType::Null, 4);
    let folder = frame().with("spare", nulls()).folder();
    make_unknown(&folder.file("a.parquet"));
    assert_eq!(shown(&folder), shown(&frame().folder()));
    let folder = frame().with("price", nulls()).folder();
    make_unknown(&folder.file("a.parquet"));
    let text = folder.text(&folder.open().unwrap_err());
    assert!(
        text.contains("item feature `price` needs column `price`: a type that is not supported ("),
        "{text}"
    );
}

#[test]
fn an_encrypted_file_is_called_encrypted() {
    let folder = frame().folder();
    let path = folder.file("a.parquet");
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len() - 4;
    bytes[end..].copy_from_slice(b"PARE");
    fs::write(&path, bytes).unwrap();
    let error = folder.open().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        folder.text(&error),
        "a.parquet: the file is encrypted, which cannot be read\n\
         help: write the file again without encryption"
    );
}

#[test]
fn bad_times_and_ids_are_skipped_where_the_spec_says_so() {
    let times = array(Float64Array::from(vec![0.0, f64::INFINITY, 1.0, 2.0]));
    let ids = array(Float64Array::from(vec![0.0, 1.0, 2.0, 1e17]));
    let folder = frame().with("price", times).with("user_id", ids).folder();
    let item = with_time("price", Unit::Seconds).item.clone();
    let schema = schema(|schema| {
        schema.spec.item = item;
        schema.spec.rows.bad = BadRows::Skip;
    });
    let (_, report) = read(&folder.open_as(schema).unwrap(), 10).unwrap();
    assert_eq!((report.read, report.used), (4, 2));
    let bad: Vec<(&str, u64)> = report
        .bad
        .iter()
        .map(|(name, bad)| (*name, bad.rows))
        .collect();
    assert_eq!(bad, [("price", 1), ("user_id", 1)]);
}
