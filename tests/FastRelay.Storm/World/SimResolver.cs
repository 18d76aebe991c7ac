using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>DNS from a table, with bad answers by seed while the universe's faults are on.</summary>
public sealed class SimResolver(SimHost host, SimZone zone) : Resolver
{
    private readonly SimRandom _random = host.Universe.Random.Fork("dns");

    /// <summary>One question in this many gets a bad answer; 0 is never.</summary>
    public int BadOneIn { get; init; }

    /// <summary>Questions asked and not answered yet.</summary>
    public int InFlight { get; private set; }

    /// <summary>The most questions in flight so far.</summary>
    public int MostInFlight { get; private set; }

    public override ValueTask<DnsAnswer> QueryAsync(string name, DnsType type)
    {
        host.Loop.CheckThread();
        var signal = new Signal<DnsAnswer>(host.Loop);
        DnsAnswer answer = zone.Find(name, type);
        long delayNs = _random.Magnitude(20_000, 80_000_000);
        if (host.Universe.Faults.On && _random.OneIn(BadOneIn))
        {
            (answer, delayNs) = Bad(type, delayNs);
        }
        InFlight++;
        MostInFlight = Math.Max(MostInFlight, InFlight);
        host.After(delayNs, () =>
        {
            InFlight--;
            host.Universe.Trace.Add("dns", name, (long)type, (long)answer.Status);
            signal.Set(answer);
        });
        return signal.WaitAsync();
    }

    private (DnsAnswer Answer, long DelayNs) Bad(DnsType type, long delayNs)
    {
        (string kind, DnsAnswer answer) = _random.Next(type == DnsType.Mx ? 11 : 8) switch
        {
            0 or 1 => ("SERVFAIL", DnsAnswer.Empty(DnsStatus.ServFail, 0)),
            2 or 3 => ("timeout", DnsAnswer.Empty(DnsStatus.Timeout, 0)),
            4 => ("no sense", DnsAnswer.Empty(DnsStatus.Bad, 0)),
            5 => ("a name that is there, denied", DnsAnswer.Empty(DnsStatus.NxDomain, 20)),
            6 => ("no such record", DnsAnswer.Empty(DnsStatus.NoData, 0)),
            7 when type != DnsType.Mx => ("addresses of nobody", Addresses(["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.99.99"])),
            7 => ("null MX", Hosts([""])),
            8 => ("hosts that do not exist", Hosts([.. Enumerable.Range(0, 60).Select(static i => $"nobody{i}.test")])),
            9 => ("names that are none", Hosts(["..", "a b.test", new string('x', 300), "10.0.0.1", "-.test"])),
            _ => ("the relay itself", Hosts(["relay.test"])),
        };
        host.Universe.Faults.Hit($"dns {kind}");
        return (answer, answer.Status == DnsStatus.Timeout ? 5_000_000_000 : delayNs);
    }

    private DnsAnswer Hosts(string[] names) =>
        new(DnsStatus.Ok, _random.Pick<uint>([0, 20]), [.. names.Select(static n => new MxRecord(10, n))], []);

    private DnsAnswer Addresses(string[] addresses) =>
        new(DnsStatus.Ok, _random.Pick<uint>([0, 20]), [], [IPAddress.Parse(_random.Pick(addresses))]);
}

/// <summary>What the simulated DNS knows.</summary>
public sealed class SimZone
{
    private readonly Dictionary<(string, DnsType), DnsAnswer> _answers = [];
    private readonly HashSet<string> _names = [];

    public void Set(string name, DnsType type, DnsAnswer answer)
    {
        _names.Add(name);
        _answers[(name, type)] = answer;
    }

    public void Mx(string name, params (ushort Preference, string Host)[] records) =>
        Set(name, DnsType.Mx, new DnsAnswer(DnsStatus.Ok, 60, [.. records.Select(static r => new MxRecord(r.Preference, r.Host))], []));

    public void A(string name, params string[] addresses) =>
        Set(name, DnsType.A, new DnsAnswer(DnsStatus.Ok, 60, [], [.. addresses.Select(IPAddress.Parse)]));

    public DnsAnswer Find(string name, DnsType type) =>
        _answers.TryGetValue((name, type), out DnsAnswer? answer) ? answer
        : DnsAnswer.Empty(_names.Contains(name) ? DnsStatus.NoData : DnsStatus.NxDomain, 30);
}
