//! A plan, ready to run.

#![expect(
    clippy::indexing_slicing,
    reason = "heads are of the plan, and blocks within their arrays: both are verified"
)]

use std::sync::Arc;

use mtmd_schema::Tower;
use mtmd_schema::plan::Plan;

use super::backward::{Backward, SharedParameters};
use super::batch_norm::{self, Moments, Running};
use super::forward::{ForwardPass, Outputs};
use super::heads::{self, LogitGradients, RowEmbeddings, ScoreGradients, Scores, TaskLoss};
use super::job::Job;
use super::probe::{Probe, StepClock};
use super::product::Way;
use super::real::Real;
use super::rows::TowerRows;
use super::split::{parts_mut, spread};
use super::verify::verify;
use crate::bug::{check, zip_equal};
use crate::exec::heads::{HeadRows, Pairs};
use crate::params::Params;
use crate::profile::{Part, Pass, Recorder};
use crate::schema::Precision;

/// A plan, ready to run.
#[derive(Debug)]
pub struct Executor<'p> {
    plan: &'p Plan,
    /// By tower.
    shared: [SharedParameters; 2],
    /// What records the time of steps.
    probe: Option<Probe>,
}

/// What a step of training finds. Its memory serves the next step again.
#[derive(Debug, Clone, PartialEq)]
pub struct Step<E> {
    /// The loss: Σ over tasks of weight · mean.
    pub loss: f64,
    /// By task; `None` for a task without a valid row.
    pub tasks: Vec<Option<TaskLoss>>,
    /// Gradient of the flat parameters, `[Plan::parameters]`; 0 for what the batch does not reach.
    pub gradient: Vec<E>,
    /// By tower and domain: gradient of the embedded columns of its fields, `[rows, embedded]`.
    pub fields: [Vec<Vec<E>>; 2],
    /// The running statistics after the step, `[Plan::statistics]`.
    pub statistics: Vec<E>,
}

impl<E> Default for Step<E> {
    fn default() -> Self {
        Self {
            loss: 0.0,
            tasks: Vec::new(),
            gradient: Vec::new(),
            fields: [Vec::new(), Vec::new()],
            statistics: Vec::new(),
        }
    }
}

impl<'p> Executor<'p> {
    /// Holds the plan to its rules; one that breaks them stops the program, for it is a bug of the compiler.
    pub fn new(plan: &'p Plan) -> Self {
        verify(plan);
        let shared = Tower::ALL.map(|tower| SharedParameters::of(plan.tower(tower)));
        let probe = None;
        Self {
            plan,
            shared,
            probe,
        }
    }

    /// Records where the time of steps goes, from the next one on.
    pub fn record(&mut self, recorder: &Arc<Recorder>) {
        self.probe = Some(Probe::new(recorder));
    }

