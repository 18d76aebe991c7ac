using System.IO.Pipelines;
using System.Net;
using System.Net.Security;

namespace FastRelay.Outside;

/// <summary>Why a link can no longer be used.</summary>
public enum LinkError : byte
{
    /// <summary>It works.</summary>
    None,

    /// <summary>The peer closed its side; what it sent before was read.</summary>
    Eof,

    /// <summary>The peer reset the connection, or the network lost it.</summary>
    Reset,

    /// <summary>We cut it: a timeout, a limit, a shutdown.</summary>
    Aborted,

    /// <summary>The TLS layer failed: a bad handshake, certificate or record.</summary>
    Tls,
}

/// <summary>The result of <see cref="Link.StartTlsAsync(ServerTls, bool)"/> and its client twin.</summary>
/// <param name="Ok">The link now speaks TLS.</param>
/// <param name="Reason">For people: what failed; empty when it worked.</param>
/// <param name="Dropped">Clear-text bytes that were buffered behind the STARTTLS line and thrown away (CVE-2011-0411 and its mirror).</param>
public readonly record struct TlsResult(bool Ok, string Reason, int Dropped)
{
    /// <summary>SHA-256 of the peer's certificate in lower-case hex, when it showed one and proved that it has its key; whether anybody vouches for it is not said.</summary>
    public string? PeerFingerprint { get; init; }
}

/// <summary>
/// One TCP connection, clear or TLS, that belongs to one loop and one session. Reading and writing never throw for
/// what a peer or a network does: a lost peer completes the reader (<c>ReadResult.IsCompleted</c>) or the writer
/// (<c>FlushResult.IsCompleted</c>), and <see cref="Error"/> says why.
/// </summary>
/// <remarks>
/// Rules that every implementation keeps and the transport tests check: an idle link owns no buffer; a read delivers one contiguous span of at
/// most <see cref="ReadBufferBytes"/>; a flush completes when the kernel took every byte, so a peer that does not read
/// stops being read; <c>WriteAsync</c> of memory sends what is buffered and the memory in one call without copying it.
/// </remarks>
public abstract class Link
{
    /// <summary>Size of the read buffer of a link with input, bytes. A reader must consume before it is full.</summary>
    public const int ReadBufferBytes = 16 * 1024;

    /// <summary>Bytes a link's writer gathers before it must be flushed; a larger <c>GetSpan</c> request fails a check.</summary>
    public const int WriteBufferBytes = 16 * 1024;

    /// <summary>The loop that owns the link.</summary>
    public abstract Loop Loop { get; }

    /// <summary>Bytes from the peer; replaced when TLS starts.</summary>
    public abstract PipeReader Input { get; }

    /// <summary>Bytes to the peer; replaced when TLS starts.</summary>
    public abstract PipeWriter Output { get; }

    /// <summary>Our address.</summary>
    public abstract IPEndPoint Local { get; }

    /// <summary>The peer's address.</summary>
    public abstract IPEndPoint Remote { get; }

    /// <summary>Why reading or writing ended; None while it works.</summary>
    public abstract LinkError Error { get; }

    /// <summary>The peer closed its side, or the link has failed, as far as that is known without reading: for work that nobody may wait for.</summary>
    public virtual bool PeerGone => Error != LinkError.None;

    /// <summary>Protocol and cipher for logs and trace headers, as in <c>TLSv1.3 TLS_AES_256_GCM_SHA384</c>; null in clear.</summary>
    public abstract string? TlsName { get; }

    /// <summary>Why TLS failed after its handshake, for people, as in the alert that the peer has sent; null when it has not.</summary>
    public virtual string? TlsProblem => null;

    /// <summary>Starts TLS as the server. Buffered clear text is dropped first, unless it is the client's first TLS record.</summary>
    /// <param name="tls">Certificates by the name that the client asks for.</param>
    /// <param name="keepInput">Unconsumed input belongs to TLS: it stood behind a PROXY header.</param>
    public abstract ValueTask<TlsResult> StartTlsAsync(ServerTls tls, bool keepInput = false);

    /// <summary>Starts TLS as the client. Buffered clear text is dropped first.</summary>
    public abstract ValueTask<TlsResult> StartTlsAsync(SslClientAuthenticationOptions options);

    /// <summary>
    /// Enqueues an item, once, as soon as a read would not have to wait: input, its end, <see cref="CancelRead"/> or
    /// <see cref="Abort"/>. This is how a session waits that may be silent for long: no read is pending, and no method is
    /// suspended in one. Until the item runs nobody reads.
    /// </summary>
    /// <param name="item">Run on the link's loop.</param>
    /// <returns>False, and the item is not kept, when a read may have something now.</returns>
    public abstract bool WakeOnInput(LoopItem item);

    /// <summary>
    /// Ends a wait for input without closing: the pending, or else the next, <c>Input.ReadAsync</c> returns
    /// <c>IsCanceled</c>; an item of <see cref="WakeOnInput"/> is enqueued. After that only writing and closing are allowed (a TLS read may still be under way).
    /// </summary>
    public abstract void CancelRead();

    /// <summary>Resets the connection at once; pending and later operations complete with <see cref="LinkError.Aborted"/>. Bytes of the last read stay valid until the session goes on or closes. Idempotent.</summary>
    public abstract void Abort();

    /// <summary>
    /// Closes politely: what was flushed is sent; with unread input it lingers (shuts down writing, drains at most
    /// 64 KiB or 2 s) so that the peer sees our last reply and not a reset. The session may forget the link at once.
    /// Every session ends with it, after an <see cref="Abort"/> too: it gives back the buffers that the session had in hand.
    /// </summary>
    public abstract void Close();
}
