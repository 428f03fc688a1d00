//! `graph.yaml` → graph: what weights are of, told by the folder that they lie in.
//!
//! Only what the weights depend on is read; hyperparameters, split and evaluation are none of it.
//! The graph is built from the declarations again. That they were not edited is checked by the hash
//! that the file states, and that the nodes of the file are those of this version one by one.

mod document;
mod verify;

use super::yaml::LAYOUT;
use super::{Graph, build, hash, vocabulary_text};
use crate::sema::spec::{
    Architecture, Axis, Derive, Domain, DomainId, ExpertArchitecture, Feature, FeatureKind, Index,
    Input, Label, Override, Select, Spec, Standardise, Table, TableId, Task, TaskId, TimePart,
    Tower, Unit,
};
use crate::sema::values_of;
use document::{
    ArchitectureText, AxisText, Document, ExpertText, FeatureText, Learned, Moments, Scalar,
    TableText, TaskText,
};
use std::collections::BTreeSet;

/// Texts of vocabularies that are files, by the name of their table; one value a line.
pub type VocabularyFiles<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl Graph {
    /// The graph that [`Graph::to_yaml`] wrote. What weights do not depend on, and the file does not
    /// tell here, is that of `rest`: hyperparameters, split, evaluation, budget.
    ///
    /// # Errors
    ///
    /// What keeps the text from being read, in words.
    pub fn from_yaml(text: &str, files: &VocabularyFiles<'_>, rest: &Spec) -> Result<Self, String> {
        let document: Document = serde_yaml::from_str(text).map_err(|error| error.to_string())?;
        if document.mtmd != LAYOUT {
            return Err(format!(
                "it is of layout {}; this version reads {LAYOUT}",
                document.mtmd
            ));
        }
        let nodes = verify::Nodes::read(text)?;
        let (spec_hash, weights_hash) = (document.spec_hash.clone(), document.weights_hash.clone());
        let spec = spec(document, files, rest)?;
        let graph = Self {
            spec_hash,
            ..build(&spec)
        };
        match graph.weights_hash == weights_hash {
            true => nodes.verify(&graph).map(|()| graph),
            false => Err(format!(
                "what it declares has the hash {}, and it says {weights_hash}: it was edited, or \
                 another version wrote it",
                graph.weights_hash
            )),
        }
    }
}

fn spec(document: Document, files: &VocabularyFiles<'_>, rest: &Spec) -> Result<Spec, String> {
    let surfaces = axis(document.surfaces)?;
    let products = axis(document.products)?;
    let names: Vec<String> = document.tables.iter().map(|it| it.name.clone()).collect();
    let features = |list: Vec<FeatureText>, axis: &Axis| -> Result<Vec<Feature>, String> {
        let features = list.into_iter();
        features.map(|it| feature(it, axis, &names)).collect()
    };
    let query = features(document.query.features, &surfaces)?;
    let item = features(document.item.features, &products)?;
    let own: BTreeSet<&str> = query
        .iter()
        .chain(&item)
        .map(|feature| &*feature.name)
        .collect();
    let tables = document.tables.into_iter();
    let tables = tables.map(|it| {
        let shared = !own.contains(&*it.name);
        let trained = rest.tables.iter().find(|table| table.name == it.name);
        let embeddings = trained.and_then(|table| table.embeddings);
        Ok::<_, String>(Table {
            embeddings,
            ..table(it, shared, files)?
        })
    });
    let tables = tables.collect::<Result<_, _>>()?;
    let architecture = architecture(document.architecture, &surfaces, &products)?;
    let tasks = tasks(document.tasks, &surfaces, &products)?;
    let mut training = rest.training.clone();
    let select = training.course.select;
    training.course.select =
        select.and_then(|select| renumbered(select, rest, &tasks, [&surfaces, &products]));
    Ok(Spec {
        name: document.model,
        tasks,
        training,
        surfaces,
        products,
        tables,
        query,
        item,
        architecture,
        ..rest.clone()
    })
}

