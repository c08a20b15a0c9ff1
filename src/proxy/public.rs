//! Files of the public folder, which are served without asking the worker. Small ones lie in the cache's memory, and are
//! looked at again after a second.

use super::{
    Proxy,
    body::Source,
    exchange::{Answer, Exchange},
    failure::Failure,
    represent::represent,
    wish::Wish,
};
use crate::message::{Headers, Request, Response};
use crate::{
    cache::{Cache, CacheKey, Content, Entry, Head, Origin},
    files::{Found, OpenFile, PublicFolder, etag, last_modified, plain},
    message::{
        encodable,
        encoding::{self, Encoding, Offer},
    },
};
use http::{HeaderValue, Method, header};
use http_body::Body;
use std::{iter, sync::Arc, time::Instant};
use tokio::task::spawn_blocking;

/// What changes its name with its content may be kept for ever.
const FINGERPRINTED: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// Of anything else is asked each time whether it has changed.
const OTHER: HeaderValue = HeaderValue::from_static("public, max-age=0, must-revalidate");

/// A file that is there.
enum Public {
    /// In memory.
    Shelved(Arc<Entry>),
    /// Too large for that.
    OnDisk(Found),
}

impl Proxy {
    /// The file of the public folder that a request names, as its answer; `None` if there is none.
    pub(super) async fn public_file<B: Body>(
        &self,
        folder: &Arc<PublicFolder>,
        request: &Request<B>,
        wish: &mut Wish,
        exchange: &mut Exchange,
    ) -> Option<Result<Answer, Failure>> {
        if !matches!(wish.method, Method::GET | Method::HEAD) || !request.body().is_end_stream() {
            return None;
        }
        // However it is spelled: else anybody could have the same file read, kept and encoded under a thousand names.
        let name = &*plain(request.uri().path())?;
        let headers = request.headers();
        let file = self.find_public(folder, name, exchange.began()).await?;
        exchange.public_file();
        Some(match file {
            Public::Shelved(entry) => {
                exchange.note(|trace| trace.found(&entry));
                let wanted = wish.of_stored(headers, exchange);
                self.serve(&entry, None, None, &wanted, || CacheKey::of_file(name))
            }
            Public::OnDisk(found) => {
                wish.remember(headers);
                let fingerprinted = self.cache.is_fingerprinted(name);
                let mut response = from_disk(found, fingerprinted, headers, wish, self.encode.offer);
                exchange.note(|trace| trace.came(&response));
                represent(&mut response, wish, &self.encode).await;
                Ok(response.into())
            }
        })
    }

    /// Looks on the shelf, and every second on the disk.
    async fn find_public(&self, folder: &Arc<PublicFolder>, name: &str, now: Instant) -> Option<Public> {
        let shelved = self.cache.shelved(name);
        let is_good = |entry: &&Arc<Entry>| entry.origin().is_some_and(|origin| !origin.is_due(now));
        if let Some(entry) = shelved.as_ref().filter(is_good) {
            return Some(Public::Shelved(entry.clone()));
        }
        if shelved.is_none() && folder.is_known_to_lack(name, now) {
            return None;
        }
        let (folder, name, cache, offer) =
            (folder.clone(), name.to_owned(), self.cache.clone(), self.encode.offer);
        spawn_blocking(move || look(&folder, &name, &cache, offer, shelved)).await.ok()?
    }
}

/// Looks what is on the disk, and puts it on the shelf if it fits.
fn look(
    folder: &PublicFolder,
    name: &str,
    cache: &Cache,
    offer: Offer,
    shelved: Option<Arc<Entry>>,
) -> Option<Public> {
    let opened = Instant::now();
    let Some(found) = folder.find(name) else {
        if shelved.is_some() {
            cache.clear_from_shelf(name);
        }
        return None;
    };
    let siblings = offered_siblings(&found, offer).map(|(_, file)| file);
    let files: Vec<_> = iter::once(&found.file).chain(siblings).map(|file| file.named().clone()).collect();
    if let Some(entry) = shelved
        && entry.origin().is_some_and(|origin| origin.files() == files)
    {
        return Some(Public::Shelved(entry));
    }
    let Some(entry) = read(&found, name, cache, offer, Origin::new(files, opened)) else {
        return Some(Public::OnDisk(found));
    };
    let entry = Arc::new(entry);
    cache.shelve(name, entry.clone());
    Some(Public::Shelved(entry))
}

