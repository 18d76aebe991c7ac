using System.Net;
using FastRelay.Outside;

namespace FastRelay.Tests.Routing;

/// <summary>A DNS that says what the test wrote; at once, or when the test lets it.</summary>
public sealed class ScriptedResolver(Loop loop) : Resolver
{
    private readonly Dictionary<(string, DnsType), DnsAnswer> _answers = [];
    private readonly List<(Signal<DnsAnswer> Signal, string Name, DnsType Type)> _waiting = [];

    /// <summary>The same answers on another loop.</summary>
    public ScriptedResolver On(Loop other)
    {
        var moved = new ScriptedResolver(other);
        foreach (((string, DnsType) key, DnsAnswer answer) in _answers)
        {
            moved._answers[key] = answer;
        }
        return moved;
    }

    public List<string> Asked { get; } = [];

    public bool Hold { get; set; }

    /// <summary>Names that are never answered.</summary>
    public HashSet<string> Hangs { get; } = [];

    public int Waiting => _waiting.Count;

    /// <summary>"10 mx1.test, 20 mx2.test", "null", "nodata", "nxdomain", "servfail", "timeout", "bad"; addresses for A and AAAA.</summary>
    public ScriptedResolver Says(string name, DnsType type, string answer, uint ttl = 300)
    {
        _answers[(name, type)] = Parse(type, answer, ttl);
        return this;
    }

    public ScriptedResolver Mx(string name, string answer, uint ttl = 300) => Says(name, DnsType.Mx, answer, ttl);

    public ScriptedResolver A(string name, string answer, uint ttl = 300) => Says(name, DnsType.A, answer, ttl);

    public ScriptedResolver Aaaa(string name, string answer, uint ttl = 300) => Says(name, DnsType.Aaaa, answer, ttl);

    public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type)
    {
        Asked.Add($"{type} {name}");
        if (Hangs.Contains(name))
        {
            return new Signal<DnsAnswer>(loop).WaitAsync();
        }
        if (!Hold)
        {
            return new ValueTask<DnsAnswer>(Answer(name, type));
        }
        var signal = new Signal<DnsAnswer>(loop);
        _waiting.Add((signal, name, type));
        return signal.WaitAsync();
    }

    public void LetGo(int count = int.MaxValue)
    {
        for (; count > 0 && _waiting.Count > 0; count--)
        {
            (Signal<DnsAnswer> signal, string name, DnsType type) = _waiting[0];
            _waiting.RemoveAt(0);
            signal.Set(Answer(name, type));
        }
    }

    private DnsAnswer Answer(string name, DnsType type) =>
        _answers.TryGetValue((name, type), out DnsAnswer? answer) ? answer
        : DnsAnswer.Empty(_answers.Keys.Any(key => key.Item1 == name) ? DnsStatus.NoData : DnsStatus.NxDomain, 60);

    private static DnsAnswer Parse(DnsType type, string answer, uint ttl) => answer switch
    {
        "nodata" => DnsAnswer.Empty(DnsStatus.NoData, ttl),
        "nxdomain" => DnsAnswer.Empty(DnsStatus.NxDomain, ttl),
        "servfail" => DnsAnswer.Empty(DnsStatus.ServFail, 0),
        "timeout" => DnsAnswer.Empty(DnsStatus.Timeout, 0),
        "bad" => DnsAnswer.Empty(DnsStatus.Bad, 0),
        "null" => new DnsAnswer(DnsStatus.Ok, ttl, [new MxRecord(0, "")], []),
        _ when type == DnsType.Mx => new DnsAnswer(DnsStatus.Ok, ttl, [.. Parts(answer).Select(ParseMx)], []),
        _ => new DnsAnswer(DnsStatus.Ok, ttl, [], [.. Parts(answer).Select(IPAddress.Parse)]),
    };

    private static string[] Parts(string text) => text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);

    private static MxRecord ParseMx(string text)
    {
        string[] parts = text.Split(' ');
        return new MxRecord(ushort.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), parts.Length > 1 ? parts[1] : "");
    }
}
