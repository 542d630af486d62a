//! Object stores: reads and writes the objects that URLs name.

#![forbid(unsafe_code)]

#[cfg(feature = "cloud")]
mod cache;
#[cfg(not(feature = "cloud"))]
mod none;
#[cfg(feature = "cloud")]
mod object;
mod url;

#[cfg(not(feature = "cloud"))]
pub(crate) use self::none::{Object, exists, list, upload};
#[cfg(feature = "delta")]
pub(crate) use self::object::object_store;
#[cfg(feature = "cloud")]
pub(crate) use self::object::{Object, exists, list, upload};
pub(crate) use self::url::check_url;
pub use self::url::is_url;
