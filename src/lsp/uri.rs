//! Between the editor's `file:` URIs and paths. A text that is no file yet (`untitled:`) keeps its
//! URI for a path: nothing lies beside it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// What stands in a path as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The path of a URI, with `/` between its parts; the URI itself if it names no file.
pub(super) fn to_path(uri: &str) -> String {
    let Some(rest) = uri.strip_prefix("file://") else {
        return uri.to_owned();
    };
    // What stands before the first `/` is a host; a path on this machine has none.
    let path = rest.find('/').and_then(|slash| rest.get(slash..));
    let path = percent_decode_str(path.unwrap_or(rest)).decode_utf8_lossy();
    match drive(&path) {
        true => path.trim_start_matches('/').to_owned(),
        false => path.into_owned(),
    }
}

/// The URI of a path.
pub(super) fn from_path(path: &str) -> String {
    if has_scheme(path) {
        return path.to_owned();
    }
    // Elsewhere a name may hold a backslash.
    let path = match cfg!(windows) {
        true => path.replace('\\', "/"),
        false => path.to_owned(),
    };
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("file://{slash}{}", utf8_percent_encode(&path, ESCAPED))
}

/// Whether a text is a URI already. One letter before the colon is a drive, not a scheme.
fn has_scheme(text: &str) -> bool {
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    let other = |byte: u8| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte);
    scheme.len() > 1
        && scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(other)
}

/// Whether a path begins with a drive, as in `/c:/specs`.
fn drive(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.next() == Some(b':')
        && bytes.next().is_none_or(|byte| byte == b'/')
}

#[cfg(test)]
mod tests {
    use super::{from_path, to_path};

    #[test]
    fn paths_and_uris_are_each_others() {
        for (uri, path) in [
            ("file:///specs/a.mtmd", "/specs/a.mtmd"),
            ("file:///my%20specs/%C3%A9.mtmd", "/my specs/é.mtmd"),
            ("file:///c%3A/specs/a.mtmd", "c:/specs/a.mtmd"),
            ("file:///x%3Ay/a.mtmd", "/x:y/a.mtmd"),
            ("file:///10%3A30/a.mtmd", "/10:30/a.mtmd"),
            ("untitled:Untitled-1", "untitled:Untitled-1"),
        ] {
            assert_eq!(to_path(uri), path);
            assert_eq!(from_path(path), uri);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_backslash_is_a_character_of_a_name() {
        let (uri, path) = ("file:///specs/a%5Cb.mtmd", "/specs/a\\b.mtmd");
        assert_eq!((&*to_path(uri), &*from_path(path)), (path, uri));
    }
}
