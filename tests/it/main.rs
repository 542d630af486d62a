//! The program and the library on real files. One binary, so that it links once.

mod arbitrary_input;
#[cfg(target_os = "linux")]
mod book;
#[cfg(target_os = "linux")]
mod bounds;
mod carried_columns;
mod closed_streams;
mod columns;
mod config;
#[cfg(target_os = "linux")]
mod cron_year;
mod damaged_footers;
#[cfg(feature = "delta")]
mod delta;
mod determinism;
mod drawn_values;
mod drift;
mod early_ends;
mod encoded_again;
mod error_messages;
mod evaluate;
mod evaluate_series;
mod every_input;
mod failures;
#[cfg(target_os = "linux")]
mod faults;
mod feature_choice;
mod formats;
mod general;
mod generate;
mod given;
mod golden;
mod gpu;
mod health;
mod help;
mod hostile;
mod hostile_samples;
mod house;
mod impute;
mod init;
mod inspect;
#[cfg(unix)]
mod interrupts;
mod kinds;
mod lakes;
mod latent_dim;
mod library;
mod linear;
mod lines;
mod locks;
mod logs;
mod map;
mod members;
mod memory;
mod model_file;
mod monitor;
mod mutations;
mod neighbors;
mod newer_outputs;
mod one_way;
mod other_writers;
mod output;
mod pipes;
mod predicate;
mod readme;
mod report;
mod resume;
mod schemas;
mod scores;
mod sequences;
mod splice;
mod tables;
mod targets;
mod text_dialects;
mod text_outputs;
mod text_stdin;
mod text_values;
mod two_commands;
mod types;
mod usage;
mod value_issues;
mod watched;
mod workdir;
