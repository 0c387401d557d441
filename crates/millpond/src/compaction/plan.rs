//! Which files of a table are worth writing again, and which of them together. No I/O, no clock.

use std::collections::BTreeMap;

use crate::lake::LakeFile;

/// What a file of a day that still gets rows is filled up to: it is written again when its day is over, and until then
/// a reader fetches it in a few requests.
pub const OPEN_TARGET_BYTES: u64 = 128 << 20;
/// What a file of a day that is over is filled up to. Larger files save few requests more, and cost memory and time to
/// write again when a row comes late or must be erased. S3 Tables and others choose 64 to 512 MB.
pub const CLOSED_TARGET_BYTES: u64 = 256 << 20;
/// A file with at least this part of the target is left as it is, in per cent.
const SMALL_PERCENT: u64 = 75;
/// Small files of an open day that make it worth while: with fewer, most of the bytes written would be those of a file
/// that the next call writes again.
const OPEN_FILES_MIN: usize = 5;
/// Small files of a day that is over.
const CLOSED_FILES_MIN: usize = 2;
/// A file waits while it is more than so many times what the smaller ones hold together. So a byte is written again
/// only when its file grows by a fifth at least, and five rows that come late do not move 100 MB.
const GROWTH: u64 = 4;
/// Files of one group: its commit names each of them, in half a kilobyte or so.
const GROUP_FILES_MAX: usize = 10_000;

/// Files of one day that become one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The partition, `YYYY-MM-DD`.
    pub day: String,
    /// The files, by where their rows begin in the order of the table.
    pub files: Vec<LakeFile>,
    /// What a file of that day is filled up to.
    pub target_bytes: u64,
}

impl Group {
    /// Stored bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Rows of all files, as their table tells.
    pub fn rows(&self) -> u64 {
        self.files.iter().map(|file| file.rows).sum()
    }
}

/// Plans a table. Days from `open_from` (`YYYY-MM-DD`) on still get rows. `sort` is the first column that files are
/// sorted by: files whose rows lie beside each other come together, so that readers can pass over those written.
pub fn plan(files: &[LakeFile], open_from: &str, sort: Option<&str>) -> Vec<Group> {
    let mut days: BTreeMap<&str, Vec<&LakeFile>> = BTreeMap::new();
    for file in files {
        days.entry(&file.day).or_default().push(file);
    }
    days.into_iter().flat_map(|(day, files)| plan_day(day, files, day >= open_from, sort)).collect()
}

fn plan_day(day: &str, mut files: Vec<&LakeFile>, is_open: bool, sort: Option<&str>) -> Vec<Group> {
    let (target_bytes, files_min) = match is_open {
        true => (OPEN_TARGET_BYTES, OPEN_FILES_MIN),
        false => (CLOSED_TARGET_BYTES, CLOSED_FILES_MIN),
    };
    files.retain(|file| file.bytes < target_bytes / 100 * SMALL_PERCENT);
    drop_outgrown(&mut files);
    files.sort_by_cached_key(|file| (start(file, sort), file.path.clone()));
    let packed = pack(files, target_bytes).into_iter().filter(|files| files.len() >= files_min);
    packed.map(|files| Group { day: day.to_owned(), files, target_bytes }).collect()
}

/// Drops files that the smaller ones are too little beside.
fn drop_outgrown(files: &mut Vec<&LakeFile>) {
    files.sort_by_key(|file| file.bytes);
    let mut smaller: u64 = files.iter().map(|file| file.bytes).sum();
    while let Some(largest) = files.last() {
        smaller -= largest.bytes;
        if largest.bytes <= smaller.saturating_mul(GROWTH) {
            break;
        }
        files.pop();
    }
}

/// Cuts a list of files into runs that fit the target.
fn pack(files: Vec<&LakeFile>, target_bytes: u64) -> Vec<Vec<LakeFile>> {
    let mut runs: Vec<Vec<LakeFile>> = Vec::new();
    let mut bytes = 0;
    for file in files {
        match runs.last_mut() {
            Some(run) if bytes + file.bytes <= target_bytes && run.len() < GROUP_FILES_MAX => {
                bytes += file.bytes;
                run.push(file.clone());
            }
            _ => {
                bytes = file.bytes;
                runs.push(vec![file.clone()]);
            }
        }
    }
    runs
}

