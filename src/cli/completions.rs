//! `vaepipe completions`.

use clap::Args;
use clap_complete::Shell;

use crate::cli;
use crate::cli::failure::Failure;
use crate::cli::output;

/// Print completions for a shell
///
/// Example: source <(vaepipe completions bash)
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli::command(), "vaepipe", &mut script);
        output::stdout(&String::from_utf8_lossy(&script))
    }
}
