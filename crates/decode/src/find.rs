//! Finding bytes 16 at a time, where most of what is looked for is near: a call into memchr costs more than that.

use wide::u8x16;

/// Bytes that are compared at once.
pub(crate) const LANES: usize = 16;
/// Steps by hand before memchr is called, which is faster over long distances.
const STEPS: usize = 4;

/// One bit for each byte that is one of the two.
#[inline]
fn bits_of_either(chunk: &[u8; LANES], one: u8, other: u8) -> u32 {
    let chunk = u8x16::new(*chunk);
    (chunk.simd_eq(u8x16::splat(one)) | chunk.simd_eq(u8x16::splat(other))).to_bitmask()
}

/// One bit for each byte that is this one.
#[inline]
fn bits_of(chunk: &[u8; LANES], byte: u8) -> u32 {
    u8x16::new(*chunk).simd_eq(u8x16::splat(byte)).to_bitmask()
}

/// The place of the first of two bytes at or behind `at`.
#[inline]
pub(crate) fn either(bytes: &[u8], mut at: usize, one: u8, other: u8) -> Option<usize> {
    for _ in 0..STEPS {
        let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
            return either_near_end(bytes, at, one, other);
        };
        let found = bits_of_either(chunk, one, other);
        if found != 0 {
            return Some(at + found.trailing_zeros() as usize);
        }
        at += LANES;
    }
    Some(at + memchr::memchr2(one, other, &bytes[at..])?)
}

/// The same where fewer than 16 bytes are left: the last 16 are looked at, those before `at` put aside.
#[inline]
fn either_near_end(bytes: &[u8], at: usize, one: u8, other: u8) -> Option<usize> {
    let Some(last) = bytes.last_chunk() else {
        let found = bytes.get(at..)?.iter().position(|byte| *byte == one || *byte == other)?;
        return Some(at + found);
    };
    let skip = at - (bytes.len() - LANES);
    let found = bits_of_either(last, one, other).checked_shr(skip as u32).unwrap_or(0);
    (found != 0).then(|| at + found.trailing_zeros() as usize)
}

/// Calls `found` with the place of each `byte`, in order.
#[inline]
pub(crate) fn each(bytes: &[u8], byte: u8, mut found: impl FnMut(usize)) {
    let mut tell = |start: usize, mut bits: u32| {
        while bits != 0 {
            found(start + bits.trailing_zeros() as usize);
            bits &= bits - 1;
        }
    };
    let (pairs, _) = bytes.as_chunks::<{ 2 * LANES }>();
    for (index, pair) in pairs.iter().enumerate() {
        let (chunks, _) = pair.as_chunks::<LANES>();
        tell(index * 2 * LANES, bits_of(&chunks[0], byte) | bits_of(&chunks[1], byte) << LANES);
    }
    let mut at = pairs.len() * 2 * LANES;
    if let Some(chunk) = bytes[at..].first_chunk() {
        tell(at, bits_of(chunk, byte));
        at += LANES;
    }
    match bytes.last_chunk() {
        Some(last) => tell(at, bits_of(last, byte) >> (at - (bytes.len() - LANES))),
        None => (at..bytes.len()).filter(|place| bytes[*place] == byte).for_each(|place| tell(place, 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_there_at_every_length_and_place() {
        for length in 0..150 {
            let text: Vec<u8> = (0..length).map(|place: usize| b"a,b;ccccccccccc"[place * place % 15]).collect();
            let commas: Vec<usize> = (0..length).filter(|place| text[*place] == b',').collect();
            let mut found = Vec::new();
            each(&text, b',', |place| found.push(place));
            assert_eq!(found, commas, "{length}");
            for at in 0..length + 3 {
                let expected = (at..length).find(|place| matches!(text[*place], b',' | b';'));
                assert_eq!(either(&text, at, b',', b';'), expected, "{length} {at}");
            }
            let far = [vec![b'x'; length], b";".to_vec()].concat();
            assert_eq!(either(&far, 0, b',', b';'), Some(length));
        }
    }
}
