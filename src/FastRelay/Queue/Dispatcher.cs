using FastRelay.Journal;
using FastRelay.Routing;
using FastRelay.Smtp;

namespace FastRelay.Queue;

/// <summary>Makes sessions for sites that have work; Deliver's. Called from the loop's run queue, never from inside a call into the queue.</summary>
public abstract class Dispatcher
{
    /// <summary>
    /// Puts one more session to work for a site: wakes an idle kept connection (<see cref="Site.Idle"/> - 1) or starts a
    /// session (<see cref="Site.Sessions"/> + 1), which then calls <see cref="MessageQueue.TryTake"/> until that says
    /// false. Only called while <see cref="Site.CanRun"/>.
    /// </summary>
    /// <returns>
    /// False when there is no room for another session in all: the queue calls again for this site after
    /// <see cref="MessageQueue.RoomAgain"/>.
    /// </returns>
    public abstract bool Dispatch(Site site);

    /// <summary>
    /// May a session still be at work at a delivery that was taken long ago? Asked by the watchdog; false only when surely
    /// none is.
    /// </summary>
    /// <param name="site">What it was taken for.</param>
    /// <param name="takenMs">When, on the loop's scale.</param>
    public virtual bool MayHold(Site site, long takenMs) => true;

    /// <summary>
    /// Ends an idle connection of a site (<see cref="Site.Idle"/> - 1, and <see cref="Site.Sessions"/> - 1 when it has ended), to make room for
    /// one of another site with the same <see cref="Site.Budget"/>. Only called while there is one.
    /// </summary>
    public abstract void CloseIdle(Site site);

    /// <summary>What is remembered of a host; changes nothing.</summary>
    /// <param name="host">Its name, as <see cref="PlanHost.Name"/> has it.</param>
    /// <param name="tls">What the deliveries that are asked about want of TLS.</param>
    public virtual HostMemory MemoryOf(string host, TlsPolicy tls) => default;

    /// <summary>
    /// Forgets of a site's hosts what an operator who has mended them wants ended: that they are avoided, dialled in clear, and
    /// left after so many messages. Called again and again for the same site by one <c>queue retry</c>.
    /// </summary>
    public virtual void ForgiveHosts(Site site)
    {
    }
}

/// <summary>What a sender is told of a recipient.</summary>
public enum NoticeKind : byte
{
    /// <summary>It failed for good.</summary>
    Failed,

    /// <summary>It went to a host that makes no reports, and the sender wanted to hear of success (RFC 3461 5.2.2).</summary>
    Relayed,

    /// <summary>It still waits (RFC 3461 5.2.5).</summary>
    Delayed,
}

/// <summary>A recipient of whom the sender is told: one that failed for good, unless <see cref="Kind"/> says otherwise.</summary>
/// <param name="Index">Its number in the envelope.</param>
/// <param name="Outcome">Why.</param>
/// <param name="HostText">Who said so, as <c>mx.example (192.0.2.1)</c>; empty when no host was asked.</param>
/// <param name="ReplyText">What it said, or our own words; at most <see cref="Limits.ReplyTextBytes"/> octets.</param>
public readonly record struct FailedRecipient(int Index, Outcome Outcome, string HostText, byte[] ReplyText)
{
    /// <summary>What the sender is told.</summary>
    public NoticeKind Kind { get; init; }
}

/// <summary>Tells senders of failures; Bounce's.</summary>
public abstract class BounceSink
{
    /// <summary>Why what has failed is still there, for people.</summary>
    public const string RateReason = "waits for the rate of bounces (limits.bounces_per_minute)";

    /// <summary>
    /// Takes over recipients that failed for good, or went to a host without reports. They stay pending in the journal until the bounce's own record
    /// settles them, so that neither a crash nor a full disk loses the notice. Not called for null reverse-paths.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="failed">Who; at least one.</param>
    /// <param name="tenant">Whose message it is; empty for the default tenant.</param>
    public abstract void Bounce(MessageHandle message, ReadOnlySpan<FailedRecipient> failed, string tenant = "");

    /// <summary>
    /// Takes over recipients that failed for good and whose <c>failed</c> events are the notice. They stay pending in the journal until
    /// the events are out of the process's hands (docs/decisions/0019), so that a kill tells them again and not never.
    /// </summary>
    public abstract void ToldByEvent(MessageHandle message, ReadOnlySpan<int> recipients);

    /// <summary>
    /// Tells the sender that recipients still wait. Nothing is settled by it, and it is told once: what cannot be written
    /// is forgotten.
    /// </summary>
    /// <param name="message">The message.</param>
    /// <param name="delayed">Who waits.</param>
    /// <param name="until">When it is given up.</param>
    /// <param name="tenant">Whose message it is.</param>
    public abstract void Warn(MessageHandle message, ReadOnlySpan<FailedRecipient> delayed, DateTimeOffset until, string tenant = "");

    /// <summary>Asked by the watchdog: a bounce that has waited for so long though the journal takes bounces; empty when none has.</summary>
    public virtual string Watch(long forMs) => "";

    /// <summary>False while <see cref="Limits.BouncesWaiting"/> failed recipients wait for their bounces: nothing that may fail is begun.</summary>
    public abstract bool HasRoom { get; }

    /// <summary>A report of a delay would be written soon: failures come first, and such reports are few at a time.</summary>
    public abstract bool MayWarn { get; }

    /// <summary>The journal takes no bounce now. Without room it is tried again later what fails, and delivery goes on: it is what frees the spool.</summary>
    public abstract bool IsStuck { get; }

    /// <summary>
    /// Bounces wait for their rate (<see cref="Limits.BouncesPerMinute"/>). Delivery goes on, also without room: what fails and
    /// finds none is put off.
    /// </summary>
    public virtual bool IsPaced => false;

    /// <summary>Failed recipients whose sender is still to be told.</summary>
    public virtual int Waiting => 0;

    /// <summary>What of a tenant's mail fails now is to be tried again later, as its sender can be told neither now nor soon.</summary>
    public virtual bool PutsOff(string tenant) => !HasRoom && IsStuck;

    /// <summary>What the bounce of a message waits for; null when none waits.</summary>
    public virtual BounceWait? WaitOf(MessageHandle message) => null;
}

/// <summary>A bounce that is not begun yet.</summary>
/// <param name="Recipients">Who failed, by their numbers in the envelope.</param>
/// <param name="Why">What it waits for.</param>
/// <param name="Reply">Why the first of them failed, as the host said it or in our words.</param>
public sealed record BounceWait(IReadOnlyList<int> Recipients, string Why, ReadOnlyMemory<byte> Reply);
