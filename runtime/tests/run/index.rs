//! `index`: embeddings that give the scores of `eval`, found by id, renewed where items change.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_array::{Array as _, ArrayRef, Int64Array, RecordBatch, StringArray};
use mtmd::data::{Dataset, InputDecoder, Purpose, RowReader};
use mtmd::index::{Index, ItemId, Rows};
use mtmd::schema::{BadRows, TaskId, Tower};
use mtmd::score::Scorer;
use mtmd::training::checkpoint;

use crate::child::{run, run_well, stderr, text, trained};
use crate::rows;
use crate::sample::{SAMPLE, model};

/// One row for each ad and product, with an id of a string if wanted: the features of the first row that has them.
fn items(data: &Path, to: &Path, texts: bool) -> RecordBatch {
    let all = rows::read(data);
    let ads = all
        .column_by_name("ad_id")
        .unwrap()
        .as_primitive::<Int64Type>();
    let product = all.column_by_name("product").unwrap().as_string::<i32>();
    let mut seen = std::collections::BTreeSet::new();
    let chosen = (0..all.num_rows() as u32)
        .filter(|row| seen.insert((ads.value(*row as usize), product.value(*row as usize))));
    let chosen = arrow_array::UInt32Array::from_iter_values(chosen);
    let items = arrow_select::take::take_record_batch(&all, &chosen).unwrap();
    let ads = items
        .column_by_name("ad_id")
        .unwrap()
        .as_primitive::<Int64Type>();
    let key: ArrayRef = match texts {
        false => Arc::new(ads.clone()),
        true => Arc::new(StringArray::from_iter_values(
            ads.values().iter().map(|ad| format!("ad-é{ad}")),
        )),
    };
    let columns = ["ad_id", "kind", "product"]
        .map(|name| (name, items.column_by_name(name).unwrap().clone()));
    let items = RecordBatch::try_from_iter([("key", key)].into_iter().chain(columns)).unwrap();
    rows::save(&items, to);
    items
}

fn index(data: &Path, model: &Path, out: &Path, more: &[&str]) -> String {
    let args = [
        "index",
        "--data",
        text(data),
        "--model",
        text(model),
        "--out",
        text(out),
        "--id",
        "key",
    ];
    run_well(&[&args[..], more].concat())
}

/// ctr's ln P of each row of the data by an index: the query's embedding, the item's row, a dot product.
fn by_index(data: &Path, folder: &Path, index: &Path) -> Vec<Option<f32>> {
    let (weights, vocabularies) = checkpoint::load_model(&folder.join("model"), &SAMPLE).unwrap();
    let scorer = Scorer::load(model(), weights).unwrap();
    let decoder = InputDecoder::new(
        &SAMPLE,
        Purpose::Embed(Tower::Query),
        BadRows::Stop,
        &Arc::new(vocabularies),
    );
    let index = Index::open(index, true).unwrap();
    let all = rows::read(data);
    let ads = all
        .column_by_name("ad_id")
        .unwrap()
        .as_primitive::<Int64Type>();
    let product = all.column_by_name("product").unwrap().as_string::<i32>();
    let mut found = vec![None; all.num_rows()];
    // One query at a time, as a server would.
    for (row, found) in found.iter_mut().enumerate() {
        let one = all.slice(row, 1);
        let inputs = decoder.inputs(&one, data, &mut decoder.report()).unwrap();
        let query = scorer.embed(Tower::Query, &inputs.batch);
        let domain = SAMPLE
            .products
            .domains
            .iter()
            .position(|it| &*it.name == product.value(row))
            .unwrap();
        let domain = &index.domains()[domain];
        let id = format!("ad-é{}", ads.value(row));
        let id = match index.file.id.kind {
            mtmd::index::IdKind::Int => ItemId::Int(ads.value(row)),
            mtmd::index::IdKind::Text => ItemId::Text(&id),
        };
        let at = domain.find(id).unwrap() as usize;
        let Rows::Float32(rows) = domain.rows() else {
            panic!("float32")
        };
        let task = &domain.facts().tasks[0];
        let item = &rows[at * domain.stride() + task.start..][..task.width];
        let head = &scorer.plan().heads[0];
        let query = &query[head.column..][..head.width];
        let z = scorer.logit(TaskId(0), query, item);
        let lp = z.min(0.0) - (-z.abs()).exp().ln_1p();
        *found = Some(lp.exp() as f32);
    }
    found
}

