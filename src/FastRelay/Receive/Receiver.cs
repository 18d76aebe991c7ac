using System.Net;
using System.Runtime.CompilerServices;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Observe;
using FastRelay.Outside;
using FastRelay.Queue;
using FastRelay.Smtp;

namespace FastRelay.Receive;

/// <summary>
/// Stage 1: listeners, admission by limits, and the connections. Sessions are lent to those whose clients speak.
/// </summary>
public sealed class Receiver
{
    private readonly MessageQueue _queue;
    private readonly Log _log;
    private readonly Counters _counters;
    private readonly Stack<ReceiveSession> _resting = new();
    private readonly HashSet<ReceiveConnection> _serving = [];
    private readonly ClientTable _clients;
    private readonly List<Listener> _listeners = [];
    private readonly Sleeper _emptied;

    /// <summary>Creates the stage; <see cref="Listen"/> opens its doors.</summary>
    public Receiver(World world, MessageJournal journal, MessageQueue queue, ReceiveOptions options, Log log, Counters counters)
    {
        World = world;
        Journal = journal;
        _queue = queue;
        _log = log;
        _counters = counters;
        _clients = new ClientTable(options);
        _emptied = new Sleeper(world.Loop);
        Rejects = new RejectLog(this);
        Passwords = new PasswordQueue(world.Offload, options.Limits.PasswordChecks);
    }

    /// <summary>True once the doors are closed: sessions are told 421 before their next command.</summary>
    public bool Draining { get; private set; }

    /// <summary>Connections that are served now, whether their clients speak or not.</summary>
    public int Serving => _serving.Count;

    /// <summary>The addresses listened on, with their real ports.</summary>
    public IEnumerable<IPEndPoint> EndPoints => _listeners.Select(l => l.EndPoint);

    internal World World { get; }

    internal MessageJournal Journal { get; }

    /// <summary>Where a new session's dialogues can be watched.</summary>
    internal TraceTap Tap() => new(_log.Tracer, outgoing: false);

    private Limits Limits => Options.Limits;

    /// <summary>Our name, who may relay, and the bounds: new sessions take them, those under way keep theirs. Loop thread.</summary>
    public ReceiveOptions Options
    {
        get => _clients.Options;
        set
        {
            _clients.Options = value;
            Passwords.WaitingMax = value.Limits.PasswordChecks;
        }
    }

    /// <summary>The certificates in force; new handshakes use them. Loop thread.</summary>
    public ServerTls? Tls { get; set; }

    /// <summary>The users in force; new sessions ask them. Null: nobody may authenticate. Loop thread.</summary>
    public UserTable? Users { get; set; }

    /// <summary>Opens a listener and serves it.</summary>
    /// <param name="config">Where, and what it offers; TLS needs <see cref="Tls"/>.</param>
    /// <returns>Null, or what is wrong, for people.</returns>
    public string? Listen(ListenConfig config)
    {
        if (config.Tls != ListenTls.None && Tls is null)
        {
            return $"cannot offer TLS on {config.Address}: there is no certificate";
        }
        int errno = World.Network.Listen(config.Address, out Listener? listener);
        if (errno != 0)
        {
            return $"cannot listen on {config.Address}: {ErrnoText.Of(errno)}";
        }
        _listeners.Add(listener!);
        _ = AcceptAsync(listener!, config);
        return null;
    }

    /// <summary>
    /// Closes the doors. Who is between two commands is told 421 at once, who sends content has <see cref="Limits.ContentGraceMs"/> to
    /// end it, and a commit under way <see cref="Limits.DrainTimeoutMs"/> more to be answered. The rest is cut.
    /// </summary>
    [AsyncMethodBuilder(typeof(LoopMethodBuilder))]
    public async ValueTask CloseAsync()
    {
        // The second round cuts; in the third what was cut has ended.
        const int Rounds = 3;
        const int RoundMs = 50;
        Drain();
        if (_serving.Count > 0)
        {
            await _emptied.SleepAsync(Limits.ContentGraceMs);
        }
        long untilMs = World.Loop.NowMs + Limits.DrainTimeoutMs;
        for (int round = 1; _serving.Count > 0 && (round <= Rounds || World.Loop.NowMs < untilMs); round++)
        {
            foreach (ReceiveConnection connection in _serving)
            {
                connection.Hurry();
            }
            await _emptied.SleepAsync(RoundMs);
        }
    }

