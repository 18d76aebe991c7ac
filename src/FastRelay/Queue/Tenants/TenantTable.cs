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
    private readonly Tenant _default = new("");
    private Dictionary<string, TenantConfig> _rules = [];
    private QueueOptions _options = new();

    public TenantTable(QueueOptions options)
    {
        _lookup = _tenants.GetAlternateLookup<ReadOnlySpan<char>>();
        _tenants.Add("", _default);
        Change(options);
    }

    /// <summary>Told of one that is new.</summary>
    public Action<Tenant>? Made { get; set; }

    /// <summary>All of them, the default one too.</summary>
    public Dictionary<string, Tenant>.ValueCollection All => _tenants.Values;

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
        var made = new Tenant(text[..length].ToString());
        made.Set(_rules.GetValueOrDefault(made.Name), _options);
        _tenants.Add(made.Name, made);
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
        }
    }

    /// <summary>Puts other weights and bounds in force.</summary>
    public void Change(QueueOptions options)
    {
        _options = options;
        _rules = options.Tenants.ToDictionary(static rule => rule.Name, StringComparer.Ordinal);
        foreach (Tenant tenant in _tenants.Values)
        {
            tenant.Set(_rules.GetValueOrDefault(tenant.Name), options);
        }
    }
}
