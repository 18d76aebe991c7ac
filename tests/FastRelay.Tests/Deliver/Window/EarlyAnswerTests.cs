using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.Deliver;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver.Window;

/// <summary>A host that answers BDAT before it reads the content, as one may that has refused all recipients.</summary>
public sealed class EarlyAnswerTests
{
    [Fact]
    public void An_answer_to_content_that_is_still_being_sent_ends_the_connection_and_not_the_sending_under_its_hands()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var answered = new ManualResetEventSlim();
        long read = 0;
        var host = new Thread(() => read = Host(listener, answered)) { IsBackground = true };
        host.Start();
        int port = ((IPEndPoint)listener.LocalEndPoint!).Port;
        Assert.True(NextHop.TryParse($"smtp:[127.0.0.1]:{port}", out NextHop hop, out _));
        using var rig = new DeliverRig(port, new Limits { InFlightBytes = 32 << 20 }, route: new RouteRule("far.test", hop, TlsPolicy.None) { InFlight = 8 });
        // Far more than the sockets hold while nobody reads: 4 MiB, as Linux has it.
        string body = "Subject: large\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 76) + "\r\n", 200_000));
        rig.Submit("a@client.test", body, "b@far.test");
        // Refused for good by a host whose answers do not show that they are in step: it is asked again by itself, and nobody listens any more.
        rig.Until(() => rig.Logged("event=delivery", "cause=unproved", "dsn=5.1.1"), "the recipient is judged");
        Assert.True(answered.IsSet);
        rig.Until(() => rig.Counters.SessionsOut == 0, "the session has ended");
        Assert.Equal(0, rig.Counters.InDoubt);
        Assert.True(host.Join(20_000));
        // Whoever goes on sending a body that was given back sends it to the end, or what stands in its place by then.
        Assert.InRange(read, 0, body.Length - 1);
    }

    /// <returns>Octets of the content that came.</returns>
    private static long Host(Socket listener, ManualResetEventSlim answered)
    {
        using Socket socket = listener.Accept();
        using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream, Encoding.Latin1, false, 128);
        long read = 0;
        void Say(string text) => stream.Write(Encoding.ASCII.GetBytes(text + "\r\n"));
        try
        {
            Say("220 far.test ESMTP");
            while (reader.ReadLine() is { } line)
            {
                if (line.StartsWith("BDAT", StringComparison.Ordinal))
                {
                    Say("503 5.5.1 no valid recipients");
                    answered.Set();
                    // The connection is cut from the other side: then the rest of it can be read no more.
                    Thread.Sleep(200);
                    while (reader.Read() >= 0)
                    {
                        read++;
                    }
                    return read;
                }
                Say(line[..4] switch
                {
                    "EHLO" => "250-far.test\r\n250-PIPELINING\r\n250-CHUNKING\r\n250 SIZE 100000000",
                    "RCPT" => "550 5.1.1 nobody",
                    _ => "250 2.0.0 ok",
                });
            }
        }
        catch (IOException)
        {
            // Cut, as it should be.
        }
        return read;
    }
}
