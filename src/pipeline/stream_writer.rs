//! Writes to a stream on a thread of its own, so that a stop can interrupt a write that blocks.

use std::io::{self, Write};
use std::panic::resume_unwind;
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::cancel::LOOK;
use super::spawn::spawn_named;
use super::stop::Stop;
use crate::error::{Error, Result};

/// A stream that is written to on a thread of its own.
///
/// After a stop nobody joins the thread: its write may block forever. It ends with the write, or with the program.
pub(crate) struct StreamWriter {
    /// `None` after a stop.
    ask: Option<Sender<Ask>>,
    answer: Receiver<io::Result<()>>,
    thread: Option<JoinHandle<()>>,
    stop: Stop,
}

enum Ask {
    Write(Vec<u8>),
    Flush,
}

impl StreamWriter {
    /// Bytes taken at once, at most.
    const PIECE: usize = 1 << 20;

    /// Starts the thread, which waits for bytes.
    pub(crate) fn new(mut to: Box<dyn Write + Send>, stop: &Stop) -> Result<Self> {
        let (ask, asked) = bounded(1);
        let (done, answer) = bounded(1);
        let write = move || {
            for ask in asked {
                let outcome = match ask {
                    Ask::Write(piece) => to.write_all(&piece),
                    Ask::Flush => to.flush(),
                };
                if done.send(outcome).is_err() {
                    break;
                }
            }
        };
        let thread = spawn_named("stream".to_owned(), write)?;
        Ok(Self { ask: Some(ask), answer, thread: Some(thread), stop: stop.clone() })
    }

    fn request(&mut self, what: Ask) -> io::Result<()> {
        self.check()?;
        let Some(ask) = &self.ask else { return Err(io::Error::other(Error::Interrupted)) };
        // The thread has answered every earlier request, so this does not wait; nor does the answer if it has ended.
        let _ = ask.send(what);
        loop {
            match self.answer.recv_timeout(LOOK) {
                Ok(outcome) => return outcome,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => match self.thread.take().map(JoinHandle::join) {
                    Some(Err(panic)) => resume_unwind(panic),
                    _ => return Err(io::ErrorKind::BrokenPipe.into()),
                },
            }
            self.check()?;
        }
    }

    /// Gives the thread up after a stop.
    fn check(&mut self) -> io::Result<()> {
        self.stop.check().map_err(|error| {
            (self.ask, self.thread) = (None, None);
            io::Error::other(error)
        })
    }
}

impl Write for StreamWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let piece = &bytes[..bytes.len().min(Self::PIECE)];
        self.request(Ask::Write(piece.to_vec()))?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.request(Ask::Flush)
    }
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.ask = None;
        if self.stop.check().is_err() {
            return;
        }
        // The wait for an answer has resumed a panic of the target.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is flushed.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<[Vec<u8>; 2]>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap()[0].extend(&bytes[..bytes.len().min(1000)]);
            Ok(bytes.len().min(1000))
        }

        fn flush(&mut self) -> io::Result<()> {
            let mut kept = self.0.lock().unwrap();
            let [written, flushed] = &mut *kept;
            flushed.append(written);
            Ok(())
        }
    }

    /// Never takes anything.
    struct Stuck;

    impl Write for Stuck {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_flush_writes_every_byte() {
        let (kept, bytes) = (Kept::default(), (0..3_000_000_u32).map(|n| (n % 251) as u8).collect::<Vec<_>>());
        let mut writer = StreamWriter::new(Box::new(kept.clone()), &Stop::new()).unwrap();
        for part in [&bytes[..7], &bytes[7..]] {
            writer.write_all(part).unwrap();
            writer.flush().unwrap();
        }
        assert!(kept.0.lock().unwrap()[1] == bytes);
    }

    #[test]
    fn an_error_comes_from_the_write_that_met_it() {
        struct Small(usize);
        impl Write for Small {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                if bytes.len() > self.0 {
                    return Err(io::ErrorKind::StorageFull.into());
                }
                self.0 -= bytes.len();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = StreamWriter::new(Box::new(Small(4)), &Stop::new()).unwrap();
        writer.write_all(&[1; 4]).unwrap();
        assert_eq!(writer.write_all(&[1; 4]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn a_stop_interrupts_a_write() {
        let stop = Stop::new();
        let mut writer = StreamWriter::new(Box::new(Stuck), &stop).unwrap();
        let later = stop.clone();
        let asking = std::thread::spawn(move || {
            std::thread::sleep(LOOK);
            later.request();
        });
        assert!(writer.write(&[1]).is_err() && writer.flush().is_err());
        drop(writer);
        asking.join().unwrap();
    }
}