    private void Drain()
    {
        Draining = true;
        foreach (Listener listener in _listeners)
        {
            listener.Close();
        }
        foreach (ReceiveConnection connection in _serving)
        {
            connection.Drain();
        }
    }

    /// <summary>A connection wakes that was at rest.</summary>
    internal void Wake(ReceiveConnection connection) => Session().Serve(connection, begins: null);

    /// <summary>A session has nobody to serve any more.</summary>
    internal void Rest(ReceiveSession session) => _resting.Push(session);

    /// <summary>A connection has ended.</summary>
    internal void Ended(ReceiveConnection connection)
    {
        connection.Clock.Stop();
        _serving.Remove(connection);
        _counters.SessionsIn = _serving.Count;
        if (Draining && _serving.Count == 0)
        {
            _emptied.Wake();
        }
        if (connection.Admitted)
        {
            _clients.Leave(connection.Peer.Address);
        }
        _log.Line("disconnect"u8).Add("peer"u8, connection.Peer).Add("messages"u8, connection.Client?.Messages ?? 0)
            .Add("refused"u8, connection.Clock.Refused).Add("reason"u8, Name(connection.Clock.End)).Write();
    }

    /// <summary>A connection to a listener for proxies brought no header, or came from no proxy: it is closed without a word.</summary>
    internal void ProxyFailed(IPEndPoint peer, string reason)
    {
        _counters.ProxyRefused++;
        _log.Warn("proxy_refused"u8).Add("peer"u8, peer).Add("reason"u8, reason).Write();
    }

    /// <summary>Null when the client may be served, and counts it; else what it is told.</summary>
    /// <param name="client">Its address.</param>
    /// <param name="others">Sessions but its own.</param>
    /// <param name="known">False for one that its proxy cannot name.</param>
    internal byte[]? Admit(IPEndPoint client, int others, bool known) => _clients.Enter(client.Address, World.Loop.NowMs, others, known);

    /// <summary>True when a client may say one more MAIL or RCPT now, and counts it.</summary>
    internal bool MayGoOn(IPEndPoint client, ClientRate rate, bool known) => _clients.MayGoOn(client.Address, rate, World.Loop.NowMs, known);

    /// <summary>Where passwords wait to be checked.</summary>
    internal PasswordQueue Passwords { get; }

    /// <summary>A client was told that it may not be served.</summary>
    internal void Refused(IPEndPoint client, byte[] reply)
    {
        _counters.ConnectionsRefused++;
        _log.Warn("refuse"u8).Add("peer"u8, client).Add("reply"u8, reply.AsSpan(0, reply.Length - 2)).Write();
    }

    /// <summary>What sessions are refused.</summary>
    internal RejectLog Rejects { get; }

    /// <summary>Begins the line of a refusal within a session.</summary>
    internal LogLine RejectLine() => _log.Warn("reject"u8);

    private static ReadOnlySpan<byte> Name(SessionEnd end) => end switch
    {
        SessionEnd.Lost => "lost"u8,
        SessionEnd.Quit => "quit"u8,
        SessionEnd.Timeout => "timeout"u8,
        SessionEnd.Errors => "errors"u8,
        SessionEnd.Tls => "tls"u8,
        _ => "shutdown"u8,
    };

    internal void Count(ReadOnlySpan<byte> reply)
    {
        if (reply[0] == (byte)'4')
        {
            _counters.RefusedTemporarily++;
        }
        else if (reply[0] == (byte)'5')
        {
            _counters.RefusedPermanently++;
        }
    }

    internal void TlsStarted(IPEndPoint client, in TlsResult result)
    {
        if (result.Dropped > 0)
        {
            _log.Warn("tls_injection"u8).Add("peer"u8, client).Add("dropped_bytes"u8, result.Dropped).Write();
        }
        if (result.Ok)
        {
            _counters.TlsIn++;
            return;
        }
        _counters.TlsInFailed++;
        _log.Warn("tls_failed"u8).Add("peer"u8, client).Add("reason"u8, result.Reason).Write();
    }

