using System.Diagnostics;
using System.Net;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>SIGKILL at random moments: whatever was answered 250 arrives, and little of it twice.</summary>
[Collection(nameof(Alone))]
public sealed class CrashTests
{
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly Random _random = new(20261125);
    private readonly List<string> _acknowledged = [];
    private int _sequence;

    [Fact]
    public void Nothing_acknowledged_is_lost_by_fifty_SIGKILLs()
    {
        const int Kills = 50;
        using var sink = new VolumeSink(_address, _port, deferPercent: 5) { SlowPercent = 20, FailPercent = 5 };
        using RelayProcess relay = NewRelay();
        int inFlight = 0;
        relay.Start();
        for (int kill = 0; kill < Kills; kill++)
        {
            List<Injector> injectors = Injector.Start(relay, 8, () => Interlocked.Increment(ref _sequence));
            // A random moment, but not before this life of the relay has acknowledged something.
            Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) >= 40, 30, () => $"nothing was acknowledged\n{relay.Log}");
            Thread.Sleep(_random.Next(0, 300));
            relay.Kill();
            Injector.StopAll(injectors);
            _acknowledged.AddRange(injectors.SelectMany(static i => i.Acknowledged));
            // A message whose dot was sent and not answered was in a group that was not durable yet.
            inFlight += injectors.Exists(static i => i.Unanswered.Count > 0) ? 1 : 0;
            relay.Start();
        }
        // What is left drains without faults: with them the site bears few sessions, and the tail would take minutes.
        sink.SlowPercent = sink.FailPercent = 0;
        relay.WaitForEmptyQueue(120);
        string[] missing = [.. _acknowledged.Where(id => !sink.Has(id))];
        Assert.True(missing.Length == 0, $"{missing.Length} of {_acknowledged.Count} acknowledged messages are missing, the first is {missing.FirstOrDefault()}");
        Assert.Equal(1, sink.Contents);
        Assert.InRange(inFlight, 40, Kills);
        Console.WriteLine($"{_acknowledged.Count} acknowledged over {Kills} kills, {inFlight} with a group in flight, 0 lost, {sink.Duplicates} sent twice");
    }

    [Fact]
    public void Delivered_mail_is_not_sent_again_when_a_busy_relay_is_killed()
    {
        using var sink = new VolumeSink(_address, _port);
        using RelayProcess relay = NewRelay();
        relay.Start();
        var lives = new List<(long AnsweredBy, long StartedAt)>();
        for (int kill = 0; kill < 10; kill++)
        {
            List<Injector> injectors = Injector.Start(relay, 8, () => Interlocked.Increment(ref _sequence));
            Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) >= 40, 30, () => $"nothing was acknowledged\n{relay.Log}");
            Thread.Sleep(_random.Next(0, 200));
            long answeredBy = Stopwatch.GetTimestamp();
            // At most eight of the next nine acknowledged messages began before, and the journal has one order: when the
            // ninth is durable, so is the outcome of whatever had been answered.
            int had = injectors.Sum(static i => i.AcknowledgedCount);
            Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) > had + 8, 30, () => $"nothing more was acknowledged\n{relay.Log}");
            KillAfter(relay, answeredBy);
            Injector.StopAll(injectors);
            lives.Add((answeredBy, Stopwatch.GetTimestamp()));
            relay.Start();
        }
        relay.WaitForEmptyQueue(60);
        CheckRepeats("busy", sink, lives);
    }

    [Fact]
    public void Delivered_mail_is_not_sent_again_when_an_idle_relay_is_killed_while_it_drains()
    {
        using var sink = new VolumeSink(_address, _port) { Refuses = true };
        using RelayProcess relay = NewRelay();
        relay.Start();
        List<Injector> injectors = Injector.Start(relay, 8, () => Interlocked.Increment(ref _sequence));
        Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) >= 2_000, 60, () => $"too little was acknowledged\n{relay.Log}");
        Injector.StopAll(injectors);
        sink.SlowPercent = 60;
        sink.Refuses = false;
        var lives = new List<(long AnsweredBy, long StartedAt)>();
        for (int kill = 0; kill < 8; kill++)
        {
            long had = sink.Accepted;
            Tool.Until(() => sink.Accepted >= had + 20 || relay.QueueCount() == 0, 60, () => $"nothing is delivered\n{relay.Log}");
            Thread.Sleep(_random.Next(0, 100));
            long answeredBy = Stopwatch.GetTimestamp();
            WaitForOutcomes(relay);
            KillAfter(relay, answeredBy);
            lives.Add((answeredBy, Stopwatch.GetTimestamp()));
            relay.Start();
        }
        relay.WaitForEmptyQueue(60);
        Assert.True(sink.Distinct >= 2_000);
        CheckRepeats("idle", sink, lives);
    }

    /// <summary>The spool is in memory: a kill takes nothing from there, and a slow disk of the machine says nothing about the relay.</summary>
    private RelayProcess NewRelay() => new(
        RelayProcess.SmarthostConfig(new IPEndPoint(_address, _port)),
        Directory.Exists("/dev/shm") ? Path.Combine("/dev/shm", "fastrelay-" + Guid.NewGuid().ToString("N")) : null);

    /// <summary>
    /// Waits until the outcomes of all that was answered before are durable, with nothing but themselves to start a
    /// flush: the loop has turned since, and then either nothing waits for the disk, or two more groups reached it.
    /// </summary>
    private static void WaitForOutcomes(RelayProcess relay)
    {
        using SmtpTalk talk = relay.Talk().Hello();
        for (int i = 0; i < 3; i++)
        {
            Assert.StartsWith("250", talk.Say("NOOP"));
        }
        long groups = relay.Figure("journal_groups_total");
        Tool.Until(() => relay.Figure("journal_staged_bytes") == 0 || relay.Figure("journal_groups_total") >= groups + 2, 30, () => $"outcomes wait for ever\n{relay.Log}");
    }

    /// <summary>SIGKILL, more than 50 ms after a moment, and not much more where the machine is quick.</summary>
    private static void KillAfter(RelayProcess relay, long moment)
    {
        while (Stopwatch.GetElapsedTime(moment).TotalMilliseconds <= 50)
        {
            Thread.Sleep(1);
        }
        relay.Kill();
    }

    /// <summary>Whoever was answered more than 50 ms before a kill is never sent again; an answer to a dead relay is none.</summary>
    private static void CheckRepeats(string how, VolumeSink sink, List<(long AnsweredBy, long StartedAt)> lives)
    {
        int repeats = 0;
        foreach (IGrouping<string, (string Id, long ConnectedAt, long At)> answers in sink.Answers.GroupBy(static a => a.Id))
        {
            (string Id, long ConnectedAt, long At)[] order = [.. answers.OrderBy(static a => a.At)];
            foreach ((_, long connectedAt, long at) in order[..^1])
            {
                repeats++;
                // In the life that made the connection, just before its end, or after: then nobody heard it.
                bool excused = lives.Exists(life => connectedAt <= life.StartedAt && at >= life.AnsweredBy);
                Assert.True(excused, $"{answers.Key} was sent again, and had been answered more than 50 ms before the kill");
            }
        }
        Console.WriteLine($"{how}: {sink.Distinct} delivered over {lives.Count} kills, {repeats} sent again, all answered just before a kill");
    }
}
