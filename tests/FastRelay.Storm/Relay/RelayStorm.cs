using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Text;
using FastRelay.Config;
using FastRelay.Observe;
using FastRelay.Outside;

namespace FastRelay.Storm;

/// <summary>
/// A whole relay under a storm: clients of all manners, next hops of all moods, an operator, a disk and a network that fail,
/// DNS that lies, and the machine that stops at any moment. In the end faults stop, the queue must drain, and every
/// message must be accounted for.
/// </summary>
internal sealed class RelayStorm
{
    private const long HourMs = StormSettings.HourMs;

    /// <summary>Of staged records that nothing brings to the disk: far above a turn of the loop.</summary>
    private const long StillMostMs = 1_000;
    private readonly SimUniverse _universe;
    private readonly SimRandom _random;
    private readonly SimStorage _storage;
    private readonly SimHost _outside;
    private readonly StormCity _city;
    private readonly StormSettings _settings;
    private readonly MailChecker _checker;
    private readonly QueueAudit _audit;
    private readonly StormDamage _damage;
    private readonly SimEvents? _events;
    private SimHost _host = null!;
    private Relay? _relay;
    private SimOutput _output = null!;
    private SimResolver _resolver = null!;
    private int _messagesMade;
    private int _clients;
    private bool _drained;
    private bool _cursorFailed;
    private long _stillSinceMs = long.MaxValue;

    public RelayStorm(ulong seed, Func<DiskProfile, DiskProfile>? disk = null)
    {
        _universe = new SimUniverse(seed);
        _random = _universe.Random.Fork("relay storm");
        _settings = new StormSettings(_random);
        _storage = new SimStorage(_universe, disk is null ? _settings.Disk : disk(_settings.Disk));
        _universe.Wire.DialFaultOneIn = _settings.DialFaultOneIn;
        _outside = _universe.AddHost("outside");
        MailChecker? checker = null;
        _city = new StormCity(
            _outside,
            city => checker = new MailChecker(_universe) { IsServed = city.Serves, MovedTo = StormCity.RouteTarget, IsDurable = text => _storage.IsDurable(Encoding.UTF8.GetBytes(text)), Converts = _settings.Config.Deliver.EightBit == EightBitMode.Convert },
            _settings.Limits,
            _random.Fork("city"));
        _checker = checker!;
        _audit = new QueueAudit(_universe, _checker);
        _damage = new StormDamage(_universe, _storage, _checker, _random.Fork("damage"));
        // By chance of their own: the seeds without events stay what they were.
        SimRandom chance = new SimRandom(seed).Fork("events");
        _events = chance.OneIn(2) ? new SimEvents(_universe, chance) : null;
    }

    public SimUniverse Universe => _universe;

    /// <summary>Runs the whole storm; throws with the seed when something is broken.</summary>
    public void Run()
    {
        _city.Start(CheckLimits);
        for (int i = 0; i <= _settings.Crashes; i++)
        {
            Start();
            int share = _settings.Messages * (i + 1) / (_settings.Crashes + 1);
            PlanCut();
            RunUntilCut(() => _messagesMade >= share && _clients == 0, 2 * HourMs);
            RunUntilCut(static () => false, _random.Magnitude(1, HourMs));
            if (i < _settings.Crashes)
            {
                Stop();
            }
        }
        Calm();
    }

    private void PlanCut()
    {
        int skip = _random.Next(3);
        bool after = _random.OneIn(2);
        switch (_random.Next(4))
        {
            case 0:
                _storage.CutAfter(_random.Next(600));
                break;
            case 1:
                // On either side of a segment's end: the rename or removal, and the sync of the directory that makes it last.
                _storage.CutAtOperation(
                    "a recycle",
                    (operation, path) => operation is "rename" or "unlink" && path.Contains(".seg", StringComparison.Ordinal) && skip-- == 0,
                    after);
                break;
            case 2:
                skip = _random.Next(80);
                _storage.CutAtOperation("a sync", (operation, path) => operation == "sync" && path.Contains(".seg", StringComparison.Ordinal) && skip-- == 0, after);
                break;
            default:
                break;
        }
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
            _universe.ThrowIfFailed();
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
        _output = new SimOutput(_universe) { Written = _checker.Logged };
        _resolver = new SimResolver(_host, _city.Zone) { BadOneIn = _settings.DnsBadOneIn };
        try
        {
            World world = _host.World(new SimDisk(_host, _storage), _resolver, _output);
            SimHost host = _host;
            Func<Relay, EventStream>? events = _events is null ? null : relay => new EventStream(_events.Open(host), world.Time, relay.Counters, relay.Log);
            RelayStartResult started = Relay.Start(world, _settings.Config, new ServerTls(new SslServerAuthenticationOptions()), credentials: StormSettings.Login, events: events);
            _relay = started.Relay;
            // A cursor that this start could not make or set back: what is lost until it can is nobody's to tell.
            _cursorFailed |= _output.Lines.Any(static line => line.Contains("event=event_cursor", StringComparison.Ordinal));
            if (_relay is null)
            {
                _universe.Faults.Hit("relay: start failed");
                _universe.Require(_universe.Faults.On, $"does not start in the calm: {started.Error}");
                return false;
            }
        }
        catch (SimPowerCutException)
        {
            _relay = null;
            return false;
        }
        Relay relay = _relay;
        _checker.DurableGroups = () => relay.Journal.Stats.Groups;
        _checker.Started(relay.Recovery.CleanEnd);
        _audit.AfterStart(relay);
        _host.Spawn(() => new Operator(_host, relay, _checker, _random.Fork("operator")).RunAsync());
        return true;
    }

