//! The HTTP server: whom it lets in, what it stands, and how it starts and ends.

mod calls;
pub mod client;
mod daemon;
mod limits;
mod secrets;
mod stand;
mod stops;
mod tls;
mod unix;
