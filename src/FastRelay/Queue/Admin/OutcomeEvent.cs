using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>What an attempt came to for one recipient, as a line of the event stream: the fields of the log, delays in ms.</summary>
internal static class OutcomeEvent
{
    /// <summary>Writes <c>delivered</c>, <c>deferred</c>, <c>failed</c> or <c>removed</c>.</summary>
    public static void Write(
        EventStream events,
        QueueState queue,
        in Delivery delivery,
        in Envelope envelope,
        in AttemptInfo attempt,
        in RecipientReport report,
        in Outcome outcome,
        ReadOnlySpan<byte> kind,
        int attempts)
    {
        Span<byte> id = stackalloc byte[MessageId.TextLength];
        queue.Journal.IdOf(delivery.Message).Format(id);
        Span<byte> code = stackalloc byte[EnhancedCode.TextLengthMax];
        outcome.EnhancedCode.TryFormat(code, out int codeLength);
        long arrived = queue.Journal.ArrivalUnixMs(delivery.Message);
        EventLine line = events.Begin(OutcomeWords.Of(outcome))
            .Add("id"u8, id)
            .Add("from"u8, envelope.ReversePath)
            .Add("to"u8, envelope.Recipient(report.Index))
            .AddTenant(envelope.Tenant)
            .AddPriority(envelope.Priority.Utf8Said())
            .Add("destination"u8, delivery.Destination.Key)
            .Add("site"u8, delivery.SiteOrNone?.Key)
            .Add("source"u8, delivery.Destination.Source?.Name)
            .Add("host"u8, attempt.Host.Length > 0 ? attempt.Host : null)
            .Add("addr"u8, attempt.Address)
            .Add("tls"u8, attempt.Tls)
            .Add("attempts"u8, attempts)
            .Add("code"u8, outcome.ReplyCode)
            .Add("dsn"u8, code[..codeLength])
            .Add("cause"u8, OutcomeWords.Of(outcome.Cause))
            .Add("reply"u8, DeliveryReporter.Cut(report.ReplyText.Span));
        if (!kind.IsEmpty)
        {
            line = line.Add("class"u8, kind);
        }
        line.Add("delay_ms"u8, Math.Max(0, queue.UnixMs - arrived))
            .Add("waited_ms"u8, delivery.WaitedMs)
            .Add("connect_ms"u8, attempt.ConnectMs)
            .Add("transfer_ms"u8, queue.World.Loop.NowMs - delivery.TakenMs)
            .Write();
    }
}
