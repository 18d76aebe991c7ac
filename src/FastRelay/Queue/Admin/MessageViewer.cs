using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Journal;
using FastRelay.Outside;

namespace FastRelay.Queue;

/// <summary>
/// Shows the message that a scan is at, a slice a turn: which of a thousand recipients belong to which of a thousand destinations is
/// a million questions. Loop thread.
/// </summary>
/// <param name="queue">Knows it.</param>
/// <param name="scan">Has found it.</param>
internal sealed class MessageViewer(QueueState queue, QueueScan scan)
{
    private const int RecipientsShown = 100;
    private readonly List<int> _picked = [];

    /// <summary>The message with the destinations that the filter selects; null when it is gone meanwhile, cannot be read or its sender is another.</summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder<>))]
    public async ValueTask<QueuedMessage?> ViewAsync()
    {
        BodyReader body = queue.Journal.OpenBody();
        body.Start(new MessageHandle(scan.Slot));
        BodyStatus status = await body.PrepareAsync();
        bool selected = status != BodyStatus.IoError && body.HasEnvelope && scan.IsThere && scan.SelectsSender(body.Envelope.ReversePath);
        QueuedMessage? view = selected ? await ViewAsync(body) : null;
        body.Close();
        if (!scan.Spend(QueueScan.ReadCost))
        {
            await scan.PauseAsync();
        }
        return view is not null && scan.IsThere ? view : null;
    }

    private async ValueTask<QueuedMessage?> ViewAsync(BodyReader body)
    {
        _picked.Clear();
        await scan.PickAsync(_picked);
        List<QueuedDestination> destinations = [];
        foreach (int handle in _picked)
        {
            if (scan.StillSelects(handle) && await RecipientsAsync(handle, body) is { } recipients)
            {
                destinations.Add(View(handle, recipients));
            }
        }
        return destinations.Count == 0 || !scan.IsThere ? null : View(body.Envelope, destinations);
    }

    private QueuedMessage View(in Envelope envelope, List<QueuedDestination> destinations)
    {
        var message = new MessageHandle(scan.Slot);
        return new QueuedMessage(scan.Id, queue.Journal.ArrivalUnixMs(message), queue.Journal.BodyLength(message), Encoding.UTF8.GetString(envelope.ReversePath), destinations)
        {
            Tenant = Encoding.ASCII.GetString(envelope.Tenant),
            Priority = envelope.Priority,
        };
    }

    /// <summary>Who waits in an entry, as many as are shown; null when it went meanwhile.</summary>
    private async ValueTask<List<string>?> RecipientsAsync(int handle, BodyReader body)
    {
        var recipients = new List<string>();
        var place = default(EnvelopePlace);
        // Most have found all of theirs long before the last.
        while (recipients.Count < Math.Min(RecipientsShown, queue.Slab[handle].Pending) && Next(handle, body.Envelope, ref place, recipients))
        {
            if (scan.Spend(1))
            {
                continue;
            }
            await scan.PauseAsync();
            if (!scan.StillSelects(handle))
            {
                return null;
            }
        }
        return recipients;
    }

    private bool Next(int handle, in Envelope envelope, ref EnvelopePlace place, List<string> recipients)
    {
        if (!envelope.TryNext(ref place, out EnvelopeRecipient recipient))
        {
            return false;
        }
        if (queue.Journal.IsPending(new MessageHandle(scan.Slot), recipient.Index)
            && queue.ExtraOrNone(handle)?.Failed.Contains(recipient.Index) != true
            && queue.Destinations[queue.Slab[handle].Destination].Serves(recipient.Mailbox))
        {
            recipients.Add(Encoding.UTF8.GetString(recipient.Mailbox));
        }
        return true;
    }

    private QueuedDestination View(int handle, List<string> recipients)
    {
        Entry entry = queue.Slab[handle];
        Destination destination = queue.Destinations[entry.Destination];
        RecordedMove moved = queue.Moves.NoteOf(handle);
        long nowMs = queue.World.Loop.NowMs;
        long unixMs = queue.UnixMs;
        bool ready = entry.State == EntryState.Ready;
        string reason = Encoding.UTF8.GetString(queue.Reasons.Text(entry.Reason));
        long next = entry.State == EntryState.Deferred ? entry.DueSeconds * 1000L : 0;
        if (ready && destination.DnsReason.Length > 0)
        {
            reason = destination.DnsReason;
            next = destination.DnsRetryMs == long.MaxValue ? 0 : destination.DnsRetryMs;
        }
        else if (ready && destination.Tenant is { IsSuspended: true } tenant)
        {
            reason = tenant.SuspendReason;
            next = tenant.SuspendedUntilMs == long.MaxValue ? 0 : tenant.SuspendedUntilMs;
        }
        else if (ready && destination.Site is { } site && queue.Gears.Of(site) is SiteGear.Backoff or SiteGear.Suspended && queue.Gears.EndOf(site) is var end && end > nowMs)
        {
            reason = queue.Gears.ReasonOf(site);
            next = end == long.MaxValue ? 0 : end;
        }
        return new QueuedDestination(
            destination.Key,
            destination.Site?.Key ?? "",
            QueueAdmin.StateOf(entry.State),
            entry.Attempts,
            next == 0 ? 0 : unixMs + (next - nowMs),
            unixMs + ((entry.ExpireSeconds * 1000L) - nowMs),
            reason,
            recipients,
            entry.Pending)
        {
            MovedTo = Encoding.UTF8.GetString(moved.Target),
            MovedUnixMs = moved.UnixMs,
            Of = destination,
        };
    }
}
