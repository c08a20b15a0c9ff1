//! Media types whose bodies become much smaller by being encoded.

/// The longest name in [`is_listed`].
const LONGEST_TYPE: usize = "application/vnd.ms-fontobject".len();

/// Whether bodies of this media type, its parameters aside, become much smaller by being encoded.
pub fn is_compressible(content_type: &[u8]) -> bool {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    let media_type = content_type[..end].trim_ascii();
    let begins =
        |text: &[u8]| media_type.get(..text.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(text));
    let ends = |text: &[u8]| {
        let start = media_type.len().checked_sub(text.len());
        start.is_some_and(|start| media_type[start..].eq_ignore_ascii_case(text))
    };
    begins(b"text/") || ends(b"+json") || ends(b"+xml") || ends(b"+text") || is_listed(media_type)
}

/// Types that are no text by their names, in any case.
fn is_listed(media_type: &[u8]) -> bool {
    let mut small = [0; LONGEST_TYPE];
    let Some(small) = small.get_mut(..media_type.len()) else { return false };
    small.copy_from_slice(media_type);
    small.make_ascii_lowercase();
    let Some(slash) = memchr::memchr(b'/', small) else { return false };
    match (&small[..slash], &small[slash + 1..]) {
        (b"application", name) => is_listed_application(name),
        (b"font", name) => {
            matches!(name, b"ttf" | b"otf" | b"collection" | b"sfnt" | b"eot" | b"truetype" | b"opentype")
        }
        (b"image", name) => matches!(name, b"x-icon" | b"vnd.microsoft.icon" | b"bmp" | b"x-ms-bmp"),
        _ => false,
    }
}

fn is_listed_application(name: &[u8]) -> bool {
    matches!(
        name,
        b"json"
            | b"json-seq"
            | b"ndjson"
            | b"x-ndjson"
            | b"javascript"
            | b"x-javascript"
            | b"ecmascript"
            | b"x-ecmascript"
            | b"xml"
            | b"xml-dtd"
            | b"wasm"
            | b"graphql"
            | b"rtf"
            | b"vnd.ms-fontobject"
            | b"x-font-ttf"
            | b"x-font-otf"
            | b"x-font-truetype"
            | b"x-font-opentype"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_that_are_worth_it() {
        for yes in [
            "text/html",
            "text/html; charset=utf-8",
            " Text/CSS ;charset=x",
            "text/event-stream",
            "text/cache-manifest",
            "application/json;v=1",
            "APPLICATION/JSON",
            "application/ld+json",
            "application/vnd.api+JSON",
            "application/manifest+json",
            "application/x-web-app-manifest+json",
            "application/x-ndjson",
            "application/json-seq",
            "text/javascript",
            "application/javascript",
            "application/x-javascript",
            "application/ecmascript",
            "application/xml",
            "application/xhtml+xml",
            "application/a-type-with-a-name-longer-than-those-that-are-listed+xml",
            "application/x+text",
            "image/svg+xml",
            "application/wasm",
            "application/graphql",
            "application/rtf",
            "font/ttf",
            "Font/OTF",
            "font/collection",
            "application/x-font-ttf",
            "application/x-font-otf",
            "application/x-font-truetype",
            "application/x-font-opentype",
            "application/vnd.ms-fontobject",
            "image/x-icon",
            "image/vnd.microsoft.icon",
            "image/bmp",
            "image/x-ms-bmp",
        ] {
            assert!(is_compressible(yes.as_bytes()), "{yes}");
        }
        for no in [
            "",
            ";",
            "text",
            "json",
            "+",
            "/",
            "application/",
            "texts/html",
            "application/octet-stream",
            "application/pdf",
            "application/zip",
            "application/gzip",
            "application/json2",
            "application/x-font-opentypes",
            "application/json+zip",
            "image/png; name=a+json",
            "image/png",
            "image/jpeg",
            "image/webp",
            "image/avif",
            "video/mp4",
            "audio/mpeg",
            "font/woff",
            "font/woff2",
            "application/font-woff",
            "multipart/byteranges; boundary=text/html",
        ] {
            assert!(!is_compressible(no.as_bytes()), "{no}");
        }
    }
}
