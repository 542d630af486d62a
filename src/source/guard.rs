//! A fence around foreign decoders: their panics on hostile input become errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use arrow::error::ArrowError;

use crate::error::{Error, Foreign, Place, Result};

thread_local! {
    static FENCED: Cell<bool> = const { Cell::new(false) };
}

/// Something in a file that is not supported, told from within [`guarded`] as an [`ArrowError::ExternalError`].
#[derive(Debug, thiserror::Error)]
#[error("{0} is not supported")]
pub(super) struct NotSupported(pub(super) &'static str);

impl NotSupported {
    fn within(source: &Foreign) -> Option<&Self> {
        match source.downcast_ref::<ArrowError>()? {
            ArrowError::ExternalError(source) => source.downcast_ref(),
            _ => None,
        }
    }
}

/// Runs a foreign reader; its error, or its panic, becomes [`Error::Read`] at `place`, and [`NotSupported`]
/// [`Error::Unsupported`].
pub(crate) fn guarded<T, E: Into<Foreign>>(
    place: impl Fn() -> Place,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
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
    let not_supported = NotSupported::within(&source).map(|NotSupported(what)| *what);
    Err(match not_supported {
        Some(what) => Error::Unsupported { place: place(), what },
        None => Error::Read { place: place(), source },
    })
}

/// Installs a panic hook that is silent about panics of file decoders: on a damaged file these become errors. All other
/// panics go to the hook that was there before. A program calls this once. The library itself installs no hook: without
/// this call, the hook of its host reports these panics as well.
pub fn silence_decoder_panics() {
    let loud = take_hook();
    set_hook(Box::new(move |panic| {
        if !FENCED.get() {
            loud(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn give_up() -> Result<()> {
        guarded(|| Place::row_group("a.parquet", 3), || -> Result<(), std::io::Error> { panic!("index out of bounds") })
    }

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let error = give_up().unwrap_err();
        assert_eq!(error.to_string(), "a.parquet, row group 3: cannot be read");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("index out of bounds"));
        assert!(!FENCED.get());
    }

    #[test]
    fn the_hosts_panic_hook_is_left_alone_until_it_is_asked_for_silence() {
        // Of this thread's panics alone: tests run side by side.
        let (heard, here) = (Arc::new(AtomicUsize::new(0)), std::thread::current().id());
        let before = take_hook();
        let counted = heard.clone();
        set_hook(Box::new(move |panic| {
            if std::thread::current().id() == here {
                counted.fetch_add(1, Ordering::SeqCst);
            } else {
                before(panic);
            }
        }));
        let heard_of = |panics: &dyn Fn()| {
            let before = heard.load(Ordering::SeqCst);
            panics();
            heard.load(Ordering::SeqCst) - before
        };
        let loud = heard_of(&|| drop(give_up()));
        silence_decoder_panics();
        let silent = heard_of(&|| drop(give_up()));
        let own = heard_of(&|| drop(catch_unwind(|| panic!("ours"))));
        drop(take_hook());
        assert_eq!((loud, silent, own), (1, 0, 1));
    }
}