/// Reads a file into memory, and what is beside it; `None` if that is too large, or changes meanwhile.
fn read(found: &Found, name: &str, cache: &Cache, offer: Offer, origin: Origin) -> Option<Entry> {
    if !origin.files().iter().all(|file| cache.takes(file.length)) {
        return None;
    }
    let read = |file: &OpenFile| Some((cache.room_for(file.named().length)?, file.read().ok()?));
    let (room, body) = read(&found.file)?;
    let body = room.hold(body);
    let given = offered_siblings(found, offer).map(|(encoding, file)| {
        let (room, form) = read(file)?;
        Some((encoding, validators(file), room.hold_form(form)))
    });
    let given: Vec<_> = given.collect::<Option<_>>()?;
    let mut headers = describe(found, cache.is_fingerprinted(name));
    if !given.is_empty() {
        encodable::add_vary(&mut headers);
    }
    let head = Head::of_file(headers, origin.length(), offer);
    let entry = Entry::of_file(head, Content::Memory(body), origin, Instant::now());
    Some(if given.is_empty() { entry } else { entry.with_given(given) })
}

/// The response that a file is which is not in memory.
fn from_disk(
    found: Found,
    fingerprinted: bool,
    request: &Headers,
    wish: &Wish,
    offer: Offer,
) -> Response<Source> {
    let mut headers = describe(&found, fingerprinted);
    let given = Offer::new(offered_siblings(&found, offer).map(|(encoding, _)| encoding));
    let given = offer.only(|encoding| given.contains(encoding));
    if !given.is_empty() {
        encodable::add_vary(&mut headers);
    }
    // The best of those that are there, not the best of all.
    let is_welcome = wish.encoding.is_some() && !wish.is_for_part();
    let chosen = encoding::choose(request, &given).filter(|_| is_welcome);
    let sibling =
        chosen.and_then(|chosen| offered_siblings(&found, offer).find(|(encoding, _)| *encoding == chosen));
    let file = match sibling {
        Some((encoding, file)) => {
            headers.insert_all(validators(file));
            encodable::encode_head(&mut headers, encoding);
            file.clone()
        }
        None => found.file,
    };
    let mut response = Response::new(Source::from(file));
    *response.headers_mut() = headers;
    response
}

/// What is beside a file in encodings that are offered.
fn offered_siblings(found: &Found, offer: Offer) -> impl Iterator<Item = (Encoding, &OpenFile)> {
    let siblings = Encoding::ALL.into_iter().zip(&found.siblings);
    siblings
        .filter_map(|(encoding, file)| Some((encoding, file.as_ref()?)))
        .filter(move |(encoding, _)| offer.contains(*encoding))
}

