//! The names of an event, numbered where they come again in one object.

use crate::json::keys::Keys;

/// A name; without an index once the file has more names than are kept.
#[derive(Clone, Copy, Default)]
pub(super) struct Key {
    pub(super) index: Option<u32>,
    pub(super) column: Option<u32>,
}

/// The names of fields or of members, numbered where they come again in an object.
pub(super) struct Names {
    pub(super) keys: Keys,
    previous: Option<u32>,
    /// By name, the object that had it last, and the number that it had there.
    last: Vec<(u64, u32)>,
    /// What `last` was for objects that are still open.
    pub(super) undo: Vec<(u32, (u64, u32))>,
}

impl Names {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys, previous: None, last: Vec::new(), undo: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.previous = None;
        self.undo.clear();
    }

    /// The name in an object of a record, with a number where the object has it already.
    pub(super) fn key(&mut self, name: &[u8], object: u64, record: u64) -> Key {
        let Some(index) = self.keys.named(name, self.previous) else { return self.not_kept(name) };
        self.previous = Some(index);
        if self.take(index, object, record) {
            return self.kept(index);
        }
        loop {
            let number = &mut self.last[index as usize].1;
            *number += 1;
            let name = [name, format!("_{number}").as_bytes()].concat();
            let Some(index) = self.keys.named(&name, None) else { return self.not_kept(&name) };
            if self.take(index, object, record) {
                return self.kept(index);
            }
        }
    }

    /// Notes that the object has the name; `false` where it has it already.
    fn take(&mut self, index: u32, object: u64, record: u64) -> bool {
        if self.last.len() <= index as usize {
            self.last.resize(index as usize + 1, (0, 0));
        }
        let last = &mut self.last[index as usize];
        if last.0 == object {
            return false;
        }
        if last.0 >= record {
            self.undo.push((index, *last));
        }
        *last = (object, 1);
        true
    }

    /// Closes the objects opened since `undo` was that long.
    pub(super) fn close(&mut self, undo_start: usize) {
        while self.undo.len() > undo_start {
            if let Some((index, last)) = self.undo.pop() {
                self.last[index as usize] = last;
            }
        }
    }

    fn kept(&self, index: u32) -> Key {
        Key { index: Some(index), column: self.keys.get(index).column }
    }

    #[cold]
    fn not_kept(&self, name: &[u8]) -> Key {
        Key { index: None, column: self.keys.column_of(name) }
    }
}
