using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>SIGKILL at random moments: whatever was answered 250 arrives.</summary>
[Collection(nameof(Alone))]
public sealed class CrashTests : IDisposable
{
    private readonly IPAddress _address = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;

    public CrashTests() => _dns = new NsdServer(("volume.test", $"@ MX 10 sink\nsink A {_address}"));

    public void Dispose() => _dns.Dispose();

    [Fact]
    public void Nothing_acknowledged_is_lost_by_SIGKILL()
    {
        const int Kills = 12;
        using var sink = new VolumeSink(_address, _port, deferPercent: 5);
        using var relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port));
        relay.Start();
        var random = new Random(20261125);
        var acknowledged = new List<string>();
        int sequence = 0;
        for (int kill = 0; kill < Kills; kill++)
        {
            var injectors = Enumerable.Range(0, 8).Select(_ => new Injector(relay, () => Interlocked.Increment(ref sequence))).ToList();
            // A random moment, but not before this life of the relay has acknowledged something.
            Tool.Until(() => injectors.Sum(i => i.Count) >= 100, 30, () => $"nothing was acknowledged\n{relay.Log}");
            Thread.Sleep(random.Next(0, 700));
            relay.Kill();
            foreach (Injector injector in injectors)
            {
                injector.Join();
                acknowledged.AddRange(injector.Acknowledged);
            }
            relay.Start();
        }
        Assert.True(acknowledged.Count > 1000, $"only {acknowledged.Count} messages were acknowledged: the test saw too little");
        relay.WaitForEmptyQueue(120);
        string[] missing = [.. acknowledged.Where(id => !sink.Has(id))];
        Assert.True(missing.Length == 0, $"{missing.Length} of {acknowledged.Count} acknowledged messages are missing, the first is {missing.FirstOrDefault()}");
        Assert.Equal(1, sink.Contents);
        Console.WriteLine($"{acknowledged.Count} acknowledged over {Kills} kills, 0 lost, {sink.Duplicates} sent twice");
    }

    /// <summary>One client in a loop; knows what was answered 250.</summary>
    private sealed class Injector
    {
        private static readonly string s_body = string.Concat(Enumerable.Repeat(new string('b', 76) + "\r\n", 20));
        private readonly Thread _thread;
        private int _count;

        public Injector(RelayProcess relay, Func<int> next)
        {
            _thread = new Thread(() => Inject(relay, next)) { IsBackground = true };
            _thread.Start();
        }

        /// <summary>Read when the client has ended.</summary>
        public List<string> Acknowledged { get; } = [];

        public int Count => Volatile.Read(ref _count);

        public void Join() => Assert.True(_thread.Join(30_000));

        private void Inject(RelayProcess relay, Func<int> next)
        {
            try
            {
                using SmtpTalk talk = relay.Talk().Hello();
                while (true)
                {
                    string id = $"<{next()}.{relay.Pid}@crash.test>";
                    talk.Send("MAIL FROM:<source@volume.test>\r\nRCPT TO:<user@volume.test>\r\nDATA\r\n");
                    if (!talk.Read().StartsWith("250", StringComparison.Ordinal) || !talk.Read().StartsWith("250", StringComparison.Ordinal) || !talk.Read().StartsWith("354", StringComparison.Ordinal))
                    {
                        return;
                    }
                    if (!talk.Say($"Message-Id: {id}\r\nSubject: crash\r\n\r\n{s_body}.").StartsWith("250 2.0.0", StringComparison.Ordinal))
                    {
                        return;
                    }
                    Acknowledged.Add(id);
                    Volatile.Write(ref _count, Acknowledged.Count);
                }
            }
            catch (Exception e) when (e is SocketException or IOException or Xunit.Sdk.XunitException)
            {
                // The relay was killed in the middle of the dialogue.
            }
        }
    }
}
