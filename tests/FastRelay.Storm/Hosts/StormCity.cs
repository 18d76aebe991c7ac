using System.Net;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>The domains of a storm: their DNS and the next hops behind it.</summary>
internal sealed class StormCity
{
    private readonly List<StormSink> _sinks = [];
    private readonly SimHost _host;

    public StormCity(SimHost host, Func<StormCity, MailChecker> makeChecker, Limits limits, SimRandom random)
    {
        _host = host;
        MailChecker checker = makeChecker(this);
        Zone.Mx("a.test", (10, "mx1.a.test"), (20, "mx2.a.test"));
        Zone.Mx("b.test", (10, "mx.b.test"));
        Zone.A("c.test", "10.0.2.1");
        Zone.Mx("d.test", (10, "mx.d1.test"), (10, "mx.d2.test"));
        Zone.Mx("null.test", (0, ""));
        Zone.Mx("dead.test", (10, "mx.dead.test"));
        Zone.Mx("self.test", (10, "relay.test"));
        Zone.Mx("reject.test", (10, "mx.reject.test"));
        Zone.Mx("senders.test", (10, "mx.senders.test"));
        Zone.A("mx1.a.test", "10.0.0.1");
        Zone.A("mx2.a.test", "10.0.0.2");
        Zone.A("mx.b.test", "10.0.1.1");
        Zone.A("mx.d1.test", "10.0.5.1");
        Zone.A("mx.d2.test", "10.0.5.2");
        Zone.A("mx.dead.test", "10.0.9.9");
        Zone.A("mx.reject.test", "10.0.6.1");
        Zone.A("mx.senders.test", "10.0.3.1");
        Zone.A("relay.test", "127.0.0.1");
        Zone.A("smart.test", "10.0.7.1");
        host.Universe.Wire.SetSilent(IPAddress.Parse("10.0.9.9"), true);
        foreach (string[] site in (string[][])[["10.0.0.1", "10.0.0.2"], ["10.0.1.1"], ["10.0.2.1"], ["10.0.3.1"], ["10.0.4.1:2600"], ["10.0.5.1", "10.0.5.2"], ["10.0.6.1"], ["10.0.7.1"]])
        {
            IPEndPoint[] addresses = [.. site.Select(Address)];
            Sites.Add(addresses);
            foreach (IPEndPoint address in addresses)
            {
                SinkProfile profile = SinkProfile.FromSeed(random) with { RejectsContent = site[0] == "10.0.6.1" };
                bool auth = site[0] == "10.0.7.1";
                profile = auth ? profile with { StartTls = true, Auth = true, AuthByLogin = random.OneIn(2) } : profile;
                _sinks.Add(new StormSink(host, address, profile, checker, limits));
            }
        }
    }

    public SimZone Zone { get; } = new();

    /// <summary>Addresses that the relay should see as one site.</summary>
    public List<IReadOnlyCollection<IPEndPoint>> Sites { get; } = [];

    /// <summary>Where mail of route.test goes.</summary>
    public static IPEndPoint RouteTarget { get; } = IPEndPoint.Parse("10.0.4.1:2600");

    /// <summary>Addresses of several sites that have one budget: d.test's and reject.test's, beside dead.test, where nobody answers.</summary>
    public IReadOnlyCollection<IPEndPoint> Provider => [.. Sites[5], .. Sites[6]];

    /// <summary>May mail of a domain go there?</summary>
    public bool Serves(string domain, IPEndPoint address) => domain switch
    {
        "a.test" => Sites[0].Contains(address),
        "b.test" => Sites[1].Contains(address),
        "c.test" => Sites[2].Contains(address),
        "senders.test" => Sites[3].Contains(address),
        "route.test" => Sites[4].Contains(address),
        "d.test" => Sites[5].Contains(address),
        "reject.test" => Sites[6].Contains(address),
        "auth.test" => Sites[7].Contains(address),
        _ => false,
    };

    public void Start(Action arrived)
    {
        foreach (StormSink sink in _sinks)
        {
            sink.Arrived = arrived;
            sink.Start();
        }
    }

    /// <summary>Connections that are stuck are cut, so that the calm is one.</summary>
    public void Calm() => _host.Network.AbortAll();

    private static IPEndPoint Address(string text) =>
        text.Contains(':', StringComparison.Ordinal) ? IPEndPoint.Parse(text) : new IPEndPoint(IPAddress.Parse(text), 25);
}
