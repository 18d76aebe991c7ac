using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>What an attempt came to for one recipient, as a line of the log.</summary>
internal static class OutcomeLog
{
    /// <summary>Writes the line, and the event.</summary>
    public static void Write(
        QueueState queue,
        in Delivery delivery,
        in Envelope envelope,
        in AttemptInfo attempt,
        in RecipientReport report,
        in Outcome outcome,
        int attempts)
    {
        Span<byte> id = stackalloc byte[16];
        int idLength = queue.Journal.IdOf(delivery.Message).Format(id);
        Span<byte> code = stackalloc byte[EnhancedCode.TextLengthMax];
        outcome.EnhancedCode.TryFormat(code, out int codeLength);
        long now = queue.World.Loop.NowMs;
        LogLine line = (outcome.Class == OutcomeClass.Delivered || outcome.Cause == OutcomeCause.Removed ? queue.Log.Line("delivery"u8) : queue.Log.Warn("delivery"u8))
            .Add("status"u8, OutcomeWords.Of(outcome))
            .Add("id"u8, id[..idLength])
            .Add("from"u8, envelope.ReversePath)
            .Add("to"u8, envelope.Recipient(report.Index))
            .Add("site"u8, delivery.SiteOrNone?.Key ?? delivery.Destination.Key)
            .AddTenant(delivery.Destination.Tenant.Utf8Name)
            .AddPriority(envelope.Priority.Utf8Said());
        if (delivery.SiteOrNone?.Source is { } source)
        {
            source.Count(outcome.Class);
            line = line.Add("source"u8, source.Utf8Name);
        }
        if (attempt.Host.Length > 0)
        {
            line = line.Add("host"u8, attempt.Host);
        }
        if (attempt.Address is not null)
        {
            line = line.Add("addr"u8, attempt.Address);
        }
        line = line.Add("tls"u8, attempt.Tls)
            .Add("attempts"u8, attempts)
            .AddSeconds("delay"u8, Math.Max(0, queue.UnixMs - queue.Journal.ArrivalUnixMs(delivery.Message)))
            .AddSeconds("waited"u8, delivery.WaitedMs)
            .AddSeconds("connect"u8, attempt.ConnectMs)
            .AddSeconds("transfer"u8, now - delivery.TakenMs)
            .Add("code"u8, outcome.ReplyCode)
            .Add("dsn"u8, code[..codeLength])
            .Add("cause"u8, OutcomeWords.Of(outcome.Cause));
        ReadOnlySpan<byte> kind = BounceClass.Of(outcome, report.ReplyText.Span);
        if (!kind.IsEmpty)
        {
            line = line.Add("class"u8, kind);
            if (outcome.Cause != OutcomeCause.Removed)
            {
                queue.Counters.Troubles.Add(outcome.Class, kind);
            }
        }
        line.Add("reply"u8, DeliveryReporter.Cut(report.ReplyText.Span)).Write();
        if (queue.Log.Events is { } events)
        {
            OutcomeEvent.Write(events, queue, delivery, envelope, attempt, report, outcome, kind, attempts);
        }
    }
}
