using System.Net;
using FastRelay.Journal;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>
/// One (message, destination) in flight, from <see cref="MessageQueue.TryTake"/> to
/// <see cref="MessageQueue.Report"/> or <see cref="MessageQueue.Release"/>, one of which must follow.
/// </summary>
public readonly struct Delivery
{
    internal Delivery(int entry, MessageHandle message, Destination destination, Site? site, TenantLane? lane, int attempts, long waitedMs, long takenMs)
    {
        Entry = entry;
        Message = message;
        Destination = destination;
        SiteOrNone = site;
        Lane = lane;
        Attempts = attempts;
        WaitedMs = waitedMs;
        TakenMs = takenMs;
    }

    /// <summary>Handle of the queue's entry.</summary>
    public int Entry { get; }

    /// <summary>The message; its body stays readable until the report.</summary>
    public MessageHandle Message { get; }

    /// <summary>Where it goes.</summary>
    public Destination Destination { get; }

    /// <summary>The site that it was taken for.</summary>
    public Site Site => SiteOrNone!;

    /// <summary>Attempts before this one.</summary>
    public int Attempts { get; }

    /// <summary>How long it was ready before it was taken, ms with a resolution of 1 s.</summary>
    public long WaitedMs { get; }

    /// <summary>When it was taken, on the loop's scale, ms.</summary>
    public long TakenMs { get; }

    internal Site? SiteOrNone { get; }

    /// <summary>Its place in <see cref="Flights"/>; 0 where it was taken for no site.</summary>
    internal int Flight { get; init; }

    internal int FlightNumber { get; init; }

    /// <summary>What it was taken from; null exactly when there is no site.</summary>
    internal TenantLane? Lane { get; }
}

/// <summary>What became of one recipient in an attempt.</summary>
/// <param name="Index">Its number in the envelope.</param>
/// <param name="Outcome">Delivered, deferred or failed.</param>
/// <param name="ReplyText">What the next hop said, or our own words; read before the report returns. At most <see cref="Limits.ReplyTextBytes"/> are used.</param>
public readonly record struct RecipientReport(int Index, Outcome Outcome, ReadOnlyMemory<byte> ReplyText)
{
    /// <summary>
    /// The first recipient that a host had no room for in a transaction in which it took others (RFC 5321 4.5.3.1.10):
    /// it goes in the next transaction at once. Each such transaction delivers to somebody, so this ends.
    /// </summary>
    internal static int FirstOfTooMany(ReadOnlySpan<RecipientReport> reports)
    {
        int first = int.MaxValue;
        bool delivered = false;
        foreach (ref readonly RecipientReport report in reports)
        {
            delivered |= report.Outcome.Class == OutcomeClass.Delivered;
            if (IsTooMany(report.Outcome))
            {
                first = Math.Min(first, report.Index);
            }
        }
        return delivered ? first : int.MaxValue;
    }

    /// <summary>The host has no room for another recipient in this transaction.</summary>
    internal static bool IsTooMany(in Outcome outcome) =>
        outcome is { Class: OutcomeClass.Deferred, Cause: OutcomeCause.Reply, ReplyCode: 452 or 552 }
        && (outcome.EnhancedCode.IsNone || outcome.EnhancedCode is { Subject: 5, Detail: 3 });
}

/// <summary>What an attempt was, for the log and for bounces.</summary>
/// <param name="Host">Name of the next hop's host; empty when none was asked.</param>
/// <param name="Address">The address that was dialled; null when none was.</param>
/// <param name="Tls">Protocol and cipher in short; null in clear.</param>
/// <param name="ConnectMs">From dialling to the end of EHLO or TLS, ms; 0 on a connection that was there.</param>
/// <param name="Reused">True when the connection had served before.</param>
public readonly record struct AttemptInfo(string Host, IPEndPoint? Address, string? Tls, long ConnectMs, bool Reused)
{
    /// <summary>The host makes reports itself: it was told what the sender wants to hear of (RFC 3461 5.2.1).</summary>
    public bool HasDsn { get; init; }
}