/// What is said of a file.
fn describe(found: &Found, fingerprinted: bool) -> Headers {
    let others = [
        (header::CONTENT_TYPE, found.kind.clone()),
        (header::CACHE_CONTROL, if fingerprinted { FINGERPRINTED } else { OTHER }),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    let mut headers: Headers = others.into_iter().collect();
    headers.extend(validators(&found.file));
    headers
}

/// What tells this file from what it was before. A sibling has its own: it may be made anew later than the file, and who has
/// got the old one meanwhile must not be told that it is still good.
fn validators(file: &OpenFile) -> Headers {
    let named = file.named();
    let modified = last_modified(named).map(|modified| (header::LAST_MODIFIED, modified));
    iter::once((header::ETAG, etag(named))).chain(modified).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache;
    use std::fs;
    use tempfile::TempDir;

    const OFFER: [Encoding; 2] = [Encoding::Gzip, Encoding::Zstd];

    /// A folder with these files, and a cache for bodies of up to 2,000 bytes.
    fn stage(files: &[(&str, usize)]) -> (TempDir, PublicFolder, Cache) {
        let folder = tempfile::tempdir().unwrap();
        files
            .iter()
            .for_each(|(name, length)| fs::write(folder.path().join(name), vec![b'x'; *length]).unwrap());
        let public = PublicFolder::new(folder.path());
        let options = cache::Options {
            size: 1 << 20,
            largest_item: 2000,
            fingerprinted: vec!["/".to_owned()],
            offer: Offer::new(OFFER),
            disable_on_auth: false,
        };
        (folder, public, Cache::new(options))
    }

    fn look_for(name: &str, public: &PublicFolder, cache: &Cache) -> Option<Public> {
        look(public, name, cache, Offer::new(OFFER), cache.shelved(name))
    }

    fn shelved(name: &str, public: &PublicFolder, cache: &Cache) -> Arc<Entry> {
        match look_for(name, public, cache) {
            Some(Public::Shelved(entry)) => entry,
            _ => panic!("{name} is not on the shelf"),
        }
    }

    #[test]
    fn a_small_file_lies_on_the_shelf_with_what_is_beside_it() {
        let files = [
            ("a.js", 1500),
            ("a.js.gz", 10),
            ("a.js.br", 9),
            ("a.png", 1500),
            ("a.png.gz", 10),
            ("b.css", 9),
        ];
        let (_folder, public, cache) = stage(&files);
        // What is not on offer is not read. What is no text is not encoded by us.
        for (name, forms, encodable, varies, files) in
            [("/a.js", 1, true, true, 2), ("/a.png", 1, false, true, 2), ("/b.css", 0, false, false, 1)]
        {
            let entry = shelved(name, &public, &cache);
            let ready = entry.forms().map_or(0, |forms| OFFER.iter().filter(|&&e| forms.has(e)).count());
            assert_eq!((ready, entry.is_encodable()), (forms, encodable), "{name}");
            assert_eq!(entry.head().headers().contains_key(header::VARY), varies, "{name}");
            assert_eq!(entry.origin().map(|origin| origin.files().len()), Some(files), "{name}");
            assert!(Arc::ptr_eq(&entry, &cache.shelved(name).unwrap()), "{name}");
        }
    }

    #[test]
    fn what_is_the_same_stays_and_what_has_changed_is_read_again() {
        let (folder, public, cache) = stage(&[("a.css", 1500)]);
        let first = shelved("/a.css", &public, &cache);
        assert!(Arc::ptr_eq(&first, &shelved("/a.css", &public, &cache)));
        fs::write(folder.path().join("a.css.gz"), "gzip").unwrap();
        let second = shelved("/a.css", &public, &cache);
        assert!(
            !Arc::ptr_eq(&first, &second) && second.forms().is_some_and(|forms| forms.has(Encoding::Gzip))
        );
        fs::write(folder.path().join("a.css"), "shorter").unwrap();
        assert_eq!(shelved("/a.css", &public, &cache).body().length(), 7);
        fs::remove_file(folder.path().join("a.css")).unwrap();
        assert!(look_for("/a.css", &public, &cache).is_none() && cache.shelved("/a.css").is_none());
    }

    #[test]
    fn a_large_file_stays_where_it_is() {
        let (_folder, public, cache) = stage(&[("a.css", 2001), ("b.css", 1500), ("b.css.gz", 2001)]);
        for name in ["/a.css", "/b.css"] {
            assert!(matches!(look_for(name, &public, &cache), Some(Public::OnDisk(_))), "{name}");
            assert!(cache.shelved(name).is_none(), "{name}");
        }
    }

    #[test]
    fn what_is_said_of_a_file() {
        let (_folder, public, cache) = stage(&[("a.css", 5), ("a-0f9e8d7c6b5a.css", 5)]);
        for (name, control) in [
            ("/a.css", "public, max-age=0, must-revalidate"),
            ("/a-0f9e8d7c6b5a.css", "public, max-age=31536000, immutable"),
        ] {
            let entry = shelved(name, &public, &cache);
            let headers = entry.head().headers();
            assert_eq!(
                (&headers["cache-control"], &headers["accept-ranges"]),
                (&control.parse().unwrap(), &"bytes".parse().unwrap())
            );
            assert!(
                headers["etag"].to_str().unwrap().starts_with("W/\"5-")
                    && headers.contains_key("last-modified")
            );
            assert_eq!(headers["content-type"], "text/css; charset=utf-8");
        }
    }
}