/// The smallest value of a column in a file, as its table tells. Times sort as text; where other types do not, files are
/// packed in another order, and nothing else.
fn start(file: &LakeFile, sort: Option<&str>) -> Option<String> {
    let statistics: serde_json::Value = serde_json::from_str(&file.statistics).ok()?;
    statistics["minValues"].get(sort?).map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const TODAY: &str = "2026-03-02";
    const YESTERDAY: &str = "2026-03-01";

    fn file(name: usize, day: &str, bytes: u64) -> LakeFile {
        LakeFile {
            path: format!("_day={day}/{name:06}.parquet"),
            day: day.into(),
            bytes,
            rows: bytes / 100,
            statistics: "{}".into(),
            jobs: Vec::new(),
        }
    }

    fn files(day: &str, sizes: &[u64]) -> Vec<LakeFile> {
        sizes.iter().enumerate().map(|(name, bytes)| file(name, day, *bytes)).collect()
    }

    /// The sizes of the files of each group.
    fn planned(day: &str, sizes: &[u64]) -> Vec<Vec<u64>> {
        let groups = plan(&files(day, sizes), TODAY, None);
        groups.iter().map(|group| group.files.iter().map(|file| file.bytes).collect()).collect()
    }

    #[test]
    fn what_is_worth_while() {
        let none: [&[u64]; 0] = [];
        for (what, day, sizes, expected) in [
            ("nothing", TODAY, vec![], none.to_vec()),
            ("four small files of today wait for a fifth", TODAY, vec![MIB; 4], none.to_vec()),
            ("five do not", TODAY, vec![MIB; 5], vec![&[MIB; 5]]),
            ("yesterday will not get a fifth", YESTERDAY, vec![MIB; 2], vec![&[MIB; 2]]),
            ("one file is one file", YESTERDAY, vec![MIB], none.to_vec()),
            ("three quarters are enough", TODAY, vec![96 * MIB; 5], none.to_vec()),
            ("but not of a day that is over", YESTERDAY, vec![96 * MIB; 2], vec![&[96 * MIB; 2]]),
            ("a group ends at the target", TODAY, vec![20 * MIB; 11], vec![&[20 * MIB; 6], &[20 * MIB; 5]]),
            ("and its rest waits", TODAY, vec![20 * MIB; 10], vec![&[20 * MIB; 6]]),
            ("few late rows do not move a large file", YESTERDAY, vec![100 * MIB, MIB, MIB], vec![&[MIB; 2]]),
            ("not even if it is alone with one", YESTERDAY, vec![100 * MIB, MIB], none.to_vec()),
            ("many do", YESTERDAY, vec![100 * MIB, 20 * MIB, 20 * MIB], vec![&[100 * MIB, 20 * MIB, 20 * MIB]]),
            ("empty files go", YESTERDAY, vec![0, 0], vec![&[0, 0]]),
        ] {
            assert_eq!(planned(day, &sizes), expected, "{what}");
        }
    }

    #[test]
    fn days_stay_apart() {
        let all = [files(YESTERDAY, &[MIB; 3]), files(TODAY, &[MIB; 6]), files("2026-02-28", &[MIB; 2])].concat();
        let groups = plan(&all, TODAY, None);
        let told: Vec<(&str, usize, u64)> =
            groups.iter().map(|group| (group.day.as_str(), group.files.len(), group.target_bytes)).collect();
        let expected = [
            ("2026-02-28", 2, CLOSED_TARGET_BYTES),
            (YESTERDAY, 3, CLOSED_TARGET_BYTES),
            (TODAY, 6, OPEN_TARGET_BYTES),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn rows_beside_each_other_come_together() {
        let mut all = files(YESTERDAY, &[90 * MIB; 4]);
        for (file, hour) in all.iter_mut().zip([3, 1, 2, 0]) {
            file.statistics = format!(r#"{{"minValues":{{"time":"2026-03-01T0{hour}:00:00.000Z"}}}}"#);
        }
        let groups = plan(&all, TODAY, Some("time"));
        let names: Vec<Vec<&str>> =
            groups.iter().map(|group| group.files.iter().map(|file| &file.path[16..22]).collect()).collect();
        assert_eq!(names, [["000003", "000001"], ["000002", "000000"]]);
    }

    /// Whatever lands, calling it again and again comes to an end with few files, and no byte is written often.
    #[test]
    fn compaction_comes_to_rest() {
        for seed in 1..=20_u64 {
            let mut mixed = seed;
            let mut next = move || {
                mixed = mixed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                mixed >> 33
            };
            let sizes: Vec<u64> = (0..next() % 300).map(|_| 1 << (next() % 28)).collect();
            let landed: u64 = sizes.iter().sum();
            let mut all = files(YESTERDAY, &sizes);
            let (mut rounds, mut written) = (0, 0);
            loop {
                let groups = plan(&all, TODAY, None);
                if groups.is_empty() {
                    break;
                }
                rounds += 1;
                for group in groups {
                    assert!(group.files.len() > 1 && group.bytes() <= CLOSED_TARGET_BYTES);
                    all.retain(|file| !group.files.contains(file));
                    written += group.bytes();
                    all.push(file(1_000 * rounds + all.len(), YESTERDAY, group.bytes() * 9 / 10));
                }
            }
            let small = all.iter().filter(|file| file.bytes < CLOSED_TARGET_BYTES / 2).count();
            assert!(rounds <= 6 && small <= 12 && written <= 4 * landed, "{rounds} rounds, {small} small files");
        }
    }
}
