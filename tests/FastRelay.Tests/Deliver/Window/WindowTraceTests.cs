using System.Text;
using System.Text.Json;
using FastRelay.Observe;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver.Window;

/// <summary>A trace of one message among many in flight shows its own commands, and the replies that answer them.</summary>
public sealed class WindowTraceTests : IDisposable
{
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "CHUNKING", "SIZE 10000000", "8BITMIME"] };
    private readonly ManualResetEventSlim _gate = new(initialState: false);
    private readonly DeliverRig _rig;

    public WindowTraceTests()
    {
        _peer.Answer = (line, _) =>
        {
            _gate.Wait();
            return line.StartsWith("RCPT TO:<b7@", StringComparison.Ordinal) ? "550 5.1.1 nobody here" : null;
        };
        Assert.True(NextHop.TryParse($"smtp:[127.0.0.1]:{_peer.Port}", out NextHop hop, out _));
        _rig = new DeliverRig(_peer.Port, new Limits { SendSessionsPerSite = 1 }, route: new RouteRule("*", hop, TlsPolicy.None, null) { InFlight = 32 });
    }

    public void Dispose()
    {
        _gate.Set();
        _rig.Dispose();
        _peer.Dispose();
        _gate.Dispose();
    }

    [Fact]
    public void One_message_is_followed_among_the_others()
    {
        for (int i = 0; i < 30; i++)
        {
            _rig.Submit($"a{i}@client.test", "Subject: secret\r\n\r\nplans\r\n", $"b{i}@far.test");
        }
        QueueListing queued = _rig.Run(_rig.Queue.Admin.ListAsync(new QueueFilter { Sender = "a7@client.test" }, 1));
        TraceWatcher one = _rig.Log.Tracer.Watch(new TraceFilter { Message = queued.Messages[0].Id.Value })!;
        TraceWatcher all = _rig.Log.Tracer.Watch(new TraceFilter())!;
        _gate.Set();
        _rig.UntilEmpty();
        Assert.Equal(
            ["client RSET", "client MAIL FROM:<a7@client.test> SIZE=26", "client RCPT TO:<b7@far.test>", "client BDAT 26 LAST", "server 250", "server 250", "server 550", "server 503",
                // Answers without enhanced codes do not show whose the refusal is: asked again by itself, it counts.
                "client RSET", "client MAIL FROM:<a7@client.test> SIZE=26", "client RCPT TO:<b7@far.test>", "client DATA", "server 250", "server 250", "server 550", "server 354", "client .", "server 250"],
            Lines(one).Select(static line => line.StartsWith("server ", StringComparison.Ordinal) ? line[..10] : line));
        // The bounce goes the same way.
        string[] everything = [.. Lines(all)];
        Assert.Equal(32, everything.Count(static line => line.StartsWith("client RCPT ", StringComparison.Ordinal)));
        Assert.DoesNotContain(everything, static line => line.Contains("secret", StringComparison.Ordinal) || line.Contains("plans", StringComparison.Ordinal));
    }

    private IEnumerable<string> Lines(TraceWatcher watcher) =>
        Encoding.UTF8.GetString(_rig.Log.Tracer.Take(watcher)!.Value.Lines).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(static line => JsonDocument.Parse(line).RootElement)
            .Select(static line => $"{line.GetProperty("from").GetString()} {line.GetProperty("text").GetString()}");
}
