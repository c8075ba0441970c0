//! mailferry: a local SMTP relay for devices that cannot sign in to a modern mail service.
//!
//! The rooms, in the order in which they may import one another (ARCHITECTURE.md has the picture):

pub mod cause;
pub mod clock;
pub mod secret;
pub mod sockets;
pub mod tasks;
pub mod tls;

pub mod message;
pub mod smtp;

pub mod delivery;

pub mod control;
pub mod courier;
pub mod intake;
pub mod listener;
pub mod oauth;
pub mod rewrite;
pub mod scheduler;
pub mod senders;
pub mod session;
pub mod simulator;
pub mod spool;
pub mod status;
pub mod upstream;

pub mod config;

pub mod app;

pub mod cli;
