//! The program in the middle of a pipe.
#![cfg(unix)]

use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::formats::{fitted, piped, read_stream, stream};
use crate::tables::{carries, new_bits, read};
use crate::workdir::Workdir;

/// What ends a stream.
const EOS: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];

pub fn start(dir: &Workdir, arguments: &str) -> Child {
    let mut command = dir.command(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub fn signal(child: &Child, name: &str) {
    let killed = std::process::Command::new("kill").args(["-s", name, &child.id().to_string()]).status();
    assert!(killed.unwrap().success());
}

/// Waits for the end, which must come soon.
pub fn ends(mut child: Child) -> (Option<i32>, String) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_schema_and_each_batch_come_out_before_more_goes_in() {
    let (dir, batch) = fitted(300);
    let mut child = start(&dir, "transform - -");
    let mut writer = StreamWriter::try_new(child.stdin.take().unwrap(), &batch.schema()).unwrap();
    writer.flush().unwrap();
    let mut reader = StreamReader::try_new(child.stdout.take().unwrap(), None).unwrap();
    assert_eq!(reader.schema().fields().len(), batch.num_columns() + 6);
    let mut rows = Vec::new();
    for start in [0, 10, 11, 100] {
        let sent = batch.slice(start, 9 + start);
        writer.write(&sent).unwrap();
        writer.flush().unwrap();
        let got = reader.next().unwrap().unwrap();
        carries(&sent, &got);
        rows.push(got);
    }
    writer.finish().unwrap();
    drop(writer);
    assert!(reader.next().is_none());
    assert_eq!(ends(child).0, Some(0));
}

#[test]
fn no_rows_are_a_schema_and_an_end() {
    let (dir, batch) = fitted(300);
    let ran = piped(&dir, "transform - -", &stream(&batch.slice(0, 0), 10)).exits(0);
    let found = read_stream(&ran.output.stdout);
    assert_eq!((found.num_rows(), found.num_columns()), (0, batch.num_columns() + 6));
    assert!(ran.output.stdout.ends_with(&EOS));
    let empty = [batch.slice(0, 0), batch.slice(0, 5), batch.slice(0, 0)];
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    empty.iter().for_each(|batch| writer.write(batch).unwrap());
    let ran = piped(&dir, "transform - out.parquet", &writer.into_inner().unwrap());
    ran.exits(0);
    assert_eq!(read(&dir.path("out.parquet")).num_rows(), 5);
}

#[test]
fn a_stream_cut_short_is_an_error_and_never_a_short_success() {
    let (dir, batch) = fitted(300);
    let whole = stream(&batch, 100);
    let schema = stream(&batch.slice(0, 0), 1).len() - 8;
    // Without its end; a few bytes short of it; within a batch; right after the schema.
    for cut in [whole.len() - 8, whole.len() - 3, whole.len() - 12, whole.len() - 2000, schema, schema - 10, 3, 0] {
        let ran = piped(&dir, "transform - -", &whole[..cut]).exits(65);
        assert!(!ran.output.stdout.ends_with(&EOS), "{cut}");
        let ran = piped(&dir, "transform - out.parquet", &whole[..cut]).exits(65);
        ran.says(&["-: "]);
        assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
        piped(&dir, "fit - -m new", &whole[..cut]).exits(65);
        std::fs::write(dir.path("cut"), &whole[..cut]).unwrap();
        dir.fails(65, "transform cut out.parquet");
        std::fs::remove_file(dir.path("cut")).unwrap();
    }
    piped(&dir, "transform - -", &whole[..whole.len() - 8])
        .exits(65)
        .says(&["without its end-of-stream marker, after 3 batches", "--allow-missing-eos"]);
    let ran = piped(&dir, "transform - - --allow-missing-eos", &whole[..whole.len() - 8]).exits(0);
    carries(&batch, &read_stream(&ran.output.stdout));
    piped(&dir, "transform - - --allow-missing-eos", &whole[..whole.len() - 12]).exits(65);
    piped(&dir, "transform - - --allow-missing-eos", &whole[..whole.len() - 3]).exits(65);
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let (dir, batch) = fitted(300);
    let mut child = start(&dir, "transform - -");
    let mut writer = StreamWriter::try_new(child.stdin.take().unwrap(), &batch.schema()).unwrap();
    let mut reader = StreamReader::try_new(child.stdout.take().unwrap(), None);
    writer.write(&batch).unwrap();
    writer.flush().unwrap();
    reader.as_mut().unwrap().next().unwrap().unwrap();
    drop(reader);
    let feeding = std::thread::spawn(move || while writer.write(&batch).is_ok() {});
    let (code, said) = ends(child);
    feeding.join().unwrap();
    assert_eq!(code, Some(141));
    assert!(!said.contains("error") && !said.contains("panicked"), "{said}");
}

#[test]
fn a_reader_that_waits_holds_the_writer_up() {
    let (dir, batch) = fitted(5000);
    let mut child = start(&dir, "transform - -");
    let mut stdin = child.stdin.take().unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let feeding = {
        let (sent, bytes) = (sent.clone(), stream(&batch, 5000));
        let (head, body) = bytes.split_at(stream(&batch.slice(0, 0), 1).len() - 8);
        let (head, body) = (head.to_vec(), body[..body.len() - 8].to_vec());
        std::thread::spawn(move || {
            stdin.write_all(&head).unwrap();
            while sent.load(Ordering::SeqCst) < 1 << 30 && stdin.write_all(&body).is_ok() {
                sent.fetch_add(body.len(), Ordering::SeqCst);
            }
        })
    };
    // Until no more goes in: 64 MiB on their way, and what pipes and buffers hold.
    let (mut before, deadline) = (usize::MAX, Instant::now() + Duration::from_secs(20));
    while sent.load(Ordering::SeqCst) != before && Instant::now() < deadline {
        before = sent.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(700));
    }
    assert!(before < 100 << 20, "{before} bytes went in and nothing out");
    let mut some = vec![0; 1 << 16];
    child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    // Neither that nor what it waits for keeps a signal from ending it.
    signal(&child, "TERM");
    assert_eq!(ends(child).0, Some(143));
    feeding.join().unwrap();
}

#[test]
fn waiting_for_rows_it_can_be_stopped() {
    let (dir, batch) = fitted(300);
    for arguments in ["transform - -", "transform - out.parquet", "fit - -m new --quiet"] {
        let mut child = start(&dir, arguments);
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&stream(&batch, 300)[..2000]).unwrap();
        std::thread::sleep(Duration::from_millis(300));
        signal(&child, "INT");
        let (code, said) = ends(child);
        assert_eq!(code, Some(130), "{arguments}: {said}");
        assert_eq!(dir.names(), ["in.parquet", "vae.safetensors"]);
    }
}

