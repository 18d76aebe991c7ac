using System.Text;
using FastRelay.Config;

namespace FastRelay.Queue;

/// <summary>
/// The tenants that have mail, or had some lately: found by name without allocating, forgotten with the last of their
/// destinations. There are never more of them than messages in the queue, but for those.
/// </summary>
internal sealed class TenantTable
{
    private readonly Dictionary<string, Tenant> _tenants = new(StringComparer.Ordinal);
    private readonly Dictionary<string, Tenant>.AlternateLookup<ReadOnlySpan<char>> _lookup;
    private readonly Tenant _default;
    private Dictionary<string, TenantConfig> _rules = [];
    private QueueOptions _options = new();

    public TenantTable(QueueOptions options)
    {
        _lookup = _tenants.GetAlternateLookup<ReadOnlySpan<char>>();
        _default = Add("");
        Change(options);
        Set(_default);
    }

    /// <summary>Told of one that is new.</summary>
    public Action<Tenant>? Made { get; set; }

    /// <summary>All of them by number, the default one too.</summary>
    public Places<Tenant> Places { get; } = new();

    /// <summary>All of them.</summary>
    public IEnumerable<Tenant> All => Places.All;

    /// <summary>The tenant of a name as an envelope has it; made when it is new.</summary>
    public Tenant Of(ReadOnlySpan<byte> name)
    {
        if (name.IsEmpty)
        {
            return _default;
        }
        // A length of one octet says how long it is.
        Span<char> text = stackalloc char[byte.MaxValue];
        int length = Encoding.Latin1.GetChars(name, text);
        if (_lookup.TryGetValue(text[..length], out Tenant? known))
        {
            return known;
        }
        Tenant made = Add(text[..length].ToString());
        Set(made);
        Made?.Invoke(made);
        return made;
    }

    /// <summary>The tenant of a name; null when it has had no mail lately.</summary>
    public Tenant? Find(string name) => _tenants.GetValueOrDefault(name);

    /// <summary>Its last destination is forgotten.</summary>
    public void Forget(Tenant tenant)
    {
        if (tenant != _default)
        {
            _tenants.Remove(tenant.Name);
            Places.Free(tenant.Number);
        }
    }

    /// <summary>Other weights and bounds hold for tenants that are made, and for each that is <see cref="Set"/>.</summary>
    public void Change(QueueOptions options)
    {
        _options = options;
        _rules = options.Tenants.ToDictionary(static rule => rule.Name, StringComparer.Ordinal);
    }

    /// <summary>Gives a tenant what the options say of it.</summary>
    public void Set(Tenant tenant) => tenant.Set(_rules.GetValueOrDefault(tenant.Name), _options);

    private Tenant Add(string name)
    {
        var made = new Tenant(name, Places.Take());
        Places.Set(made.Number, made);
        _tenants.Add(name, made);
        return made;
    }
}
