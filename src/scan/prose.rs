//! Places and what people write: pairs of coordinates, and text in sentences.

use super::Look;

/// Latitude and longitude, both with three decimals or more (a hundred metres), in degrees. Also as `geo:` and `POINT`.
pub(super) fn coordinates(value: &str) -> Look {
    if value.len() > 64 || !value.contains('.') {
        return Look::Other;
    }
    let point = value.strip_prefix("POINT").map(str::trim_start);
    let plain = point.or_else(|| value.strip_prefix("geo:")).unwrap_or(value);
    let plain = plain.trim_matches(|c: char| "()[]{} ".contains(c));
    let parts: Vec<&str> =
        plain.split(|c: char| c == ',' || c == ';' || c.is_whitespace()).filter(|part| !part.is_empty()).collect();
    let [first, second] = parts[..] else { return Look::Other };
    let (Some(first), Some(second)) = (degrees(first), degrees(second)) else { return Look::Other };
    let (latitude, longitude) = if point.is_some() { (second, first) } else { (first, second) };
    // Both below one degree: two shares or scores, or a point in the Gulf of Guinea.
    let small = latitude.abs() <= 1.0 && longitude.abs() <= 1.0;
    (latitude.abs() <= 90.0 && longitude.abs() <= 180.0 && !small).into()
}

fn degrees(text: &str) -> Option<f64> {
    let (whole, decimals) = text.strip_prefix(['-', '+']).unwrap_or(text).split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let is = digits(whole) && whole.len() <= 3 && digits(decimals) && (3..=16).contains(&decimals.len());
    if is { text.parse().ok() } else { None }
}

/// Pronouns, auxiliaries and the like, which sentences have and titles of products do not. English, German, French,
/// Spanish, Italian.
const OF_SENTENCES: &[&str] = &[
    "i", "i'm", "i've", "my", "me", "we", "our", "us", "you", "your", "he", "she", "his", "her", "they", "them",
    "their", "it", "it's", "is", "are", "was", "were", "am", "be", "been", "have", "has", "had", "will", "would",
    "can", "can't", "could", "should", "don't", "didn't", "do", "does", "did", "not", "please", "but", "because",
    "that", "this", "when", "which", "who", "very", "thanks", "thank", "ich", "mein", "meine", "meinen", "mir", "mich",
    "wir", "uns", "unser", "sie", "ihr", "ihre", "er", "es", "ist", "sind", "war", "waren", "bin", "habe", "haben",
    "hat", "hatte", "wird", "werden", "kann", "nicht", "bitte", "aber", "weil", "dass", "das", "wenn", "sehr", "danke",
    "auf", "auch", "je", "j'ai", "mon", "ma", "mes", "nous", "notre", "vous", "votre", "il", "elle", "ils", "est",
    "sont", "était", "suis", "ai", "avons", "avez", "ont", "sera", "peut", "ne", "n'est", "pas", "mais", "que", "qui",
    "très", "merci", "ce", "cette", "c'est", "yo", "mi", "mis", "nosotros", "nuestro", "usted", "su", "es", "son",
    "era", "estoy", "está", "he", "ha", "hemos", "han", "puede", "no", "pero", "porque", "muy", "gracias", "esto",
    "se", "lo", "io", "mio", "mia", "noi", "nostro", "lei", "sono", "è", "ho", "abbiamo", "hanno", "può", "non", "ma",
    "perché", "molto", "grazie", "che", "questo",
];

/// Words in a row that make sentences: five or more, mostly in lower case, two or more of those that sentences need.
pub(super) fn free_text(value: &str) -> Look {
    if value.len() < 20 || !value.contains(char::is_whitespace) {
        return Look::Other;
    }
    let words: Vec<&str> = value.split_whitespace().collect();
    if words.len() < 5 {
        return Look::Other;
    }
    let bare = |word: &&str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'");
    let is_word = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        !bare.is_empty() && bare.chars().all(|c| c.is_alphabetic() || c == '\'' || c == '’' || c == '-')
    };
    let lower = |word: &&&str| word.chars().find(|c| c.is_alphabetic()).is_some_and(char::is_lowercase);
    let real: Vec<&&str> = words.iter().filter(|word| is_word(word)).collect();
    let of_sentences = words.iter().filter(|word| OF_SENTENCES.contains(&bare(word).as_str())).count();
    let lowered = real.iter().filter(|word| lower(word)).count();
    (real.len() >= 5 && real.len() * 10 >= words.len() * 7 && lowered * 2 >= real.len() && of_sentences >= 2).into()
}
