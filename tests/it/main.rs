//! The program and the library on real files. One binary, so that it links once.

mod advice;
#[cfg(target_os = "linux")]
mod bounds;
mod columns;
mod config;
mod determinism;
mod drift;
mod encoded_anew;
mod evaluate;
mod failures;
#[cfg(target_os = "linux")]
mod faults;
mod found;
mod general;
mod generate;
mod golden;
mod gpu;
mod health;
mod help;
mod hostile;
mod house;
mod impute;
mod init;
mod inspect;
#[cfg(unix)]
mod interrupts;
mod kinds;
mod latent_dim;
mod linear;
mod locks;
mod logs;
mod members;
mod memory;
mod model_file;
mod monitor;
mod mutations;
mod newer;
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
