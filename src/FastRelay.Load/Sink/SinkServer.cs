using System.Net;
using FastRelay.Outside;

namespace FastRelay.Load;

/// <summary>Accepts mail and keeps none of it: counts, checks, and behaves as its scenario says. Lives on one loop.</summary>
public sealed class SinkServer
{
    private static readonly byte[] s_tooMany = [.. "421 4.3.2 Too many connections\r\n"u8];
    private static readonly byte[] s_tooManyOfYours = [.. "421 4.7.0 Too many connections from your address\r\n"u8];

    /// <summary>The last 250 is written in the turn that counts it: by the next one, a tick of the timers, it has left. ms.</summary>
    private const int LastReplyMs = 16;

    private readonly List<Listener> _listeners = [];
    private readonly HashSet<SinkSession> _serving = [];
    private readonly Stack<SinkSession> _resting = new();
    private readonly Dictionary<ulong, int> _perAddress = [];
    private readonly LoopTimer _end;

    private SinkServer(World world, SinkOptions options)
    {
        World = world;
        Options = options;
        Rules = new SinkRules(options.Scenario, world.Random);
        StartedAt = world.Time.GetUtcNow();
        _end = new LoopTimer(world.Loop, new Ending(world.Loop));
    }

    /// <summary>The world it lives in.</summary>
    public World World { get; }

    /// <summary>What it was told.</summary>
    public SinkOptions Options { get; }

    /// <summary>When it began, UTC.</summary>
    public DateTimeOffset StartedAt { get; }

    /// <summary>What it has seen.</summary>
    public SinkCounters Counters { get; } = new();

    /// <summary>Where it listens, with real ports.</summary>
    public IReadOnlyList<IPEndPoint> EndPoints => _listeners.ConvertAll(l => l.EndPoint);

    internal SinkRules Rules { get; }

    /// <summary>Opens the listeners; on the loop's thread, or before it runs.</summary>
    /// <param name="world">Where it lives.</param>
    /// <param name="options">What to do.</param>
    /// <param name="error">For people, when the result is null.</param>
    /// <returns>Null when a listener cannot be opened.</returns>
    public static SinkServer? Start(World world, SinkOptions options, out string error)
    {
        var server = new SinkServer(world, options);
        foreach (IPEndPoint endPoint in options.Listen)
        {
            int errno = world.Network.Listen(endPoint, out Listener? listener);
            if (listener is null)
            {
                error = $"cannot listen on {endPoint}: {ErrnoText.Of(errno)}";
                server.Stop();
                return null;
            }
            server._listeners.Add(listener);
        }
        foreach (Listener listener in server._listeners)
        {
            _ = server.AcceptAsync(listener);
        }
        error = "";
        return server;
    }

    /// <summary>Closes the listeners and resets what is open; on the loop's thread.</summary>
    public void Stop()
    {
        _listeners.ForEach(l => l.Close());
        foreach (SinkSession session in _serving)
        {
            session.Abort();
        }
    }

    internal static ulong KeyOf(IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        bytes.Clear();
        _ = address.TryWriteBytes(bytes, out _);
        return BitConverter.ToUInt64(bytes) ^ (BitConverter.ToUInt64(bytes[8..]) * 31);
    }

    internal void Took(SinkMachine machine, long bytes, bool accepted, MessageCheck? check, int replyInMs)
    {
        Counters.Bytes += bytes;
        if (!accepted)
        {
            Counters.MessagesRefused++;
            return;
        }
        Counters.Messages++;
        Counters.Recipients += machine.Recipients;
        if (Counters.Recipients >= Options.Copies && !_end.IsArmed)
        {
            _end.After(replyInMs + LastReplyMs);
        }
        if (check is null)
        {
            return;
        }
        switch (check.Verdict())
        {
            case CheckedAs.Unmarked:
                Counters.Unmarked++;
                return;
            case CheckedAs.Damaged:
                Counters.Damaged++;
                break;
            default:
                Counters.Intact++;
                break;
        }
        LoadMark mark = check.Mark;
        for (int i = 0; i < machine.Copies.Count; i++)
        {
            Counters.Ledger.Note(mark.Run, (mark.Sequence * mark.Copies) + Math.Min(machine.Copies[i], mark.Copies - 1));
        }
        long now = (World.Time.GetUtcNow().Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond;
        long latency = now + (replyInMs * 1000L) - mark.SentMicroseconds;
        Counters.EndToEnd.Record(latency);
        Counters.Recent.Record(latency);
    }

    internal void Ended(SinkSession session, Link link)
    {
        _serving.Remove(session);
        Counters.Sessions = _serving.Count;
        _resting.Push(session);
        if (Options.Scenario.SessionsPerAddress < int.MaxValue)
        {
            _perAddress[KeyOf(link.Remote.Address)]--;
        }
    }

    private async Task AcceptAsync(Listener listener)
    {
        while (await listener.AcceptAsync() is { } link)
        {
            Counters.Connections++;
            if (Refusal(link) is { } refusal)
            {
                _ = RefuseAsync(link, refusal);
                continue;
            }
            if (!_resting.TryPop(out SinkSession? session))
            {
                session = new SinkSession(this);
            }
            _serving.Add(session);
            Counters.Sessions = _serving.Count;
            Counters.SessionsPeak = Math.Max(Counters.SessionsPeak, Counters.Sessions);
            session.Serve(link);
        }
    }

    private byte[]? Refusal(Link link)
    {
        if (_serving.Count >= Options.Scenario.Sessions)
        {
            return s_tooMany;
        }
        if (Options.Scenario.SessionsPerAddress < int.MaxValue)
        {
            ulong key = KeyOf(link.Remote.Address);
            _perAddress.TryGetValue(key, out int held);
            if (held >= Options.Scenario.SessionsPerAddress)
            {
                return s_tooManyOfYours;
            }
            _perAddress[key] = held + 1;
        }
        return null;
    }

    private async Task RefuseAsync(Link link, byte[] reply)
    {
        Counters.Replies.Count(DialogueStage.Banner, reply);
        reply.CopyTo(link.Output.GetSpan(reply.Length));
        link.Output.Advance(reply.Length);
        await link.Output.FlushAsync();
        link.Close();
    }

    private sealed class Ending(Loop loop) : LoopItem
    {
        protected override void Run() => loop.Stop();
    }
}
