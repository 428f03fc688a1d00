//! Files and columns: what is refused before anything runs, and what will do.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray,
    UInt64Array, new_null_array,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, Schema};
use arrow_select::take::take;
use mtmd::data::Dataset;
use mtmd::schema::{List, Split, Value};
use parquet::file::properties::WriterProperties;

use crate::fixture::{Folder, Frame, frame, numbered, read, schema, write_as};

fn array(array: impl Array + 'static) -> ArrayRef {
    Arc::new(array)
}

#[test]
fn every_wrong_column_of_every_file_is_in_one_error() {
    let first = frame()
        .without("age")
        .with("ages", array(Int64Array::from(vec![1, 2, 3, 4])));
    let second = frame()
        .with("tags", array(Int64Array::from(vec![1, 2, 3, 4])))
        .with(
            "surface",
            array(StringArray::from(vec!["0", "2", "3", "0"])),
        );
    let third = second.clone().without("day");
    let folder = Folder::new(&[
        ("a.parquet", &first),
        ("b.parquet", &second),
        ("c.parquet", &third),
    ]);
    let error = folder.open().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        folder.text(&error),
        "the data does not fit the spec in 4 columns:\n  \
         line 3: surfaces needs column `surface`: Utf8 in b.parquet, where whole numbers or booleans (as the spec's values are) would do (and 1 more file)\n  \
         line 14: query feature `age` needs column `age`: not in a.parquet, which has `ages`\n  \
         line 19: item feature `tags` needs column `tags`: Int64 in b.parquet, where a list of whole numbers or strings would do (and 1 more file)\n  \
         line 23: the split needs column `day`: not in c.parquet\n\
         help: name the data's own columns with `from \"COLUMN\"`, or give the path of other data"
    );
}

#[test]
fn columns_of_one_name_are_refused() {
    let folder = Folder::new(&[]);
    let batch = frame().batch();
    let mut fields: Vec<_> = batch.schema().fields().iter().cloned().collect();
    let age = batch.schema().index_of("age").unwrap();
    let mut columns = batch.columns().to_vec();
    // One that the model needs, one that it does not.
    for name in ["age", "spare", "spare"] {
        fields.push(Arc::new(Field::new(name, DataType::Float64, true)));
        columns.push(Arc::clone(&columns[age]));
    }
    let twice = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    write_as(
        &twice,
        &folder.file("a.parquet"),
        WriterProperties::default(),
    );
    assert_eq!(
        folder.text(&folder.open().unwrap_err()).lines().nth(1),
        Some(
            "  line 14: query feature `age` needs column `age`: 2 columns of this name in a.parquet"
        )
    );
}

/// A value has one row as a number and another as a string.
#[test]
fn ids_are_of_one_kind_in_all_files() {
    let texts = cast(&frame().0["ad_id"], &DataType::Utf8).unwrap();
    let list = DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)));
    let lists = cast(&frame().0["tags"], &list).unwrap();
    let texts = frame().with("ad_id", texts).with("tags", lists);
    let empty = new_null_array(&DataType::Null, 4);
    let folder = Folder::new(&[
        ("a.parquet", &frame().with("ad_id", empty)),
        ("b.parquet", &frame()),
        ("c.parquet", &texts),
        ("d.parquet", &texts),
    ]);
    let error = folder.open().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert_eq!(
        folder.text(&error),
        "the data does not fit the spec in 2 columns:\n  \
         line 17: item feature `ad_id` needs column `ad_id`: strings in c.parquet, whole numbers in b.parquet; write it as one of them in all files (and 1 more file)\n  \
         line 19: item feature `tags` needs column `tags`: strings in c.parquet, whole numbers in a.parquet; write it as one of them in all files (and 1 more file)\n\
         help: name the data's own columns with `from \"COLUMN\"`, or give the path of other data"
    );
    // All in one kind, though in several types.
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::LargeUtf8));
    for to in [DataType::Utf8View, DataType::LargeUtf8, dictionary] {
        let other = cast(&texts.0["ad_id"], &to).unwrap();
        let other = texts.clone().with("ad_id", other);
        let folder = Folder::new(&[("a.parquet", &texts), ("b.parquet", &other)]);
        assert!(folder.open().is_ok(), "{to}");
    }
}

