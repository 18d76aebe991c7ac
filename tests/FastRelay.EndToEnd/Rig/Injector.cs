using System.Net.Sockets;

namespace FastRelay.EndToEnd.Rig;

/// <summary>
/// One client in a loop that keeps a ledger: what was answered 250, what was refused for now, and what was sent whole
/// and never answered. It connects again until it is stopped.
/// </summary>
public sealed class Injector
{
    private static readonly string s_body = string.Concat(Enumerable.Repeat(new string('b', 76) + "\r\n", 20));
    private readonly Thread _thread;
    private readonly RelayProcess _relay;
    private readonly Func<int> _next;
    private volatile bool _stopped;
    private int _acknowledged;
    private int _refused;

    public Injector(RelayProcess relay, Func<int> next)
    {
        _relay = relay;
        _next = next;
        _thread = new Thread(Run) { IsBackground = true };
        _thread.Start();
    }

    /// <summary>Message-Ids that were answered 250. Read when the client has ended.</summary>
    public List<string> Acknowledged { get; } = [];

    /// <summary>The relay's ids of those messages, as its 250 gave them. Read when the client has ended.</summary>
    public List<string> QueueIds { get; } = [];

    /// <summary>Message-Ids whose last dot was sent and not answered. Read when the client has ended.</summary>
    public List<string> Unanswered { get; } = [];

    /// <summary>Answers that no relay may give while its disk fails: anything but 2xx, 354 and 4xx.</summary>
    public List<string> Strange { get; } = [];

    public int AcknowledgedCount => Volatile.Read(ref _acknowledged);

    public int RefusedCount => Volatile.Read(ref _refused);

    /// <summary>Starts several that share one sequence of ids.</summary>
    public static List<Injector> Start(RelayProcess relay, int count, Func<int> next) => [.. Enumerable.Range(0, count).Select(_ => new Injector(relay, next))];

    /// <summary>Ends the loop and waits for it.</summary>
    public static void StopAll(IReadOnlyCollection<Injector> injectors)
    {
        foreach (Injector injector in injectors)
        {
            injector._stopped = true;
        }
        foreach (Injector injector in injectors)
        {
            Assert.True(injector._thread.Join(40_000), "a client does not end");
            Assert.Empty(injector.Strange);
        }
    }

    private void Run()
    {
        while (!_stopped)
        {
            try
            {
                using SmtpTalk talk = _relay.Talk().Hello();
                while (!_stopped && SendOne(talk))
                {
                }
            }
            catch (Exception e) when (e is SocketException or IOException or Xunit.Sdk.XunitException)
            {
                // The relay was killed, or does not take connections at the moment.
            }
            Thread.Sleep(20);
        }
    }

    private bool SendOne(SmtpTalk talk)
    {
        string id = $"<{_next()}.{_relay.Pid}@ledger.test>";
        foreach (string line in new[] { "MAIL FROM:<source@volume.test>", "RCPT TO:<user@volume.test>", "DATA" })
        {
            string reply = talk.Say(line);
            if (!IsTaken(reply, out bool closed))
            {
                return !closed && IsTaken(talk.Say("RSET"), out _);
            }
        }
        Unanswered.Add(id);
        string answer = talk.Say($"Message-Id: {id}\r\nSubject: ledger\r\n\r\n{s_body}.");
        if (answer.Length == 0)
        {
            return false;
        }
        Unanswered.RemoveAt(Unanswered.Count - 1);
        if (IsTaken(answer, out bool gone))
        {
            Acknowledged.Add(id);
            QueueIds.Add(answer[(answer.LastIndexOf(' ') + 1)..].TrimEnd());
            Volatile.Write(ref _acknowledged, Acknowledged.Count);
        }
        return !gone;
    }

    private bool IsTaken(string reply, out bool closed)
    {
        closed = reply.Length == 0 || reply.StartsWith("421", StringComparison.Ordinal);
        if (reply.Length > 0 && reply[0] is '2' or '3')
        {
            return true;
        }
        if (reply.Length > 0 && reply[0] == '4')
        {
            Interlocked.Increment(ref _refused);
            Thread.Sleep(5);
        }
        else if (reply.Length > 0)
        {
            Strange.Add(reply);
        }
        return false;
    }
}
