using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Host.Admin;

namespace FastRelay.Host.Commands;

/// <summary>The relay under test: its configuration, its start, its figures. It is this same binary.</summary>
internal sealed class BenchRelay : IDisposable
{
    private readonly string _folder;
    private readonly string _spool;
    private readonly Stopwatch _clock;
    private readonly BenchStop _stop;
    private readonly IPEndPoint _smtp = new(IPAddress.Loopback, FreePort());
    private readonly IPEndPoint _admin = new(IPAddress.Loopback, FreePort());
    private readonly AdminClient _status;
    private BenchChild? _child;

    /// <summary>A relay that has not been started.</summary>
    /// <param name="folder">Of its configuration.</param>
    /// <param name="spool">Of its journal.</param>
    /// <param name="clock">The run's clock.</param>
    /// <param name="stop">Ends its start.</param>
    public BenchRelay(string folder, string spool, Stopwatch clock, BenchStop stop)
    {
        _folder = folder;
        _spool = spool;
        _clock = clock;
        _stop = stop;
        _status = new AdminClient(_admin);
    }

    /// <summary>Where it listens.</summary>
    public IPEndPoint Smtp => _smtp;

    /// <summary>The process; null before the start.</summary>
    public BenchChild? Child => _child;

    /// <summary>From starting the process to its banner, ms: of the last start.</summary>
    public double StartMs { get; private set; }

    /// <summary>Writes the configuration.</summary>
    /// <param name="routes">Domain and next hop, in order.</param>
    /// <param name="sessions">Sessions that it must be able to hold.</param>
    /// <param name="tls">Certificate and key; null for none.</param>
    public void Configure(IEnumerable<(string Domain, string To)> routes, long sessions, (string Certificate, string Key)? tls)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"""
            hostname = "relay.test"
            spool = "{_spool}"
            [[listen]]
            address = "{_smtp}"
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            [queue]
            retry = ["1s"]
            expire = "1d"
            [admin]
            http = "{_admin}"
            [limits]
            receive_sessions = {Math.Max(1000, sessions + 16)}
            send_sessions = 200

            """);
        if (tls is { } files)
        {
            text.Append(CultureInfo.InvariantCulture, $"[tls]\ncertificate = \"{files.Certificate}\"\nkey = \"{files.Key}\"\n");
        }
        foreach ((string domain, string to) in routes)
        {
            text.Append(CultureInfo.InvariantCulture, $"[[route]]\ndomain = \"{domain}\"\nto = \"{to}\"\n");
        }
        File.WriteAllText(Path.Combine(_folder, "relay.toml"), text.ToString());
    }

    /// <summary>Starts it and waits for its banner.</summary>
    /// <exception cref="BenchException">It did not come.</exception>
    public void Start()
    {
        TimeSpan began = _clock.Elapsed;
        _child?.Dispose();
        _child = BenchChild.Start(_clock, BenchCores.Subject, "serve", "--config", Path.Combine(_folder, "relay.toml"));
        while (!Greets())
        {
            _stop.ThrowIfRequested();
            if (_child.HasExited || (_clock.Elapsed - began).TotalMinutes > 5)
            {
                throw new BenchException($"the relay does not answer:\n{_child.Errors}");
            }
            Thread.Sleep(1);
        }
        StartMs = Math.Round((_clock.Elapsed - began).TotalMilliseconds, 1);
        // The admin's address, which figures are asked from, opens a moment after the listeners.
        while (Figure("sessions_in") < 0)
        {
            _stop.ThrowIfRequested();
            if (_child.HasExited || (_clock.Elapsed - began).TotalMinutes > 5)
            {
                throw new BenchException($"the relay does not answer on {_admin}:\n{_child.Errors}");
            }
            Thread.Sleep(1);
        }
    }

    /// <summary>A figure of /api/status; below 0 when it cannot be had.</summary>
    /// <param name="name">As in /metrics, without the prefix.</param>
    public long Figure(string name)
    {
        try
        {
            return Status()?.Figures is { } figures && figures.TryGetValue(name, out double value) ? (long)value : -1;
        }
        catch (AdminClientException)
        {
            return -1;
        }
    }

    /// <summary>Its sync mode, as it says itself.</summary>
    /// <exception cref="BenchException">It does not say.</exception>
    public string Sync
    {
        get
        {
            try
            {
                return Status()?.Sync ?? throw new BenchException("the relay under test does not say its sync mode");
            }
            catch (AdminClientException e)
            {
                throw new BenchException(e.Message);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _child?.Dispose();
        _status.Dispose();
    }

    /// <summary>A port that nobody listens on now.</summary>
    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    private StatusView? Status() => _status.GetAsync("api/status", AdminJson.Default.StatusView).GetAwaiter().GetResult();

    private bool Greets()
    {
        try
        {
            using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveTimeout = 2000 };
            socket.Connect(_smtp);
            var banner = new byte[3];
            return socket.Receive(banner) == 3 && banner.AsSpan().SequenceEqual("220"u8);
        }
        catch (SocketException)
        {
            return false;
        }
    }
}

/// <summary>A bench that cannot go on; the message says why.</summary>
internal sealed class BenchException(string message) : Exception(message);
