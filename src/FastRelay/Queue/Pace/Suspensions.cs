using System.Globalization;
using System.Text;
using FastRelay.Outside;
using FastRelay.Routing;

namespace FastRelay.Queue;

/// <summary>A suspension of sites by the operator.</summary>
/// <param name="Name">A site, a provider, or a domain that hosts are or are below; lower case.</param>
/// <param name="UntilUnixMs">When it ends by the wall clock; 0 when only the operator ends it.</param>
public sealed record Suspension(string Name, long UntilUnixMs);

/// <summary>
/// The operator's suspensions. They are few and belong to no message, so they are a file of the spool and not records of
/// the journal (decision 0010): it is written anew in one step, and read at every start. Loop thread.
/// </summary>
internal sealed class Suspensions(World world, string? file)
{
    /// <summary>Names that may be suspended at once.</summary>
    public const int NamesMax = 1_000;

    /// <summary>Characters of a name at most.</summary>
    public const int NameMax = 255;

    /// <summary>Before the name of a tenant, in its own case; nothing behind it is the default one.</summary>
    public const string TenantPrefix = "tenant:";

    private const string Head = "# sites and tenants that the operator has suspended, each with the end in ms since 1970 or 0; kept by fastrelay";
    private const int FileBytesMax = NamesMax * (NameMax + 32) + 1024;
    private List<Suspension> _all = [];
    private bool _storing;

    /// <summary>All that have not ended.</summary>
    public IReadOnlyList<Suspension> All => [.. _all.Where(IsInForce)];

    /// <summary>How many there are.</summary>
    public int Count => _all.Count;

    /// <summary>The names of those that are about tenants, also of some that have ended.</summary>
    public IReadOnlyList<string> Tenants => [.. _all.Select(static one => one.Name).Where(IsOfTenant)];

    /// <summary>True for the name of a suspension that is about a tenant.</summary>
    public static bool IsOfTenant(string name) => name.StartsWith(TenantPrefix, StringComparison.Ordinal);

    /// <summary>That of a tenant; null when it is not suspended.</summary>
    public Suspension? OfTenant(string tenant)
    {
        foreach (Suspension one in _all)
        {
            if (one.Name.Length == TenantPrefix.Length + tenant.Length && IsOfTenant(one.Name) && one.Name.EndsWith(tenant, StringComparison.Ordinal) && IsInForce(one))
            {
                return one;
            }
        }
        return null;
    }

    /// <summary>That of the site of a plan; null when it is not suspended.</summary>
    /// <param name="plan">The site's.</param>
    /// <param name="source">Its source: <c>source:NAME</c> suspends all of one, and the site's name with a slash and NAME one site of it.</param>
    public Suspension? Of(Plan plan, EgressSource? source = null)
    {
        foreach (Suspension one in _all)
        {
            if (IsInForce(one) && Holds(one.Name, plan, source))
            {
                return one;
            }
        }
        return null;
    }

    /// <summary>True for a site that a suspension of this name is for.</summary>
    public static bool Holds(string name, Plan plan, EgressSource? source) =>
        string.Equals(plan.SiteKey, name, StringComparison.OrdinalIgnoreCase) || plan.IsAt(name) || (source is not null && IsOf(name, plan, source));

    /// <summary>That of all that share a budget, by the provider's name; null when they are not suspended.</summary>
    public Suspension? Of(SiteBudget budget) => budget.IsShared ? _all.Find(one => IsInForce(one) && Holds(one.Name, budget)) : null;

    /// <summary>True for a budget that is shared and that a suspension of this name is for.</summary>
    public static bool Holds(string name, SiteBudget budget) => budget.IsShared && (Is(name, budget.Provider) || Is(name, budget.Key)
        || (budget.Source.Length > 0 && (Is(name, "source:" + budget.Source) || Is(name, $"{budget.Provider}/{budget.Source}"))));

    private static bool Is(string one, string name) => string.Equals(one, name, StringComparison.OrdinalIgnoreCase);

    private static bool IsOf(string name, Plan plan, EgressSource source) =>
        string.Equals(name, "source:" + source.Name, StringComparison.OrdinalIgnoreCase) || string.Equals(name, Site.KeyOf(plan, source), StringComparison.OrdinalIgnoreCase);

    /// <summary>True for what may be a name: printable ASCII without a tab, and no comment.</summary>
    public static bool IsName(string name) => name.Length is > 0 and <= NameMax && name[0] != '#' && name.AsSpan().IndexOfAnyExceptInRange(' ', '~') < 0;

