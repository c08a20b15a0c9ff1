use super::*;
use crate::{files::open, message::file::NamedFile};
use http_body_util::BodyExt;
use std::{fs, os::unix::fs::FileExt};
use tempfile::NamedTempFile;

const LENGTH: usize = 3 * LARGE_CHUNK + 12_345;

/// No two of its chunks are the same.
fn content() -> Vec<u8> {
    (0..LENGTH).map(|place| (place * 31 + place / 251) as u8).collect()
}

fn file(content: &[u8]) -> (NamedTempFile, OpenFile) {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), content).unwrap();
    let opened = open(file.path(), &[]).unwrap();
    (file, opened)
}

fn whole(file: &OpenFile) -> FileBody {
    FileBody::new(file.clone(), [Piece::Range(0..file.named().length)])
}

/// As if the file system could not be asked for what is in memory.
fn from_disk(mut body: FileBody) -> FileBody {
    body.asks_memory = false;
    body
}

/// Reads it to its end, with a look at what it says of itself at each step.
async fn sent(mut body: FileBody) -> Result<Vec<u8>, BodyError> {
    let mut sent = Vec::new();
    while let Some(frame) = body.frame().await {
        let chunk = frame?.into_data().unwrap();
        assert!(!chunk.is_empty() && chunk.len() <= LARGE_CHUNK);
        sent.extend_from_slice(&chunk);
        assert_eq!(body.is_end_stream(), body.size_hint().exact() == Some(0));
    }
    assert!(body.is_end_stream());
    Ok(sent)
}

#[tokio::test]
async fn a_whole_file_from_memory_and_from_disk() {
    let content = content();
    let (_kept, file) = file(&content);
    assert_eq!(whole(&file).size_hint().exact(), Some(LENGTH as u64));
    assert!(!whole(&file).is_end_stream());
    assert!(sent(whole(&file)).await.unwrap() == content);
    assert!(sent(from_disk(whole(&file))).await.unwrap() == content);
}

#[tokio::test]
async fn what_is_not_in_memory_is_read_from_disk() {
    let content = content();
    let (kept, file) = file(&content);
    // Asks the kernel to forget the file; where it does not, this is the test above once more.
    kept.as_file().sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
    assert!(sent(whole(&file)).await.unwrap() == content);
}

/// Such as procfs, and the one that most containers' images are on.
#[tokio::test]
async fn a_file_system_that_cannot_be_asked_for_memory() {
    let version = fs::File::open("/proc/version").unwrap();
    assert_eq!(read_from_memory(&version, &mut [0; 8], 0), Err(Errno::OPNOTSUPP));
    let content = fs::read("/proc/version").unwrap();
    let (_kept, other) = file(b"");
    let named = NamedFile { length: content.len() as u64, ..other.named().clone() };
    let mut body = whole(&OpenFile::unchecked(version.into(), named));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), content);
    assert!(!body.asks_memory, "it is not asked again");
}

#[tokio::test]
async fn an_empty_file() {
    let (_kept, file) = file(b"");
    assert!(whole(&file).is_end_stream());
    assert_eq!(whole(&file).size_hint().exact(), Some(0));
    assert_eq!(sent(whole(&file)).await.unwrap(), b"");
}

#[tokio::test]
async fn ranges() {
    let content = content();
    let (_kept, file) = file(&content);
    let (chunk, length) = (CHUNK as u64, LENGTH as u64);
    for range in [0..1, 5..5, 1..chunk, 1..chunk + 1, chunk..2 * chunk + 7, length - 1..length, 0..length] {
        let expected = &content[range.start as usize..range.end as usize];
        let body = || FileBody::new(file.clone(), [Piece::Range(range.clone())]);
        assert_eq!(body().size_hint().exact(), Some(expected.len() as u64));
        assert!(sent(body()).await.unwrap() == expected, "{range:?}");
        assert!(sent(from_disk(body())).await.unwrap() == expected, "{range:?}");
    }
}

#[tokio::test]
async fn pieces_between_ranges() {
    let content = content();
    let (_kept, file) = file(&content);
    let bytes = |text: &'static str| Piece::Bytes(Bytes::from_static(text.as_bytes()));
    let pieces = [
        bytes("head"),
        Piece::Range(7..7),
        Piece::Range(100..300_100),
        bytes(""),
        bytes("between"),
        Piece::Range(0..2),
        bytes("end"),
    ];
    let expected = [b"head", &content[100..300_100], b"between", &content[..2], b"end"].concat();
    let body = || FileBody::new(file.clone(), pieces.clone());
    assert_eq!(body().size_hint().exact(), Some(expected.len() as u64));
    assert!(sent(body()).await.unwrap() == expected);
    assert!(sent(from_disk(body())).await.unwrap() == expected);
}

#[tokio::test]
async fn a_file_that_shrinks_breaks_the_body() {
    for prepare in [|body| body, from_disk] {
        let (kept, file) = file(&content());
        let mut body = prepare(whole(&file));
        body.frame().await.unwrap().unwrap();
        kept.as_file().set_len(LARGE_CHUNK as u64 + 1).unwrap();
        assert_eq!(sent(body).await, Err(BodyError::FileGone));
        let mut body = prepare(FileBody::new(file.clone(), [Piece::Range(LENGTH as u64 - 1..LENGTH as u64)]));
        assert_eq!(body.frame().await.unwrap().unwrap_err(), BodyError::FileGone);
        // A broken body has not ended, and says nothing more.
        assert!(!body.is_end_stream() && body.frame().await.is_none());
    }
}

#[tokio::test]
async fn a_file_that_grows_is_sent_as_long_as_it_was() {
    let (kept, file) = file(b"before");
    kept.as_file().write_all_at(b" and after", 6).unwrap();
    assert_eq!(sent(whole(&file)).await.unwrap(), b"before");
}

#[tokio::test]
async fn a_file_that_is_replaced_is_sent_as_it_was() {
    let content = content();
    let (kept, file) = file(&content);
    let mut body = whole(&file);
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    fs::remove_file(kept.path()).unwrap();
    fs::write(kept.path(), b"another").unwrap();
    assert!([&first[..], &sent(body).await.unwrap()].concat() == content);
}

#[tokio::test]
async fn buffers_are_used_again_when_they_have_been_sent() {
    let (_kept, file) = file(&content());
    for prepare in [|body| body, from_disk] {
        let mut body = prepare(whole(&file));
        let mut places = Vec::new();
        while let Some(frame) = body.frame().await {
            places.push(frame.unwrap().into_data().unwrap().as_ptr());
        }
        places.sort_unstable();
        places.dedup();
        // Those of the large size too.
        assert!(places.len() <= 3, "{}", places.len());
    }
}

#[tokio::test]
async fn a_chunk_that_is_still_held_is_not_written_to() {
    let content = content();
    let (_kept, file) = file(&content);
    for prepare in [|body| body, from_disk] {
        let mut body = prepare(whole(&file));
        let mut held = Vec::new();
        while let Some(frame) = body.frame().await {
            held.push(frame.unwrap().into_data().unwrap());
        }
        assert!(held.concat() == content);
    }
}
