using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd.Disk;

/// <summary>
/// The power of the spool's disk goes under load. A SIGKILL leaves the kernel's memory, so it proves nothing about
/// syncs; this does, and the same without syncs must lose mail, or the test would not see anything.
/// </summary>
[Collection(nameof(Alone))]
public sealed class PowerCutTests : IDisposable
{
    private readonly System.Net.IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly List<string> _acknowledged = [];
    private int _sequence;

    private LoopDisk Disk { get; } = new();

    public void Dispose() => Disk.Dispose();

    [PowerCutFact]
    public void Nothing_acknowledged_is_lost_by_power_cuts()
    {
        using var sink = new VolumeSink(_address, _port, deferPercent: 40);
        using RelayProcess relay = NewRelay("group");
        for (int cut = 0; cut < 6; cut++)
        {
            LoadAndCut(relay, dyingMs: cut % 2 == 0 ? 0 : 400);
        }
        relay.Start().WaitForEmptyQueue(120);
        string[] lost = [.. _acknowledged.Where(id => !sink.Has(id))];
        Assert.True(lost.Length == 0, $"{lost.Length} of {_acknowledged.Count} acknowledged messages are lost, the first is {lost.FirstOrDefault()}\n{relay.Log}");
        Assert.Equal(1, sink.Contents);
        Console.WriteLine($"{_acknowledged.Count} acknowledged over 6 power cuts, 0 lost, {sink.Duplicates} sent twice");
    }

    [PowerCutFact]
    public void Without_syncs_a_power_cut_loses_acknowledged_mail()
    {
        using var sink = new VolumeSink(_address, _port, deferPercent: 40);
        using RelayProcess relay = NewRelay("none");
        LoadAndCut(relay, dyingMs: 0);
        relay.Start().WaitForEmptyQueue(120);
        int lost = _acknowledged.Count(id => !sink.Has(id));
        Assert.True(lost > 0, $"none of {_acknowledged.Count} acknowledged messages was lost: the test would not see a missing sync");
        Console.WriteLine($"without syncs: {_acknowledged.Count} acknowledged, {lost} lost by one power cut");
    }

    private RelayProcess NewRelay(string sync)
    {
        string config = RelayProcess.SmarthostConfig(new System.Net.IPEndPoint(_address, _port)).Replace("{folder}/spool", Disk.Folder + "/spool", StringComparison.Ordinal);
        var relay = new RelayProcess($"sync = \"{sync}\"\n{config}");
        // The spool is made and on the disk before the first cut, with syncs or without.
        relay.Start().Stop();
        Tool.Run("sync", []).Ok();
        return relay;
    }

    /// <summary>Cuts the power while clients wait for replies; the relay lives on with a dead disk for a while.</summary>
    private void LoadAndCut(RelayProcess relay, int dyingMs)
    {
        relay.Start();
        List<Injector> injectors = Injector.Start(relay, 8, () => Interlocked.Increment(ref _sequence));
        Tool.Until(() => injectors.Sum(i => i.AcknowledgedCount) >= 200, 60, () => $"nothing is acknowledged\n{relay.Log}");
        Disk.CutPower();
        Thread.Sleep(dyingMs);
        relay.Kill();
        Injector.StopAll(injectors);
        _acknowledged.AddRange(injectors.SelectMany(i => i.Acknowledged));
        Disk.Restore();
    }
}
