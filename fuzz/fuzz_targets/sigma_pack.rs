#![no_main]

use libfuzzer_sys::fuzz_target;
use millpond_sigma::{Collection, Pack};

fuzz_target!(|bytes: &[u8]| {
    let _ = Pack::open(bytes);
    let mut content = [b"MPSIGMA\n", &1u32.to_le_bytes()[..], bytes].concat();
    let hash = blake3::hash(&content);
    content.extend(hash.as_bytes());
    let Ok(set) = Pack::open(content).and_then(|pack| pack.load(|_| true)) else { return };
    let (rules, correlations) = (set.rules().to_vec(), set.correlations().to_vec());
    let collection = Collection { rules, correlations, ..Collection::default() };
    let written = Pack::write(&collection, [0; 32]).expect("what was read can be written");
    let again = Pack::open(written).and_then(|pack| pack.load(|_| true)).expect("what was written can be read");
    // As text, in which NaN equals itself.
    assert_eq!(format!("{:?}", again.rules()), format!("{:?}", set.rules()));
    assert_eq!(format!("{:?}", again.correlations()), format!("{:?}", set.correlations()));
});