#[test]
fn values_of_an_inline_vocabulary_say_the_type() {
    let folder = frame()
        .with("kind", array(Int64Array::from(vec![1, 2, 3, 4])))
        .folder();
    let text = folder.text(&folder.open().unwrap_err());
    assert!(
        text.contains(
            "line 18: item feature `kind` needs column `kind`: Int64 in a.parquet, where strings"
        ),
        "{text}"
    );
}

/// What was read, in a form that is equal where both have NaN.
fn shown(frame: &Frame) -> String {
    format!("{:?}", read(&frame.folder().open().unwrap(), 10).unwrap())
}

/// Whatever the types, the same values are the same batch.
#[test]
fn many_types_will_do() {
    let expected = shown(&frame());
    let plain = frame();
    let as_type = |name: &'static str, to: DataType| (name, cast(&plain.0[name], &to).unwrap());
    let list = |element| Arc::new(Field::new_list_field(element, true));
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let changes = [
        vec![
            as_type("surface", DataType::Int8),
            as_type("day", DataType::UInt64),
        ],
        vec![
            as_type("surface", DataType::Float64),
            as_type("ad_id", DataType::Float64),
            as_type("day", DataType::UInt16),
        ],
        vec![
            as_type("product", DataType::LargeUtf8),
            as_type("user_id", DataType::Utf8View),
            as_type("kind", dictionary()),
        ],
        vec![
            as_type("is_click", DataType::Boolean),
            as_type("is_buy", DataType::Float32),
            as_type("hw_ctr", DataType::Float64),
        ],
        vec![
            as_type("history", DataType::LargeList(list(DataType::Int32))),
            as_type("tags", DataType::List(list(DataType::UInt8))),
        ],
        vec![
            as_type("text", DataType::LargeList(list(DataType::Float64))),
            as_type("age", DataType::Float32),
        ],
        vec![
            as_type("ad_id", DataType::UInt8),
            as_type("price", DataType::Float32),
        ],
    ];
    for change in changes {
        let names: Vec<_> = change
            .iter()
            .map(|(name, array)| format!("{name}: {}", array.data_type()))
            .collect();
        let frame = change
            .into_iter()
            .fold(frame(), |frame, (name, array)| frame.with(name, array));
        assert_eq!(shown(&frame), expected, "{names:?}");
    }
}

/// Strings stand in a file as codes, as themselves, or as both: pages of codes, then, the dictionary being full, others.
#[test]
fn codes_are_the_strings_that_they_stand_for() {
    let users = (0..400).map(|row| (row % 7 > 0).then(|| format!("user {}", row * row % 90)));
    let mut tags = ListBuilder::new(StringBuilder::new());
    for row in 0..400 {
        for tag in 0..row % 4 {
            tags.values()
                .append_option((tag != 2).then(|| format!("tag {}", row % (tag + 5))));
        }
        tags.append(row % 11 > 0);
    }
    let rows = UInt64Array::from_iter_values((0..400).map(|row| row % 4));
    let long = frame()
        .0
        .into_iter()
        .map(|(name, values)| (name, take(&values, &rows, None).unwrap()));
    let long = Frame(long.collect())
        .with("user_id", array(users.collect::<StringArray>()))
        .with("tags", array(tags.finish()));
    let properties = || {
        WriterProperties::builder()
            .set_data_page_row_count_limit(50)
            .set_write_batch_size(50)
    };
    let shown = [
        properties(),
        properties().set_dictionary_enabled(false),
        properties().set_dictionary_page_size_limit(200),
    ]
    .map(|properties| {
        let folder = Folder::new(&[]);
        write_as(&long.batch(), &folder.file("a.parquet"), properties.build());
        let (batches, _) = read(&folder.open().unwrap(), 1_000).unwrap();
        format!("{batches:?}")
    });
    assert_eq!(shown[0], shown[1]);
    assert_eq!(shown[0], shown[2]);
    let values = match &read(&long.folder().open().unwrap(), 1_000).unwrap().0[0]
        .query
        .columns[1]
    {
        mtmd::data::batch::Column::Ids(ids) => {
            ids.iter().collect::<std::collections::BTreeSet<_>>().len()
        }
        other => panic!("{other:?}"),
    };
    assert!(values > 3, "{values} users");
}

