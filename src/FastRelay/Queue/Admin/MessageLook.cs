using System.Text;
using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>Shows messages as they are at the moment. Loop thread.</summary>
/// <param name="queue">The queue.</param>
internal sealed class MessageLook(QueueState queue)
{
    private const int RecipientsShown = 100;

    /// <summary>What a filter selects of a message; null when nothing of it is.</summary>
    /// <param name="scan">At the message.</param>
    /// <param name="envelope">Its own.</param>
    public QueuedMessage? View(QueueScan scan, in Envelope envelope)
    {
        var message = new MessageHandle(scan.Slot);
        MessageId id = queue.Journal.IdOf(message);
        string sender = Encoding.UTF8.GetString(envelope.ReversePath);
        List<QueuedDestination> destinations = [];
        for (int handle = queue.Messages[message.Slot]; handle != 0; handle = queue.Slab[handle].NextOfMessage)
        {
            if (scan.Selects(handle))
            {
                QueuedDestination view = View(scan, handle, envelope);
                if (view.RecipientCount > 0)
                {
                    destinations.Add(view);
                }
            }
        }
        return destinations.Count == 0 ? null
            : new QueuedMessage(id, queue.Journal.ArrivalUnixMs(message), queue.Journal.BodyLength(message), sender, destinations) { Tenant = Encoding.ASCII.GetString(envelope.Tenant), Priority = envelope.Priority };
    }

    private QueuedDestination View(QueueScan scan, int handle, in Envelope envelope)
    {
        Entry entry = queue.Slab[handle];
        Destination destination = queue.Destinations[entry.Destination];
        bool divides = scan.Divides(handle);
        int selected = 0;
        var recipients = new List<string>();
        foreach (EnvelopeRecipient recipient in envelope)
        {
            if ((divides || recipients.Count < RecipientsShown) && IsOf(queue, handle, recipient) && (!divides || scan.SelectsRecipient(recipient.Mailbox)))
            {
                selected++;
                if (recipients.Count < RecipientsShown)
                {
                    recipients.Add(Encoding.UTF8.GetString(recipient.Mailbox));
                }
            }
        }
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
            StateOf(entry.State),
            entry.Attempts,
            next == 0 ? 0 : unixMs + (next - nowMs),
            unixMs + ((entry.ExpireSeconds * 1000L) - nowMs),
            reason,
            recipients,
            divides ? selected : entry.Pending)
        {
            MovedTo = Encoding.UTF8.GetString(moved.Target),
            MovedUnixMs = moved.UnixMs,
            Of = destination,
        };
    }

    /// <summary>True for a recipient that an entry has still to see to.</summary>
    public static bool IsOf(QueueState queue, int handle, in EnvelopeRecipient recipient)
    {
        ref Entry entry = ref queue.Slab[handle];
        return queue.Journal.IsPending(new MessageHandle(entry.Message), recipient.Index)
            && queue.ExtraOrNone(handle)?.Failed.Contains(recipient.Index) != true
            && ((entry.Flags & EntryFlags.Shared) == 0 || queue.Destinations[entry.Destination].Serves(recipient.Mailbox));
    }

    /// <summary>A state, for people.</summary>
    public static QueuedState StateOf(EntryState state) => state switch
    {
        EntryState.Ready => QueuedState.Ready,
        EntryState.Deferred => QueuedState.Deferred,
        EntryState.Held => QueuedState.Held,
        EntryState.Settling => QueuedState.Ending,
        _ => QueuedState.InFlight,
    };
}
