//! Every reason of the cache's in words.

use crate::cache::Reason;

macro_rules! say_so {
    ($before:literal) => {
        concat!(
            $before,
            " `Cache-Control: public, max-age=300`; in a Rails action `expires_in 5.minutes, public: true`; for all of Rails' \
             assets `config.public_file_server.headers = { \"cache-control\" => \"public, max-age=31536000\" }`."
        )
    };
}

/// Why something is not stored, or not answered from what is stored, and what to change. There is no arm for the rest: a new
/// reason needs words of its own. Whether the URL names a `fingerprinted` asset makes a difference to one that says nothing.
pub(super) fn words(reason: Reason, fingerprinted: bool) -> (&'static str, &'static str) {
    match reason {
        Reason::Method => ("Only GET and HEAD are answered from memory.", ""),
        Reason::Head => (
            "A HEAD is answered from what a GET has stored, and there is nothing that may be used.",
            "Ask with GET, once.",
        ),
        Reason::RequestBody => (
            "The request has a body, which the answer may depend on.",
            "Send a GET without `Content-Length` and `Transfer-Encoding`.",
        ),
        Reason::Range => (
            "It asks for a part of something that is not stored, and only the whole is kept.",
            "A GET without `Range` has it stored. What is often asked for in parts is best sent as a file (`X-Sendfile`).",
        ),
        Reason::Precondition => (
            "`If-Match` and `If-Unmodified-Since` only the application can judge.",
            "Leave them out, where all that is wanted is the page.",
        ),
        Reason::RequestNoStore => (
            "The request says `Cache-Control: no-store` itself.",
            "Leave it out. To have the application asked anew, `no-cache` does it, and the answer is kept.",
        ),
        Reason::Status => (
            "No response with this status is kept: it is a failure, or only a part of something.",
            "Find out in the application's log why it answers so.",
        ),
        Reason::NotModified => (
            "The application has confirmed what the client has (304), and nothing is stored that this could renew.",
            "Nothing: the first request without `If-None-Match` and `If-Modified-Since` has it stored, if it may be.",
        ),
        Reason::NoStore => (
            "The response says `no-store`: nobody is to keep it.",
            say_so!("If everybody may have it after all, say so:"),
        ),
        Reason::Private => (
            "The response says `private`: it is for one visitor alone. Rails says so of every action unless it is told otherwise.",
            say_so!("If everybody may have it, say so:"),
        ),
        Reason::Authorization => (
            "The request has `Authorization`, and the response does not say that it is for everybody all the same.",
            "If it is, say `public`, `s-maxage` or `must-revalidate` in its `Cache-Control`.",
        ),
        Reason::Cookie => (
            "The application would have to be asked each time, the request has a cookie, and the response is not `public`: \
             it may be this visitor's own page.",
            "If everybody may have it: `fresh_when(record, public: true)`, or a lifetime (`expires_in 5.minutes, public: true`).",
        ),
        Reason::SetCookie => (
            "The response sets a cookie, and does not say that it is for everybody: others would get this visitor's.",
            "Have it set none. In Rails it is mostly the session's, which a flash message, `csrf_meta_tags` or a form begins: \
             `request.session_options[:skip] = true`. Or say `public` in `Cache-Control`: it is kept then, without the cookie.",
        ),
        Reason::NoLifetime if fingerprinted => (
            "The response does not say how long it may be kept. Its name is that of a fingerprinted asset, but it is HTML or \
             JSON, no 200, or says something else of caching.",
            say_so!("Say it:"),
        ),
        Reason::NoLifetime => (
            "The response does not say how long it may be kept, and its name is not that of a fingerprinted asset in one of the \
             folders of `THRUST_CACHE_FINGERPRINTED`.",
            say_so!("If everybody may have it, say it:"),
        ),
        Reason::Stale => (
            "Its lifetime was over when it arrived, and it has neither `ETag` nor `Last-Modified` to check it by.",
            "Give it a `max-age` that is longer, or one of the two. Check the clocks, where it has `Expires` or `Age`.",
        ),
        Reason::Vary => (
            "It says `Vary: *`, or names more than 16 fields: hardly another request would be like this one.",
            "Name only the fields that change the page.",
        ),
        Reason::TooLarge => (
            "Its body is larger than `THRUST_MAX_CACHE_ITEM_SIZE`.",
            "Raise it (and `THRUST_CACHE_SIZE` with it), or have it sent as a file (`X-Sendfile`), which is kept whatever its size.",
        ),
        Reason::NoLength => (
            "Its end is that of the connection, so that nobody knows whether it is whole.",
            "Have the application send a `Content-Length`, or chunks.",
        ),
        Reason::Remembered => (
            "A response to this URL was not for the cache before, so this one was passed on without being kept.",
            "Ask again: one like this is kept by then, at the latest after a minute.",
        ),
        Reason::BrokenOff => {
            ("Its body broke off, or is not as long as was said.", "Find out in the application's log why.")
        }
        Reason::Busy => (
            "Too many bodies are on their way at this moment.",
            "Raise `THRUST_CACHE_SIZE`, if this happens often.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reason behind this one. A new one does not compile until it has a place here.
    fn next(reason: Reason) -> Option<Reason> {
        Some(match reason {
            Reason::Method => Reason::Head,
            Reason::Head => Reason::RequestBody,
            Reason::RequestBody => Reason::Range,
            Reason::Range => Reason::Precondition,
            Reason::Precondition => Reason::RequestNoStore,
            Reason::RequestNoStore => Reason::Status,
            Reason::Status => Reason::NotModified,
            Reason::NotModified => Reason::NoStore,
            Reason::NoStore => Reason::Private,
            Reason::Private => Reason::Authorization,
            Reason::Authorization => Reason::Cookie,
            Reason::Cookie => Reason::SetCookie,
            Reason::SetCookie => Reason::NoLifetime,
            Reason::NoLifetime => Reason::Stale,
            Reason::Stale => Reason::Vary,
            Reason::Vary => Reason::TooLarge,
            Reason::TooLarge => Reason::NoLength,
            Reason::NoLength => Reason::Remembered,
            Reason::Remembered => Reason::BrokenOff,
            Reason::BrokenOff => Reason::Busy,
            Reason::Busy => return None,
        })
    }

    fn all() -> impl Iterator<Item = Reason> {
        std::iter::successors(Some(Reason::Method), |reason| next(*reason))
    }

    #[test]
    fn each_reason_has_words_of_its_own_and_what_to_change() {
        let mut seen = std::collections::HashSet::new();
        for reason in all() {
            let (why, change) = words(reason, false);
            assert!(seen.insert(why) && why.ends_with('.'), "{reason:?}: {why}");
            assert_eq!(change.is_empty(), reason == Reason::Method, "{reason:?}: {change}");
        }
    }
}