#[test]
fn lists_of_fixed_size_will_do() {
    let vectors = vec![None, Some(vec![Some(0.5f32), Some(-0.5)]), None, None];
    let vectors = arrow_array::FixedSizeListArray::from_iter_primitive::<
        arrow_array::types::Float32Type,
        _,
        _,
    >(vectors, 2);
    let fixed = frame().with("text", array(vectors));
    let expected = shown(&frame());
    assert_eq!(shown(&fixed), expected);
}

#[test]
fn a_column_without_any_value_is_missing_everywhere() {
    let empty = ["age", "user_id", "history", "text", "is_buy"]
        .into_iter()
        .fold(frame(), |frame, name| {
            frame.with(name, new_null_array(&DataType::Null, 4))
        });
    let (batches, report) = read(&empty.folder().open().unwrap(), 10).unwrap();
    assert_eq!(report.used, 4);
    assert_eq!(
        batches[0].query.columns[3],
        mtmd::data::batch::Column::Numbers(vec![30.0; 4])
    );
}

#[test]
fn dates_split_as_numbers_and_as_strings() {
    // 25 April 2022 is day 19,107.
    let frame = frame().with(
        "day",
        array(Date32Array::from(vec![
            Some(19_107),
            Some(19_108),
            None,
            Some(19_138),
        ])),
    );
    for (from, to) in [
        (Value::Int(20_220_425), Value::Int(20_220_430)),
        (
            Value::Text("2022-04-25".into()),
            Value::Text("2022-04-30".into()),
        ),
    ] {
        let split = Split::Column {
            column: "day".into(),
            train: vec![(from, to)].into(),
            validate: List::default(),
            test: List::default(),
            place: "line 1".into(),
        };
        let folder = frame.folder();
        let (_, report) = read(
            &folder
                .open_as(schema(|schema| schema.spec.rows.split = split))
                .unwrap(),
            10,
        )
        .unwrap();
        assert_eq!((report.used, report.outside), (2, 2));
    }
}

#[test]
fn booleans_are_numbers() {
    let frame = frame().with(
        "is_click",
        array(BooleanArray::from(vec![true, false, true, false])),
    );
    assert!(frame.folder().open().is_ok());
}

