//! This library beside what people use today: starts each server, measures it, and writes what came out. See `peers --help`
//! and benches/peers/README.md.

pub mod chart;
pub mod compare;
pub mod description;
pub mod measure;
pub mod probe;
pub mod process;
pub mod report;
pub mod results;
pub mod running;
pub mod table;
pub mod turns;
