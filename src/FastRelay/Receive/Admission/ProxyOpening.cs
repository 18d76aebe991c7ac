using System.IO.Pipelines;
using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Outside;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>The beginning of a connection that a proxy passes on: its header, within one time for all of it, and who that is for us.</summary>
/// <param name="Kind">For whom the proxy speaks.</param>
/// <param name="Client">The client; the proxy itself when it names none.</param>
/// <param name="Admitted">It is counted and may be served; otherwise the connection is to be closed.</param>
internal readonly record struct ProxyOpening(ProxiedKind Kind, IPEndPoint Client, bool Admitted)
{
    /// <summary>Reads the header and nothing behind it.</summary>
    /// <param name="link">The connection, of which nothing was read.</param>
    /// <param name="clock">Of the session.</param>
    /// <param name="receiver">Admits the client.</param>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public static async ValueTask<ProxyOpening> ReadAsync(Link link, SessionClock clock, Receiver receiver)
    {
        clock.Wait(SessionWait.Command, receiver.Options.Limits.ProxyTimeoutMs, inTransaction: false);
        while (true)
        {
            ReadResult read = await link.Input.ReadAsync();
            ProxyStatus status = ProxyHeader.Read(read.Buffer.FirstSpan, out ProxyHeader header, out int length);
            // Whoever only looks whether we are there says nothing, and hears nothing of it; as do all when the relay stops.
            bool quiet = receiver.Draining || (read.IsCompleted && read.Buffer.IsEmpty);
            string failure = read.IsCanceled ? "no whole header in time"
                : status == ProxyStatus.Broken ? "no header, or a broken one"
                : status == ProxyStatus.NeedMore && read.IsCompleted ? "the peer closed before a whole header"
                : "";
            SequencePosition consumed = read.Buffer.GetPosition(status == ProxyStatus.Ok ? length : 0);
            link.Input.AdvanceTo(consumed, status == ProxyStatus.Ok ? consumed : read.Buffer.End);
            if (failure.Length == 0 && status == ProxyStatus.NeedMore)
            {
                continue;
            }
            clock.Done();
            if (failure.Length > 0)
            {
                if (!quiet)
                {
                    receiver.ProxyFailed(link.Remote, failure);
                }
                clock.End = receiver.Draining ? SessionEnd.Shutdown : read.IsCanceled ? SessionEnd.Timeout : status == ProxyStatus.Broken ? SessionEnd.Errors : SessionEnd.Lost;
                return new ProxyOpening(header.Kind, link.Remote, Admitted: false);
            }
            IPEndPoint client = header.Client ?? link.Remote;
            byte[]? refusal = receiver.Admit(client, receiver.Serving - 1, known: header.Kind != ProxiedKind.Unknown);
            if (refusal is not null)
            {
                receiver.Refused(client, refusal);
                clock.End = SessionEnd.Errors;
                refusal.CopyTo(link.Output.GetSpan(refusal.Length));
                link.Output.Advance(refusal.Length);
                clock.Wait(SessionWait.Flush, receiver.Options.Limits.ProxyTimeoutMs, inTransaction: false);
                await link.Output.FlushAsync();
                clock.Done();
            }
            return new ProxyOpening(header.Kind, client, refusal is null);
        }
    }
}
