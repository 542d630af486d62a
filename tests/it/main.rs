//! The program and the library on real files. One binary, so that it links once.

mod advice;
mod columns;
mod config;
mod determinism;
mod evaluate;
mod failures;
#[cfg(target_os = "linux")]
mod faults;
mod found;
mod general;
mod generate;
mod gpu;
mod health;
mod help;
mod hostile;
mod house;
mod impute;
mod inspect;
#[cfg(unix)]
mod interrupts;
mod kinds;
mod linear;
mod locks;
mod logs;
mod memory;
mod model_file;
mod mutations;
mod odd;
mod output;
mod predicate;
mod readme;
mod report;
mod resume;
mod routes;
mod schemas;
mod scores;
mod splice;
mod stage;
mod strange;
mod tables;
mod targets;
mod two_commands;
mod workdir;