#[test]
#[cfg(not(feature = "cloud"))]
fn a_program_without_object_stores_says_how_to_get_them() {
    for url in ["s3://bucket/folder", "gs://bucket/a.parquet"] {
        let error = Dataset::open(&crate::schemas::SMALL, &[url.into()]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(text.starts_with(&format!("{url}: this program was built without")));
        assert!(text.contains("`mtmdc train`") && text.contains("--features cloud"));
    }
}

#[test]
fn a_path_that_leads_nowhere() {
    let folder = frame().folder();
    let error = Dataset::open(&crate::schemas::SMALL, &[folder.file("gone")]).unwrap_err();
    assert_eq!(
        (error.exit_code(), folder.text(&error).lines().next()),
        (1, Some("gone: there is no such file or folder"))
    );
}

#[test]
fn a_folder_without_parquet_files() {
    let folder = Folder::new(&[]);
    for name in [".hidden.parquet", "_metadata.parquet", "data.csv"] {
        fs::write(folder.file(name), "x").unwrap();
    }
    let error = folder.open().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(
        error
            .to_string()
            .contains("the folder holds no `*.parquet` file"),
        "{error}"
    );
}

/// Spark and others write a table as a folder of such a name.
#[test]
fn a_folder_is_not_taken_for_a_file() {
    let within = |folder: &Folder, name: &str| {
        fs::create_dir_all(folder.file(name)).unwrap();
        frame().write(&folder.file(name).join("part-0.parquet"));
    };
    let folder = frame().folder();
    within(&folder, "day-2.parquet");
    within(&folder, "day-1.parquet");
    let error = folder.open().unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let path = folder.file("day-1.parquet");
    assert_eq!(
        error.to_string(),
        format!(
            "{0}: a folder, not a file\n\
             help: folders within are not read: give each that has files, as `--data {0}`",
            path.display()
        )
    );
    assert!(Dataset::open(&crate::schemas::SMALL, &[path]).is_ok());
    // No file beside them, whatever their names.
    let folder = Folder::new(&[]);
    within(&folder, "date=2026-01-01");
    let text = folder.text(&folder.open().unwrap_err());
    assert!(
        text.contains("the folder holds no `*.parquet` file")
            && text.ends_with("--data date=2026-01-01`"),
        "{text}"
    );
}

#[test]
fn no_path_at_all() {
    assert_eq!(
        Dataset::open(&crate::schemas::SMALL, &[])
            .unwrap_err()
            .exit_code(),
        1
    );
}

#[test]
fn files_are_read_in_the_order_of_their_names() {
    let ages = |age: f64| frame().with("age", array(Float64Array::from(vec![age; 4])));
    let folder = Folder::new(&[
        ("b.parquet", &ages(2.0)),
        ("a.parquet", &ages(1.0)),
        ("c.parquet", &ages(3.0)),
    ]);
    let dataset = folder.open().unwrap();
    assert_eq!(dataset.rows(), 12);
    let (batches, _) = read(&dataset, 4).unwrap();
    let first = batches.iter().map(|batch| match &batch.query.columns[3] {
        mtmd::data::batch::Column::Numbers(numbers) => numbers[0],
        other => panic!("{other:?}"),
    });
    assert_eq!(first.collect::<Vec<_>>(), [1.0, 2.0, 3.0]);
}

#[test]
fn a_file_is_given_once() {
    let folder = Folder::new(&[("a.parquet", &frame()), ("b.parquet", &frame())]);
    let all = folder.0.path();
    let within = folder.0.path().join(".").join("b.parquet");
    for paths in [[all, &within], [&within, all]] {
        let paths = paths.map(Path::to_owned);
        let error = Dataset::open(&crate::schemas::SMALL, &paths).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = folder.text(&error);
        assert!(
            text.contains("b.parquet: this file is in the data already, as "),
            "{text}"
        );
    }
    // A copy is another file.
    fs::create_dir(folder.file("copies")).unwrap();
    let copy = folder.file("copies/b.parquet");
    fs::copy(&within, &copy).unwrap();
    let paths = [all.to_owned(), copy];
    assert!(Dataset::open(&crate::schemas::SMALL, &paths).is_ok());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&within, folder.file("c.parquet")).unwrap();
        assert_eq!(folder.open().unwrap_err().exit_code(), 2);
    }
}

#[test]
fn a_fingerprint_is_that_of_the_files_in_their_order() {
    let files = [numbered(0, 9), numbered(9, 9)];
    let folder = |names: [&str; 2]| {
        let folder = Folder::new(&[]);
        for (name, file) in names.iter().zip(&files) {
            file.write_groups(&folder.file(name), 4);
        }
        folder
    };
    let (first, swapped) = (
        folder(["a.parquet", "b.parquet"]),
        folder(["b.parquet", "a.parquet"]),
    );
    let (dataset, other) = (first.open().unwrap(), swapped.open().unwrap());
    assert_eq!(dataset.rows(), other.rows());
    assert!(dataset.fingerprints().ne(other.fingerprints()));
    let ends = |dataset: &Dataset| dataset.fingerprints().collect::<Vec<_>>();
    let mut turned = ends(&other);
    turned.reverse();
    assert_eq!(ends(&dataset), turned);
    // A copy elsewhere, under other names, and later.
    let copy = Folder::new(&[]);
    for (from, to) in [("a.parquet", "x.parquet"), ("b.parquet", "y.parquet")] {
        let bytes = fs::read(first.file(from)).unwrap();
        fs::write(copy.file(to), bytes).unwrap();
    }
    assert!(
        copy.open()
            .unwrap()
            .fingerprints()
            .eq(dataset.fingerprints())
    );
    // The same rows in other row groups.
    numbered(9, 9).write_groups(&copy.file("y.parquet"), 5);
    let regrouped = copy.open().unwrap();
    assert_eq!(ends(&regrouped)[0], ends(&dataset)[0]);
    assert_ne!(ends(&regrouped)[1], ends(&dataset)[1]);
}
