//! Splits CSV text into records, and says which lines are none.

#[cfg(test)]
mod tests;

use std::io::{self, BufRead};

use super::line_length::{LongestLine, check_line_length};

/// What is wrong with a line that is not UTF-8.
pub(super) const INVALID_UTF8: &str = "invalid utf-8";

/// Most characters of a field in a message.
const EXCERPT_CHARACTERS: usize = 40;

/// The fields of a record, without their quotes.
#[derive(Debug, Default)]
pub(super) struct Record {
    text: String,
    /// Where each field ends in the text.
    ends: Vec<usize>,
    /// The empty fields that stand in quotes, in order.
    quoted: Vec<usize>,
    /// The line it begins on, from 1.
    pub(super) line: u64,
}

impl Record {
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether an empty field stands in quotes: a text that is empty, rather than none.
    pub(super) fn is_quoted(&self, field: usize) -> bool {
        self.quoted.binary_search(&field).is_ok()
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &str> {
        let start = |n: usize| if n == 0 { 0 } else { self.ends[n - 1] };
        self.ends.iter().enumerate().map(move |(n, &end)| &self.text[start(n)..end])
    }
}

/// A line that is not a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub(super) line: u64,
    /// The first field that is wrong, from 0.
    pub(super) field: usize,
    pub(super) what: String,
}

/// What a reader of records finds next.
#[derive(Debug)]
pub(super) enum Found {
    /// A record, in the argument.
    Record,
    /// A line that is not a record. Reading goes on at the next line.
    Bad(BadLine),
    End,
}

/// A reader of CSV records. Blank lines are left out.
pub(super) struct CsvRecords<R> {
    lines: Lines<R>,
    parser: Parser,
    /// Number of fields of each record, once it is known.
    pub(super) width: Option<usize>,
    /// What lines that are comments begin with.
    pub(super) comment: Option<u8>,
    longest: LongestLine,
}

impl<R: BufRead> CsvRecords<R> {
    pub(super) fn new(from: R, delimiter: u8, quote: u8, longest: &LongestLine) -> Self {
        let parser = Parser { delimiter, quote, state: State::FieldStart, ..Parser::default() };
        let lines = Lines { from, held: Vec::new(), start: 0, at: 0, number: 0 };
        Self { lines, parser, width: None, comment: None, longest: longest.clone() }
    }

    /// Reads the next record into `record`.
    ///
    /// # Errors
    /// Those of the reader, and for a record that is too long.
    pub(super) fn next(&mut self, record: &mut Record) -> io::Result<Found> {
        loop {
            self.lines.forget();
            if !self.lines.add()? {
                return Ok(Found::End);
            }
            let line = without_end(self.lines.current());
            if !line.is_empty() && (self.comment.is_none() || line.first() != self.comment.as_ref()) {
                break;
            }
        }
        let (line, bytes) = (self.lines.number, self.lines.current().len());
        let bad = self.parse_record(record)?;
        match bad.or_else(|| self.misfit(record)) {
            None => {
                record.line = line;
                self.longest.add(self.lines.current().len());
                Ok(Found::Record)
            }
            Some((field, what)) => {
                self.lines.keep(bytes, line);
                Ok(Found::Bad(BadLine { line, field, what }))
            }
        }
    }

    /// Parses the record that begins with the current line; what is wrong with which field, if it is none.
    fn parse_record(&mut self, record: &mut Record) -> io::Result<Option<(usize, String)>> {
        self.parser.start(record);
        let mut at = 0;
        loop {
            match self.parser.add_line(&self.lines.current()[at..]) {
                Ok(true) => break,
                Ok(false) => {}
                Err(what) => return Ok(Some((self.parser.ends.len(), what.to_owned()))),
            }
            at = self.lines.current().len();
            if self.width.is_some_and(|width| self.parser.ends.len() > width) {
                break;
            }
            if !self.lines.add()? {
                return Ok(Some((self.parser.ends.len(), "a quoted field that does not end".to_owned())));
            }
        }
        Ok(self.parser.finish(record))
    }

    /// What is wrong with the number of fields.
    fn misfit(&self, record: &Record) -> Option<(usize, String)> {
        let width = self.width.filter(|&width| width != record.len())?;
        let fields = format!("{} fields, where the first line has {width}", record.len());
        let what = match record.fields().nth(width) {
            Some(extra) => {
                let extra: String = extra.chars().take(EXCERPT_CHARACTERS).collect();
                format!("{fields}; field {} is {extra:?}", width + 1)
            }
            None => fields,
        };
        Some((width.min(record.len()), what))
    }
}

/// The state of a parser: a quote opens a quoted field only at its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    FieldStart,
    Unquoted,
    Quoted,
    /// After the closing quote.
    Closed,
}

/// Splits the lines of one record into fields.
#[derive(Default)]
struct Parser {
    delimiter: u8,
    quote: u8,
    state: State,
    text: Vec<u8>,
    ends: Vec<usize>,
    quoted: Vec<usize>,
}

