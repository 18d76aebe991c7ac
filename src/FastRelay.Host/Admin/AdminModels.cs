using System.Text.Json.Serialization;
using FastRelay.Config;

namespace FastRelay.Host.Admin;

/// <summary>Which messages are meant. What is null does not narrow.</summary>
public sealed record QueueQuery
{
    /// <summary>The reverse-path, any case; <c>&lt;&gt;</c> for the null path.</summary>
    public string? Sender { get; init; }

    /// <summary>Domain of a recipient's address, any case.</summary>
    public string? Domain { get; init; }

    /// <summary>A site's key.</summary>
    public string? Site { get; init; }

    /// <summary>A tenant; empty for the default one.</summary>
    public string? Tenant { get; init; }

    /// <summary>The message of this id.</summary>
    public string? Id { get; init; }

    /// <summary>ready, delivering, deferred, held or ending.</summary>
    public string? State { get; init; }

    /// <summary>It arrived so many seconds ago, or earlier.</summary>
    public long? OlderSeconds { get; init; }

    /// <summary>The query itself.</summary>
    /// <exception cref="AdminException">A condition is empty: a variable that was not set would else mean mail that nobody meant.</exception>
    internal QueueQuery Checked() =>
        Sender is "" ? throw new AdminException("sender is empty: leave it out, or write <> for the null reverse-path")
        : Domain is "" ? throw new AdminException("domain is empty: leave it out, or name one")
        : Site is "" ? throw new AdminException("site is empty: leave it out, or name one")
        : this;

    /// <summary>True when nothing narrows.</summary>
    [JsonIgnore]
    public bool IsAll => Sender is null && Domain is null && Site is null && Tenant is null && Id is null && State is null && OlderSeconds is null;
}

/// <summary>The mail of one message for one destination.</summary>
/// <param name="Destination">The domain or route under which the queue gathers it.</param>
/// <param name="Site">The hosts behind which it waits; null before DNS answered.</param>
/// <param name="State">ready, delivering, deferred, held or ending.</param>
/// <param name="Attempts">Attempts made.</param>
/// <param name="NextTry">When the next is due, UTC; null when it is not a matter of time.</param>
/// <param name="Expires">When it is given up, UTC.</param>
/// <param name="Reason">What the last attempt came to, or why it waits; null before the first.</param>
/// <param name="Recipients">Those that are not settled, at most 100.</param>
/// <param name="RecipientCount">All that are not settled.</param>
public sealed record QueueDestination(
    string Destination,
    string? Site,
    string State,
    int Attempts,
    DateTimeOffset? NextTry,
    DateTimeOffset Expires,
    string? Reason,
    IReadOnlyList<string> Recipients,
    int RecipientCount)
{
    /// <summary>Where the operator has moved it, or moves it when its delivery is over; null when it goes as the configuration says.</summary>
    public string? MovedTo { get; init; }

    /// <summary>When mail of its destination was last moved there, UTC.</summary>
    public DateTimeOffset? Moved { get; init; }

    /// <summary>hold, remove or bounce: what the operator has asked for and is done when its delivery is over, or its turn has come; null for nothing.</summary>
    public string? Order { get; init; }
}

/// <summary>One message.</summary>
/// <param name="Id">As clients were told it.</param>
/// <param name="Sender">Reverse-path; empty for the null path.</param>
/// <param name="Arrived">UTC.</param>
/// <param name="Bytes">Octets in stored form.</param>
/// <param name="Destinations">Where its pending mail goes.</param>
public sealed record QueueItem(
    string Id, string Sender, DateTimeOffset Arrived, long Bytes, IReadOnlyList<QueueDestination> Destinations)
{
    /// <summary>Whose mail it is; null for the default tenant.</summary>
    public string? Tenant { get; init; }

    /// <summary>high, normal or low.</summary>
    public string Priority { get; init; } = "normal";
}