    private void SpawnClient()
    {
        _clients++;
        SimHost relayHost = _host;
        _outside.Spawn(async () =>
        {
            var sleeper = new Sleeper(_outside.Loop);
            while (_messagesMade < _settings.Messages && relayHost.Alive)
            {
                await sleeper.SleepAsync(_random.Magnitude(0, 60_000));
                var client = new StormClient(_outside, StormSettings.Address, _checker, _settings.Limits, _random.Fork("client"), NewToken);
                await client.RunAsync();
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
            _universe.RunUntil(
                () =>
                {
                    CheckOwnLimits();
                    return done() || _storage.PowerIsOff;
                },
                limitMs);
        }
        catch (SimPowerCutException)
        {
            // As planned.
        }
    }

    private void Stop()
    {
        _checker.IsCalm = false;
        bool cleanly = _relay is not null && !_storage.PowerIsOff && _random.OneIn(5) && StopCleanly();
        if (_relay is not null)
        {
            CountJournal(_relay);
            _checker.Stopped(cleanly);
        }
        bool hadRelay = _relay is not null;
        _relay = null;
        bool keepsCache = _random.OneIn(3);
        _storage.PowerOff(keepsCache);
        _events?.PowerOff(keepsCache);
        _universe.RemoveHost(_host);
        if (hadRelay && !keepsCache && _universe.Faults.On)
        {
            Damage();
        }
    }

    private void Damage()
    {
        if (_random.OneIn(_settings.RotOneIn))
        {
            _damage.RotBody();
        }
        if (_random.OneIn(_settings.LoseOneIn))
        {
            _damage.LoseBlock();
        }
    }

    private void CountJournal(Relay relay)
    {
        foreach ((string name, long count) in (ReadOnlySpan<(string, long)>)
        [
            ("journal: segments recycled", relay.Journal.Stats.Recycled),
            ("journal: records moved", relay.Journal.Stats.Moved),
            ("journal: groups failed", relay.Journal.Stats.Failures),
            ("relay: in doubt", relay.Counters.InDoubt),
            ("relay: tls fallback", relay.Counters.TlsFallbacks),
        ])
        {
            if (count > 0)
            {
                _universe.Faults.Hit(name, count);
            }
        }
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

    /// <summary>At each connection to a next hop: what the other ends see.</summary>
    private void CheckLimits()
    {
        Limits limits = _settings.Limits;
        foreach (IReadOnlyCollection<IPEndPoint> site in _city.Sites)
        {
            int open = _host.Network.OpenTo(site);
            _universe.Require(open <= limits.SendSessionsPerSite * Math.Max(1, _settings.Config.Sources.Count), $"6: {open} connections to one site");
        }
        int provider = _host.Network.OpenTo(_city.Provider);
        _universe.Require(provider <= limits.SendSessionsPerSite * Math.Max(1, _settings.Config.Sources.Count), $"6: {provider} connections to one provider");
        int outgoing = _city.Sites.Sum(site => _host.Network.OpenTo(site));
        _universe.Require(outgoing <= limits.SendSessions, $"6: {outgoing} connections out");
    }

    /// <summary>After every step: what the relay itself counts.</summary>
    private void CheckOwnLimits()
    {
        if (_relay is not { } relay)
        {
            _stillSinceMs = long.MaxValue;
            return;
        }
        _stillSinceMs = relay.Journal.StandsStill ? Math.Min(_stillSinceMs, _universe.Time.NowMs) : long.MaxValue;
        _universe.Require(_universe.Time.NowMs - _stillSinceMs <= StillMostMs, $"7: records wait for nothing since {_universe.Time.NowMs - _stillSinceMs} ms");
        Limits limits = _settings.Limits;
        _universe.Require(relay.Receiver.Serving <= limits.ReceiveSessions, $"6: {relay.Receiver.Serving} sessions in");
        _universe.Require(relay.Deliverer.Sessions <= limits.SendSessions, $"6: {relay.Deliverer.Sessions} sessions out");
        _universe.Require(_resolver.InFlight <= limits.DnsQueries, $"6: {_resolver.InFlight} DNS queries in flight");
        // Asked at MAIL and DATA, so that each session may be one past it; notifications may go half as far again.
        long most = limits.QueueEntries + limits.ReceiveSessions;
        _universe.Require(relay.Journal.Stats.Messages <= most * 2, $"6: {relay.Journal.Stats.Messages} messages in the queue");
    }

    /// <summary>The faults stop: the queue drains, and every message is accounted for.</summary>
    private void Calm()
    {
        _universe.Faults.On = false;
        _storage.Unplan();
        _city.Calm();
        if (_storage.PowerIsOff || _random.OneIn(2))
        {
            Stop();
            Start();
        }
        _checker.IsCalm = true;
        RunUntilCut(() => _drained = _clients == 0 && _relay!.Journal.Stats.Messages == 0, 72 * HourMs);
        _universe.ThrowIfFailed();
        _universe.Require(_drained, $"7: {_relay!.Journal.Stats.Messages} messages stay in the queue; {_clients} clients");
        _checker.CheckEnd();
        _universe.ThrowIfFailed();
        Stop();
        // Nothing that was settled comes back, and what was not told is.
        Start();
        if (_events is not null)
        {
            // A last outcome that the stop took is come to again.
            RunUntilCut(() => _relay!.Journal.Stats.Messages == 0, 72 * HourMs);
            RunUntilCut(static () => false, HourMs / 60);
            EventChecker.Check(_universe, _events.Lines, _checker, _cursorFailed);
        }
        _universe.ThrowIfFailed();
        Stop();
    }
}
