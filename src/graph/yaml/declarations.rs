//! The declarations of the spec as they stand in `graph.yaml`: everything that means something,
//! and no line numbers. Without docs, their text is what `spec_hash` is the hash of; what of it the
//! weights depend on is what `weights_hash` is the hash of.

use super::{Flow, Writer, architecture, axis, float, restricted, string};
use crate::graph::hash::sha256;
use crate::graph::{tower_name, vocabulary_text};
use crate::sema::spec::{
    Axis, BadRows, Course, Decay, Derive, Embeddings, Feature, FeatureKind, Figure, Index, Input,
    Label, Others, Pool, RawValue, Spec, Split, Standardise, Table, TableOptimiser, Task, TimePart,
    Tower, Training, Unit,
};

/// Everything but the features.
pub(super) fn write(out: &mut Writer, spec: &Spec) {
    write_axis(out, "surfaces", &spec.surfaces);
    write_axis(out, "products", &spec.products);
    out.block(
        "tasks",
        "parents first; on all surfaces and products unless said",
    );
    for task in &spec.tasks {
        write_task(out, spec, task);
    }
    out.block("tables", "rows with row 0, which is zero and stays zero");
    for table in &spec.tables {
        write_table(out, table);
    }
    architecture::write(out, spec);
    if let Some(training) = out.training(&spec.training) {
        write_rows(out, spec);
        write_training(out, training);
        write_course(out, spec, &training.course);
    }
}

fn write_axis(out: &mut Writer, key: &str, axis: &Axis) {
    out.block(key, "");
    out.entry(2, "column", string(&axis.column));
    let others = match axis.others {
        Others::Skip => "skip",
        Others::Error => "error",
    };
    if let Some(others) = out.training(others) {
        out.entry(2, "others", others);
    }
    out.line(2, "domains:");
    for domain in &axis.domains {
        let like = domain.like.and_then(|like| axis.domains.get(like.0));
        let map = Flow::map()
            .text("name", &domain.name)
            .with("values", values(&domain.values))
            .maybe(
                "like",
                out.training(like).flatten().map(|like| string(&like.name)),
            )
            .maybe("doc", out.doc(&domain.doc));
        out.item(4, &map);
    }
}

fn write_task(out: &mut Writer, spec: &Spec, task: &Task) {
    let map = Flow::map().text("name", &task.name);
    let map = match &task.label {
        Label::Score(column) => map.text("label", "score").text("score", column),
        Label::Action => map.text("label", "action"),
    };
    let action = (!task.action.is_empty()).then(|| Flow::names(&task.action));
    let mask = (!task.mask.is_empty()).then(|| Flow::names(&task.mask));
    let parent = task.given.and_then(|parent| spec.tasks.get(parent.0));
    let map = map
        .maybe("action", action)
        .maybe("given", parent.map(|parent| string(&parent.name)))
        .maybe("weight", out.training(float(task.weight)))
        .maybe(
            "sample_weight",
            out.training(task.sample_weight.as_deref())
                .flatten()
                .map(string),
        )
        .maybe("mask", mask)
        .with("embedding", task.embedding)
        .maybe("surfaces", restricted(&spec.surfaces, &task.surfaces))
        .maybe("products", restricted(&spec.products, &task.products))
        .maybe("doc", out.doc(&task.doc));
    out.item(2, &map);
}

fn write_table(out: &mut Writer, table: &Table) {
    let map = Flow::map()
        .text("name", &table.name)
        .with("rows", table.rows)
        .with("dim", table.dim);
    let map = match &table.index {
        Index::Hash => map.text("index", "hash"),
        Index::Vocabulary { min_count } => {
            let min_count = out.training(min_count);
            map.text("index", "vocabulary")
                .maybe("min_count", min_count)
        }
        Index::Values(list) => match &table.file {
            Some(file) => map
                .text("index", "values")
                .maybe("file", out.training(string(file)))
                .with("count", list.len())
                .text("sha256", &sha256(&vocabulary_text(list))),
            None => map.text("index", "values").with("values", values(list)),
        },
        Index::Buckets => map.text("index", "buckets"),
    };
    let oov = (table.oov > 0).then_some(table.oov);
    let map = map
        .maybe("oov", oov)
        .maybe(
            "embeddings",
            out.training(table.embeddings.as_ref())
                .flatten()
                .map(embeddings),
        )
        .maybe("doc", out.doc(&table.doc));
    out.item(2, &map);
}

