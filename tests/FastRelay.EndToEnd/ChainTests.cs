using System.Net;
using FastRelay.EndToEnd.Rig;
using FastRelay.EndToEnd.Rig.Servers;

namespace FastRelay.EndToEnd;

/// <summary>Mail passes through a chain of relays of different make and back.</summary>
public sealed class ChainTests
{
    [Fact]
    public void FastRelay_to_Postfix_to_FastRelay_works()
    {
        using var sink = new Sink(Place.NewAddress());
        using RelayProcess last = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint)).Start();
        using var postfix = new PostfixServer(new MailServerOptions { Sink = new IPEndPoint(last.Address, last.Port) });
        using RelayProcess first = new RelayProcess(RelayProcess.SmarthostConfig(postfix.EndPoint)).Start();
        using SmtpTalk talk = first.Talk().Hello();
        for (int i = 0; i < 20; i++)
        {
            Assert.StartsWith("250", talk.Say("MAIL FROM:<from@chain.test>"));
            Assert.StartsWith("250", talk.Say($"RCPT TO:<to{i}@chain.test>"));
            Assert.StartsWith("250", talk.Say($"RCPT TO:<also{i}@other.test>"));
            Assert.StartsWith("354", talk.Say("DATA"));
            Assert.StartsWith("250", talk.Say($"Subject: chain {i}\r\n\r\n..dots\r\n\r\nend\r\n."));
        }
        Tool.Until(() => sink.Arrivals.Sum(a => a.To.Count) >= 40, 60, () => $"{sink.Arrivals.Sum(a => a.To.Count)} of 40 arrived\n{postfix.Log}");
        Assert.Equal(40, sink.Arrivals.SelectMany(a => a.To).Distinct().Count());
        Assert.All(sink.Arrivals, a => Assert.EndsWith("\r\n\r\n.dots\r\n\r\nend\r\n", a.Text));
        Assert.All(sink.Arrivals, a => Assert.Equal(3, a.Text.Split("\r\n").Count(l => l.StartsWith("Received: ", StringComparison.Ordinal))));
        first.WaitForEmptyQueue();
        last.WaitForEmptyQueue();
    }

    [Fact]
    public void A_loop_through_another_relay_ends_with_one_bounce()
    {
        using var sink = new Sink(Place.NewAddress());
        int port = Place.FreePort();
        using var relay = new RelayProcess($$"""
            hostname = "relay.test"
            spool = "{folder}/spool"
            [[listen]]
            address = "{smtp}"
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            [limits]
            hops = 12
            [[route]]
            domain = "sender.test"
            to = "smtp:[{{sink.EndPoint.Address}}]:{{sink.EndPoint.Port}}"
            [[route]]
            domain = "*"
            to = "smtp:[127.0.0.1]:{{port}}"
            [admin]
            http = "{admin}"
            """);
        relay.Start();
        using var postfix = new PostfixServer(new MailServerOptions { Sink = new IPEndPoint(relay.Address, relay.Port) }, port);
        using SmtpTalk talk = relay.Talk().Hello();
        Assert.StartsWith("250", talk.Say("MAIL FROM:<from@sender.test>"));
        Assert.StartsWith("250", talk.Say("RCPT TO:<round@loop.test>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        Assert.StartsWith("250", talk.Say("Subject: round and round\r\n\r\nhello\r\n."));
        Arrival bounce = sink.WaitFor(a => a.To is ["from@sender.test"]);
        Assert.Equal("", bounce.From);
        // Postfix tells what we told it: our bound is the lower one.
        Assert.Contains("5.4.6", bounce.Text, StringComparison.Ordinal);
        Assert.Contains("round@loop.test", bounce.Text, StringComparison.Ordinal);
        relay.WaitForEmptyQueue();
        Tool.Until(() => Directory.GetFiles(Path.Combine(postfix.Folder, "queue"), "*", SearchOption.AllDirectories).All(f => !IsQueueFile(f)), 30, () => "Postfix's queue is not empty");
        Assert.Single(sink.Arrivals);
    }

    private static bool IsQueueFile(string path) =>
        path.Split('/') is var parts && parts.SkipWhile(p => p != "queue").Skip(1).FirstOrDefault() is "active" or "deferred" or "incoming" or "maildrop" or "bounce" or "defer";
}