    /// <summary>Reads the file, before the loop runs.</summary>
    /// <returns>What is wrong with it; empty when nothing is, or there is none.</returns>
    public string Read()
    {
        if (file is null)
        {
            return "";
        }
        DiskError error = world.Disk.Open(file, DiskOpen.Read, out DiskFile? open);
        if (error.Errno == 2)
        {
            return "";
        }
        if (!error.Ok)
        {
            return $"{file}: {error}";
        }
        using (open)
        {
            var bytes = new byte[Math.Min(open!.Length, FileBytesMax + 1)];
            error = open.Read(0, bytes, out int read);
            return !error.Ok ? $"{file}: {error}"
                : read > FileBytesMax ? $"{file}: is longer than {FileBytesMax} octets"
                : Parse(Encoding.ASCII.GetString(bytes, 0, read));
        }
    }

    /// <summary>Adds a suspension or changes its end; what it says is durable when this returns well.</summary>
    /// <returns>
    /// What went wrong, with nothing changed unless the new list is in its place and only may not outlast a loss of power;
    /// empty when nothing did.
    /// </returns>
    public ValueTask<string> SetAsync(Suspension suspension)
    {
        List<Suspension> next = [.. _all.Where(one => one.Name != suspension.Name && IsInForce(one)), suspension];
        return next.Count > NamesMax ? new ValueTask<string>($"there are {NamesMax} suspensions already") : StoreAsync(next);
    }

    /// <summary>Ends a suspension; as <see cref="SetAsync"/>.</summary>
    public ValueTask<string> ClearAsync(string name) => StoreAsync([.. _all.Where(one => one.Name != name && IsInForce(one))]);

    private bool IsInForce(Suspension one) => one.UntilUnixMs == 0 || one.UntilUnixMs > world.Time.GetUtcNow().ToUnixTimeMilliseconds();

    private async ValueTask<string> StoreAsync(List<Suspension> next)
    {
        if (file is not null)
        {
            var text = new StringBuilder(Head).Append('\n');
            foreach (Suspension one in next)
            {
                text.Append(CultureInfo.InvariantCulture, $"{one.Name}\t{one.UntilUnixMs}\n");
            }
            if (_storing)
            {
                return "another suspension is being stored just now: say it again";
            }
            _storing = true;
            var job = new StoreJob(world, file, Encoding.ASCII.GetBytes(text.ToString()));
            DiskError error = await job.RunAsync();
            _storing = false;
            if (!error.Ok)
            {
                // What the file says now is what the next start reads.
                _all = job.IsInPlace ? next : _all;
                return job.IsInPlace ? $"{file}: {error}; it is in force, and may be lost when the power fails" : $"{file}: {error}";
            }
        }
        _all = next;
        return "";
    }

    private string Parse(string text)
    {
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd('\r');
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }
            string[] parts = line.Split('\t');
            if (parts.Length != 2 || !IsName(parts[0]) || !long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out long until) || _all.Count == NamesMax)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{file}: line {i + 1}: must be a site or tenant, a tab and a number, {NamesMax} lines at most; mend or remove the file");
            }
            _all.Add(new Suspension(parts[0], until));
        }
        return "";
    }

    /// <summary>Writes beside the old file, syncs, and takes its place.</summary>
    private sealed class StoreJob(World world, string path, byte[] content) : DiskJob
    {
        private readonly Signal<DiskError> _done = new(world.Loop);
        private DiskError _error;

        /// <summary>The new file has taken the old one's place, whatever went wrong then.</summary>
        public bool IsInPlace { get; private set; }

        public ValueTask<DiskError> RunAsync()
        {
            world.Disk.Submit(this, DiskLane.Write);
            return _done.WaitAsync();
        }

        protected override void Execute()
        {
            string fresh = path + ".new";
            world.Disk.Delete(fresh);
            _error = world.Disk.Open(fresh, DiskOpen.CreateNew, out DiskFile? file);
            using (file)
            {
                _error = _error.Ok ? file!.Write(0, content) : _error;
                _error = _error.Ok ? file!.SyncData() : _error;
            }
            _error = _error.Ok ? world.Disk.Rename(fresh, path) : _error;
            IsInPlace = _error.Ok;
            _error = _error.Ok ? world.Disk.SyncDirectory(Path.GetDirectoryName(path)!) : _error;
        }

        protected override void Run() => _done.Set(_error);
    }
}
