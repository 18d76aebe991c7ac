using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>The waits of RFC 5321 4.5.3.2 on the client's side, made short: what ends each, and what becomes of the message.</summary>
public sealed class TimeoutTests : IDisposable
{
    private const string Body = "Subject: hello\r\n\r\nline\r\n";
    private readonly ScriptedPeer _peer = new();
    private DeliverRig? _rig;

    public void Dispose()
    {
        _rig?.Dispose();
        _peer.Dispose();
    }

    [Theory]
    [InlineData("DATA", "cause=reply-timeout")]
    [InlineData(".", "cause=in-doubt")]
    public void A_host_that_falls_silent_is_left_and_the_message_deferred(string at, string cause)
    {
        _peer.Offers = ["8BITMIME"];
        _peer.Answer = (line, _) => line == at ? "SILENT" : null;
        DeliverRig rig = Start(new Limits { DataReplyTimeoutMs = 300, FinalDotTimeoutMs = 300 });
        rig.Submit("a@client.test", Body, "b@far.test");
        rig.Until(() => rig.Logged("event=delivery", "status=deferred", cause));
        Assert.Equal(1, rig.Counters.Deferred);
        Assert.Equal(at == "." ? 1 : 0, rig.Counters.InDoubt);
        rig.Until(() => rig.Deliverer.Sessions == 0);
    }

    [Theory]
    [InlineData("EHLO", "banner")]
    [InlineData("MAIL", "mail")]
    public void One_that_is_silent_before_it_took_anything_is_the_sites_trouble(string verb, string stage)
    {
        _peer.Offers = ["8BITMIME"];
        _peer.Answer = (line, _) => line.StartsWith(verb, StringComparison.Ordinal) ? "SILENT" : null;
        DeliverRig rig = Start(new Limits { CommandTimeoutMs = 300 });
        rig.Submit("a@client.test", Body, "b@far.test");
        rig.Until(() => rig.Logged("event=site_backoff"), stage);
        Assert.Equal((0, 0, 1), (rig.Counters.Delivered, rig.Counters.Failed, rig.Queue.Entries));
    }

    [Fact]
    public void A_handshake_that_does_not_come_is_left()
    {
        _peer.Offers = ["STARTTLS"];
        _peer.Answer = static (line, number) => line == "STARTTLS" && number == 1 ? "SILENT" : null;
        DeliverRig rig = Start(new Limits { CommandTimeoutMs = 300, TlsHandshakeTimeoutMs = 300 });
        rig.Submit("a@client.test", Body, "b@far.test");
        rig.Until(() => rig.Logged("event=connect", "status=failed"));
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void A_host_that_takes_no_more_of_a_body_is_left()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var host = new Thread(() =>
        {
            using TcpClient client = listener.AcceptTcpClient();
            using var reader = new StreamReader(client.GetStream(), Encoding.ASCII);
            client.GetStream().Write("220 full.test\r\n"u8);
            while (reader.ReadLine() is { } line)
            {
                bool data = line == "DATA";
                client.GetStream().Write(data ? "354 go on\r\n"u8 : "250 fine\r\n"u8);
                if (data)
                {
                    // It reads nothing of the body; the end of the test ends it.
                    client.Client.Poll(60_000_000, SelectMode.SelectError);
                    return;
                }
            }
        })
        { IsBackground = true };
        host.Start();
        _rig = new DeliverRig(((IPEndPoint)listener.LocalEndpoint).Port, new Limits { DataBlockTimeoutMs = 300 });
        _rig.Domain("far.test", "127.0.0.1");
        _rig.Submit("a@client.test", "Subject: big\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 70) + "\r\n", 300_000)), "b@far.test");
        _rig.Until(() => _rig.Logged("event=delivery", "status=deferred", "cause=reply-timeout"));
        Assert.Equal(0, _rig.Counters.InDoubt);
    }

    [Fact]
    public void Each_reply_of_a_flight_has_its_own_time()
    {
        // Eight recipients in one flight, each a quarter of the timeout: the whole takes twice as long as one may.
        _peer.Answer = static (line, _) =>
        {
            if (line.StartsWith("RCPT", StringComparison.Ordinal))
            {
                Thread.Sleep(250);
            }
            return null;
        };
        DeliverRig rig = Start(new Limits { CommandTimeoutMs = 1000 });
        rig.Submit("a@client.test", Body, [.. Enumerable.Range(0, 8).Select(i => $"b{i}@far.test")]);
        rig.UntilEmpty();
        Assert.Equal(8, Assert.Single(_peer.Messages).To.Length);
        Assert.Equal((8, 0), (rig.Counters.Delivered, rig.Counters.Deferred));
    }

    [Fact]
    public void A_reply_that_drips_has_one_time_for_all_of_it()
    {
        // A line of a long reply every 100 ms never lets 400 ms pass in silence, and never ends.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var host = new Thread(() =>
        {
            try
            {
                using TcpClient client = listener.AcceptTcpClient();
                while (true)
                {
                    client.GetStream().Write("220-and so on\r\n"u8);
                    Thread.Sleep(100);
                }
            }
            catch (Exception e) when (e is IOException or SocketException)
            {
                // Cut, as it should be.
            }
        })
        { IsBackground = true };
        host.Start();
        _rig = new DeliverRig(((IPEndPoint)listener.LocalEndpoint).Port, new Limits { CommandTimeoutMs = 400 });
        _rig.Domain("far.test", "127.0.0.1");
        _rig.Submit("a@client.test", Body, "b@far.test");
        _rig.Until(() => _rig.Logged("event=connect", "status=failed", "stage=banner"));
    }

    private DeliverRig Start(Limits limits)
    {
        _rig = new DeliverRig(_peer.Port, limits);
        _rig.Domain("far.test", "127.0.0.1");
        return _rig;
    }
}
