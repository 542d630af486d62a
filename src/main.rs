//! The program: parse, run, exit code.

use std::process::ExitCode;

/// Keeps the memory of one batch for the next, where the system's allocator would return and fetch it each time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[expect(unsafe_code, reason = "a variable is all that sets how many threads a product takes")]
fn main() -> ExitCode {
    // The tensor library reads these at every product. One thread a product: the program's own pools, sized by
    // --threads, run several side by side, which is faster and does not oversubscribe the machine.
    // SAFETY: this is the first thing the program does; no other thread exists that could read the environment.
    unsafe {
        std::env::set_var("RAYON_NUM_THREADS", "1");
        std::env::set_var("CANDLE_NUM_THREADS", "1");
    }
    vaepipe::cli::main(std::env::args_os().collect()).into()
}