#[test]
fn an_index_gives_the_scores_of_an_evaluation() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let expected = crate::predict::evaluated(&data, &out, 0);
    for texts in [false, true] {
        let (table, folder) = (root.path().join("items.parquet"), root.path().join("index"));
        let rows = items(&data, &table, texts).num_rows();
        let told = index(
            &table,
            &out,
            &folder,
            if texts { &["--force"] } else { &[] },
        );
        assert!(
            told.contains(&format!("{rows} rows of item embeddings")),
            "{told}"
        );
        let found = by_index(&data, &out, &folder);
        let bits =
            |all: &[Option<f32>]| all.iter().map(|p| p.map(f32::to_bits)).collect::<Vec<_>>();
        assert!(bits(&found) == bits(&expected));
        let opened = Index::open(&folder, true).unwrap();
        for id in [ItemId::Int(-7), ItemId::Text("nobody")] {
            assert!(
                opened
                    .domains()
                    .iter()
                    .all(|domain| domain.find(id).is_none())
            );
        }
    }
}

#[test]
fn what_has_not_changed_is_taken_over() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let [table, first, renewed, fresh] =
        ["items.parquet", "1", "2", "3"].map(|name| root.path().join(name));
    let rows = items(&data, &table, true).num_rows();
    for element in ["float32", "float16", "int8"] {
        items(&data, &table, true);
        let more = ["--type", element, "--force"];
        index(&table, &out, &first, &more);
        // One item changes, one goes, one is new.
        rows::replace(&table, "kind", |rows| {
            let kind = rows
                .column_by_name("kind")
                .unwrap()
                .as_primitive::<Int64Type>();
            let kinds = kind.values().iter().enumerate();
            Arc::new(Int64Array::from_iter_values(
                kinds.map(|(row, kind)| kind + i64::from(row == 3)),
            )) as ArrayRef
        });
        rows::replace(&table, "key", |rows| {
            let key = rows.column_by_name("key").unwrap().as_string::<i32>();
            let keys = key
                .iter()
                .enumerate()
                .map(|(row, key)| if row == 0 { "new" } else { key.unwrap() });
            Arc::new(StringArray::from_iter_values(keys)) as ArrayRef
        });
        let told = index(
            &table,
            &out,
            &renewed,
            &[&more[..], &["--since", text(&first)]].concat(),
        );
        assert!(
            told.contains(&format!("2 computed, {} taken over", rows - 2)),
            "{told}"
        );
        index(&table, &out, &fresh, &more);
        for domain in ["shop", "standard"] {
            for kind in ["rows", "ids", "texts", "slots", "digests"] {
                let name = format!("{domain}.{kind}");
                let [renewed, fresh] =
                    [&renewed, &fresh].map(|it| fs::read(it.join(&name)).unwrap());
                assert!(renewed == fresh, "{name}");
            }
        }
        // In its own place, and with nothing to do.
        let again = [&more[..], &["--since", text(&renewed)]].concat();
        let told = index(&table, &out, &renewed, &again);
        assert!(
            told.contains(&format!("0 computed, {rows} taken over")),
            "{told}"
        );
    }
    let other = run(&[
        "index",
        "--data",
        text(&table),
        "--model",
        text(&out),
        "--out",
        text(&fresh),
        "--id",
        "key",
        "--force",
        "--since",
        text(&renewed),
    ]);
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("of int8"), "{}", stderr(&other));
}