    internal void Authenticated(IPEndPoint client, AuthExchange exchange, AuthVerdict verdict)
    {
        bool ok = verdict == AuthVerdict.Accepted;
        if (ok)
        {
            _counters.AuthIn++;
        }
        else
        {
            _counters.AuthInFailed++;
        }
        // A name that nobody has may be a password in the wrong place: it is not shown.
        (ok ? _log.Line("auth"u8) : _log.Warn("auth_failed"u8))
            .Add("peer"u8, client)
            .Add("mechanism"u8, exchange.Mechanism)
            .Add("user"u8, exchange.User ?? "(unknown)")
            .Write();
    }

    internal void Accepted(
        Link link,
        ReceiveMachine machine,
        EnvelopeBuilder envelope,
        MessageHandle message,
        ReadOnlySpan<byte> id,
        long bytes,
        long dataMs)
    {
        Envelope view = envelope.View;
        _counters.Accepted++;
        _counters.AcceptedBytes += bytes;
        _counters.AcceptedRecipients += view.RecipientCount;
        _log.Line("accept"u8)
            .Add("id"u8, id)
            .Add("peer"u8, machine.Client.PeerText)
            .Add("helo"u8, machine.Client.Helo)
            .Add("tls"u8, link.TlsName)
            .Add("user"u8, machine.Client.User)
            .Add("certificate"u8, machine.Client.Certificate)
            .AddTenant(view.Tenant)
            .AddPriority(view.Priority.Utf8Said())
            .Add("from"u8, view.ReversePath)
            .Add("nrcpt"u8, view.RecipientCount)
            .Add("to"u8, view.Recipient(0))
            .Add("size"u8, bytes)
            .AddSeconds("data"u8, dataMs)
            .Write();
        if (_log.Events is { } events)
        {
            TellAccepted(events, machine.Client, view, id, bytes);
        }
        _queue.Add(message, view);
    }

    private static void TellAccepted(EventStream events, ReceiveClient client, in Envelope envelope, ReadOnlySpan<byte> id, long bytes) => events.Begin("accepted"u8)
        .Add("id"u8, id)
        .Add("from"u8, envelope.ReversePath)
        .Add("recipients"u8, envelope.RecipientCount)
        .Add("size"u8, bytes)
        .Add("peer"u8, client.PeerText)
        .Add("user"u8, client.User)
        .AddTenant(envelope.Tenant)
        .AddPriority(envelope.Priority.Utf8Said())
        .Write();

    private async Task AcceptAsync(Listener listener, ListenConfig config)
    {
        try
        {
            while (await listener.AcceptAsync() is { } link)
            {
                Accept(link, config);
            }
        }
        catch (Exception broken)
        {
            Check.Fatal("a listener failed: " + broken);
        }
    }

    private void Accept(Link link, ListenConfig config)
    {
        _counters.ConnectionsIn++;
        if (config.Proxies is { } proxies && !RelayPolicy.Holds(proxies, link.Remote.Address))
        {
            ProxyFailed(link.Remote, "no proxy of ours");
            link.Close();
            return;
        }
        if (Refusal(link, config) is { Length: > 0 } refusal)
        {
            _ = RefuseAsync(link, refusal);
            return;
        }
        var connection = new ReceiveConnection(this, link, admitted: config.Proxies is null);
        _serving.Add(connection);
        _counters.SessionsIn = _serving.Count;
        Session().Serve(connection, config);
    }

    private ReceiveSession Session() => _resting.TryPop(out ReceiveSession? session) ? session : new ReceiveSession(this);

    /// <summary>Null when the connection may be served, and counts it; else what it is told.</summary>
    private byte[]? Refusal(Link link, ListenConfig config)
    {
        if (Draining)
        {
            return s_shuttingDown;
        }
        if (_serving.Count >= Limits.ReceiveSessions)
        {
            return s_tooManySessions;
        }
        // Behind a proxy it is known only later who it is.
        return config.Proxies is null ? Admit(link.Remote, _serving.Count, known: true) : null;
    }

    private static readonly byte[] s_shuttingDown = Replies.ShuttingDown.ToArray();
    private static readonly byte[] s_tooManySessions = Replies.TooManyConnections.ToArray();

    private async Task RefuseAsync(Link link, byte[] reply)
    {
        Refused(link.Remote, reply);
        try
        {
            reply.CopyTo(link.Output.GetSpan(reply.Length));
            link.Output.Advance(reply.Length);
            await link.Output.FlushAsync();
            link.Close();
        }
        catch (Exception broken)
        {
            Check.Fatal("a refusal failed: " + broken);
        }
    }
}
