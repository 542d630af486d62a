//! Bytes from a source that may keep its reader waiting for ever.

use std::io::{self, Read};

use super::cancel::{LOOK, is_cancelled};
use std::thread::Builder;

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use crate::error::{Error, Result};
use crate::pipeline::{Stop, WaitFor, waiting};

/// Bytes that come when they come, read on a thread of their own, so that whoever waits for them can be asked to stop.
///
/// Nobody joins the thread: it may wait for bytes that never come, and ends with the program.
pub(crate) struct InterruptibleReader {
    receive: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    /// How much of it was handed on.
    at: usize,
    stop: Stop,
}

impl InterruptibleReader {
    /// Bytes of a piece, and pieces that wait to be taken.
    const PIECE: usize = 1 << 18;
    const DEPTH: usize = 4;

    /// Begins to read.
    pub(crate) fn new(mut from: Box<dyn Read + Send>, stop: &Stop) -> Result<Self> {
        let (send, receive) = bounded(Self::DEPTH);
        let read = move || loop {
            let mut piece = vec![0; Self::PIECE];
            let read = from.read(&mut piece).map(|read| {
                piece.truncate(read);
                piece
            });
            if matches!(&read, Err(error) if error.kind() == io::ErrorKind::Interrupted) {
                continue;
            }
            let last = !matches!(&read, Ok(piece) if !piece.is_empty());
            if send.send(read).is_err() || last {
                break;
            }
        };
        let thread = Builder::new().name("stdin".to_owned()).spawn(read);
        thread.map_err(|source| Error::Threads { source: Box::new(source) })?;
        Ok(Self { receive, piece: Vec::new(), at: 0, stop: stop.clone() })
    }
}

impl Read for InterruptibleReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            self.stop.check().map_err(io::Error::other)?;
            if is_cancelled() {
                return Err(io::Error::other("cancelled: the consumer was dropped"));
            }
            match waiting(WaitFor::Input, || self.receive.recv_timeout(LOOK)) {
                Ok(piece) => (self.piece, self.at) = (piece?, 0),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
        let taken = buffer.len().min(self.piece.len() - self.at);
        buffer[..taken].copy_from_slice(&self.piece[self.at..self.at + taken]);
        self.at += taken;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Never has anything to say.
    struct Silent;

    impl Read for Silent {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            loop {
                std::thread::park();
            }
        }
    }

    #[test]
    fn every_byte_comes_in_order_and_then_the_end() {
        let bytes: Vec<u8> = (0..2_000_000_u32).map(|n| (n % 251) as u8).collect();
        let mut pump = InterruptibleReader::new(Box::new(io::Cursor::new(bytes.clone())), &Stop::new()).unwrap();
        let mut read = Vec::new();
        pump.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(pump.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn whoever_waits_can_be_asked_to_stop() {
        let stop = Stop::new();
        let mut pump = InterruptibleReader::new(Box::new(Silent), &stop).unwrap();
        stop.request();
        assert!(pump.read(&mut [0]).is_err());
    }
}
