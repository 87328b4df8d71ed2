//! Load generator and scenario runner for the tests of ecewo-cluster: clients that notice every request that a graceful
//! restart or a crash loses, and scenarios that cause restarts and crashes under them. See `zero-loss --help`.

pub mod acts;
pub mod answer;
pub mod case;
pub mod chaos;
mod client;
pub mod connection;
pub mod engine;
pub mod faults;
mod opaque;
mod opaque_ends;
pub mod outcome;
pub mod peers;
pub mod plan;
pub mod processes;
pub mod report;
pub mod scene;
pub mod server;
pub mod tally;
