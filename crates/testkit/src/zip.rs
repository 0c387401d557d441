//! A zip file as Lambda wants it.

/// Local header, central header and end of a zip file without compression.
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// Made on Unix by version 2.0, read by version 2.0.
const MADE_ON_UNIX: u16 = 3 << 8 | 20;
const VERSION: u16 = 20;
/// 1980-01-01, the first day that a zip file knows.
const DATE: u16 = 1 << 5 | 1;
/// A regular file that everybody may read and execute.
const MODE: u32 = 0o100_755;

/// A zip of files that may be executed, by name and content, such as `bootstrap` and a program.
///
/// # Panics
/// When it gets larger than 4 GiB.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut out, mut central) = (Vec::new(), Vec::new());
    for (name, content) in files {
        let offset = size(out.len());
        let common = common(name, content);
        for number in [LOCAL.to_le_bytes().as_slice(), &VERSION.to_le_bytes(), &common, name.as_bytes(), content] {
            out.extend_from_slice(number);
        }
        let versions = [MADE_ON_UNIX.to_le_bytes(), VERSION.to_le_bytes()].concat();
        // No comment, the first disk, no internal attributes.
        let rest = [[0_u8; 6].as_slice(), &(MODE << 16).to_le_bytes(), &offset.to_le_bytes()].concat();
        for part in [CENTRAL.to_le_bytes().as_slice(), &versions, &common, &rest, name.as_bytes()] {
            central.extend_from_slice(part);
        }
    }
    let count = u16::try_from(files.len()).expect("fewer files").to_le_bytes();
    let (start, length) = (size(out.len()).to_le_bytes(), size(central.len()).to_le_bytes());
    out.append(&mut central);
    for part in [END.to_le_bytes().as_slice(), &[0; 4], &count, &count, &length, &start, &[0; 2]] {
        out.extend_from_slice(part);
    }
    out
}

/// What both headers of a file have: flags, method, time, date, checksum, sizes, length of name, no extra field.
fn common(name: &str, content: &[u8]) -> Vec<u8> {
    let mut checksum = flate2::Crc::new();
    checksum.update(content);
    let length = size(content.len()).to_le_bytes();
    let name_length = u16::try_from(name.len()).expect("a shorter name").to_le_bytes();
    let parts: [&[u8]; 7] =
        [&[0; 6], &DATE.to_le_bytes(), &checksum.sum().to_le_bytes(), &length, &length, &name_length, &[0; 2]];
    parts.concat()
}

fn size(length: usize) -> u32 {
    u32::try_from(length).expect("a smaller zip")
}