/// <summary>Messages of a queue.</summary>
/// <param name="Items">Those of this page, in order of id.</param>
/// <param name="Next">Ask with <c>from</c> of this for more; null at the end.</param>
public sealed record QueuePage(IReadOnlyList<QueueItem> Items, int? Next)
{
    /// <summary>Places of the queue's index: how far <see cref="Next"/> is of the whole.</summary>
    public int? End { get; init; }
}

/// <summary>How many messages match.</summary>
/// <param name="Count">Messages.</param>
public sealed record QueueCount(long Count);

/// <summary>What a change is about: ids, or a filter; everything only when it is said.</summary>
public sealed record QueueSelection
{
    /// <summary>Ids of one request.</summary>
    internal const int IdsMax = 1_000;

    /// <summary>Ids, at most 1000; not null selects these and nothing else.</summary>
    public IReadOnlyList<string>? Ids { get; init; }

    /// <summary>As in <see cref="QueueQuery"/>; ids do not stand here.</summary>
    public QueueQuery? Filter { get; init; }

    /// <summary>True selects everything, and must stand alone.</summary>
    public bool All { get; init; }

    /// <summary>What the senders of a bounce read; may begin with an enhanced status code of class 5.</summary>
    public string? Text { get; init; }

    /// <summary>Of a move, where to: smtp:host:port, smtp:[host]:port, route:PATTERN for a row of [[route]], or config for what the configuration says.</summary>
    public string? To { get; init; }

    /// <summary>Not with ids: 0, or <see cref="QueueChange.Next"/> of the part before.</summary>
    public int From { get; init; }

    /// <summary>Not with ids: places of the queue's index that this part looks at, at most; null for all.</summary>
    public int? Slots { get; init; }

    /// <summary>Not with ids: <see cref="QueueChange.Before"/> of the part before; null in the first.</summary>
    public string? Before { get; init; }
}

/// <summary>What a change did.</summary>
/// <param name="Count">Messages for which it was done, or is when their delivery is over.</param>
/// <param name="Missing">Ids that are not in the queue (any more).</param>
public sealed record QueueChange(long Count, IReadOnlyList<string> Missing)
{
    /// <summary>Messages of which something was not moved, because its recipients of other domains go the same way; null for none.</summary>
    public long? Left { get; init; }

    /// <summary>Messages of the count that are being delivered: it is done to what is left of them then; null for none.</summary>
    public long? Later { get; init; }

    /// <summary>Messages for which there was nothing to do, as they were held, released, removed, bounced or moved before; null for none.</summary>
    public long? Already { get; init; }

    /// <summary>Messages that a retry leaves as they are, because they are held; null for none.</summary>
    public long? Held { get; init; }

    /// <summary>Messages that are left as they are, because they are being removed, bounced or given up; null for none.</summary>
    public long? Ending { get; init; }

    /// <summary>Messages that are left as they are, because their envelope cannot be read; null for none.</summary>
    public long? Unreadable { get; init; }

    /// <summary>Where the next part begins; null at the end.</summary>
    public int? Next { get; init; }

    /// <summary>Places of the queue's index: how far <see cref="Next"/> is of the whole.</summary>
    public int? End { get; init; }

    /// <summary>The id of the first message that came after the change was asked for: it is not reached. Goes into the next part.</summary>
    public string? Before { get; init; }
}

/// <summary>What the operator can do to queued mail.</summary>
public enum QueueAction
{
    /// <summary>Try it at once, and end the backoff of its sites.</summary>
    Retry,

    /// <summary>Drop it; nobody is told.</summary>
    Remove,

    /// <summary>Put it aside until it is released.</summary>
    Hold,

    /// <summary>End a hold.</summary>
    Release,

    /// <summary>Fail it for good; the sender is told.</summary>
    Bounce,

    /// <summary>Send it to another next hop.</summary>
    Move,
}

/// <summary>A suspension of sites, of a source or of a tenant.</summary>
/// <param name="Site">A site, a provider, or a domain that hosts are or are below; source:NAME; tenant:NAME.</param>
/// <param name="ForSeconds">For how long; null until it is resumed.</param>
/// <param name="Until">When it ends, UTC; null when it is resumed. Not read.</param>
public sealed record SiteSuspension(string Site, long? ForSeconds = null, DateTimeOffset? Until = null)
{
    /// <summary>Sites of now that it is for; in the answer to suspend, for the name that was given. Not read.</summary>
    public int? Sites { get; init; }
}

