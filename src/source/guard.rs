//! A fence around foreign decoders: their panics on hostile input become errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::{Error, Foreign, Place, Result};

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// Runs a foreign reader; its error, or its panic, becomes [`Error::Read`] at `place`.
///
/// The panic hook is silent inside the fence, so that a damaged file does not print a backtrace. Panics elsewhere are
/// reported as ever.
pub(crate) fn guarded<T, E: Into<Foreign>>(
    place: impl Fn() -> Place,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !FENCED.get() {
                loud(panic);
            }
        }));
    });
    let outer = FENCED.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    FENCED.set(outer);
    let source = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.into(),
        Err(panic) => {
            let said = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            format!("the reader gave up: {}", said.unwrap_or("no reason given")).into()
        }
    };
    Err(Error::Read { place: place(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let read = || -> Result<(), std::io::Error> { panic!("index out of bounds") };
        let error = guarded(|| Place::row_group("a.parquet", 3), read).unwrap_err();
        assert_eq!(error.to_string(), "a.parquet, row group 3: cannot be read");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("index out of bounds"));
        assert!(!FENCED.get());
    }
}
