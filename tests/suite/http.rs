//! The HTTP server: whom it lets in, what it stands, and how it starts and ends.

pub mod called;
mod calls;
pub mod client;
mod cron;
pub mod daemon;
mod health;
mod jobs;
mod limits;
mod openapi;
mod page;
mod secrets;
mod sessions;
mod stand;
pub mod statistics;
mod stops;
pub mod tls;
mod unix;
