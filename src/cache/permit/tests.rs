use super::{
    super::{
        Cache, Lookup, Options,
        testing::{cache, fields, held, options},
    },
    *,
};
use crate::message::{Request, file::NamedFile};
use http_body_util::{BodyExt, Full};

const PAGE: &str = "cache-control: max-age=60 | content-type: text/css";

fn request(fields_of_it: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.headers_mut() = fields(fields_of_it);
    request
}

fn response<B>(status: u16, fields_of_it: &str, body: B) -> Response<B> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    *response.headers_mut() = fields(fields_of_it);
    response
}

async fn look_up(cache: &Cache, asked: &str) -> Lookup {
    cache.look_up(&request(asked), Instant::now()).await
}

async fn permit(cache: &Cache, asked: &str) -> Permit {
    match look_up(cache, asked).await {
        Lookup::Fetch(permit) => *permit,
        _ => panic!("nothing is to be fetched"),
    }
}

/// What the permit says of such a response to the request, as it is stored.
fn judge(permit: &Permit, asked: &str, status: u16, answer: &str) -> Result<Head, Reason> {
    let (asked, answer) = (request(asked).into_parts().0, response(status, answer, ()).into_parts().0);
    permit.judge(&asked, SystemTime::now(), &answer, Some(2000))
}

/// A file of this many bytes, just looked at.
fn file(length: u64) -> Origin {
    let (modified, path) = (SystemTime::UNIX_EPOCH, "/file".into());
    Origin::new([NamedFile { path, length, modified, changed: 0, inode: (0, 0) }], Instant::now())
}

/// Who asks for a part leads nobody, and takes the place of nobody who does; of a file the whole is stored all the same.
#[tokio::test]
async fn a_range_of_what_is_not_stored_goes_alone() {
    let cache = cache();
    let partial = permit(&cache, "range: bytes=0-1").await;
    assert!(partial.is_partial && !partial.leads());
    let whole = permit(&cache, "").await;
    assert!(!whole.is_partial && whole.leads());
    drop(whole);
    let head = judge(&partial, "range: bytes=0-1", 200, PAGE).unwrap();
    let (_, status) = partial.keep_file(head, None, file(2000));
    assert!(status.stored);
    assert!(matches!(look_up(&cache, "").await, Lookup::Stored(..)));
    assert!(matches!(look_up(&cache, "range: bytes=0-1").await, Lookup::Stored(..)));
}

/// RFC 9111 §3.3.
#[tokio::test]
async fn the_answer_to_a_range_is_not_stored_and_says_nothing_of_the_whole() {
    for (status, fields_of_it) in [(206, PAGE), (200, PAGE), (416, "cache-control: no-store")] {
        let cache = cache();
        let asked = request("range: bytes=0-1").into_parts().0;
        let body = Full::from("body").map_err(|never| match never {});
        let permit = permit(&cache, "range: bytes=0-1").await;
        let kept = permit.keep(&asked, SystemTime::now(), response(status, fields_of_it, body), true);
        let Kept::Passed(_, told) = kept else { panic!("{status}: it is stored") };
        assert_eq!((told.reason, told.stored), (Some(Reason::Range), false), "{status}");
        // Not a mark: others wait for who asks for the whole.
        assert!(matches!(look_up(&cache, "").await, Lookup::Fetch(permit) if permit.leads()), "{status}");
    }
}

/// RFC 9110 §6.6.1.
#[tokio::test]
async fn a_response_without_a_date_gets_the_same_for_everybody() {
    let cache = cache();
    let (asked, body) = (request("").into_parts().0, Full::from("body").map_err(|never| match never {}));
    let kept = permit(&cache, "").await.keep(&asked, SystemTime::now(), response(200, PAGE, body), true);
    let Kept::Passed(passed, _) = kept else { panic!("it is not passed on") };
    let (head, body) = passed.into_parts();
    let Passed::Shared(body) = body else { panic!("it is not read for the cache") };
    body.collect().await.unwrap();
    let Lookup::Stored(entry, ..) = look_up(&cache, "").await else { panic!("it is not stored") };
    assert!(head.headers.contains_key(header::DATE));
    assert_eq!(head.headers[header::DATE], entry.head().headers()[header::DATE]);
}

#[tokio::test]
async fn a_file_is_stored_by_the_same_rules() {
    let cache = cache();
    let permit = permit(&cache, "").await;
    for (section, asked, status, answer, expected) in [
        ("RFC 9111 §3", "", 200, PAGE, Ok(())),
        ("RFC 9111 §3", "", 404, PAGE, Ok(())),
        ("RFC 9111 §5.2.2.5", "", 200, "cache-control: no-store", Err(Reason::NoStore)),
        ("RFC 9111 §5.2.2.7", "", 200, "cache-control: private", Err(Reason::Private)),
        ("RFC 9111 §3.5", "authorization: a", 200, PAGE, Err(Reason::Authorization)),
        ("RFC 9111 §4.1", "", 200, "cache-control: max-age=60 | vary: *", Err(Reason::Vary)),
        ("RFC 9111 §4.2.2", "", 200, "content-type: text/css", Err(Reason::NoLifetime)),
    ] {
        assert_eq!(judge(&permit, asked, status, answer).map(drop), expected, "{section}: {answer}");
    }
}

