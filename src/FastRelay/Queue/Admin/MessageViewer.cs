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
            if (scan.StillSelects(handle) && await RecipientsAsync(handle, body) is ({ Count: > 0 } recipients, int count))
            {
                destinations.Add(View(handle, recipients, count));
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

    /// <summary>Who of an entry is selected, as many as are shown, and how many there are; nobody when it went meanwhile.</summary>
    private async ValueTask<(List<string> Shown, int Count)> RecipientsAsync(int handle, BodyReader body)
    {
        var recipients = new List<string>();
        var place = default(EnvelopePlace);
        bool divides = scan.Divides(handle);
        int count = 0;
        // Most have found all of theirs long before the last; who is divided is counted to the end.
        while ((divides || recipients.Count < Math.Min(RecipientsShown, queue.Slab[handle].Pending)) && Next(handle, divides, body.Envelope, ref place, recipients, ref count))
        {
            if (scan.Spend(1))
            {
                continue;
            }
            await scan.PauseAsync();
            if (!scan.StillSelects(handle))
            {
                return ([], 0);
            }
        }
        return (recipients, divides ? count : queue.Slab[handle].Pending);
    }

    private bool Next(int handle, bool divides, in Envelope envelope, ref EnvelopePlace place, List<string> recipients, ref int count)
    {
        if (!envelope.TryNext(ref place, out EnvelopeRecipient recipient))
        {
            return false;
        }
        if (IsOf(queue, handle, recipient) && (!divides || scan.SelectsRecipient(recipient.Mailbox)) && count++ < RecipientsShown)
        {
            recipients.Add(Encoding.UTF8.GetString(recipient.Mailbox));
        }
        return true;
    }

    /// <summary>True for a recipient that an entry has still to see to.</summary>
    public static bool IsOf(QueueState queue, int handle, in EnvelopeRecipient recipient)
    {
        ref Entry entry = ref queue.Slab[handle];
        return queue.Journal.IsPending(new MessageHandle(entry.Message), recipient.Index)
            && queue.ExtraOrNone(handle)?.Failed.Contains(recipient.Index) != true
            && ((entry.Flags & EntryFlags.Shared) == 0 || queue.Destinations[entry.Destination].Serves(recipient.Mailbox));
    }

    private QueuedDestination View(int handle, List<string> recipients, int count)
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
            count)
        {
            MovedTo = Encoding.UTF8.GetString(moved.Target),
            MovedUnixMs = moved.UnixMs,
            Order = entry.Order,
            Of = destination,
        };
    }
}
