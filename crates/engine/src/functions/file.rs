//! `ocsf_file`: a file from its path.

use super::row::{Function, Kind, Value};
use super::said;

const FIELDS: [(&str, Kind); 5] = [
    ("name", Kind::Text),
    ("path", Kind::Text),
    ("parent_folder", Kind::Text),
    ("ext", Kind::Text),
    ("type_id", Kind::Int),
];
const REGULAR_FILE: i32 = 1;
const FOLDER: i32 = 2;

pub(super) fn functions() -> Vec<Function> {
    vec![Function::object("ocsf_file", &FIELDS, file)]
}

/// A name alone has no path; what ends with a separator is a folder.
fn file(text: &str) -> Option<[Value<'_>; 5]> {
    let path = said(text)?;
    let path = path.strip_prefix('"').and_then(|path| path.strip_suffix('"')).map_or(path, str::trim);
    let separators: &[char] = if is_windows(path) { &['\\', '/'] } else { &['/'] };
    let plain = path.trim_end_matches(separators);
    if plain.is_empty() {
        return (!path.is_empty()).then(|| [path.into(), path.into(), Value::Null, Value::Null, FOLDER.into()]);
    }
    let (parent, name) = match plain.rfind(separators) {
        Some(end) => (Some(parent(plain, end)), &plain[end + 1..]),
        None => (None, plain),
    };
    let is_folder = plain.len() < path.len();
    let path = (parent.is_some() || is_folder).then_some(path);
    let (ext, type_id) = if is_folder { (None, FOLDER) } else { (extension(name), REGULAR_FILE) };
    Some([name.into(), path.into(), parent.into(), ext.into(), type_id.into()])
}

/// `C:\…`, `\\server\…`, `\Device\…`, or backslashes alone; a path from `/` is never one.
fn is_windows(path: &str) -> bool {
    let has_drive = matches!(path.as_bytes(), [drive, b':', ..] if drive.is_ascii_alphabetic());
    has_drive || (path.contains('\\') && !path.starts_with('/'))
}

/// The folder above a separator; of a file in a root, the root with its separator.
fn parent(path: &str, separator: usize) -> &str {
    let parent = &path[..separator];
    if parent.is_empty() || parent.ends_with(':') { &path[..=separator] } else { parent }
}

/// What follows a name's last dot, without the name of an NTFS stream. A dot at the start makes no extension.
fn extension(name: &str) -> Option<&str> {
    let name = name.split_once(':').map_or(name, |(name, _)| name);
    let (stem, ext) = name.rsplit_once('.')?;
    (!stem.is_empty() && !ext.is_empty() && !ext.contains(' ')).then_some(ext)
}

#[cfg(test)]
mod tests {
    use crate::functions::testing::{gives, gives_nothing};

    #[test]
    fn paths_of_both_kinds() {
        let file = |name: &str, path: &str, parent: &str, ext: &str, kind: i32| {
            format!("{{name: {name}, path: {path}, parent_folder: {parent}, ext: {ext}, type_id: {kind}}}")
        };
        for (text, expected) in [
            ("/etc/passwd", file("passwd", "/etc/passwd", "/etc", "NULL", 1)),
            ("/tmp/a.tar.gz", file("a.tar.gz", "/tmp/a.tar.gz", "/tmp", "gz", 1)),
            ("/x", file("x", "/x", "/", "NULL", 1)),
            ("/", file("/", "/", "NULL", "NULL", 2)),
            ("/var/log/", file("log", "/var/log/", "/var", "NULL", 2)),
            ("a/b.txt", file("b.txt", "a/b.txt", "a", "txt", 1)),
            ("/tmp/a\\b.sh", file("a\\b.sh", "/tmp/a\\b.sh", "/tmp", "sh", 1)),
            ("/home/jane/.bashrc", file(".bashrc", "/home/jane/.bashrc", "/home/jane", "NULL", 1)),
            ("C:\\Windows\\cmd.EXE", file("cmd.EXE", "C:\\Windows\\cmd.EXE", "C:\\Windows", "EXE", 1)),
            ("C:\\a.txt", file("a.txt", "C:\\a.txt", "C:\\", "txt", 1)),
            ("C:/Users/jane/a.txt", file("a.txt", "C:/Users/jane/a.txt", "C:/Users/jane", "txt", 1)),
            ("C:\\", file("C:", "C:\\", "NULL", "NULL", 2)),
            ("\"C:\\a b\\c.dll\"", file("c.dll", "C:\\a b\\c.dll", "C:\\a b", "dll", 1)),
            ("\\\\srv\\share\\x.doc", file("x.doc", "\\\\srv\\share\\x.doc", "\\\\srv\\share", "doc", 1)),
            (
                "\\Device\\HarddiskVolume3\\a.sys",
                file("a.sys", "\\Device\\HarddiskVolume3\\a.sys", "\\Device\\HarddiskVolume3", "sys", 1),
            ),
            ("C:\\a.txt:Zone.Identifier", file("a.txt:Zone.Identifier", "C:\\a.txt:Zone.Identifier", "C:\\", "txt", 1)),
            ("cmd.exe", file("cmd.exe", "NULL", "NULL", "exe", 1)),
            ("README", file("README", "NULL", "NULL", "NULL", 1)),
            ("a.", file("a.", "NULL", "NULL", "NULL", 1)),
            ("v1. final", file("v1. final", "NULL", "NULL", "NULL", 1)),
            ("/tmp/ü/ß.é", file("ß.é", "/tmp/ü/ß.é", "/tmp/ü", "é", 1)),
        ] {
            gives("ocsf_file", &[(text, &expected)]);
        }
        gives_nothing("ocsf_file", &["", "-", " ", "(null)", "\"\""]);
    }
}
