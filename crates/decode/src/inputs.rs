//! What is decoded: the file itself or, one after the other, the members of the archive that it is.

use std::io::Read;
use std::sync::Arc;

use millpond_core::format::{DecodeRequest, Packing};
use millpond_core::{Error, Kind, Result};

use crate::archive::{self, Archive, MEMBER_MARK};
use crate::magic::{self, Magic};
use crate::stream::{Damage, Meter, Stored, Stream, too_nested};
use crate::window::Window;

/// Bytes read ahead to decide the format.
const SNIFF_BYTES: usize = 64 << 10;

/// The inputs of one file.
pub(crate) struct Inputs {
    stored: Stored,
    meter: Arc<Meter>,
    packing: Packing,
    is_text: bool,
    started: bool,
    archives: Vec<OpenArchive>,
    members: u64,
}

/// One text or binary file to read records from.
pub(crate) struct Input {
    /// Its path through the archives; `None` for the file itself.
    pub(crate) member: Option<Arc<str>>,
    pub(crate) window: Window,
    /// Archives and compressions around it, outermost first.
    pub(crate) layers: Vec<&'static str>,
}

/// What came next.
pub(crate) enum Next {
    Input(Input),
    /// A member that cannot be read.
    Unreadable(Arc<str>, Damage),
    /// An archive, by its own path inside others, whose damage the meter has.
    Damaged(Option<Arc<str>>),
    End,
}

struct OpenArchive {
    archive: Box<dyn Archive>,
    /// Its own path inside other archives.
    path: Option<Arc<str>>,
    layers: Vec<&'static str>,
}

impl Inputs {
    pub(crate) fn new(input: Box<dyn Read + Send>, request: &DecodeRequest) -> Self {
        let meter = Meter::new(&request.limits);
        Self {
            stored: Stored::new(input, &meter),
            meter,
            packing: request.packing.clone(),
            is_text: request.format.is_text(),
            started: false,
            archives: Vec::new(),
            members: 0,
        }
    }

    pub(crate) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Members opened so far.
    pub(crate) fn members(&self) -> u64 {
        self.members
    }

    /// Reads the stored bytes to their end.
    ///
    /// # Errors
    /// Those of the input.
    pub(crate) fn drain(&mut self) -> Result<()> {
        self.stored.drain()
    }

    /// The next file to read records from.
    ///
    /// # Errors
    /// Those of the input and of limits; `BadInput` for a file (not: a member) that cannot be opened.
    pub(crate) fn next(&mut self) -> Result<Next> {
        if !self.started {
            self.started = true;
            let input = self.open(Box::new(self.stored.clone()), None, Vec::new())?;
            if let Some(input) = input {
                return Ok(Next::Input(input));
            }
        }
        while let Some(open) = self.archives.last_mut() {
            // Found when it was opened, which gave no member.
            if self.meter.has_damages() {
                return Ok(Next::Damaged(open.path.clone()));
            }
            let Some(member) = open.archive.next()? else {
                let path = open.path.clone();
                self.archives.pop();
                if self.meter.has_damages() {
                    return Ok(Next::Damaged(path));
                }
                continue;
            };
            self.members += 1;
            check_members(self.members, self.meter.limits().members_max)?;
            let path = join(open.path.as_deref(), &member.name);
            let layers = open.layers.clone();
            self.meter.start_member();
            let body = match member.body {
                Ok(body) => body,
                Err(damage) => return Ok(Next::Unreadable(path, damage)),
            };
            match self.open(body, Some(Arc::clone(&path)), layers) {
                Ok(Some(input)) => return Ok(Next::Input(input)),
                Ok(None) => {}
                Err(error) if error.kind() == Kind::BadInput => return Ok(Next::Unreadable(path, unreadable(&error))),
                Err(error) => return Err(error),
            }
        }
        Ok(Next::End)
    }

    /// Opens one input. An archive is put on the stack instead, and nothing is given.
    fn open(
        &mut self,
        input: Box<dyn Read + Send>,
        member: Option<Arc<str>>,
        mut layers: Vec<&'static str>,
    ) -> Result<Option<Input>> {
        let stream = Stream::open(input, &self.packing, self.is_text, layers.len(), &self.meter)?;
        layers.extend(stream.compressions());
        let mut window = Window::new(stream);
        window.fill_to(SNIFF_BYTES)?;
        if let Some(Magic::Archive(kind)) = magic::detect(window.bytes()) {
            if layers.len() >= self.meter.limits().nesting_max {
                return Err(too_nested(&self.meter));
            }
            layers.push(kind.name());
            let archive = archive::open(kind, window)?;
            self.archives.push(OpenArchive { archive, path: member, layers });
            return Ok(None);
        }
        Ok(Some(Input { member, window, layers }))
    }
}

/// # Errors
/// `TooBig` for more members than allowed.
fn check_members(members: u64, max: u64) -> Result<()> {
    if members <= max {
        return Ok(());
    }
    Err(Error::too_big(format!("the archive has more than {max} members"))
        .hint("raise `members` under `[limits]` in source.toml"))
}

fn join(archive: Option<&str>, name: &str) -> Arc<str> {
    match archive {
        Some(archive) => format!("{archive}{MEMBER_MARK}{name}").into(),
        None => name.into(),
    }
}

/// What is told of a member that cannot be read.
pub(crate) fn unreadable(error: &Error) -> Damage {
    Damage { reason: "unreadable_member", detail: error.chain(), raw: Vec::new(), cuts_text: false }
}
