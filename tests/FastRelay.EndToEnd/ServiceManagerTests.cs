using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Under something that does what systemd does: tests/service_manager.py.</summary>
public sealed class ServiceManagerTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;
    private readonly List<string> _lines = [];
    private readonly Process _manager;

    /// <summary>When clients were told something.</summary>
    private readonly ConcurrentQueue<long> _replies = new();

    public ServiceManagerTests()
    {
        // Only its configuration and its command line are used: the manager starts the program.
        // Nobody answers on that port: what goes to stays.test stays.
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)
            .Replace("[[route]]", "[[route]]\ndomain = \"stays.test\"\nto = \"smtp:[127.0.0.1]:9\"\n[[route]]", StringComparison.Ordinal));
        _manager = Tool.Start("python3", [
            Path.Combine(Place.Root, "tests", "service_manager.py"), $"{_relay.Address}", $"{_relay.Port}",
            Place.Binary, "serve", "--config", _relay.ConfigFile]);
        foreach (StreamReader reader in (StreamReader[])[_manager.StandardOutput, _manager.StandardError])
        {
            new Thread(() => Follow(reader)) { IsBackground = true }.Start();
        }
    }

    public void Dispose()
    {
        _manager.Kill(entireProcessTree: true);
        _manager.WaitForExit();
        _manager.Dispose();
        _relay.Dispose();
        _sink.Dispose();
    }

    [Fact]
    public void Restarts_refuse_no_connection_and_lose_no_mail()
    {
        const int clients = 3;
        // Before the manager holds the socket nobody can wait in it.
        Tool.Until(() => Count("told READY=1") == 1, 60, Text);
        var taken = new int[clients];
        string[] failures = new string[clients];
        using var done = new ManualResetEventSlim();
        Thread[] threads = [.. Enumerable.Range(0, clients).Select(client => new Thread(() => Send(client, taken, failures, done)))];
        Array.ForEach(threads, static thread => thread.Start());
        for (int i = 0; i < 3; i++)
        {
            int before = taken.Sum();
            Tool.Until(() => taken.Sum() >= before + 20 || failures.Any(static f => f is not null), 60, Text);
            Order("restart");
            Tool.Until(() => Count("told READY=1") == i + 2, 60, Text);
        }
        int last = taken.Sum();
        Tool.Until(() => taken.Sum() >= last + 20 || failures.Any(static f => f is not null), 60, Text);
        done.Set();
        Array.ForEach(threads, static thread => thread.Join());
        Assert.All(failures, Assert.Null);
        _relay.WaitForEmptyQueue();
        Assert.Equal(taken.Sum(), _sink.Arrivals.Select(static a => a.To.Single()).Distinct().Count());
        Assert.Equal(3, Count("ended 0"));
        Assert.Equal(3, Count("told STOPPING=1"));
    }

    [Fact]
    public void An_upgrade_with_a_large_queue_leaves_nobody_without_an_answer()
    {
        const int clients = 3;
        const int queued = 50_000;
        Tool.Until(() => Count("told READY=1") == 1, 60, Text);
        Tool.Run(Place.Binary, ["load", $"{_relay.Address}:{_relay.Port}", "-m", $"{queued}", "--to", "u{}@stays.test", "--spread", "1000", "--quiet"]).Ok();
        var taken = new int[clients];
        string[] failures = new string[clients];
        using var done = new ManualResetEventSlim();
        Thread[] threads = [.. Enumerable.Range(0, clients).Select(client => new Thread(() => Send(client, taken, failures, done)))];
        Array.ForEach(threads, static thread => thread.Start());
        Tool.Until(() => taken.Sum() >= 20 || failures.Any(static f => f is not null), 60, Text);
        Order("restart");
        Tool.Until(() => Count("told READY=1") == 2 || failures.Any(static f => f is not null), 60, Text);
        int before = taken.Sum();
        Tool.Until(() => taken.Sum() >= before + 20 || failures.Any(static f => f is not null), 60, Text);
        done.Set();
        Array.ForEach(threads, static thread => thread.Join());
        Assert.All(failures, Assert.Null);
        long[] replies = [.. _replies.Order()];
        TimeSpan gap = replies.Zip(replies.Skip(1), static (one, next) => Stopwatch.GetElapsedTime(one, next)).Max();
        // How long it takes is measured in perf/upgrade; here other tests run too, and it has to be no timeout of a client's.
        Assert.InRange(gap.TotalSeconds, 0, 30);
        Tool.Until(() => _relay.Command("queue", "list", "--domain", "a.test", "--count").Output == "0\n", 60, Text);
        Assert.Equal(queued, _relay.QueueCount());
        Assert.Equal(taken.Sum(), _sink.Arrivals.Select(static a => a.To.Single()).Distinct().Count());
        Assert.Equal(taken.Sum(), _sink.Arrivals.Count);
    }

    [Fact]
    public void Neither_a_client_that_rests_nor_who_asks_the_admin_holds_an_upgrade_up()
    {
        Tool.Until(() => Count("told READY=1") == 1, 60, Text);
        // What were waited for would be waited for longer than the test lasts.
        File.AppendAllText(_relay.ConfigFile, "\n[limits]\ncontent_grace = \"10m\"\ndrain_timeout = \"1h\"\n");
        Order("reload");
        Tool.Until(() => Count("told READY=1 ; STATUS=reloaded") == 1, 60, Text);
        using SmtpTalk rests = new SmtpTalk(_relay.Address, _relay.Port).Hello();
        Assert.StartsWith("250 2.1.0", rests.Say("MAIL FROM:<rests@c.test>"));
        using TcpClient half = Ask("POST /api/queue/remove HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n{\"fil");
        using TcpClient trace = Ask("GET /api/trace HTTP/1.1\r\nHost: localhost\r\n\r\n");
        Order("restart");
        Assert.StartsWith("421 4.3.2", rests.Read());
        Assert.True(rests.IsClosed());
        using SmtpTalk next = new SmtpTalk(_relay.Address, _relay.Port).Hello();
        Assert.Equal(1, Count("ended 0"));
        Assert.Equal(0, CountWith("event=admin_error"));
    }

    [Fact]
    public void While_a_host_owes_its_answer_clients_are_served()
    {
        using var reached = new ManualResetEventSlim();
        using var go = new ManualResetEventSlim();
        _sink.Answer = (verb, _) =>
        {
            if (verb == "DOT")
            {
                reached.Set();
                go.Wait();
            }
            return null;
        };
        Tool.Until(() => Count("told READY=1") == 1, 60, Text);
        using SmtpTalk client = new SmtpTalk(_relay.Address, _relay.Port).Hello();
        Say(client, "owed@a.test");
        Assert.True(reached.Wait(60_000), Text());
        Order("restart");
        Tool.Until(() => Count("told STOPPING=1") == 1, 60, Text);
        using SmtpTalk meanwhile = new SmtpTalk(_relay.Address, _relay.Port).Hello();
        Say(meanwhile, "meanwhile@a.test");
        Assert.Equal(0, Count("ended"));
        go.Set();
        Assert.StartsWith("421 4.3.2", meanwhile.Read());
        Tool.Until(() => Count("told READY=1") == 2, 60, Text);
        _relay.WaitForEmptyQueue();
        Assert.Equal(["meanwhile@a.test", "owed@a.test"], _sink.Arrivals.Select(static a => a.To.Single()).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void It_is_told_of_every_state_and_hears_no_more_of_one_that_stands_still()
    {
        Tool.Until(() => Count("told READY=1 ; STATUS=0 messages queued, listening on") == 1, 60, Text);
        Tool.Until(() => Count("told WATCHDOG=1") >= 5, 60, Text);
        Order("reload");
        Tool.Until(() => Count("told READY=1 ; STATUS=reloaded") == 1 && Count("told RELOADING=1 ; MONOTONIC_USEC=") == 1, 60, Text);
        File.AppendAllText(_relay.ConfigFile, "\nnonsense = 1\n");
        Order("reload");
        Tool.Until(() => Count("told READY=1 ; STATUS=not reloaded, goes on as before: ") == 1, 60, Text);
        Order("freeze");
        string stat = $"/proc/{Started()}/stat";
        Tool.Until(() => File.ReadAllText(stat).Contains(") T ", StringComparison.Ordinal), 60, Text);
        // What was on its way has arrived when nothing more comes in a time in which a living one says it many times.
        int heard = -1;
        Tool.Until(() => heard == (heard = CountAfter(TimeSpan.FromSeconds(1))), 60, Text);
        Order("thaw");
        Tool.Until(() => Count("told WATCHDOG=1") > heard, 60, Text);
        _manager.StandardInput.Close();
        Assert.True(_manager.WaitForExit(60_000), Text());
        Tool.Until(() => Count("ended 0") == 1, 60, Text);
        Assert.Equal(1, Count("told STOPPING=1"));
    }

    [Fact]
    public void A_socket_that_no_listener_has_is_refused()
    {
        Tool.Until(() => Count("told READY=1") == 1, 60, Text);
        File.WriteAllText(_relay.ConfigFile, File.ReadAllText(_relay.ConfigFile).Replace($":{_relay.Port}\"", $":{Place.FreePort()}\"", StringComparison.Ordinal));
        Order("restart");
        Tool.Until(() => Text().Contains($"fastrelay: the socket unit listens on {_relay.Address}:{_relay.Port}, and no [[listen]] has that address", StringComparison.Ordinal), 60, Text);
    }

    private static void Say(SmtpTalk talk, string to)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<s@c.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0", talk.Say("Subject: x\r\n\r\nhello\r\n."));
    }

    /// <summary>Asks the admin and waits for the first octets of its answer.</summary>
    private TcpClient Ask(string request)
    {
        var asker = new TcpClient();
        Tool.Until(() => { try { asker.Connect(IPAddress.Loopback, _relay.AdminPort); return true; } catch (SocketException) { return false; } }, 60, Text);
        asker.GetStream().Write(System.Text.Encoding.ASCII.GetBytes(request));
        Assert.True(asker.GetStream().Read(new byte[256]) > 0);
        return asker;
    }

    private int CountWith(string part)
    {
        lock (_lines)
        {
            return _lines.Count(line => line.Contains(part, StringComparison.Ordinal));
        }
    }

    private int CountAfter(TimeSpan wait)
    {
        Thread.Sleep(wait);
        return Count("told WATCHDOG=1");
    }

    private void Send(int client, int[] taken, string[] failures, ManualResetEventSlim done)
    {
        while (!done.IsSet)
        {
            try
            {
                // A connection for each message: one that is refused ends the test.
                using var talk = new SmtpTalk(_relay.Address, _relay.Port);
                string reply = talk.Read();
                foreach (string line in (string[])["EHLO c.test", $"MAIL FROM:<s@c.test>", $"RCPT TO:<{client}-{taken[client]}@a.test>", "DATA", "Subject: x\r\n\r\nhello\r\n."])
                {
                    // 421, or the end: it stops, and the same message is tried again.
                    if (reply.Length == 0 || reply[0] is not ('2' or '3'))
                    {
                        break;
                    }
                    reply = talk.Say(line);
                    _replies.Enqueue(Stopwatch.GetTimestamp());
                }
                if (reply.StartsWith("250 2.0.0", StringComparison.Ordinal))
                {
                    taken[client]++;
                }
                else if (reply.Length > 0 && !reply.StartsWith("421", StringComparison.Ordinal))
                {
                    failures[client] = reply;
                    return;
                }
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                failures[client] = e.Message;
                return;
            }
            catch (Exception e) when (e is SocketException or IOException)
            {
                // It ended in the middle of what we said.
            }
        }
    }

    private void Order(string word)
    {
        _manager.StandardInput.WriteLine(word);
        _manager.StandardInput.Flush();
    }

    private void Follow(StreamReader reader)
    {
        while (reader.ReadLine() is { } line)
        {
            lock (_lines)
            {
                _lines.Add(line);
            }
        }
    }

    private int Count(string start)
    {
        lock (_lines)
        {
            return _lines.Count(line => line.StartsWith(start, StringComparison.Ordinal));
        }
    }

    private string Started()
    {
        lock (_lines)
        {
            return _lines.Last(static line => line.StartsWith("started ", StringComparison.Ordinal))[8..];
        }
    }

    private string Text()
    {
        lock (_lines)
        {
            return string.Join('\n', _lines.TakeLast(60));
        }
    }
}
