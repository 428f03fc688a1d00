//! Training, evaluation and the command line, with a small model on small data.

mod cli;
mod checkpoint;
mod child;
mod rows;
mod sample;
mod training;
