//! `vaepipe man`.

use clap::Args;

use crate::cli;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Print the manual page of the program or of a command
///
/// Example: vaepipe man fit | man -l -
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The command [default: the program]
    command: Option<String>,
}

impl Man {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut program = cli::command();
        program.build();
        let page = match &self.command {
            None => program.clone(),
            Some(name) => match program.find_subcommand(name) {
                Some(command) => command.clone().name(format!("vaepipe-{name}")),
                None => {
                    let names: Vec<_> = program.get_subcommands().map(clap::Command::get_name).collect();
                    return Err(Failure::usage(format!("no command {name:?}; there are {}", names.join(", "))));
                }
            },
        };
        let mut text = Vec::new();
        clap_mangen::Man::new(page).render(&mut text).map_err(Failure::Stdout)?;
        output::stdout(&String::from_utf8_lossy(&text))
    }
}
