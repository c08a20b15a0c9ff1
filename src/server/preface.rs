//! Whether a client begins with HTTP/2's connection preface (RFC 9113 §3.3, §3.4).

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// What a client of HTTP/2 sends first. No request of HTTP/1 begins like this.
pub(super) const PREFACE: [u8; 24] = *b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Reads as long as what comes is the preface, and no further; true where it is all of it. What was read is put behind
/// `read`, also when this is dropped before its end.
pub(super) async fn is_next<S: AsyncRead + Unpin>(socket: &mut S, read: &mut BytesMut) -> bool {
    let mut space = [0; PREFACE.len()];
    loop {
        let missing = PREFACE.len() - read.len();
        // An error comes again when it is read next, as the end does.
        let Ok(length @ 1..) = socket.read(&mut space[..missing]).await else { return false };
        read.extend_from_slice(&space[..length]);
        if !PREFACE.starts_with(read) || length == missing {
            return PREFACE == read[..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;

    #[tokio::test]
    async fn nothing_is_waited_for_that_cannot_be_a_preface() {
        for (pieces, expected) in [
            (&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"][..], true),
            (&["P", "RI * HTTP/2.0\r\n", "\r\nSM\r\n\r\nmore"], true),
            (&["G"], false),
            (&["P", "OST"], false),
            (&["PRI * HTTP/2.0\r\n\r\nSM\r\n\rx"], false),
        ] {
            let (mut client, mut server) = tokio::io::duplex(64);
            let mut read = BytesMut::new();
            let mut next = Box::pin(is_next(&mut server, &mut read));
            for piece in pieces {
                assert!(!next_is_ready(&mut next).await, "{pieces:?}");
                client.write_all(piece.as_bytes()).await.unwrap();
            }
            assert_eq!(next.await, expected, "{pieces:?}");
            let all = pieces.concat();
            assert_eq!(read, all[..all.len().min(24)], "{pieces:?}");
        }
    }

    async fn next_is_ready(next: &mut std::pin::Pin<Box<impl Future<Output = bool>>>) -> bool {
        std::future::poll_fn(|cx| std::task::Poll::Ready(next.as_mut().poll(cx).is_ready())).await
    }
}