fn write_rows(out: &mut Writer, spec: &Spec) {
    out.block("rows", "");
    out.entry(
        2,
        "bad",
        match spec.bad_rows {
            BadRows::Stop => "stop",
            BadRows::Skip => "skip",
        },
    );
    if let Some(request) = &spec.request {
        out.entry(2, "request", string(&request.column));
    }
    match &spec.split {
        Some(split) => write_split(out, split),
        None => out.entry(2, "split", "hash"),
    }
    out.block("evaluation", "");
    out.entry(2, "buckets", spec.buckets);
}

fn write_split(out: &mut Writer, split: &Split) {
    out.line(2, "split:");
    out.entry(4, "column", string(&split.column));
    for (key, ranges) in [
        ("train", &split.train),
        ("validate", &split.validate),
        ("test", &split.test),
    ] {
        let range = |(from, to): &(RawValue, RawValue)| Flow::list([value(from), value(to)]);
        out.flow(4, key, &Flow::list(ranges.iter().map(range)));
    }
}

fn write_training(out: &mut Writer, training: &Training) {
    out.block("training", "");
    out.entry(2, "batch", training.batch);
    out.entry(2, "epochs", training.epochs);
    out.entry(2, "seed", training.seed);
    out.entry(2, "shuffle", training.shuffle);
    let dense = Flow::map()
        .with("lr", float(training.dense.lr))
        .with("weight_decay", float(training.dense.weight_decay));
    out.flow(2, "dense", &dense);
    out.flow(2, "embeddings", &embeddings(&training.embeddings));
    out.entry(2, "warmup", float(training.warmup));
    out.entry(
        2,
        "decay",
        match training.decay {
            Decay::Constant => "constant",
            Decay::Linear => "linear",
            Decay::Cosine => "cosine",
            Decay::InverseSqrt => "inverse_sqrt",
        },
    );
    out.entry(2, "clip", training.clip.map_or("null".to_owned(), float));
}

/// What the spec says of the course of a run.
fn write_course(out: &mut Writer, spec: &Spec, course: &Course) {
    if let Some(steps) = course.warmup_steps {
        out.entry(2, "warmup_steps", steps);
    }
    if let Some(steps) = course.validate_every {
        out.entry(2, "validate_every", steps);
    }
    if let Some(select) = &course.select {
        let figure = match select.figure {
            Figure::LogMae => "log_mae",
            Figure::Mae => "mae",
            Figure::Kl => "kl",
            Figure::Auc => "auc",
        };
        let task = spec.tasks.get(select.task.0);
        let map = Flow::map()
            .text("metric", figure)
            .maybe("task", task.map(|task| string(&task.name)))
            .maybe("surfaces", restricted(&spec.surfaces, &select.surfaces))
            .maybe("products", restricted(&spec.products, &select.products));
        out.flow(2, "select", &map);
    }
    if let Some(patience) = course.patience {
        let map = Flow::map()
            .with("patience", patience)
            .with("min_delta", float(course.min_delta));
        out.flow(2, "early_stop", &map);
    }
    if course.checkpoint_every.is_some() || course.keep != 2 {
        let map = Flow::map()
            .maybe("every", course.checkpoint_every)
            .with("keep", course.keep);
        out.flow(2, "checkpoints", &map);
    }
}

