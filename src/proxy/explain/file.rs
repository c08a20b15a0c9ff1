//! The files: those that the application names, and those of the public folder.

use super::{Before, Finding, Trace, text};
use crate::files::{OpenError, Options};
use crate::message::Headers;
use http::{Method, header};

/// What makes Rails name its files.
const TURN_ON: &str = "If it is a file, have the application name it: in Rails \
     `config.action_dispatch.x_sendfile_header = \"X-Sendfile\"`, with Rack alone `use Rack::Sendfile, \"X-Sendfile\"`. Then \
     it is sent from here.";

pub(super) fn finding(trace: &Trace, options: &Options) -> Finding {
    if let Some(failed) = &trace.failure {
        return failed.file.clone().unwrap_or_else(|| Finding::new("none", "Nothing named one.", ""));
    }
    let mut finding = match trace.before() {
        Some(Before { file: Some(path), length, .. }) => {
            let path = text::path(path);
            let size = length.map_or(String::new(), |length| format!(", {}", text::size(length)));
            match trace.is_public {
                true => Finding::new(
                    path,
                    format!("A file of the public folder{size} (`THRUST_PUBLIC_PATH`)."),
                    "",
                ),
                false => Finding::new(
                    path,
                    format!("The application has named it{size}, and thrust sends it."),
                    "",
                ),
            }
        }
        Some(before) => unnamed(&before, options),
        None => Finding::new("none", "Nothing named one.", ""),
    };
    if let Some(folder) = options.public.as_deref().filter(|_| !trace.is_public) {
        let folder = text::path(folder);
        let why = match is_for_files(trace) {
            true => format!("{folder} has no such file that may be served"),
            false => "Files of the public folder answer GET and HEAD alone".to_owned(),
        };
        finding.why = format!("{} {why} (`THRUST_PUBLIC_PATH`).", finding.why);
    }
    finding
}

/// Whether the public folder was looked into.
fn is_for_files(trace: &Trace) -> bool {
    matches!(trace.method, Method::GET | Method::HEAD)
}

/// Of a response that has a body of its own.
fn unnamed(before: &Before, options: &Options) -> Finding {
    if !options.send_file {
        let why =
            "`THRUST_SEND_FILE` is `0`: if the application names a file, its own body is sent all the same.";
        return Finding::new(
            "off",
            why,
            "Have the application send its files itself, or unset `THRUST_SEND_FILE`.",
        );
    }
    let header = text::value(&options.send_file_header.spelled);
    let why = format!("The application has named none (`{header}`): the body is its own.");
    Finding::new("none", why, if looks_like_file(before.headers) { TURN_ON } else { "" })
}

/// Whether such responses are files more often than not.
fn looks_like_file(headers: &Headers) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
    let begins =
        |text: &&str| kind.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text.as_bytes()));
    let kinds =
        ["application/octet-stream", "application/pdf", "application/zip", "audio/", "image/", "video/"];
    headers.contains_key(header::CONTENT_DISPOSITION) || kinds.iter().any(begins)
}

/// Of a file that cannot be sent. Each error must be here.
pub(super) fn refused(error: &OpenError) -> Finding {
    let (why, change) = match error {
        OpenError::Missing => (
            "There is no such file for thrust.",
            "Where the two run in different containers, or as different users, both need the same folders.",
        ),
        OpenError::NotRegular => {
            ("It is a folder, a device or the like, and no file on a disk.", "Name a file.")
        }
        OpenError::Outside => (
            "It lies outside of the folders that files may be sent from, symbolic links resolved.",
            "Add its folder to `THRUST_SEND_FILE_ROOT`, if everybody who is sent there may have what is in it.",
        ),
        OpenError::Denied => (
            "thrust may not read it.",
            "Give the user that thrust runs as the right to read the file, and to pass its folders.",
        ),
        OpenError::Relative => {
            ("Its path is not absolute.", "Name it by its whole path: `send_file Rails.root.join(\"…\")`.")
        }
        OpenError::Failed(_) => ("The system could not open it.", "See what thrust's log says of it."),
    };
    let why =
        format!("The application has named a file that cannot be sent; thrust's log has its path. {why}");
    Finding::new("refused", why, change)
}