/// The same choice of a model among other tasks and domains; `None` if its task is not there.
fn renumbered(
    select: Select,
    rest: &Spec,
    tasks: &[Task],
    [surfaces, products]: [&Axis; 2],
) -> Option<Select> {
    let task = rest.tasks.get(select.task.0)?;
    let task = tasks.iter().position(|other| other.name == task.name)?;
    let [surfaces, products] = [
        (&rest.surfaces, surfaces, &select.surfaces),
        (&rest.products, products, &select.products),
    ]
    .map(|(rest, axis, chosen)| {
        let names: BTreeSet<&str> = chosen
            .iter()
            .filter_map(|id| Some(&*rest.domains.get(id.0)?.name))
            .collect();
        let all = chosen.len() == rest.domains.len();
        let places = axis.domains.iter().enumerate();
        let kept = places.filter(|(_, domain)| all || names.contains(&*domain.name));
        kept.map(|(place, _)| DomainId(place)).collect()
    });
    Some(Select {
        task: TaskId(task),
        surfaces,
        products,
        ..select
    })
}

fn axis(text: AxisText) -> Result<Axis, String> {
    let names: Vec<String> = text.domains.iter().map(|it| it.name.clone()).collect();
    let domains = text.domains.into_iter().map(|it| {
        let like = it.like.map(|like| place(&names, &like)).transpose()?;
        Ok(Domain {
            name: it.name,
            doc: String::new(),
            values: it.values,
            like: like.map(DomainId),
        })
    });
    Ok(Axis {
        column: text.column,
        domains: domains.collect::<Result<_, String>>()?,
        others: text.others.into(),
        place: String::new(),
    })
}

fn tasks(list: Vec<TaskText>, surfaces: &Axis, products: &Axis) -> Result<Vec<Task>, String> {
    let names: Vec<String> = list.iter().map(|it| it.name.clone()).collect();
    let tasks = list.into_iter().map(|it| {
        let given = it.given.map(|given| place(&names, &given)).transpose()?;
        Ok(Task {
            name: it.name,
            doc: String::new(),
            label: it.score.map_or(Label::Action, Label::Score),
            action: it.action,
            given: given.map(TaskId),
            weight: it.weight,
            sample_weight: it.sample_weight,
            mask: it.mask,
            embedding: it.embedding,
            surfaces: domains(surfaces, it.surfaces)?,
            products: domains(products, it.products)?,
            place: String::new(),
        })
    });
    tasks.collect()
}

fn table(text: TableText, shared: bool, files: &VocabularyFiles<'_>) -> Result<Table, String> {
    let name = &text.name;
    let index = match &*text.index {
        "hash" => Index::Hash,
        "vocabulary" => Index::Vocabulary {
            min_count: text.min_count.unwrap_or(1),
        },
        "values" => Index::Values(match (text.values, &text.sha256) {
            (Some(values), _) => values,
            (None, Some(sha256)) => {
                let found = files(name)
                    .ok_or_else(|| format!("the values of table `{name}` are not beside it"))?;
                let values = values_of(&found.lines().collect::<Vec<_>>());
                if hash::sha256(&vocabulary_text(&values)) != *sha256 {
                    return Err(format!(
                        "the values of table `{name}` are not those of its weights"
                    ));
                }
                values
            }
            (None, None) => return Err(format!("table `{name}` has no values")),
        }),
        "buckets" => Index::Buckets,
        other => return Err(format!("table `{name}` has the unknown index `{other}`")),
    };
    Ok(Table {
        name: text.name,
        doc: String::new(),
        shared,
        rows: text.rows,
        dim: text.dim,
        index,
        oov: text.oov,
        file: text.file,
        embeddings: None,
    })
}

fn feature(text: FeatureText, axis: &Axis, tables: &[String]) -> Result<Feature, String> {
    let domains = domains(axis, text.domains.clone())?;
    let derive = text
        .derive
        .as_ref()
        .map(|it| derive(&it.part, it.unit.as_deref()))
        .transpose()?;
    Ok(Feature {
        kind: kind(&text, tables)?,
        name: text.name,
        doc: String::new(),
        column: text.column,
        derive,
        domains,
        place: String::new(),
    })
}

fn kind(text: &FeatureText, tables: &[String]) -> Result<FeatureKind, String> {
    let name = &text.name;
    match &*text.kind {
        "embedded" => {
            let table = text.table.as_ref();
            let table = table.ok_or_else(|| format!("feature `{name}` has no table"))?;
            Ok(FeatureKind::Embedded {
                table: TableId(place(tables, table)?),
                input: input(text),
                shallow: text.shallow,
            })
        }
        "vector" => {
            let width = text.width;
            let width = width.ok_or_else(|| format!("feature `{name}` has no width"))?;
            Ok(FeatureKind::Vector { width })
        }
        "number" => Ok(FeatureKind::Number {
            default: text.default.as_ref().map_or(0.0, Scalar::number),
            clip: text.clip,
            log: text.log,
            standardise: text.standardise.as_ref().map(|moments| match moments {
                Moments::Given { mean, std } => Standardise::Given {
                    mean: *mean,
                    std: *std,
                },
                Moments::Learned {
                    moments: Learned::Learned,
                } => Standardise::Learned,
            }),
        }),
        other => Err(format!("feature `{name}` is of the unknown kind `{other}`")),
    }
}