    /// One step of training: the loss of a batch and all its gradients. `rows` are those of the query and
    /// of the item tower.
    pub fn step<E: Real>(
        &self,
        params: &Params<E>,
        rows: [TowerRows<'_, E>; 2],
        heads: &[HeadRows],
        precision: Precision,
        step: &mut Step<E>,
    ) {
        let probe = self.probe.as_ref();
        let mut clock = StepClock::start(probe);
        let towers = towers(rows);
        let jobs = self.jobs(params, &towers, |rows| Way::of::<E>(rows, precision));
        step.statistics.clone_from(&params.statistics);
        let moments = self.batch_moments(&jobs, &mut step.statistics);
        let places = towers.map(|(tower, rows)| (tower, rows.places()));
        let pass = ForwardPass {
            plan: self.plan,
            parameters: &params.values,
            jobs: &jobs,
            moments: &moments,
            probe,
        };
        let (outputs, saved) = pass.run(&places, |saved| saved);
        clock.pass(Pass::Forward);
        step.gradient.resize(self.plan.parameters, E::default());
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        let logits = self.loss(params, both, heads, step);
        clock.part(Part::Heads);
        let pass = Backward {
            plan: self.plan,
            shared: &self.shared,
            parameters: &params.values,
            jobs: &jobs,
            moments: &moments,
            outputs: &outputs,
            logits: LogitGradients {
                heads: &self.plan.heads,
                rows: heads,
                logits: &logits,
            },
            probe,
        };
        pass.clear_idle(&mut step.gradient);
        clock.part(Part::Sums);
        let fields = self.field_gradients(&jobs, &mut step.fields);
        let lanes = pass.run(saved, &mut step.gradient, fields);
        clock.pass(Pass::Backward);
        pass.sum(&lanes, &mut step.gradient);
        clock.part(Part::Sums);
    }

    /// The scores of each task on its rows. Those of a row do not depend on the others.
    pub fn score<E: Real>(
        &self,
        params: &Params<E>,
        rows: [TowerRows<'_, E>; 2],
        pairs: &[Pairs],
        precision: Precision,
    ) -> Vec<Scores> {
        let outputs = self.outputs(params, &towers(rows), precision);
        let pairs: Vec<&Pairs> = pairs.iter().collect();
        let both = Tower::ALL.map(|tower| outputs.of(tower));
        let (_, scores) = self.scores(params, both, &pairs);
        scores
    }

    /// The embeddings of one tower's rows, `[places, width]`: those of the plan's tasks side by side, 0 for
    /// a task that the row's domain has not. A row's do not depend on the others.
    pub fn embed<E: Real>(
        &self,
        params: &Params<E>,
        tower: Tower,
        rows: TowerRows<'_, E>,
        precision: Precision,
    ) -> Vec<E> {
        let outputs = self.outputs(params, &[(tower, rows)], precision);
        outputs.of(tower).values.to_vec()
    }

    fn outputs<E: Real>(
        &self,
        params: &Params<E>,
        towers: &[(Tower, TowerRows<'_, E>)],
        precision: Precision,
    ) -> Outputs<E> {
        let jobs = self.jobs(params, towers, |_| Way::alike(precision));
        let moments = self.running_moments(&jobs, &params.statistics);
        let places: Vec<_> = towers
            .iter()
            .map(|(tower, rows)| (*tower, rows.places()))
            .collect();
        let pass = ForwardPass {
            plan: self.plan,
            parameters: &params.values,
            jobs: &jobs,
            moments: &moments,
            probe: None,
        };
        pass.run(&places, drop).0
    }

    /// The domains with rows.
    fn jobs<'a, E: Real>(
        &'a self,
        params: &Params<E>,
        towers: &[(Tower, TowerRows<'a, E>)],
        way: impl Fn(usize) -> Way,
    ) -> Vec<Job<'a, E>> {
        check!(
            params.values.len() == self.plan.parameters
                && params.statistics.len() == self.plan.statistics,
            "parameters of another plan"
        );
        for (tower, rows) in towers {
            rows.check(*tower, self.plan.tower(*tower).domains.len());
        }
        Job::all(self.plan, towers, way)
    }

    /// The moments of each job's BatchNorms on its rows; the running ones move.
    fn batch_moments<E: Real>(
        &self,
        jobs: &[Job<'_, E>],
        statistics: &mut [E],
    ) -> Vec<Vec<Moments<E>>> {
        let running = Running {
            momentum: self.plan.batch_norm_momentum,
            eps: self.plan.norm_eps,
        };
        let blocks = parts_mut(statistics, jobs.iter().map(Job::statistics));
        let work = zip_equal(jobs, blocks).collect();
        let rows = |(job, _): &(&Job<'_, E>, &mut [E])| job.places.len();
        spread(work, rows, |(job, block)| {
            let timeline = self.probe.as_ref().map(Probe::timeline);
            let moments = batch_norm::batch_moments(job.program, job.rows, running, block);
            if let (Some(probe), Some(timeline)) = (&self.probe, timeline) {
                probe.moments(timeline, job);
            }
            moments
        })
    }

    /// The running moments of each job's BatchNorms.
    fn running_moments<E: Real>(
        &self,
        jobs: &[Job<'_, E>],
        statistics: &[E],
    ) -> Vec<Vec<Moments<E>>> {
        let of = |job: &Job<'_, E>| {
            let block = &statistics[job.statistics()];
            batch_norm::running_moments(job.program, self.plan.norm_eps, block)
        };
        jobs.iter().map(of).collect()
    }

    /// Logits and scores of each task, by the outputs of both towers.
    pub(in crate::exec) fn scores<E: Real>(
        &self,
        params: &Params<E>,
        both: [RowEmbeddings<'_, E>; 2],
        pairs: &[&Pairs],
    ) -> (Vec<Vec<f64>>, Vec<Scores>) {
        let mut logits = Vec::with_capacity(pairs.len());
        let mut scores: Vec<Scores> = Vec::with_capacity(pairs.len());
        for (head, pairs) in zip_equal(&*self.plan.heads, pairs) {
            let z = heads::logits(head, pairs, both, &params.values);
            let parent = head.given.map(|parent| &scores[parent.0]);
            scores.push(heads::scores(&z, pairs, parent));
            logits.push(z);
        }
        (logits, scores)
    }

    /// Writes losses and the gradients of the biases; returns the derivatives by each task's logits, none for
    /// a task that nothing is learnt from.
    fn loss<E: Real>(
        &self,
        params: &Params<E>,
        both: [RowEmbeddings<'_, E>; 2],
        rows: &[HeadRows],
        step: &mut Step<E>,
    ) -> Vec<Vec<f64>> {
        let pairs: Vec<&Pairs> = rows.iter().map(|rows| &rows.pairs).collect();
        let (logits, scores) = self.scores(params, both, &pairs);
        let zeros = |scores: &Scores| ScoreGradients::zeros(scores.lp.len());
        let mut gradients: Vec<ScoreGradients> = scores.iter().map(zeros).collect();
        step.loss = 0.0;
        step.tasks.clear();
        for (task, head) in self.plan.heads.iter().enumerate() {
            let to = &mut gradients[task];
            let loss = heads::loss(&scores[task], &rows[task].labels, head.weight, to);
            step.loss += loss.map_or(0.0, |loss| head.weight * loss.mean);
            step.tasks.push(loss);
        }
        let mut found = vec![Vec::new(); logits.len()];
        for (task, head) in self.plan.heads.iter().enumerate().rev() {
            let (before, from) = gradients.split_at_mut(task);
            let parent = head
                .given
                .map(|parent| (&scores[parent.0], &mut before[parent.0]));
            let by_logit = heads::back(&logits[task], &scores[task], &from[0], pairs[task], parent);
            if let Some(bias) = head.bias {
                step.gradient[bias] = E::real(by_logit.iter().sum());
            }
            if by_logit.iter().any(|by| *by != 0.0) {
                found[task] = by_logit;
            }
        }
        found
    }

    /// Room for the gradients of each job's embedded fields. It may hold those of an earlier step: the
    /// backward pass writes every element.
    fn field_gradients<'f, E: Real>(
        &self,
        jobs: &[Job<'_, E>],
        fields: &'f mut [Vec<Vec<E>>; 2],
    ) -> Vec<&'f mut [E]> {
        // In the order of towers and domains, as the jobs are.
        let mut left = jobs.iter().peekable();
        let mut found = Vec::with_capacity(jobs.len());
        for (tower, fields) in zip_equal(Tower::ALL, fields) {
            fields.resize(self.plan.tower(tower).domains.len(), Vec::new());
            for (domain, rows) in fields.iter_mut().enumerate() {
                let Some(job) = left.next_if(|job| (job.tower, job.domain) == (tower, domain))
                else {
                    rows.clear();
                    continue;
                };
                rows.resize(job.places.len() * job.program.embedded, E::default());
                found.push(rows.as_mut_slice());
            }
        }
        check!(
            found.len() == jobs.len(),
            "room for the fields of {} domains of {}",
            found.len(),
            jobs.len()
        );
        found
    }
}

/// Rows of both towers with their tower.
fn towers<E>([query, item]: [TowerRows<'_, E>; 2]) -> [(Tower, TowerRows<'_, E>); 2] {
    [(Tower::Query, query), (Tower::Item, item)]
}
