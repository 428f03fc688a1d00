//! The data room, from files on disk to batches.

mod files;
mod fixture;
mod made_up;
mod order;
mod rows;
mod schemas;
mod throughput;
