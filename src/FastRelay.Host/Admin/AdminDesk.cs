namespace FastRelay.Host.Admin;

/// <summary>
/// What the admin's HTTP asks of the relay. Its callers are pool threads; an implementation reaches the relay's loop
/// only by mailbox (<see cref="AdminRequest{T}"/>) and never touches what the loop owns.
/// </summary>
public abstract class AdminDesk
{
    /// <summary>A page of the queue.</summary>
    /// <param name="query">Which messages.</param>
    /// <param name="max">At most this many.</param>
    /// <param name="from">0, or <see cref="QueuePage.Next"/> of the page before.</param>
    /// <param name="slots">Places of the queue's index that are looked at, at most.</param>
    public abstract Task<QueuePage> ListAsync(QueueQuery query, int max, int from, int slots);

    /// <summary>How many messages match.</summary>
    public abstract Task<long> CountAsync(QueueQuery query);

    /// <summary>One message, or null.</summary>
    public abstract Task<QueueItem?> ShowAsync(string id);

    /// <summary>What a message, an address, a domain or a site waits for; null when there is no such message or site.</summary>
    public abstract Task<ExplainView?> ExplainAsync(string target);

    /// <summary>Changes what is selected.</summary>
    public abstract Task<QueueChange> ChangeAsync(QueueAction action, QueueSelection selection);

    /// <summary>Suspends a site, a provider or the hosts of a domain, or resumes it.</summary>
    /// <exception cref="AdminException">It cannot be done, and why.</exception>
    public abstract Task<SiteSuspensions> SuspendAsync(SiteSuspension wanted, bool suspend);

    /// <summary>What is suspended.</summary>
    public abstract Task<SiteSuspensions> SuspensionsAsync();

    /// <summary>True while new mail is taken; asks nothing else, so that a probe is answered whatever else is asked.</summary>
    public abstract Task<bool> ReadyAsync();

    /// <summary>The figures of this moment.</summary>
    public abstract Task<RelayReading> FiguresAsync();

    /// <summary>The sources; empty where there are none.</summary>
    public abstract Task<IReadOnlyList<SourceView>> SourcesAsync();

    /// <summary>From when to when our certificates hold, the first to end first.</summary>
    public abstract IReadOnlyList<CertificateTerm> Certificates();

    /// <summary>The tenants with the most mail.</summary>
    /// <param name="max">At most this many.</param>
    public abstract Task<IReadOnlyList<TenantView>> TenantsAsync(int max);

    /// <summary>The sites with the most to do.</summary>
    /// <param name="max">At most this many.</param>
    public abstract Task<IReadOnlyList<ExplainSite>> SitesAsync(int max);

    /// <summary>Reads the configuration again and puts it in force.</summary>
    /// <exception cref="AdminException">It is wrong, and nothing was changed.</exception>
    public abstract Task<ReloadView> ReloadAsync();

    /// <summary>Live dialogues: pieces of whole JSON lines (<see cref="TraceLine"/>), the first empty, until the asker goes.</summary>
    /// <exception cref="AdminException">The query is wrong, or too many watch.</exception>
    public abstract IAsyncEnumerable<ReadOnlyMemory<byte>> TraceAsync(TraceQuery query, CancellationToken until);

    /// <summary>A request could not be answered because of a defect of ours. Any thread.</summary>
    /// <param name="path">What was asked for, without its query.</param>
    /// <param name="problem">The exception; holds no token.</param>
    public abstract void Failed(string path, string problem);

    /// <summary>The configuration in force, as TOML.</summary>
    public abstract string Config();

    /// <summary>What does not change while it runs, and its state; without figures.</summary>
    public abstract StatusView Status();
}
