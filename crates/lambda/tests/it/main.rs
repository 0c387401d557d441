//! The real bootstrap: against a Runtime API in the test's hands, and on MiniStack from the bucket to the lake.

mod end_to_end;
mod pond;
mod runtime;