fn input(text: &FeatureText) -> Input {
    match (&text.boundaries, text.pool) {
        (Some(boundaries), _) => Input::Buckets {
            boundaries: boundaries.clone(),
            default: text.default.as_ref().map(Scalar::number),
        },
        (None, Some(pool)) => Input::List {
            pool: pool.into(),
            weights: text.weights.clone(),
            last: text.last,
        },
        (None, None) => Input::One {
            default: text.default.as_ref().map(Scalar::raw),
        },
    }
}

fn derive(part: &str, unit: Option<&str>) -> Result<Derive, String> {
    let part = match part {
        "length" => return Ok(Derive::Length),
        "hour" => TimePart::Hour,
        "weekday" => TimePart::Weekday,
        "day" => TimePart::Day,
        "month" => TimePart::Month,
        other => return Err(format!("`{other}` is no part of a time")),
    };
    let unit = match unit {
        None | Some("seconds") => Unit::Seconds,
        Some("milliseconds") => Unit::Milliseconds,
        Some("microseconds") => Unit::Microseconds,
        Some(other) => return Err(format!("`{other}` is no unit of time")),
    };
    Ok(Derive::Time(part, unit))
}

fn architecture(
    text: ArchitectureText,
    surfaces: &Axis,
    products: &Axis,
) -> Result<Architecture, String> {
    let standard = Architecture::default();
    let expert = expert(text.expert, &standard.expert);
    let mut overrides = vec![];
    for one in text.overrides {
        let (tower, axis, names) = match (one.surfaces, one.products) {
            (Some(names), _) => (Tower::Query, surfaces, names),
            (None, names) => (Tower::Item, products, names.unwrap_or_default()),
        };
        let own = self::expert(one.expert, &expert);
        for domain in domains(axis, Some(names))? {
            overrides.push(Override {
                tower,
                domain,
                expert: own.clone(),
            });
        }
    }
    overrides.sort_by_key(|one| (one.tower, one.domain));
    Ok(Architecture {
        shared_deep: text.shared_deep.unwrap_or_else(|| expert.deep.clone()),
        expert,
        overrides,
        shallow_width: text.shallow_width,
        domain_shared: text.domain_shared.unwrap_or(standard.domain_shared),
        logit_scale: text
            .logit_scale
            .map_or(standard.logit_scale, document::Nothing::scale),
        logit_bias: text.logit_bias.is_none(),
    })
}

/// What a text says of an expert; the rest is as in `base`.
fn expert(text: ExpertText, base: &ExpertArchitecture) -> ExpertArchitecture {
    let base = base.clone();
    ExpertArchitecture {
        deep: text.deep.unwrap_or(base.deep),
        routing: text.routing.unwrap_or(base.routing),
        shallow: text.shallow.unwrap_or(base.shallow),
        task_shared: text.task_shared.unwrap_or(base.task_shared),
        composition: text.composition.map_or(base.composition, Into::into),
        crossing: text.cross.map_or(base.crossing, Into::into),
        norm: text.norm.map_or(base.norm, Into::into),
        batch_norm: text.batch_norm.map_or(base.batch_norm, |it| it.is_domain()),
        se_reduction: text
            .se_reduction
            .map_or(base.se_reduction, |it| it.number()),
    }
}

fn domains(axis: &Axis, names: Option<Vec<String>>) -> Result<Vec<DomainId>, String> {
    let all: Vec<String> = axis.domains.iter().map(|it| it.name.clone()).collect();
    let names = names.unwrap_or_else(|| all.clone());
    names
        .iter()
        .map(|name| place(&all, name).map(DomainId))
        .collect()
}

fn place(names: &[String], name: &str) -> Result<usize, String> {
    let found = names.iter().position(|other| other == name);
    found.ok_or_else(|| format!("`{name}` is used and not declared"))
}
