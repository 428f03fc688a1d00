//! What is counted, for Prometheus.

use std::time::Duration;

use prometheus::{
    Encoder as _, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use super::rank::Ranked;
use super::version::Version;

/// Parts of a request's time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From text to the rows of tables.
    Decode,
    /// Through a tower.
    Tower,
    /// With the items.
    Score,
    /// All of it, from its arrival to its answer.
    Whole,
}

impl Stage {
    fn word(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Tower => "tower",
            Self::Score => "score",
            Self::Whole => "whole",
        }
    }
}

/// Bounds of the histograms, in seconds.
const BUCKETS: [f64; 14] = [
    1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1, 0.2, 0.5, 1.0, 5.0,
];

/// The counters of a server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    candidates: IntCounter,
    unknown: IntCounter,
    not_finite: IntCounter,
    /// Requests that are being answered.
    pub in_flight: IntGauge,
    /// Requests that were refused because there were too many.
    pub shed: IntCounter,
    /// Versions that could not take over.
    pub failed_loads: IntCounter,
    version: IntGaugeVec,
    items: IntGauge,
}

impl Metrics {
    /// All at 0.
    ///
    /// # Errors
    /// A name that stands twice or is none, which is a bug.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(format!("mtmdc_{name}"), help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(format!("mtmdc_{name}"), help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let requests = IntCounterVec::new(
            Opts::new("mtmdc_requests_total", "Requests by route and status code."),
            &["route", "code"],
        )?;
        registry.register(Box::new(requests.clone()))?;
        let seconds = HistogramVec::new(
            HistogramOpts::new("mtmdc_stage_seconds", "Time of requests by stage.")
                .buckets(BUCKETS.to_vec()),
            &["stage"],
        )?;
        registry.register(Box::new(seconds.clone()))?;
        let version = IntGaugeVec::new(
            Opts::new("mtmdc_version_info", "The version that answers: 1."),
            &["model", "weights"],
        )?;
        registry.register(Box::new(version.clone()))?;
        Ok(Self {
            requests,
            seconds,
            candidates: counter("candidates_total", "Items that were scored.")?,
            unknown: counter(
                "unknown_ids_total",
                "Ids of candidates that are not in the index.",
            )?,
            not_finite: counter("not_finite_total", "Scores that were no number.")?,
            in_flight: gauge("in_flight_requests", "Requests that are being answered.")?,
            shed: counter(
                "shed_requests_total",
                "Requests that were refused because there were too many.",
            )?,
            failed_loads: counter("failed_loads_total", "Versions that could not take over.")?,
            version,
            items: gauge("index_items", "Items of the index.")?,
            registry,
        })
    }

    /// A request was answered.
    pub fn answered(&self, route: &str, code: u16, elapsed: Duration) {
        let code = code.to_string();
        self.requests.with_label_values(&[route, &code]).inc();
        self.took(Stage::Whole, elapsed);
    }

    /// A stage took its time.
    pub fn took(&self, stage: Stage, elapsed: Duration) {
        let stage = self.seconds.with_label_values(&[stage.word()]);
        stage.observe(elapsed.as_secs_f64());
    }

    /// Items were scored.
    pub fn ranked(&self, scored: usize, unknown: usize) {
        self.candidates.inc_by(scored as u64);
        self.unknown.inc_by(unknown as u64);
    }

    /// Counts an item whose utility is no number.
    pub fn not_finite(&self, item: &Ranked) {
        if !item.utility.is_finite() {
            self.not_finite.inc();
        }
    }

    /// A version answers from now on.
    pub fn serves(&self, version: &Version) {
        self.version.reset();
        let labels = [&*version.schema().name, &version.weights];
        self.version.with_label_values(&labels).set(1);
        let index = version.index.iter().flat_map(|index| index.domains());
        let items: usize = index.map(|domain| domain.facts().rows).sum();
        self.items.set(items as i64);
    }

    /// All of them, as Prometheus reads them.
    ///
    /// # Errors
    /// A family without metrics, which is a bug.
    pub fn text(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
