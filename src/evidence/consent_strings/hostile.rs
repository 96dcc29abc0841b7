//! Whatever comes in place of a string: an error, never a panic, never more memory than the string deserves.

use proptest::prelude::*;

use super::decode;

/// Strings of every kind that decode.
const VALID: &[&str] = &[
    "CQSbk4AQSbk4ANwAAAENAwCgAAAAAAAAAAYgACPAAAAA.IDKQA4AAgAKAGQAygAAA.YAAAAAAAAAAA",
    "DBACNY~CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA~1YNN",
    "1Y-N",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn any_text(text in "\\PC{0,60}") {
        let _ = decode(&text);
    }

    #[test]
    fn anything_that_looks_like_a_string(text in "[CD1][A-Za-z0-9_-]{0,80}([.~][A-Za-z0-9_-]{0,40}){0,4}") {
        let _ = decode(&text);
    }

    /// A header of GPP with any sections, and bodies that look like some.
    #[test]
    fn anything_that_looks_like_sections(
        header in "DBA[A-E][A-Za-z0-9_-]{1,4}", body in "(~[BCY][A-Za-z0-9_.-]{0,30}){0,4}"
    ) {
        let _ = decode(&format!("{header}{body}"));
    }

    #[test]
    fn a_valid_string_with_a_byte_changed_or_cut(
        which in 0..VALID.len(), at in any::<prop::sample::Index>(), byte in any::<char>(), cut in any::<bool>()
    ) {
        let mut letters: Vec<char> = VALID[which].chars().collect();
        let at = at.index(letters.len());
        if cut { letters.truncate(at) } else { letters[at] = byte }
        let _ = decode(&letters.into_iter().collect::<String>());
    }
}

#[test]
fn the_valid_ones_are() {
    for text in VALID {
        decode(text).unwrap();
    }
}

/// 4,095 restrictions of 65,535 vendors each would be 268 million ids; as ranges they are a handful of bytes each.
#[test]
fn a_bomb_stays_small() {
    let core = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYg"; // 36 characters: 216 bits, all but the last 3 are fixed fields.
    let error = decode(&format!("{core}{}", "_".repeat(40_000))).unwrap_err();
    assert!(error.part.contains("core segment"), "{error}");
    assert!(decode(&"D".repeat(100_000)).is_err());
    assert!(decode(&format!("DBA{}", "_".repeat(100_000))).is_err());
}