fn embeddings(embeddings: &Embeddings) -> Flow {
    let optimiser = match embeddings.optimiser {
        TableOptimiser::AdamW => "adamw",
        TableOptimiser::LazyAdam => "lazy_adam",
        TableOptimiser::RowwiseAdagrad => "rowwise_adagrad",
    };
    Flow::map()
        .text("optimiser", optimiser)
        .with("lr", float(embeddings.lr))
        .with("weight_decay", float(embeddings.weight_decay))
        .with("std", float(embeddings.std))
        .maybe("frequency", embeddings.frequency.map(float))
}

/// The features of a tower, as the start of its block.
pub(super) fn features(out: &mut Writer, spec: &Spec, tower: Tower) {
    let features = match tower {
        Tower::Query => &spec.query,
        Tower::Item => &spec.item,
    };
    out.block(tower_name(tower), "");
    out.line(
        2,
        "features:  # in the order of the fields; on all domains unless said",
    );
    for feature in features {
        write_feature(out, spec, tower, feature);
    }
}

fn write_feature(out: &mut Writer, spec: &Spec, tower: Tower, feature: &Feature) {
    let map = Flow::map().text("name", &feature.name);
    let column = |map: Flow| match feature.derive {
        None => map.text("column", &feature.column),
        Some(derive) => map
            .with("derive", derived(derive))
            .text("column", &feature.column),
    };
    let map = match &feature.kind {
        FeatureKind::Embedded {
            table,
            input,
            shallow,
        } => {
            let table = spec.tables.get(table.0);
            let map = column(map.text("kind", "embedded"))
                .maybe("table", table.map(|table| string(&table.name)));
            embedded_input(map, input).maybe("shallow", shallow.then_some(true))
        }
        FeatureKind::Vector { width } => map
            .text("kind", "vector")
            .text("column", &feature.column)
            .with("width", width),
        FeatureKind::Number {
            default,
            clip,
            log,
            standardise,
        } => {
            let bounds = |(low, high)| Flow::list([float(low), float(high)]);
            let moments = standardise.map(|moments| match moments {
                Standardise::Learned => Flow::map().text("moments", "learned"),
                Standardise::Given { mean, std } => Flow::map()
                    .with("mean", float(mean))
                    .with("std", float(std)),
            });
            column(map.text("kind", "number"))
                .with("default", float(*default))
                .maybe("clip", clip.map(bounds))
                .maybe("log", log.then_some(true))
                .maybe("standardise", moments)
        }
    };
    let map = map
        .maybe("domains", restricted(axis(spec, tower), &feature.domains))
        .maybe("doc", out.doc(&feature.doc));
    out.item(4, &map);
}

fn embedded_input(map: Flow, input: &Input) -> Flow {
    match input {
        Input::One { default } => map.maybe("default", default.as_ref().map(value)),
        Input::List {
            pool,
            weights,
            last,
        } => map
            .text(
                "pool",
                match pool {
                    Pool::Mean => "mean",
                    Pool::Sum => "sum",
                },
            )
            .maybe("weights", weights.as_deref().map(string))
            .maybe("last", *last),
        Input::Buckets {
            boundaries,
            default,
        } => map
            .with(
                "boundaries",
                Flow::list(boundaries.iter().map(|x| float(*x))),
            )
            .maybe("default", default.map(float)),
    }
}

fn derived(derive: Derive) -> Flow {
    let (part, unit) = match derive {
        Derive::Length => ("length", None),
        Derive::Time(part, unit) => (
            match part {
                TimePart::Hour => "hour",
                TimePart::Weekday => "weekday",
                TimePart::Day => "day",
                TimePart::Month => "month",
            },
            Some(match unit {
                Unit::Seconds => "seconds",
                Unit::Milliseconds => "milliseconds",
                Unit::Microseconds => "microseconds",
            }),
        ),
    };
    Flow::map().text("part", part).maybe("unit", unit)
}

fn values(values: &[RawValue]) -> Flow {
    Flow::list(values.iter().map(value))
}

fn value(value: &RawValue) -> String {
    match value {
        RawValue::Int(number) => number.to_string(),
        RawValue::Text(text) => string(text),
    }
}
