#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_core::indicator::{IndicatorSet, Kind, Plain, fold, is_plain, read};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let Ok(feed) = read("list", &text) else { return };
    for listed in &feed.taken {
        let value = listed.indicator.value();
        assert!(listed.indicator.kind() == Kind::Network || is_plain(value), "`{value}` is what values are brought to");
    }
    let set = IndicatorSet::new(feed.taken.into_iter().map(|listed| listed.indicator), true);
    for value in text.lines() {
        let plain = fold(value);
        assert!(is_plain(&plain), "folding twice changes nothing");
        let mut found = Vec::new();
        set.find(value, &mut found);
        if !found.is_empty() {
            assert!(set.may_match(value.as_bytes(), value.as_bytes()), "what is found lies within the bounds");
            let among = set.plain(plain.as_bytes(), plain.as_bytes());
            assert!(matches!(among, Plain::Any) || among == Plain::Among(&[plain.into_owned()]));
        }
    }
});
