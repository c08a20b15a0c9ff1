//! A connection that has switched to another protocol: bytes both ways until both sides have ended.

use super::drain::Streaming;
use crate::message::Tunnel;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy_bidirectional};

/// Copies until both sides have closed their direction (one may go on when the other has ended), one of them fails, or
/// the server goes away. `early` is what the client has sent already.
pub(super) async fn run<S>(mut client: S, early: &[u8], tunnel: Tunnel, mut streaming: Streaming)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut worker = TokioIo::new(tunnel.worker);
    let copied = async {
        worker.write_all(early).await?;
        copy_bidirectional(&mut client, &mut worker).await
    };
    let sent = tokio::select! {
        result = copied => result.map_or(0, |(_, to_client)| to_client),
        () = streaming.closing() => 0,
    };
    (tunnel.ended)(sent);
    // A closed socket tells the client to connect again, to whoever serves next.
    let _ = client.shutdown().await;
}
