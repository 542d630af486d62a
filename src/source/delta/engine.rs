//! What reads and writes the files of a Delta table's log.

use std::path::Path;

use delta_kernel::{Engine, try_parse_uri};
use delta_kernel_default_engine::DefaultEngine;
use delta_kernel_default_engine::storage::store_from_url;

use crate::error::{Error, Place, Result};
use crate::source::catch_decoder_panic;
use crate::storage::{is_url, object_store};

/// The engine for a table in an existing directory, or at a URL, and the URL of the table.
///
/// # Errors
/// [`Error::Io`] if there is no such directory or store, [`Error::Read`] if its name cannot be that of a table.
pub(crate) fn open_engine(table: &Path) -> Result<(impl Engine, String)> {
    let place = || Place::file(table);
    let here = if is_url(table) { table.to_owned() } else { table.canonicalize().map_err(Error::io("open", table))? };
    let root = catch_decoder_panic(place, || try_parse_uri(here.to_string_lossy()))?;
    let store = match is_url(table) {
        true => object_store(table).map_err(Error::io("open", table))?,
        false => catch_decoder_panic(place, || store_from_url(&root))?,
    };
    let engine = catch_decoder_panic(place, || Ok::<_, std::io::Error>(DefaultEngine::builder(store).build()))?;
    Ok((engine, root.into()))
}
