//! Training, evaluation and the command line, with a small model on small data.

mod checkpoint;
mod child;
mod cli;
mod evaluation;
mod rows;
mod sample;
mod training;