impl Parser {
    /// Begins a record in the buffers of another.
    fn start(&mut self, record: &mut Record) {
        self.state = State::FieldStart;
        (self.text, self.ends) = (std::mem::take(&mut record.text).into_bytes(), std::mem::take(&mut record.ends));
        self.text.clear();
        self.ends.clear();
        self.quoted.clear();
    }

    /// Adds a line with its end; whether the record ends with it.
    fn add_line(&mut self, line: &[u8]) -> Result<bool, &'static str> {
        let body = without_end(line);
        let mut at = 0;
        loop {
            match self.state {
                State::FieldStart if body.get(at) == Some(&self.quote) => {
                    (self.state, at) = (State::Quoted, at + 1);
                }
                State::FieldStart => self.state = State::Unquoted,
                State::Unquoted => {
                    let rest = &body[at..];
                    let Some(length) = rest.iter().position(|&byte| byte == self.delimiter) else {
                        self.text.extend_from_slice(rest);
                        self.ends.push(self.text.len());
                        return Ok(true);
                    };
                    self.text.extend_from_slice(&rest[..length]);
                    self.ends.push(self.text.len());
                    (self.state, at) = (State::FieldStart, at + length + 1);
                }
                State::Quoted => {
                    let rest = &line[at..];
                    let Some(length) = rest.iter().position(|&byte| byte == self.quote) else {
                        self.text.extend_from_slice(rest);
                        return Ok(false);
                    };
                    self.text.extend_from_slice(&rest[..length]);
                    at += length + 1;
                    if body.get(at) == Some(&self.quote) {
                        self.text.push(self.quote);
                        at += 1;
                    } else {
                        self.state = State::Closed;
                    }
                }
                State::Closed => match body.get(at) {
                    None => {
                        self.end_quoted();
                        return Ok(true);
                    }
                    Some(byte) if *byte == self.delimiter => {
                        self.end_quoted();
                        (self.state, at) = (State::FieldStart, at + 1);
                    }
                    Some(_) => return Err("text after the closing quote of a field"),
                },
            }
        }
    }

    /// Ends a field that stood in quotes.
    fn end_quoted(&mut self) {
        if self.ends.last().copied().unwrap_or_default() == self.text.len() {
            self.quoted.push(self.ends.len());
        }
        self.ends.push(self.text.len());
    }

    /// Gives the fields to the record; what is wrong with the first that is not UTF-8.
    fn finish(&mut self, record: &mut Record) -> Option<(usize, String)> {
        record.ends = std::mem::take(&mut self.ends);
        record.quoted.clone_from(&self.quoted);
        match String::from_utf8(std::mem::take(&mut self.text)) {
            Ok(text) => record.text = text,
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let field = record.ends.iter().position(|&end| valid < end).unwrap_or_default();
                record.ends.clear();
                return Some((field, INVALID_UTF8.to_owned()));
            }
        }
        // Two fields that are invalid may be valid together.
        let torn = record.ends.iter().position(|&end| !record.text.is_char_boundary(end))?;
        record.ends.clear();
        Some((torn, INVALID_UTF8.to_owned()))
    }
}

/// A line without its end.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Lines that end with a line feed, a carriage return, or both. Those after the first can be read again.
struct Lines<R> {
    from: R,
    /// Whole lines, where the current ones start, and where the next one does.
    held: Vec<u8>,
    start: usize,
    at: usize,
    /// The number of the last current line, from 1.
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// The lines that were added since the last call of `forget`.
    fn current(&self) -> &[u8] {
        &self.held[self.start..self.at]
    }

    fn forget(&mut self) {
        // What is moved is never more than what was read.
        if self.at >= self.held.len() - self.at {
            self.held.drain(..self.at);
            self.at = 0;
        }
        self.start = self.at;
    }

    /// Keeps of the current lines the first one, of so many bytes and this number; the others are read again.
    fn keep(&mut self, bytes: usize, number: u64) {
        (self.at, self.number) = (self.start + bytes, number);
    }

    /// Adds the next line with its end to the current ones; `false` if there is none.
    fn add(&mut self) -> io::Result<bool> {
        let is_end = |byte: &u8| matches!(byte, b'\n' | b'\r');
        let before = self.at;
        if before < self.held.len() {
            let rest = &self.held[before..];
            self.at += match rest.iter().position(is_end) {
                Some(end) if rest[end..].starts_with(b"\r\n") => end + 2,
                Some(end) => end + 1,
                None => rest.len(),
            };
        } else {
            loop {
                let buffer = self.from.fill_buf()?;
                let end = buffer.iter().position(is_end);
                let read = end.map_or(buffer.len(), |end| end + 1);
                self.held.extend_from_slice(&buffer[..read]);
                self.from.consume(read);
                check_line_length((self.held.len() - self.start) as u64)?;
                if read == 0 || end.is_some() {
                    break;
                }
            }
            let is_return = self.held.len() > before && self.held.ends_with(b"\r");
            if is_return && self.from.fill_buf()?.first() == Some(&b'\n') {
                self.held.push(b'\n');
                self.from.consume(1);
            }
            self.at = self.held.len();
        }
        self.number += u64::from(self.at > before);
        Ok(self.at > before)
    }
}
