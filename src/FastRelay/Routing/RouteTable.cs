namespace FastRelay.Routing;

/// <summary>
/// The route table, compiled: one dictionary probe for the domain and one for each domain above it, however many rows
/// there are. Matching allocates nothing.
/// </summary>
public sealed class RouteTable
{
    private readonly RouteRule[] _rules;
    private readonly Route?[] _routes;
    private readonly Dictionary<string, int> _exact = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _below = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _exactLookup;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _belowLookup;
    private readonly int _all = int.MaxValue;

    /// <summary>Compiles rules in their order.</summary>
    public RouteTable(IReadOnlyList<RouteRule> rules)
    {
        _rules = [.. rules];
        _routes = new Route?[_rules.Length];
        _exactLookup = _exact.GetAlternateLookup<ReadOnlySpan<char>>();
        _belowLookup = _below.GetAlternateLookup<ReadOnlySpan<char>>();
        var same = new Dictionary<string, Route>(StringComparer.Ordinal);
        for (int i = 0; i < _rules.Length; i++)
        {
            RouteRule rule = _rules[i];
            string pattern = rule.Pattern.ToLowerInvariant();
            if (pattern == "*")
            {
                _all = Math.Min(_all, i);
            }
            else if (pattern.StartsWith('.'))
            {
                _below.TryAdd(pattern[1..].TrimEnd('.'), i);
            }
            else
            {
                _exact.TryAdd(pattern.TrimEnd('.'), i);
            }
            if (rule.NextHop.Kind != NextHopKind.Mx)
            {
                string hop = rule.NextHop.ToString();
                // Another user, certificate or source is another destination: its connections are not shared.
                string key = Route.KeyOf(rule.Credentials is { } who ? $"{hop} user={who.User}" : hop, rule.Tls, rule.Certificate) + (rule.Source.Length > 0 ? $" source={rule.Source}" : "");
                if (!same.TryGetValue(key, out Route? route))
                {
                    route = new Route(key, "", rule.NextHop, rule.Tls, rule.Credentials) { Pattern = rule.Pattern, InFlight = rule.InFlight, EightBit = rule.EightBit, Source = rule.Source, Certificate = rule.Certificate };
                    same.Add(key, route);
                }
                // What one of those that share connections asks, the connections keep to.
                route.OwnTls |= rule.OwnTls;
                _routes[i] = route;
            }
        }
    }

    /// <summary>Rows.</summary>
    public int Count => _rules.Length;

    /// <summary>True when another table sends everything the same way.</summary>
    public bool IsSame(IReadOnlyList<RouteRule> rules) => _rules.Length == rules.Count
        && _rules.Zip(rules).All(static pair => pair.First with { Credentials = null, Certificate = null } == pair.Second with { Credentials = null, Certificate = null }
            && (pair.First.Credentials?.IsSame(pair.Second.Credentials) ?? pair.Second.Credentials is null)
            && (pair.First.Certificate?.IsSame(pair.Second.Certificate) ?? pair.Second.Certificate is null));

    /// <summary>Files of certificates were renewed: rows that name one of them show what it holds now.</summary>
    /// <param name="certificates">By file.</param>
    public void Renew(IReadOnlyDictionary<string, ClientCertificate> certificates)
    {
        foreach (RouteRule rule in _rules)
        {
            if (rule.Certificate is { } own && certificates.TryGetValue(own.File, out ClientCertificate? newer))
            {
                own.Renew(newer);
            }
        }
    }

    /// <summary>The way of the first row to a host with a key; null when there is none.</summary>
    public Route? OfKey(string key) => Array.Find(_routes, route => route?.Key == key);

    /// <summary>
    /// The way of an earlier table's route in this one: the route of the first row with the same pattern, else one of the
    /// same name; null when there is neither.
    /// </summary>
    public Route? Successor(Route earlier)
    {
        int row = RowOf(earlier.Pattern);
        return (row < 0 ? null : _routes[row]) ?? Array.Find(_routes, route => route?.Key == earlier.Key);
    }

    /// <summary>The first row with a pattern, in any case; -1 when there is none.</summary>
    public int RowOf(string pattern) => Array.FindIndex(_rules, rule => rule.Pattern.Equals(pattern, StringComparison.OrdinalIgnoreCase));

    /// <summary>Finds the first row that matches.</summary>
    /// <param name="domain">Lower case, without the final dot.</param>
    /// <returns>Its index, or -1.</returns>
    public int Match(ReadOnlySpan<char> domain)
    {
        int best = _all;
        if (_exactLookup.TryGetValue(domain, out int exact))
        {
            best = Math.Min(best, exact);
        }
        // An address literal has dots, and nothing is above it.
        if (_below.Count > 0 && !(domain.Length > 0 && domain[0] == '['))
        {
            ReadOnlySpan<char> parent = domain;
            for (int dot = parent.IndexOf('.'); dot >= 0; dot = parent.IndexOf('.'))
            {
                parent = parent[(dot + 1)..];
                if (_belowLookup.TryGetValue(parent, out int below))
                {
                    best = Math.Min(best, below);
                }
            }
        }
        return best == int.MaxValue ? -1 : best;
    }

    /// <summary>The row itself.</summary>
    public RouteRule Rule(int index) => _rules[index];

    /// <summary>The route of a row whose next hop does not depend on the domain; null for MX delivery.</summary>
    public Route? FixedRoute(int index) => _routes[index];

    /// <summary>The route of a domain when its next hop does not depend on it; null for MX delivery.</summary>
    public Route? FixedRoute(ReadOnlySpan<char> domain)
    {
        int row = Match(domain);
        return row < 0 ? null : _routes[row];
    }
}
