//! Functions of the C library that this one defines, too: in a worker, the program calls these.
//!
//! It works by the linker's ordinary rule that the first definition of a name wins: in a static build over the C
//! library's archive, in a dynamic one because the program or this library comes before the C library. All of them make
//! their system calls directly. Outside a worker they do nothing else; in one, what is looked up beside is who the
//! descriptor is to the library. What they decide is in the modules beside this one.
//!
//! Like the C library's own, they may be called in signal handlers. Unlike those, they are no cancellation points.

#![allow(unreachable_pub)] // Reached by the linker, not by path.

mod listeners;
#[cfg(test)]
mod tests;
mod transfers;
mod waits;
