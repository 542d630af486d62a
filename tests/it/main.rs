//! The program and the library on real files. One binary, so that it links once.

mod columns;
mod determinism;
mod failures;
mod house;
mod linear;
mod model_file;
mod odd;
mod output;
mod readme;
mod schemas;
mod splice;
mod tables;
mod two_commands;
mod workdir;
