//! The graph from the towers' vectors to probabilities (paper §2.3).

use super::graph::{Dim, Graph, Value, int};
use super::proto::{FLOAT, GraphProto};
use crate::bug::bug;
use crate::schema::{Compiled, TaskId, Tower, key};

/// The name of the dimension of query vectors: 1, or as many as there are item vectors.
const QUERIES: &str = "queries";

/// The heads of some tasks, parents among them and before their children.
///
/// A task's inputs are `query.TASK` and `item.TASK`, its outputs `TASK` (the probability P), `TASK.log` (ln P) and `TASK.logit`
/// (z of the task by itself, given its parent).
pub fn graph(model: &Compiled, tasks: &[TaskId]) -> GraphProto {
    let mut graph = Graph::default();
    // ln P, by task.
    let mut logs: Vec<(TaskId, Value)> = Vec::new();
    for &task in tasks {
        let (Some(head), Some(declared)) =
            (model.plan.heads.get(task.0), model.schema.tasks.get(task.0))
        else {
            bug!("task {} has no head", task.0);
        };
        let name = &*declared.name;
        let vectors = Tower::ALL.map(|tower| {
            let rows = match tower {
                Tower::Query => Dim::Named(QUERIES.to_owned()),
                Tower::Item => Dim::batch(),
            };
            let dims = [rows, Dim::Fixed(head.width)];
            let doc = format!("the {} vector of `{name}`", tower.name());
            graph.input(&key::join(tower.name(), name), FLOAT, &dims, doc)
        });
        let logit = graph.logit(
            vectors,
            head.scale,
            head.bias.map(|_| key::join(&key::head(name), key::BIAS)),
        );
        let mut log = graph.log_sigmoid(&logit);
        if let Some(parent) = head.given {
            let Some((_, above)) = logs.iter().find(|(other, _)| *other == parent) else {
                bug!("`{name}` stands without its parent");
            };
            log = graph.node("Add", &[above, &log], &[]);
        }
        let probability = graph.node("Exp", &[&log], &[]);
        let mut output = |name: &str, value: &str, doc: &str| {
            graph.output(name, value, &[Dim::batch()], doc.to_owned());
        };
        output(name, &probability, "the probability");
        output(&format!("{name}.log"), &log, "its natural logarithm");
        output(
            &format!("{name}.logit"),
            &logit,
            "the logit, given the parent",
        );
        logs.push((task, log));
    }
    graph.finish("pair".to_owned())
}

impl Graph {
    /// `scale · q·i + bias`.
    fn logit(&mut self, [query, item]: [Value; 2], scale: f64, bias: Option<String>) -> Value {
        let products = self.node("Mul", &[&query, &item], &[]);
        let axis = self.ints(&[1]);
        let dot = self.node("ReduceSum", &[&products, &axis], &[int("keepdims", 0)]);
        let scale = self.floats(&[scale as f32], &[]);
        let scaled = self.node("Mul", &[&dot, &scale], &[]);
        match bias {
            None => scaled,
            Some(key) => {
                let bias = self.weight(&key, &[1]);
                self.node("Add", &[&scaled, &bias], &[])
            }
        }
    }

    /// ln σ(z) = −softplus(−z).
    fn log_sigmoid(&mut self, logit: &str) -> Value {
        let negative = self.node("Neg", &[logit], &[]);
        let softplus = self.node("Softplus", &[&negative], &[]);
        self.node("Neg", &[&softplus], &[])
    }
}
