//! Outputs that are no Parquet files hold the same columns.

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::compute::{cast, concat_batches};
use arrow::ipc::reader::FileReader;

use crate::splice::{every_kind, fitted};
use crate::tables::{names, new_bits, read, write};

/// All rows of an Arrow IPC file.
pub fn read_ipc(path: &Path) -> RecordBatch {
    let reader = FileReader::try_new(File::open(path).unwrap(), None).unwrap();
    let schema = reader.schema();
    concat_batches(&schema, &reader.map(Result::unwrap).collect::<Vec<_>>()).unwrap()
}

/// Whether two tables hold the same values under the same names, dictionaries or not.
fn same(parquet: &RecordBatch, ipc: &RecordBatch) {
    assert_eq!((names(parquet), parquet.num_rows()), (names(ipc), ipc.num_rows()));
    for ((one, other), name) in parquet.columns().iter().zip(ipc.columns()).zip(names(ipc)) {
        assert_eq!(&cast(one, other.data_type()).unwrap(), other, "{name}");
    }
    assert_eq!(new_bits(parquet), new_bits(ipc));
}

#[test]
fn an_arrow_file_holds_the_columns_a_parquet_file_would() {
    let dir = fitted();
    for (rows, row_group) in [(0, 10), (1, 10), (1000, 300), (20_000, 9000)] {
        write(&dir.path("in.parquet"), &every_kind(rows), row_group);
        for flags in ["", "--std --drop-features", "--keep x0,map,dictionary", "--keep text*"] {
            for name in ["out.parquet", "out.arrow", "out.IPC"] {
                dir.ok(&format!("transform in.parquet {name} --force {flags}"));
            }
            let parquet = read(&dir.path("out.parquet"));
            same(&parquet, &read_ipc(&dir.path("out.arrow")));
            same(&parquet, &read_ipc(&dir.path("out.IPC")));
        }
    }
}

#[test]
fn an_arrow_file_says_what_wrote_it_and_appears_whole_or_not_at_all() {
    let dir = fitted();
    dir.ok("transform x.parquet out.feather");
    let schema = FileReader::try_new(File::open(dir.path("out.feather")).unwrap(), None).unwrap().schema();
    assert_eq!(schema.metadata()["vaepipe.score"], "anomaly_score");
    dir.fails(2, "transform x.parquet out.feather").says(&["already exists", "--force"]);
    let before = dir.names();
    let bytes = std::fs::read(dir.path("x.parquet")).unwrap();
    let mut torn = bytes.clone();
    torn[8..40].fill(0xff);
    std::fs::write(dir.path("torn.parquet"), torn).unwrap();
    dir.fails(65, "transform torn.parquet new.arrow");
    std::fs::remove_file(dir.path("torn.parquet")).unwrap();
    assert_eq!(dir.names(), before);
}
