//! mailferry: a local SMTP relay for devices that cannot sign in to a modern mail service.
//!
//! The rooms, in the order in which they may import one another (ARCHITECTURE.md has the picture):

pub mod cause;
pub mod clock;
pub mod secret;
pub mod tasks;
pub mod tls;

pub mod message;
pub mod smtp;

pub mod delivery;

pub mod session;
pub mod senders;
pub mod rewrite;
pub mod spool;
pub mod intake;
pub mod oauth;
pub mod upstream;
pub mod courier;
pub mod scheduler;
pub mod control;
pub mod listener;
pub mod status;
pub mod simulator;

pub mod config;

pub mod app;

pub mod cli;
