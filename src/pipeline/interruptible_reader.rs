//! A reader of a source that may block forever, which a stop interrupts.

use std::io::{self, Read};

use crossbeam_channel::{Receiver, RecvTimeoutError, bounded};

use super::cancel::{LOOK, is_cancelled};
use super::spawn::spawn_named;
use super::stage::{WaitFor, waiting};
use super::stop::Stop;
use crate::error::Result;

/// Reads on a thread of its own, so that a stop can interrupt a read that blocks.
///
/// Nobody joins the thread: it may wait for bytes that never come. It ends with the program.
pub(crate) struct InterruptibleReader {
    receive: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    /// Bytes of the piece that were handed on.
    at: usize,
    stop: Stop,
}

impl InterruptibleReader {
    /// Bytes of a piece.
    const PIECE: usize = 1 << 18;
    /// Pieces that wait to be taken.
    const DEPTH: usize = 4;

    /// Starts to read.
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
        spawn_named("stdin".to_owned(), read)?;
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

    /// Never has a byte.
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
        let mut reader = InterruptibleReader::new(Box::new(io::Cursor::new(bytes.clone())), &Stop::new()).unwrap();
        let mut read = Vec::new();
        reader.read_to_end(&mut read).unwrap();
        assert!(read == bytes);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_stop_interrupts_a_read() {
        let stop = Stop::new();
        let mut reader = InterruptibleReader::new(Box::new(Silent), &stop).unwrap();
        stop.request();
        assert!(reader.read(&mut [0]).is_err());
    }
}
