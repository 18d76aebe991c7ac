using System.Globalization;
using System.Net;
using System.Net.Security;
using FastRelay.Config;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// A whole relay under a storm: clients of all manners, next hops of all moods, a disk and a network that fail, DNS that
/// lies, and the machine that stops at any moment. In the end faults stop, the queue must drain, and every message must
/// be accounted for.
/// </summary>
internal sealed class RelayStorm
{
    private const long HourMs = 3_600_000;
    private static readonly IPEndPoint s_relayAddress = new(IPAddress.Parse("127.0.0.1"), 2525);
    private readonly SimUniverse _universe;
    private readonly SimRandom _random;
    private readonly SimStorage _storage;
    private readonly SimHost _outside;
    private readonly StormCity _city;
    private readonly RelayConfig _config;
    private readonly int _messagesWanted;
    private SimHost _host = null!;
    private Relay? _relay;
    private SimOutput _output = null!;
    private int _messagesMade;
    private int _clients;

    public RelayStorm(ulong seed, DiskProfile? profile = null)
    {
        _universe = new SimUniverse(seed);
        _random = _universe.Random.Fork("relay storm");
        _storage = new SimStorage(_universe, profile ?? DiskProfile.FromSeed(_random));
        _universe.Wire.DialFaultOneIn = _random.OneIn(2) ? 0 : 5 + _random.Next(40);
        Checker = new MailChecker(_universe);
        var limits = new Limits
        {
            SegmentBytes = 2 << 20,
            FreeBytesFloor = 1 << 20,
            ReceiveSessions = 12,
            SendSessions = 10,
            SendSessionsPerSite = 3,
            RecipientsPerTransaction = 5,
            MessagesPerConnection = 4,
            DnsQueries = 6,
        };
        _config = new RelayConfig
        {
            HostName = "relay.test",
            Spool = "spool",
            Listen = [new ListenConfig(s_relayAddress, _random.OneIn(2) ? ListenTls.StartTls : ListenTls.None)],
            Limits = limits,
            RetryMs = [60_000, 300_000, 1_800_000],
            ExpireMs = 12 * HourMs,
            Deliver = new DeliverConfig { AllowPrivate = true, Tls = _random.Pick([DeliverTls.None, DeliverTls.Opportunistic]) },
            Routes = [new RouteConfig("route.test", "smtp:[10.0.4.1]:2600", DeliverTls.None)],
        };
        _outside = _universe.AddHost("outside");
        _city = new StormCity(_outside, Checker, limits, _random.Fork("city"));
        _messagesWanted = 30 + _random.Next(90);
    }

    public SimUniverse Universe => _universe;

    public MailChecker Checker { get; }

    /// <summary>Last lines of the relay's log.</summary>
    public IEnumerable<string> LogLines => _output.Lines;

    /// <summary>Runs the whole storm; throws with the seed when something is broken.</summary>
    public void Run()
    {
        _city.Start(() => CheckLimits());
        int crashes = 1 + _random.Next(5);
        for (int i = 0; i <= crashes; i++)
        {
            Start();
            int share = _messagesWanted * (i + 1) / (crashes + 1);
            if (_random.OneIn(3))
            {
                _storage.CutAfter(_random.Next(600));
            }
            RunUntilCut(() => _messagesMade >= share && _clients == 0, 2 * HourMs);
            RunUntilCut(static () => false, _random.Magnitude(1, HourMs));
            if (i < crashes)
            {
                Stop();
            }
        }
        Calm();
    }

    private void Start()
    {
        for (int attempt = 0; ; attempt++)
        {
            _universe.Faults.On &= attempt < 20;
            _storage.PowerOn();
            _host = _universe.AddHost("relay");
            if (TryStart())
            {
                break;
            }
            Stop();
            _universe.RunFor(_random.Next(5_000));
        }
        _clients = 0;
        for (int i = 0; i < 6; i++)
        {
            SpawnClient();
        }
    }