/// <summary>The suspensions in force.</summary>
/// <param name="Suspensions">All of them, oldest first.</param>
public sealed record SiteSuspensions(IReadOnlyList<SiteSuspension> Suspensions);

/// <summary>The relay in figures.</summary>
public sealed record StatusView
{
    /// <summary>Release.</summary>
    public string Version { get; init; } = "";

    /// <summary>Process id.</summary>
    public int Pid { get; init; }

    /// <summary>Our name.</summary>
    public string HostName { get; init; } = "";

    /// <summary>Seconds since the start.</summary>
    public long UptimeSeconds { get; init; }

    /// <summary>group or none.</summary>
    public string Sync { get; init; } = "";

    /// <summary>The configuration file that a reload reads, absolute; null when it was started without one.</summary>
    public string? Config { get; init; }

    /// <summary>Addresses that are listened on.</summary>
    public IReadOnlyList<string> Listening { get; init; } = [];

    /// <summary>True while it stops.</summary>
    public bool Stopping { get; init; }

    /// <summary>Every figure of /metrics by its name without the prefix.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = new Dictionary<string, double>();

    /// <summary>The message in the queue that arrived first, held ones too; null when nothing is queued.</summary>
    public OldestView? Oldest { get; init; }

    /// <summary>How long delivered recipients' mail took.</summary>
    public DelayView Delays { get; init; } = new([], [], 0);
}

/// <summary>What reading the configuration again has changed.</summary>
/// <param name="Changed">In force from now on.</param>
/// <param name="Restart">What the file says and only a restart puts in force.</param>
/// <param name="Notes">Worth a second look; for people.</param>
public sealed record ReloadView(IReadOnlyList<ConfigChange> Changed, IReadOnlyList<ConfigChange> Restart, IReadOnlyList<string> Notes);

/// <summary>Sites, those with the most to do first.</summary>
/// <param name="Sites">At most 50.</param>
public sealed record SiteList(IReadOnlyList<ExplainSite> Sites);

/// <summary>The configuration in force.</summary>
/// <param name="Toml">As a file would say it.</param>
public sealed record ConfigView(string Toml);

/// <summary>Asks for a reload; nothing to say yet.</summary>
public sealed record ReloadOrder;

/// <summary>Why a request was refused.</summary>
/// <param name="Error">For people.</param>
public sealed record ErrorView(string Error);

/// <summary>Names of a recipient's states.</summary>
public static class QueueStates
{
    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = ["ready", "delivering", "deferred", "held", "ending"];

    /// <summary>The name itself.</summary>
    /// <exception cref="AdminException">It is none of them.</exception>
    public static string Checked(string state) =>
        All.Contains(state) ? state : throw new AdminException($"\"{state}\" is no state: {string.Join(", ", All)}");
}

/// <summary>JSON by generated code: the published file has no reflection to fall back on.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(QueuePage))]
[JsonSerializable(typeof(QueueItem))]
[JsonSerializable(typeof(QueueCount))]
[JsonSerializable(typeof(QueueSelection))]
[JsonSerializable(typeof(QueueChange))]
[JsonSerializable(typeof(SiteSuspension))]
[JsonSerializable(typeof(SiteSuspensions))]
[JsonSerializable(typeof(StatusView))]
[JsonSerializable(typeof(ExplainView))]
[JsonSerializable(typeof(SiteList))]
[JsonSerializable(typeof(TenantList))]
[JsonSerializable(typeof(SourceList))]
[JsonSerializable(typeof(ReloadView))]
[JsonSerializable(typeof(ReloadOrder))]
[JsonSerializable(typeof(ConfigView))]
[JsonSerializable(typeof(ErrorView))]
[JsonSerializable(typeof(TraceLine))]
public sealed partial class AdminJson : JsonSerializerContext;
