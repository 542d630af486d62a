//! Turns panics of third-party decoders on damaged input into errors.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};

use arrow::error::ArrowError;

use super::conform::OutOfRange;
use crate::error::{Error, Foreign, Place, Result, Unsupported};

thread_local! {
    static IN_DECODER: Cell<bool> = const { Cell::new(false) };
}

/// The error of our own that a decoder's error wraps.
fn wrapped<E: std::error::Error + 'static>(source: &Foreign) -> Option<&E> {
    match source.downcast_ref::<ArrowError>()? {
        ArrowError::ExternalError(source) => source.downcast_ref(),
        _ => None,
    }
}

/// Runs a third-party decoder. Its error or panic becomes [`Error::Read`] at `place`; an [`Unsupported`] that
/// it wraps becomes [`Error::Unsupported`], and an [`OutOfRange`] [`Error::WrongValue`].
pub(crate) fn catch_decoder_panic<T, E: Into<Foreign>>(
    place: impl Fn() -> Place,
    read: impl FnOnce() -> Result<T, E>,
) -> Result<T> {
    let outer = IN_DECODER.replace(true);
    let outcome = catch_unwind(AssertUnwindSafe(read));
    IN_DECODER.set(outer);
    let source = match outcome {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.into(),
        Err(panic) => {
            let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            format!("the reader failed: {}", message.unwrap_or("no reason given")).into()
        }
    };
    if let Some(&what) = wrapped::<Unsupported>(&source) {
        return Err(Error::Unsupported { place: place(), what });
    }
    if let Some(OutOfRange { column, found, expected }) = wrapped(&source) {
        let place = Place { column: Some(column.clone()), ..place() };
        return Err(Error::WrongValue { place, found: found.as_str().into(), expected: expected.as_str().into() });
    }
    Err(Error::Read { place: place(), source })
}

/// Installs a panic hook that stays silent when a file decoder panics: on a damaged file such a panic becomes an error. All
/// other panics go to the previous hook. A program calls this once. The library installs no hook itself: without this call,
/// the hook of the program also reports decoder panics.
pub fn silence_decoder_panics() {
    let previous = take_hook();
    set_hook(Box::new(move |panic| {
        if !IN_DECODER.get() {
            previous(panic);
        }
    }));
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn panic_in_decoder() -> Result<()> {
        catch_decoder_panic(
            || Place::row_group("a.parquet", 3),
            || -> Result<(), std::io::Error> { panic!("index out of bounds") },
        )
    }

    #[test]
    fn a_panic_becomes_an_error_that_names_the_place() {
        let error = panic_in_decoder().unwrap_err();
        assert_eq!(error.to_string(), "a.parquet, row group 3: cannot be read");
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("index out of bounds"));
        assert!(!IN_DECODER.get());
    }

    #[test]
    fn the_panic_hook_is_unchanged_until_silence_is_asked_for() {
        // Only panics of this thread count: tests run in parallel.
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
        let loud = heard_of(&|| drop(panic_in_decoder()));
        silence_decoder_panics();
        let silent = heard_of(&|| drop(panic_in_decoder()));
        let own = heard_of(&|| drop(catch_unwind(|| panic!("ours"))));
        drop(take_hook());
        assert_eq!((loud, silent, own), (1, 0, 1));
    }
}
