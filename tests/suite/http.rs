//! The HTTP server: whom it lets in, what it stands, and how it starts and ends.

mod calls;
pub mod client;
pub mod daemon;
mod limits;
mod secrets;
mod sessions;
mod stand;
mod stops;
mod tls;
mod unix;
