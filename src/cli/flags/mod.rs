//! Flags that several commands share.

pub(crate) mod alert;
pub(crate) mod decision;
pub(crate) mod fit;
pub(crate) mod output;
pub(crate) mod paths;
pub(crate) mod run;
pub(crate) mod tags;