    private bool TryStart()
    {
        _output = new SimOutput(_universe) { Written = Checker.Logged };
        var resolver = new SimResolver(_host, _city.Zone) { BadOneIn = _random.OneIn(2) ? 0 : 4 + _random.Next(30) };
        try
        {
            World world = _host.World(new SimDisk(_host, _storage), resolver, _output);
            RelayStartResult started = Relay.Start(world, _config, new SslServerAuthenticationOptions());
            _relay = started.Relay;
            if (_relay is null)
            {
                _universe.Faults.Hit("relay: start failed");
                _universe.Require(_universe.Faults.On, $"does not start in the calm: {started.Error}");
                _universe.ThrowIfFailed();
                return false;
            }
        }
        catch (SimPowerCutException)
        {
            _relay = null;
            return false;
        }
        Relay relay = _relay;
        Checker.DurableGroups = () => relay.Journal.Stats.Groups;
        return true;
    }

    private void SpawnClient()
    {
        _clients++;
        SimHost relayHost = _host;
        _outside.Spawn(async () =>
        {
            var sleeper = new Sleeper(_outside.Loop);
            while (_messagesMade < _messagesWanted && relayHost.Alive)
            {
                await sleeper.SleepAsync(_random.Magnitude(0, 60_000));
                await new StormClient(_outside, s_relayAddress, Checker, _random.Fork("client"), NewToken).RunAsync();
            }
            if (relayHost == _host)
            {
                _clients--;
            }
        });
    }

    private string NewToken() => string.Create(CultureInfo.InvariantCulture, $"m{++_messagesMade}");

    private void RunUntilCut(Func<bool> done, long limitMs)
    {
        try
        {
            _universe.RunUntil(() => done() || _storage.PowerIsOff, limitMs);
        }
        catch (SimPowerCutException)
        {
            // As planned.
        }
    }

    private void Stop()
    {
        bool cleanly = _relay is not null && !_storage.PowerIsOff && _random.OneIn(5) && StopCleanly();
        if (_relay is not null)
        {
            Checker.Stopped(cleanly);
        }
        _relay = null;
        _storage.PowerOff(keepCache: _random.OneIn(3));
        _universe.RemoveHost(_host);
    }

    /// <summary>SIGTERM; false when the power went off meanwhile.</summary>
    private bool StopCleanly()
    {
        _universe.Faults.Hit("relay: stopped cleanly");
        _relay!.Stop();
        bool Stopped() => _output.Lines.Any(static l => l.Contains("event=stopped", StringComparison.Ordinal));
        RunUntilCut(Stopped, HourMs);
        _universe.Require(Stopped() || _storage.PowerIsOff, "the relay does not stop");
        _universe.ThrowIfFailed();
        return Stopped();
    }

    private void CheckLimits()
    {
        int incoming = _host.Network.OpenAt(s_relayAddress);
        _universe.Require(incoming <= _config.Limits.ReceiveSessions + 20, $"{incoming} sessions in");
        foreach (IReadOnlyCollection<IPEndPoint> site in _city.Sites)
        {
            int open = _host.Network.OpenTo(site);
            _universe.Require(open <= _config.Limits.SendSessionsPerSite, $"{open} connections to one site");
        }
        int outgoing = _city.Sites.Sum(site => _host.Network.OpenTo(site));
        _universe.Require(outgoing <= _config.Limits.SendSessions, $"{outgoing} connections out");
    }

    /// <summary>The faults stop: the queue drains, and every message is accounted for.</summary>
    private void Calm()
    {
        _universe.Faults.On = false;
        _storage.CutAfter(-1);
        _city.Calm();
        if (_storage.PowerIsOff || _random.OneIn(2))
        {
            Stop();
            Start();
        }
        bool drained = _universe.RunUntil(() => _clients == 0 && _relay!.Journal.Stats.Messages == 0, 72 * HourMs);
        _universe.ThrowIfFailed();
        _universe.Require(drained, $"{_relay!.Journal.Stats.Messages} messages stay in the queue; {_clients} clients");
        Checker.CheckEnd();
        _universe.ThrowIfFailed();
        Stop();
    }
}
