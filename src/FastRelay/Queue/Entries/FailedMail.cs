using System.Text;
using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>
/// Recipients that have failed while their bounce is still to be written: they are in no entry any more, but whoever asks for their
/// message sees them and what their bounce waits for. Loop thread.
/// </summary>
internal static class FailedMail
{
    private const int RecipientsShown = 100;

    /// <summary>Adds those of a message.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="id">The message.</param>
    /// <param name="shown">What entries say of it; null when it has none.</param>
    /// <returns><paramref name="shown"/> itself when no bounce of it waits, or its envelope cannot be read.</returns>
    public static async ValueTask<QueuedMessage?> AddAsync(QueueState queue, MessageId id, QueuedMessage? shown)
    {
        if (!queue.Journal.TryFind(id, out MessageHandle message) || queue.Bounces?.WaitOf(message) is null)
        {
            return shown;
        }
        BodyReader body = queue.Journal.OpenBody();
        body.Start(message);
        BodyStatus status = await body.PrepareAsync();
        // It may have been told while its envelope was read.
        if (status != BodyStatus.IoError && body.HasEnvelope && queue.Journal.TryFind(id, out MessageHandle still) && still == message
            && queue.Bounces.WaitOf(message) is { } wait)
        {
            QueuedDestination failed = View(queue, message, wait, body.Envelope);
            shown = shown is null
                ? new QueuedMessage(id, queue.Journal.ArrivalUnixMs(message), queue.Journal.BodyLength(message), Encoding.UTF8.GetString(body.Envelope.ReversePath), [failed])
                {
                    Tenant = Encoding.ASCII.GetString(body.Envelope.Tenant),
                    Priority = body.Envelope.Priority,
                }
                : shown with { Destinations = [.. shown.Destinations, failed] };
        }
        body.Close();
        return shown;
    }

    private static QueuedDestination View(QueueState queue, MessageHandle message, BounceWait wait, in Envelope envelope)
    {
        var recipients = new List<string>();
        foreach (int index in wait.Recipients.Take(RecipientsShown))
        {
            recipients.Add(Encoding.UTF8.GetString(envelope.Recipient(index)));
        }
        string domain = recipients[0][(recipients[0].LastIndexOf('@') + 1)..];
        string reply = Encoding.UTF8.GetString(wait.Reply.Span);
        long expires = queue.Journal.ArrivalUnixMs(message) + queue.Options.ExpireMs;
        return new QueuedDestination(domain, "", QueuedState.Ending, 0, 0, expires, $"failed; its bounce {wait.Why}{(reply.Length > 0 ? ": " + reply : "")}", recipients, wait.Recipients.Count)
        {
            IsFailed = true,
        };
    }
}