#[test]
fn what_is_no_stream_is_told() {
    let (dir, _) = fitted(300);
    // A file of Parquet is known, and whole.
    let parquet = std::fs::read(dir.path("in.parquet")).unwrap();
    piped(&dir, "transform - out.parquet", &parquet[..2000]).exits(65).says(&["-: "]);
    for bytes in [&b"x,y\n1,2\n"[..], b"\xff\xfe\xfd\xfc\x00\x00\x00\x00", b""] {
        piped(&dir, "transform - -", bytes).exits(65).says(&["-: cannot be read", "Arrow IPC stream"]);
    }
    piped(&dir, "transform - - out.parquet", &[]).exits(65);
}

#[test]
fn the_summary_does_not_mix_with_the_rows() {
    let (dir, batch) = fitted(300);
    let ran = piped(&dir, "transform - - --summary json", &stream(&batch, 100)).exits(0);
    assert_eq!(read_stream(&ran.output.stdout).num_rows(), 300);
    let json: serde_json::Value = serde_json::from_str(ran.stderr().lines().last().unwrap()).unwrap();
    assert_eq!(json["rows"], 300);
    piped(&dir, "transform - -", &stream(&batch, 100)).exits(0).says(&["wrote 300 rows with 6 new columns to stdout"]);
}

#[test]
fn the_schema_is_known_before_the_rows() {
    let (dir, batch) = fitted(300);
    let flags = "--std --prefix v_ --keep x*";
    let ran = piped(&dir, &format!("transform - - {flags}"), &stream(&batch, 100)).exits(0);
    let expected = read_stream(&ran.output.stdout).schema();
    let ran = dir.ok(&format!("schema in.parquet --format arrow {flags}"));
    let found = StreamReader::try_new(&ran.output.stdout[..], None).unwrap().schema();
    assert_eq!(found.fields(), expected.fields());
    assert!(ran.output.stdout.ends_with(&EOS));
    // Only the schema is there to be read.
    let head = &stream(&batch, 100)[..stream(&batch.slice(0, 0), 1).len() - 8];
    let ran = piped(&dir, &format!("schema - --summary json {flags}"), head).exits(0);
    let columns = ran.json()["columns"].as_array().unwrap().clone();
    assert_eq!(columns.len(), expected.fields().len());
    for (column, field) in columns.iter().zip(expected.fields()) {
        assert_eq!(column["name"], *field.name());
        assert_eq!(column["type"], field.data_type().to_string());
        assert_eq!(column["nullable"], field.is_nullable());
    }
    dir.ok("schema in.parquet").prints(&["z_0", "Float32", "never"]);
    dir.fails(65, "schema vae.safetensors");
}

#[test]
fn many_batches_keep_their_order_and_are_those_of_a_file() {
    let (dir, batch) = fitted(5000);
    dir.ok("transform in.parquet out.parquet");
    let expected = new_bits(&read(&dir.path("out.parquet")));
    let rows: Vec<RecordBatch> = [7, 4999, 1]
        .iter()
        .map(|&rows| {
            let ran = piped(&dir, "transform - - --threads 4", &stream(&batch, rows)).exits(0);
            read_stream(&ran.output.stdout)
        })
        .collect();
    for found in rows {
        carries(&batch, &found);
        assert!(new_bits(&found) == expected);
    }
}
