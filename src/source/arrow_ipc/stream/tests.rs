//! Streams that are truncated, claim too much, or use old layouts.

use arrow::array::Int64Array;
use arrow::ipc::writer::{IpcWriteOptions, StreamWriter};
use arrow::ipc::{CompressionType, Endianness, MetadataVersion};
use flatbuffers::FlatBufferBuilder;

use super::*;

fn stream(batches: usize) -> (Vec<u8>, usize) {
    let batch = RecordBatch::try_from_iter([("x", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef)]).unwrap();
    let mut writer = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    let schema = writer.get_ref().len();
    (0..batches).for_each(|_| writer.write(&batch).unwrap());
    (writer.into_inner().unwrap(), schema)
}

fn read(bytes: &[u8], allow_missing_eos: bool) -> Result<usize> {
    let from = Box::new(io::Cursor::new(bytes.to_vec()));
    let reader = IpcReader::new(Path::new("-"), from, allow_missing_eos, &Stop::new())?;
    reader.map(|batch| batch.map(|batch| batch.num_rows())).sum()
}

#[test]
fn a_stream_cut_anywhere_is_an_error() {
    for batches in [0, 2] {
        let (bytes, _) = stream(batches);
        assert_eq!(read(&bytes, false).unwrap(), 3 * batches);
        for end in 0..bytes.len() {
            assert!(read(&bytes[..end], false).is_err(), "{end} of {} bytes", bytes.len());
        }
    }
}

#[test]
fn only_a_missing_mark_can_be_allowed() {
    let (bytes, schema) = stream(2);
    let batch = (bytes.len() - 8 - schema) / 2;
    for end in schema..bytes.len() {
        let whole = (end - schema) % batch == 0;
        assert_eq!(read(&bytes[..end], true).is_ok(), whole, "{end}");
        if whole {
            assert_eq!(read(&bytes[..end], true).unwrap(), (end - schema) / batch * 3);
        }
    }
}

#[test]
fn a_compressed_buffer_that_claims_what_it_cannot_hold_is_refused() {
    let x = Arc::new(Int64Array::from(vec![7; 100_000])) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("x", x)]).unwrap();
    for codec in [CompressionType::ZSTD, CompressionType::LZ4_FRAME] {
        let options = IpcWriteOptions::default().try_with_compression(Some(codec)).unwrap();
        let mut writer = StreamWriter::try_new_with_options(Vec::new(), &batch.schema(), options).unwrap();
        writer.write(&batch).unwrap();
        let mut bytes = writer.into_inner().unwrap();
        assert_eq!(read(&bytes, false).unwrap(), 100_000);
        let claim = 800_000_i64.to_le_bytes();
        let at = bytes.windows(8).position(|window| window == claim).unwrap();
        for lie in [i64::MAX, 1 << 40, 2 << 30] {
            bytes[at..at + 8].copy_from_slice(&lie.to_le_bytes());
            let error = read(&bytes, false).unwrap_err();
            let said = std::error::Error::source(&error).unwrap().to_string();
            assert!(said.contains(&format!("claim to hold {lie} bytes")), "{said}");
        }
    }
}

/// The layout metadata of a stream of one batch.
struct MessageLayout {
    version: MetadataVersion,
    endianness: Endianness,
    key: Option<&'static str>,
    marked: bool,
}

/// A stream of the three rows 1, 2, 3.
fn laid_out(layout: &MessageLayout) -> Vec<u8> {
    let mut stream = Vec::new();
    let mut put = |mut message: FlatBufferBuilder<'static>, header, kind, body: &[u8]| {
        let key = layout.key.map(|key| {
            let (key, value) = (Some(message.create_string(key)), Some(message.create_string("lz4")));
            let entry = ipc::KeyValue::create(&mut message, &ipc::KeyValueArgs { key, value });
            message.create_vector(&[entry])
        });
        let about = ipc::MessageArgs {
            version: layout.version,
            header_type: kind,
            header: Some(header),
            bodyLength: body.len() as i64,
            custom_metadata: key,
        };
        let about = ipc::Message::create(&mut message, &about);
        message.finish(about, None);
        let about = message.finished_data();
        let padded = about.len().next_multiple_of(8) + if layout.marked { 0 } else { 4 };
        stream.extend(CONTINUATION.iter().filter(|_| layout.marked));
        stream.extend((padded as u32).to_le_bytes());
        stream.extend(about);
        stream.extend(std::iter::repeat_n(0, padded - about.len()));
        stream.extend(body);
    };
    let mut message = FlatBufferBuilder::new();
    let number = ipc::Int::create(&mut message, &ipc::IntArgs { bitWidth: 64, is_signed: true });
    let name = message.create_string("x");
    let field = ipc::FieldArgs {
        name: Some(name),
        type_type: ipc::Type::Int,
        type_: Some(number.as_union_value()),
        ..Default::default()
    };
    let field = ipc::Field::create(&mut message, &field);
    let fields = Some(message.create_vector(&[field]));
    let schema = ipc::SchemaArgs { endianness: layout.endianness, fields, ..Default::default() };
    let schema = ipc::Schema::create(&mut message, &schema).as_union_value();
    put(message, schema, MessageHeader::Schema, &[]);

    let mut message = FlatBufferBuilder::new();
    let nodes = Some(message.create_vector(&[ipc::FieldNode::new(3, 0)]));
    let buffers = Some(message.create_vector(&[ipc::Buffer::new(0, 0), ipc::Buffer::new(0, 24)]));
    let batch = ipc::RecordBatchArgs { length: 3, nodes, buffers, ..Default::default() };
    let batch = ipc::RecordBatch::create(&mut message, &batch).as_union_value();
    let numbers: Vec<u8> = [1_i64, 2, 3].iter().flat_map(|number| number.to_le_bytes()).collect();
    put(message, batch, MessageHeader::RecordBatch, &numbers);
    stream.extend(CONTINUATION.iter().filter(|_| layout.marked));
    stream.extend([0; 4]);
    stream
}

#[test]
fn buffers_that_are_laid_out_otherwise_are_refused_and_not_read_as_they_are_laid_out_now() {
    let now =
        || MessageLayout { version: MetadataVersion::V5, endianness: Endianness::Little, key: None, marked: true };
    for sound in [now(), MessageLayout { version: MetadataVersion::V4, marked: false, ..now() }] {
        assert_eq!(read(&laid_out(&sound), false).unwrap(), 3);
    }
    let refused = [
        (MessageLayout { endianness: Endianness::Big, ..now() }, "-: the other byte order is not supported"),
        (
            MessageLayout { version: MetadataVersion::V3, ..now() },
            "-: an Arrow format version before 0.8 is not supported",
        ),
        (
            MessageLayout { key: Some(EXPERIMENTAL_COMPRESSION), ..now() },
            "-: the experimental compression of Arrow 0.17 is not supported",
        ),
    ];
    for (layout, why) in refused {
        let error = read(&laid_out(&layout), false).unwrap_err();
        assert_eq!(error.to_string(), why);
    }
}
