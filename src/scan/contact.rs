//! How a person or a device is reached: e-mail addresses, telephone numbers, IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Look;

/// Endings of files, which `logo@2x.png` has where an address has its top-level domain.
const FILE_ENDINGS: &[&str] = &["png", "jpg", "jpeg", "gif", "svg", "webp", "avif", "css", "js", "html", "json", "ts"];

/// An address, or a text with one in it.
pub(super) fn email(value: &str) -> Look {
    if !value.contains('@') && !value.contains("%40") {
        return Look::Other;
    }
    let value = value.replace("%40", "@");
    let parted = |c: char| c.is_whitespace() || "<>()[]{}\"',;:|=&?/\\".contains(c);
    value.split(parted).any(is_address).into()
}

/// The addresses that RFC 5321 allows and that occur: no quoted local parts, no bare hosts, no numbers for a domain.
fn is_address(token: &str) -> bool {
    let token = token.trim_end_matches(['.', '!']).trim_start_matches('.');
    let Some((local, domain)) = token.split_once('@') else { return false };
    let of_local = |c: char| c.is_alphanumeric() || "!#$%*+-^_`~.".contains(c);
    let local_is = (1..=64).contains(&local.len()) && local.chars().all(of_local) && !local.contains("..");
    let labels: Vec<&str> = domain.split('.').collect();
    let label_is = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let Some(top) = labels.last() else { return false };
    let top_is = (2..=24).contains(&top.chars().count())
        && (top.chars().all(char::is_alphabetic) || top.starts_with("xn--"))
        && !FILE_ENDINGS.contains(&top.to_lowercase().as_str());
    local_is && domain.len() <= 253 && labels.len() >= 2 && labels.iter().all(label_is) && top_is
}

/// A telephone number: international with `+` or `00`, or national with separators. Bare digits are ids.
pub(super) fn phone(value: &str) -> Look {
    let value = value.strip_prefix("tel:").unwrap_or(value).trim();
    let extended =
        value.split_once(" ext").or_else(|| value.split_once('x').filter(|(_, ext)| ext.parse::<u32>().is_ok()));
    let value = extended.map_or(value, |(number, _)| number).trim();
    let allowed = |c: char| c.is_ascii_digit() || "+-. /()\u{a0}".contains(c);
    if !(8..=24).contains(&value.len()) || !value.chars().all(allowed) {
        return Look::Other;
    }
    let groups: Vec<&str> = value.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let digits: String = groups.concat();
    let one_digit = digits.bytes().skip(3).all(|b| Some(&b) == digits.as_bytes().last());
    if one_digit || groups.len() > 7 || value.ends_with(['-', '.', '/', '(']) {
        return Look::Other;
    }
    let is = match value.strip_prefix('+') {
        Some(rest) => international(rest, &digits, &groups),
        None if value.contains('+') => false,
        None => match digits.strip_prefix("00") {
            Some(rest) => {
                groups.len() > 1 && groups[0].len() > 2 - usize::from(groups[0] == "00") && {
                    international(rest, rest, &groups)
                }
            }
            None => national(value, &digits, &groups),
        },
    };
    is.into()
}

/// E.164: a country code without a leading 0, at most 15 digits.
fn international(rest: &str, digits: &str, groups: &[&str]) -> bool {
    // A signed decimal number is no telephone number: `+49.1711234567` has its point after the country code.
    let decimal = rest.matches(['.']).count() == 1
        && rest.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        && !(groups[0].len() <= 3 && groups.last().is_some_and(|group| group.len() >= 6));
    (8..=15).contains(&digits.len()) && !digits.starts_with('0') && rest.starts_with(|c: char| c != '0') && !decimal
}

fn national(value: &str, digits: &str, groups: &[&str]) -> bool {
    let lengths: Vec<usize> = groups.iter().map(|group| group.len()).collect();
    let dated = matches!(lengths[..], [2, 2, 4] | [2, 2, 4, ..] | [4, 2, 2] | [4, 2, 2, ..]);
    let security_number = lengths[..] == [3, 2, 4];
    if groups.len() < 2 || dated || security_number {
        return false;
    }
    // North America: 415-555-2671, (415) 555-2671, 1-415-555-2671.
    let american = |groups: &[&str]| {
        let area_and_exchange =
            groups.iter().take(2).all(|group| group.starts_with(|c: char| ('2'..='9').contains(&c)));
        area_and_exchange && matches!(groups, [a, b, c] if (a.len(), b.len(), c.len()) == (3, 3, 4))
    };
    if american(groups) || groups[0] == "1" && american(&groups[1..]) {
        return true;
    }
    // With a trunk 0, as in most of Europe: 030 1234567, (030) 123-4567, 0171/1234567, 06 12 34 56 78.
    let trunk = digits.starts_with('0') && !digits.starts_with("00") && (2..=6).contains(&lengths[0]);
    let decimal = groups.len() == 2 && value.contains('.');
    trunk && (9..=12).contains(&digits.len()) && !decimal && lengths[1..].iter().all(|length| *length >= 2)
}

/// One address, or a comma-separated chain of them, each perhaps with its port or prefix.
pub(super) fn ip_address(value: &str) -> Look {
    if !value.contains(['.', ':']) || value.len() > 400 {
        return Look::Other;
    }
    value.split(',').all(|part| is_ip(part.trim())).into()
}

fn is_ip(text: &str) -> bool {
    let text = text.split_once('/').filter(|(_, prefix)| prefix.parse::<u8>().is_ok()).map_or(text, |(ip, _)| ip);
    let text = text.split_once('%').map_or(text, |(ip, _)| ip);
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(ip, _)| ip);
    let ported = || text.split_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map(|(ip, _)| ip);
    let parsed = bracketed.unwrap_or(text).parse().ok().or_else(|| ported()?.parse().ok());
    match parsed {
        Some(IpAddr::V4(ip)) => of_a_device_4(ip),
        Some(IpAddr::V6(ip)) => of_a_device_6(ip),
        None => false,
    }
}

/// Four small numbers are rather a version.
fn of_a_device_4(ip: Ipv4Addr) -> bool {
    let versionlike = ip.octets().iter().all(|part| *part < 50);
    !(versionlike || ip.octets()[0] == 0 || ip.is_loopback() || ip.is_broadcast() || ip.is_multicast())
}

/// `a::b` parses too; an address of a device is global, unique local, link-local, or one of version 4 in disguise.
fn of_a_device_6(ip: Ipv6Addr) -> bool {
    let first = ip.segments()[0];
    first & 0xe000 == 0x2000
        || first & 0xfe00 == 0xfc00
        || first & 0xffc0 == 0xfe80
        || ip.to_ipv4_mapped().is_some_and(of_a_device_4)
}