#[tokio::test]
async fn a_file_is_kept_in_memory_or_where_it_is() {
    let small = Cache::new(Options { size: 1 << 16, largest_item: 2000, ..options() });
    for (body, length) in [(Some(Bytes::from(vec![b'x'; 2000])), 2000), (None, 1 << 40)] {
        let permit = permit(&small, "").await;
        assert_eq!(permit.room_for(length).is_some(), body.is_some());
        assert!(permit.room_for(2001).is_none());
        let head = judge(&permit, "", 200, PAGE).unwrap();
        let (entry, _) = permit.keep_file(head, body.clone(), file(length));
        assert_eq!((entry.body().length(), entry.forms().is_some()), (length, body.is_some()));
        // The file itself is opened each time.
        assert_eq!(entry.is_to_be_looked_at(Instant::now()), body.is_none());
        let found = look_up(&small, "").await;
        assert!(found.entry().is_some_and(|found| Arc::ptr_eq(found, &entry)));
        small.forget(&request(""), &entry);
    }
}

#[tokio::test]
async fn room_is_asked_for_before_a_file_is_read() {
    let cache = cache();
    let all = held(&cache, (1 << 21) - 1999).unwrap();
    let permit = permit(&cache, "").await;
    assert!(permit.room_for(2000).is_none() && permit.room_for(1999).is_some());
    let body = permit.room_for(1000).unwrap().hold(Bytes::from(vec![b'x'; 1000]));
    assert!(permit.room_for(1000).is_none());
    drop(body);
    assert!(permit.room_for(1999).is_some());
    drop(all);
}

/// What is declined releases those who wait, and marks its key where the next one is likely to be such too.
#[tokio::test]
async fn what_is_declined_is_remembered_if_that_lasts() {
    for (reason, remembered) in
        [(Reason::NoStore, true), (Reason::TooLarge, true), (Reason::Range, false), (Reason::Busy, false)]
    {
        let cache = cache();
        let status = permit(&cache, "").await.decline(reason);
        assert_eq!((status.reason, status.stored), (Some(reason), false));
        let found = look_up(&cache, "").await;
        assert_eq!(matches!(found, Lookup::Pass(_)), remembered, "{reason:?}");
    }
}

/// A mark goes as soon as a response looks as if the next one could be stored. In doubt it stays.
#[tokio::test]
async fn a_watched_response_may_take_the_mark_away() {
    const LARGE: &str = "cache-control: max-age=60 | content-length: 9999999";
    const SHORT: &str = "cache-control: max-age=60 | content-length: 5";
    for (answer, asked, is_file, reason, stays) in [
        (SHORT, "", false, Reason::Remembered, false),
        (LARGE, "", false, Reason::TooLarge, true),
        // Nobody knows whether it will fit.
        (PAGE, "", false, Reason::Remembered, true),
        // A file is stored whatever its size, and has one.
        (LARGE, "", true, Reason::Remembered, false),
        (PAGE, "", true, Reason::Remembered, false),
        (SHORT, "authorization: a", false, Reason::Authorization, true),
        (PAGE, "authorization: a", true, Reason::Authorization, true),
        ("cache-control: no-store", "", true, Reason::NoStore, true),
        ("cache-control: max-age=60 | vary: *", "", true, Reason::Vary, true),
        // Nobody else could use it.
        ("cache-control: max-age=0 | etag: a", "", true, Reason::Remembered, true),
    ] {
        let cache = cache();
        permit(&cache, "").await.decline(Reason::NoStore);
        let Lookup::Pass(watch) = look_up(&cache, asked).await else { panic!("it is not marked") };
        let status = watch.see(&response(200, answer, ()), is_file, SystemTime::now());
        assert_eq!(status.reason, Some(reason), "{answer} {is_file}");
        let is_marked = matches!(look_up(&cache, "").await, Lookup::Pass(_));
        assert_eq!(is_marked, stays, "{answer} {is_file}");
    }
}

#[tokio::test]
async fn whoever_waits_gets_the_file() {
    let cache = cache();
    let permit = permit(&cache, "").await;
    let head = judge(&permit, "", 200, "cache-control: public, max-age=60 | set-cookie: a=b").unwrap();
    let waits = tokio::spawn({
        let cache = cache.clone();
        async move { look_up(&cache, "").await.entry().cloned() }
    });
    tokio::task::yield_now().await;
    let (entry, status) = permit.keep_file(head, None, file(5));
    assert!(status.stored && !entry.head().headers().contains_key(header::SET_COOKIE));
    assert!(waits.await.unwrap().is_some_and(|found| Arc::ptr_eq(&found, &entry)));
}