#[test]
fn an_item_has_one_row_and_an_id() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let (table, folder) = (root.path().join("items.parquet"), root.path().join("index"));
    items(&data, &table, true);
    let args = [
        "index",
        "--data",
        text(&table),
        "--model",
        text(&out),
        "--out",
        text(&folder),
        "--id",
        "key",
    ];
    let failed = |more: &[&str]| {
        let output = run(&[&args[..], more].concat());
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(!folder.exists());
        stderr(&output)
    };
    let product = |rows: &RecordBatch, row| {
        let product = rows.column_by_name("product").unwrap().as_string::<i32>();
        product.value(row) == "shop"
    };
    // Two items of one product with one id.
    rows::replace(&table, "key", |rows| {
        let mut shops = (0..rows.num_rows()).filter(|row| product(rows, *row));
        let twice = [shops.next().unwrap(), shops.next().unwrap()];
        let keys = (0..rows.num_rows()).map(|row| {
            if twice.contains(&row) {
                "one".to_owned()
            } else {
                format!("{row}")
            }
        });
        Arc::new(StringArray::from_iter_values(keys)) as ArrayRef
    });
    let told = failed(&[]);
    assert!(
        told.contains("`key` \"one\" of `shop` has a row already"),
        "{told}"
    );
    let told = run_well(&[&args[..], &["--last-wins"]].concat());
    assert!(told.contains("1 rows gave way"), "{told}");
    fs::remove_dir_all(&folder).unwrap();
    // One without.
    rows::replace(&table, "key", |rows| {
        let keys = (0..rows.num_rows()).map(|row| (row != 5).then(|| format!("{row}")));
        Arc::new(StringArray::from_iter(keys)) as ArrayRef
    });
    let told = failed(&[]);
    assert!(
        told.contains("row 5") && told.contains("`key` is null, which is no id"),
        "{told}"
    );
    let told = run_well(&[&args[..], &["--on-bad-row", "skip"]].concat());
    assert!(told.contains("1 left out: without an id"), "{told}");
    // A folder of something else is never replaced.
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("letter.txt"), "dear").unwrap();
    let refused = run(&[&args[..], &["--force", "--on-bad-row", "skip"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(
        fs::read_to_string(folder.join("letter.txt")).unwrap(),
        "dear"
    );
}

#[test]
fn other_programs_read_parquet_and_numpy() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let table = root.path().join("items.parquet");
    let count = items(&data, &table, false).num_rows();
    let mapped = root.path().join("mapped");
    index(&table, &out, &mapped, &[]);
    let mapped = Index::open(&mapped, true).unwrap();
    let [parquet, npy] = ["parquet", "npy"].map(|format| {
        let folder = root.path().join(format);
        index(&table, &out, &folder, &["--format", format]);
        folder
    });
    let mut found = 0;
    for domain in mapped.domains() {
        let (facts, Rows::Float32(all)) = (domain.facts(), domain.rows()) else {
            panic!("float32")
        };
        let rows = rows::read(&parquet.join(format!("{}.parquet", facts.name)));
        assert_eq!(rows.num_rows(), facts.rows);
        let ids = rows
            .column_by_name("key")
            .unwrap()
            .as_primitive::<Int64Type>();
        let numbers = fs::read(npy.join(format!("{}.npy", facts.name))).unwrap();
        assert_eq!(numbers.len() % 64, facts.rows * facts.width() * 4 % 64);
        let numbers: Vec<f32> = numbers[numbers.len() - facts.rows * facts.width() * 4..]
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
            .collect();
        for row in 0..facts.rows {
            assert_eq!(domain.id(row as u32), Some(ItemId::Int(ids.value(row))));
            for task in &facts.tasks {
                let lists = rows
                    .column_by_name(&task.name)
                    .unwrap()
                    .as_fixed_size_list();
                let expected = &all[row * domain.stride() + task.start..][..task.width];
                let list = lists.value(row);
                assert_eq!(list.as_primitive::<Float32Type>().values(), expected);
                assert_eq!(
                    &numbers[row * facts.width() + task.start..][..task.width],
                    expected
                );
            }
            found += 1;
        }
    }
    assert_eq!(found, count);
}

/// The other side, and what smaller numbers lose.
#[test]
fn users_are_embedded_and_small_numbers_lose_little() {
    let root = tempfile::tempdir().unwrap();
    let (data, out) = trained(root.path());
    let users = root.path().join("users.parquet");
    let all = rows::read(&data);
    let first: Vec<(String, ArrayRef)> = ["user_id", "surface", "history", "age"]
        .iter()
        .map(|name| {
            (
                name.to_string(),
                all.column_by_name(name).unwrap().slice(0, 1),
            )
        })
        .chain([(
            "key".to_owned(),
            Arc::new(Int64Array::from(vec![1])) as ArrayRef,
        )])
        .collect();
    rows::save(&RecordBatch::try_from_iter(first).unwrap(), &users);
    let folder = root.path().join("users");
    let told = index(&users, &out, &folder, &["--side", "query"]);
    assert!(told.contains("1 rows of query embeddings"), "{told}");
    let opened = Index::open(&folder, true).unwrap();
    assert_eq!(
        opened
            .domains()
            .iter()
            .map(|domain| domain.facts().rows)
            .sum::<usize>(),
        1
    );

    let table = root.path().join("items.parquet");
    items(&data, &table, false);
    for (element, most) in [("float16", 5e-4), ("int8", 1e-2)] {
        let folder = root.path().join(element);
        let told = index(&table, &out, &folder, &["--type", element]);
        assert!(told.contains("relative error"), "{told}");
        let opened = Index::open(&folder, true).unwrap();
        for task in opened.file.domains.iter().flat_map(|domain| &domain.tasks) {
            assert!(task.error > 0.0 && task.error < most, "{element} {task:?}");
        }
    }
    // Data of this dataset kind reads without labels.
    assert!(
        Dataset::open(&SAMPLE, std::slice::from_ref(&table))
            .map(RowReader::new)
            .is_err()
    );
}
