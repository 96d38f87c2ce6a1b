//! The status page: who gets in, what it shows, and what its buttons do.

mod browser;
mod forms;
mod login;
mod many;
mod shown;
mod visitor;
