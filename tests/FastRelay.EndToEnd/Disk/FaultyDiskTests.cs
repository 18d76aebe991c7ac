using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd.Disk;

/// <summary>Writes and syncs of the spool fail while the relay runs: no 250 that is not true, and it recovers by itself.</summary>
[Collection(nameof(Alone))]
public sealed class FaultyDiskTests : IDisposable
{
    /// <summary>Each failure costs a segment, and a faulty disk makes new ones slowly.</summary>
    private const string SmallSegments = "[limits]\nsegment_bytes = \"4MiB\"";
    private readonly VolumeSink _sink;
    private readonly RelayProcess _relay;
    private readonly FaultyDisk _disk;
    private readonly List<string> _acknowledged = [];
    private int _sequence;

    public FaultyDiskTests()
    {
        System.Net.IPAddress address = Place.NewAddress();
        int port = Place.FreePort();
        _sink = new VolumeSink(address, port, deferPercent: 50);
        _relay = new RelayProcess(RelayProcess.SmarthostConfig(new System.Net.IPEndPoint(address, port), SmallSegments));
        _disk = new FaultyDisk(_relay);
    }

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    [FaultyDiskTheory]
    [InlineData("sync-eio")]
    [InlineData("write-eio")]
    [InlineData("write-enospc")]
    public void While_the_disk_fails_mail_is_refused_for_now_and_afterwards_taken_again(string fault)
    {
        _disk.Start(_relay);
        Load(() => _acknowledged.Count, 100);
        _disk.Mode = fault;
        // Each message begins after the disk began to fail, so none of them can be durable.
        for (int i = 0; i < 40; i++)
        {
            Assert.Matches("^(4[0-9][0-9] |$)", SendOne($"<{i}.{fault}@refused.test>"));
        }
        Assert.True(_disk.Changed > 0, "no call failed");
        _disk.Mode = "off";
        Tool.Until(() => SendOne($"<{++_sequence}@after.test>", _acknowledged).StartsWith("250", StringComparison.Ordinal), 30, () => $"intake stays closed\n{_relay.Log}");
        Load(() => _acknowledged.Count, 100);
        EndAndCheck();
        Assert.DoesNotContain("@refused.test", string.Join(' ', _sink.Times.Select(static t => t.Id)), StringComparison.Ordinal);
    }

    [FaultyDiskTheory]
    [InlineData("short")]
    [InlineData("eintr")]
    public void Short_and_interrupted_writes_cost_nothing(string fault)
    {
        _disk.Mode = fault;
        _disk.Start(_relay);
        Load(() => _acknowledged.Count, 300);
        Assert.True(_disk.Changed > 100, $"only {_disk.Changed} calls were changed");
        EndAndCheck();
    }

    [FaultyDiskFact]
    public void Now_and_then_something_of_everything_loses_nothing_over_kills()
    {
        long changed = 0;
        int refused = 0;
        for (int life = 0; life < 3; life++)
        {
            _disk.Mode = "off";
            _disk.Start(_relay);
            _disk.Mode = "some";
            refused += Load(() => _acknowledged.Count, 100, () => _disk.Changed >= 10);
            changed += _disk.Changed;
            _relay.Kill();
        }
        Console.WriteLine($"{_acknowledged.Count} acknowledged, {refused} refused for now, {changed} calls changed");
        _disk.Mode = "off";
        _disk.Start(_relay);
        EndAndCheck();
    }

    /// <summary>Eight clients, until so many more messages were acknowledged, and something else is true.</summary>
    /// <returns>Refusals.</returns>
    private int Load(Func<int> before, int more, Func<bool>? also = null)
    {
        int had = before();
        List<Injector> injectors = Injector.Start(_relay, 8, () => Interlocked.Increment(ref _sequence));
        Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) >= more && (also is null || also()), 120, () => $"after {had}: too few are acknowledged\n{_relay.Log}");
        Injector.StopAll(injectors);
        _acknowledged.AddRange(injectors.SelectMany(static i => i.Acknowledged));
        return injectors.Sum(static i => i.RefusedCount);
    }

    private string SendOne(string id, List<string>? acknowledged = null)
    {
        using SmtpTalk talk = _relay.Talk();
        if (!talk.Read().StartsWith("220", StringComparison.Ordinal))
        {
            return "";
        }
        talk.Say("EHLO client.test");
        string reply = "";
        foreach (string line in new[] { "MAIL FROM:<source@volume.test>", "RCPT TO:<user@volume.test>", "DATA", $"Message-Id: {id}\r\n\r\nfault\r\n." })
        {
            reply = talk.Say(line);
            if (reply.Length == 0 || reply[0] is '4' or '5')
            {
                return reply;
            }
        }
        acknowledged?.Add(id);
        return reply;
    }

    /// <summary>Kills it, starts it on a good disk, and counts what arrived.</summary>
    private void EndAndCheck()
    {
        _relay.Kill();
        _relay.Start().WaitForEmptyQueue(60);
        string[] lost = [.. _acknowledged.Where(id => !_sink.Has(id))];
        Assert.True(lost.Length == 0, $"{lost.Length} of {_acknowledged.Count} acknowledged messages are lost, the first is {lost.FirstOrDefault()}\n{_relay.Log}");
    }
}
