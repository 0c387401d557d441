//! Files that can only be read from a place that allows seeking: they pass through a temporary file.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use millpond_core::{Error, Result};

use crate::window::Window;

/// Writes the rest of the window to a temporary file and gives it, at its start.
///
/// # Errors
/// Those of the input; `Transient` where the temporary folder cannot be written.
pub(crate) fn spool(window: &mut Window) -> Result<File> {
    let mut file = BufWriter::new(temporary_file()?);
    loop {
        file.write_all(window.bytes()).map_err(write_failed)?;
        window.consume(window.bytes().len());
        if !window.fill()? {
            break;
        }
    }
    let mut file = file.into_inner().map_err(|error| write_failed(error.into_error()))?;
    file.seek(SeekFrom::Start(0)).map_err(write_failed)?;
    Ok(file)
}

/// # Errors
/// `Transient` where the temporary folder cannot be written.
pub(crate) fn temporary_file() -> Result<File> {
    tempfile::tempfile().map_err(write_failed)
}

pub(crate) fn write_failed(error: io::Error) -> Error {
    Error::transient("failed to write a temporary file").because(error)
}

/// A temporary file that is read at any place by several readers.
pub(crate) struct Spooled {
    file: File,
    length: u64,
}

impl Spooled {
    /// # Errors
    /// `Transient` where the system does not tell the file's length.
    pub(crate) fn new(file: File) -> Result<Self> {
        let failed = |error| Error::transient("failed to read a temporary file").because(error);
        let length = file.metadata().map_err(failed)?.len();
        Ok(Self { file, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `out` from `offset` on, as far as the file goes.
    ///
    /// # Errors
    /// `Transient` where the file cannot be read.
    pub(crate) fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<usize> {
        let mut count = 0;
        while count < out.len() {
            match read_once_at(&self.file, offset + count as u64, &mut out[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::transient("failed to read a temporary file").because(error)),
            }
        }
        Ok(count)
    }

    /// The bytes of a part, its end held against the file's before memory is taken for it.
    ///
    /// # Errors
    /// `BadInput` for a part that the file does not have; `Transient` where the file cannot be read.
    pub(crate) fn bytes_at(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        let beyond = || Error::bad_input("a part lies beyond the end of the file");
        if offset.checked_add(length).is_none_or(|end| end > self.length) {
            return Err(beyond());
        }
        let mut bytes = vec![0; length as usize];
        if self.read_at(offset, &mut bytes)? < bytes.len() { Err(beyond()) } else { Ok(bytes) }
    }
}

/// A temporary file as the libraries of columnar formats read it.
#[derive(Clone)]
pub(crate) struct SharedFile(pub(crate) Arc<Spooled>);

#[cfg(unix)]
fn read_once_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_once_at(file: &File, offset: u64, out: &mut [u8]) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

/// A part of a temporary file.
pub(crate) struct Section {
    file: Arc<Spooled>,
    position: u64,
    end: u64,
}

impl Section {
    pub(crate) fn new(file: &Arc<Spooled>, start: u64, end: u64) -> Self {
        Self { file: Arc::clone(file), position: start, end: end.min(file.length()) }
    }

    /// Where in the file the next byte is read.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }
}

impl Read for Section {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(self.end.saturating_sub(self.position) as usize);
        let count = self.file.read_at(self.position, &mut out[..length]).map_err(io::Error::other)?;
        self.position += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_beyond_the_end_is_refused_before_memory_is_taken() {
        let mut file = temporary_file().expect("a temporary file");
        file.write_all(b"abc").expect("a temporary file");
        let file = Spooled::new(file).expect("a temporary file");
        assert_eq!(file.bytes_at(1, 2).expect("a part of it"), b"bc");
        for (offset, length) in [(1, 3), (0, u64::MAX), (u64::MAX, 2), (4, 0)] {
            let error = file.bytes_at(offset, length).expect_err("beyond the end");
            assert_eq!(error.kind(), millpond_core::Kind::BadInput);
        }
    }
}
