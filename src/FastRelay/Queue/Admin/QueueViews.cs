using FastRelay.Config;
using FastRelay.Journal;

namespace FastRelay.Queue;

/// <summary>A message in the queue, as it was when it was looked at.</summary>
/// <param name="Id">Its id.</param>
/// <param name="ArrivalUnixMs">When it was committed.</param>
/// <param name="Size">Octets in stored form.</param>
/// <param name="Sender">The reverse-path; empty for the null one.</param>
/// <param name="Destinations">Where its pending mail goes.</param>
public sealed record QueuedMessage(MessageId Id, long ArrivalUnixMs, long Size, string Sender, IReadOnlyList<QueuedDestination> Destinations)
{
    /// <summary>Whose mail it is; empty for the default tenant.</summary>
    public string Tenant { get; init; } = "";

    /// <summary>How urgent it is among its tenant's.</summary>
    public MailPriority Priority { get; init; }
}

/// <summary>The pending mail of one destination of a message.</summary>
/// <param name="Key">The destination's key.</param>
/// <param name="Site">Its site's key; empty while it has none.</param>
/// <param name="State">Where it is.</param>
/// <param name="Attempts">Attempts made.</param>
/// <param name="NextUnixMs">When the next attempt is due by the wall clock of now; 0 when it is not a matter of time.</param>
/// <param name="ExpiresUnixMs">When it is given up.</param>
/// <param name="Reason">Why it waits: the last reply, DNS, or the site's backoff; empty when it was not tried.</param>
/// <param name="Recipients">Pending recipients, at most 100.</param>
/// <param name="RecipientCount">All pending ones.</param>
public sealed record QueuedDestination(
    string Key,
    string Site,
    QueuedState State,
    int Attempts,
    long NextUnixMs,
    long ExpiresUnixMs,
    string Reason,
    IReadOnlyList<string> Recipients,
    int RecipientCount)
{
    /// <summary>Where the operator has moved it, or moves it when its delivery is over; empty when it goes as the configuration says.</summary>
    public string MovedTo { get; init; } = "";

    /// <summary>When mail of its destination was last moved there, Unix ms; 0 for never.</summary>
    public long MovedUnixMs { get; init; }

    /// <summary>What the operator has asked for and is not done yet.</summary>
    public QueueOrder Order { get; init; }

    /// <summary>The destination itself, which may have no mail any more.</summary>
    internal Destination Of { get; init; } = null!;

    /// <summary>These have failed, and their bounce is still to be written.</summary>
    public bool IsFailed { get; init; }
}

/// <summary>A page of a listing.</summary>
/// <param name="Messages">In order of id within the page.</param>
/// <param name="Next">Where the next page begins; -1 when this is the last.</param>
public sealed record QueueListing(IReadOnlyList<QueuedMessage> Messages, int Next)
{
    /// <summary>Places of the queue's index: how far <see cref="Next"/> is of the whole.</summary>
    public int End { get; init; }
}

/// <summary>How many entries, one for each message and destination, are where.</summary>
/// <param name="Ready">See <see cref="QueuedState.Ready"/>.</param>
/// <param name="InFlight">See <see cref="QueuedState.InFlight"/>.</param>
/// <param name="Deferred">See <see cref="QueuedState.Deferred"/>.</param>
/// <param name="Held">See <see cref="QueuedState.Held"/>.</param>
/// <param name="Ending">See <see cref="QueuedState.Ending"/>.</param>
/// <param name="Destinations">Destinations known.</param>
/// <param name="Sites">Sites known.</param>
public sealed record QueueCounts(long Ready, long InFlight, long Deferred, long Held, long Ending, int Destinations, int Sites)
{
    /// <summary>Those of <see cref="Ready"/> with high priority.</summary>
    public long ReadyHigh { get; init; }

    /// <summary>Those of <see cref="Ready"/> with low priority.</summary>
    public long ReadyLow { get; init; }
}

/// <summary>A site, as it was when it was looked at.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Provider">The large provider that runs it; empty when none is known.</param>
/// <param name="Ready">Deliveries that wait for a session.</param>
/// <param name="InFlight">Deliveries under way.</param>
/// <param name="Sessions">Connections.</param>
/// <param name="Limit">Sessions that it may have at work.</param>
/// <param name="Failures">Failures in a row.</param>
/// <param name="Gear">How it is driven.</param>
/// <param name="GearMs">For how long the gear still holds; 0 when the next success ends it, <see cref="long.MaxValue"/> when only the operator does.</param>
/// <param name="Reason">Why; empty in normal.</param>
public sealed record SiteView(string Key, string Provider, int Ready, int InFlight, int Sessions, int Limit, int Failures, SiteGear Gear, long GearMs, string Reason)
{
    /// <summary>Entries of its destinations that wait for a time, or for the operator; 0 where they were not counted.</summary>
    public long Deferred { get; init; }

    /// <summary>Deliveries that wait until their tenant, whom the operator has suspended, is resumed; none of <see cref="Ready"/>.</summary>
    public long Stopped { get; init; }

    /// <summary>What is ready for it with high priority, also what its tenants may not have under way yet.</summary>
    public int ReadyHigh { get; init; }

    /// <summary>The same with low priority.</summary>
    public int ReadyLow { get; init; }

    /// <summary>Transactions in which it took mail, since the start.</summary>
    public long Taken { get; init; }

    /// <summary>Sites that are shown as one, because they share a provider's budget; 0 for one site.</summary>
    public int Sites { get; init; }

    /// <summary>The rate that its hosts have been seen to allow; null while none has refused anything for it.</summary>
    public LearnedRateView? Learned { get; init; }
}

/// <summary>What the sites of a provider share, as it was when it was looked at.</summary>
/// <param name="Key">The provider, and the source where there is one.</param>
/// <param name="Sites">Sites that share it.</param>
/// <param name="Waiting">Those of them that wait for their turn.</param>
/// <param name="Sessions">Connections.</param>
/// <param name="Idle">Those of them that are idle.</param>
/// <param name="Limit">Sessions that they may have at work together.</param>
/// <param name="Gear">How they are driven.</param>
/// <param name="GearMs">As in <see cref="SiteView"/>.</param>
/// <param name="Reason">Why; empty in normal.</param>
public sealed record BudgetView(string Key, int Sites, int Waiting, int Sessions, int Idle, int Limit, SiteGear Gear, long GearMs, string Reason);

/// <summary>A learned rate, as it was when it was looked at.</summary>
/// <param name="PerMinute">Messages a minute.</param>
/// <param name="Used">About how many were begun in the last minute.</param>
/// <param name="SinceMs">For how long there has been one.</param>
/// <param name="ClosedMs">When one message tries the site again that refuses, from now; -1 while it does not refuse.</param>
/// <param name="GrowsMs">When it grows next if the mail is there to use it, from now; 0 while the site refuses.</param>
/// <param name="ForgottenMs">When it is forgotten if nothing is refused any more, from now.</param>
/// <param name="Refused">Attempts that were refused for it.</param>
/// <param name="Reason">What a host said last.</param>
public sealed record LearnedRateView(double PerMinute, long Used, long SinceMs, long ClosedMs, long GrowsMs, long ForgottenMs, long Refused, string Reason);
