using System.Net;
using System.Text.Json;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>SIGKILL at random moments under load: the events account for every message that was answered 250.</summary>
[Collection(nameof(Alone))]
public sealed class EventKillTests
{
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly Random _random = new(20261201);
    private int _sequence;

    [Theory]
    [InlineData("{folder}/events.ndjson")]
    [InlineData("-")]
    public void Every_message_is_told_as_accepted_and_as_delivered_whatever_is_killed(string file)
    {
        const int Kills = 8;
        using var sink = new VolumeSink(_address, _port, deferPercent: 2);
        using RelayProcess relay = new(
            RelayProcess.SmarthostConfig(new IPEndPoint(_address, _port), $"[events]\nfile = \"{file}\""),
            Directory.Exists("/dev/shm") ? Path.Combine("/dev/shm", "fastrelay-" + Guid.NewGuid().ToString("N")) : null);
        var acknowledged = new List<string>();
        relay.Start();
        for (int kill = 0; kill < Kills; kill++)
        {
            // Standard output is read by this test: hardly faster than it reads, or lines find no room, which is a gap and no defect.
            List<Injector> injectors = Injector.Start(relay, file == "-" ? 1 : 8, () => Interlocked.Increment(ref _sequence));
            Tool.Until(() => injectors.Sum(static i => i.AcknowledgedCount) >= 100, 30, () => $"nothing was acknowledged\n{relay.Log}");
            // Of what comes to standard output the rig keeps 40 MB.
            Thread.Sleep(_random.Next(0, file == "-" ? 600 : 2_500));
            relay.Kill();
            Injector.StopAll(injectors);
            acknowledged.AddRange(injectors.SelectMany(static i => i.QueueIds));
            relay.Start();
        }
        relay.WaitForEmptyQueue(60);
        Assert.Equal(0, relay.Stop());
        string[] Lines() => [.. (file == "-" ? relay.Log.Split('\n') : File.ReadAllLines(Path.Combine(relay.Folder, "events.ndjson"))).Where(static line => line.StartsWith('{'))];
        string[] lines = Lines();
        var told = new Dictionary<string, HashSet<string>> { ["accepted"] = [], ["delivered"] = [] };
        int recovered = 0;
        int twice = 0;
        int torn = 0;
        int lost = 0;
        foreach (string line in lines)
        {
            if (!TryRead(line, out JsonElement root))
            {
                torn++;
                continue;
            }
            string name = root.GetProperty("event").GetString()!;
            bool isRecovered = root.TryGetProperty("recovered", out JsonElement mark) && mark.GetBoolean();
            recovered += isRecovered ? 1 : 0;
            if (name == "gap" && !isRecovered && file == "-")
            {
                // This test did not read fast enough just then, and was told of how many.
                lost += root.GetProperty("lost").GetInt32();
                continue;
            }
            Assert.True(name != "gap" || root.GetProperty("reason").GetString() == "reclaimed", line);
            if (told.TryGetValue(name, out HashSet<string>? ids) && !ids.Add(root.GetProperty("id").GetString()!))
            {
                twice++;
                // Delivered twice is told twice, and is no repeat.
                Assert.True(isRecovered || name == "delivered", $"told twice and not marked: {line}");
            }
        }
        Assert.InRange(torn, 0, Kills);
        Assert.True(recovered > 0, "no kill was noticed");
        string[] unaccepted = [.. acknowledged.Except(told["accepted"])];
        string[] undelivered = [.. acknowledged.Except(told["delivered"])];
        Assert.True(unaccepted.Length + undelivered.Length <= lost, $"of {acknowledged.Count} messages {unaccepted.Length} are not told as accepted and {undelivered.Length} not as delivered, as {unaccepted.Concat(undelivered).FirstOrDefault()}");
        Console.WriteLine($"{file}: {acknowledged.Count} acknowledged over {Kills} kills, {recovered} events told again, {twice} of them a second time, {torn} torn lines");

        // The stop had moved the cursor to the end.
        int before = lines.Length;
        relay.Start();
        Assert.Equal(0, relay.Figure("events_recovered_total"));
        Assert.Equal(0, relay.Stop());
        Assert.Equal(before, Lines().Length);
    }

    private static bool TryRead(string line, out JsonElement root)
    {
        try
        {
            using JsonDocument read = JsonDocument.Parse(line);
            root = read.RootElement.Clone();
            return true;
        }
        catch (JsonException)
        {
            root = default;
            return false;
        }
    }
}
