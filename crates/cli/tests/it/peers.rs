//! With others: tables read by foreign readers, objects in a store that speaks S3.

mod engines;
mod foreign_reader;
mod object_store;
