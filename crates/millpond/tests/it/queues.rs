//! What every queue promises (`queues/contract.rs`), kept by each of them, and what each does besides.

mod answers;
mod contract;
mod inventory;
mod memory;
mod sqs;
