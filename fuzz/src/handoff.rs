#[path = "../../src/handoff/block.rs"]
pub(crate) mod block;
#[path = "../../src/handoff/http1/mod.rs"]
pub(crate) mod http1;
