using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>
/// One domain whose host takes connections and says nothing, and one whose name server says nothing, delay nobody else's mail: all of
/// it is delivered while they still hang, and no timeout of theirs has run out.
/// </summary>
public sealed class HangingDomainTests : IDisposable
{
    private const int Each = 200;
    private readonly IPAddress _address = Place.NewAddress();
    private readonly IPAddress _silent = Place.NewAddress();
    private readonly int _port = Place.FreePort();
    private readonly NsdServer _dns;
    private readonly SilentNames _names;
    private readonly RelayProcess _relay;

    public HangingDomainTests()
    {
        _dns = new NsdServer(("mail.test", $"good MX 10 host\nhost A {_address}\nsilent MX 10 silenthost\nsilenthost A {_silent}"));
        _names = new SilentNames(_dns.Port, "hang");
        // One minute a try, for names; five minutes for a greeting (RFC 5321 4.5.3.2.1).
        _relay = new RelayProcess(RelayProcess.MxConfig(_dns, _port)
            .Replace($"127.0.0.1:{_dns.Port}", $"127.0.0.1:{_names.Port}", StringComparison.Ordinal)
            .Replace("timeout = \"2s\"", "timeout = \"1m\"", StringComparison.Ordinal)).Start();
    }

    public void Dispose()
    {
        _relay.Dispose();
        _names.Dispose();
        _dns.Dispose();
    }

    [Fact]
    public void A_host_that_says_nothing_and_names_without_an_answer_delay_nobody_else()
    {
        using var silent = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        silent.Bind(new IPEndPoint(_silent, _port));
        silent.Listen(1_000);
        using var sink = new Sink(_address, _port);
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            for (int i = 0; i < Each; i++)
            {
                Send(talk, "silent.mail.test", i);
                Send(talk, "hang.mail.test", i);
            }
        }
        // The silent host has its connections, and the name is being asked for, before the others' mail comes.
        Tool.Until(() => _names.Swallowed > 0 && Waits("silent.mail.test").Contains("session", StringComparison.Ordinal), 30, () => _relay.Log);
        using (SmtpTalk talk = _relay.Talk().Hello())
        {
            for (int i = 0; i < Each; i++)
            {
                Send(talk, "good.mail.test", i);
            }
        }
        Tool.Until(() => sink.Arrivals.Count == Each, 60, () => $"{sink.Arrivals.Count} of {Each} arrived\n{_relay.Log}");
        Assert.Equal(Enumerable.Range(0, Each), sink.Arrivals.Select(static a => int.Parse(a.To[0][1..a.To[0].IndexOf('@', StringComparison.Ordinal)], CultureInfo.InvariantCulture)).Order());
        // Nobody's patience has run out yet: what hangs hangs on, and was not waited for.
        Assert.DoesNotContain("event=site_backoff", _relay.Log);
        Assert.DoesNotContain("event=dns_deferred", _relay.Log);
        Assert.DoesNotContain("status=failed", _relay.Log);
        Assert.Equal(2 * Each, _relay.QueueCount());
        Assert.Contains("waits for  DNS", _relay.Command("explain", "hang.mail.test").Ok().Output);
    }

    private string Waits(string domain) => _relay.Command("explain", domain).Output.Split('\n').FirstOrDefault(static line => line.StartsWith("waits for", StringComparison.Ordinal)) ?? "";

    private static void Send(SmtpTalk talk, string domain, int number)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<sender@mail.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<u{number}@{domain}>"));
        Assert.StartsWith("354 ", talk.Say("DATA"));
        Assert.StartsWith("250 2.0.0 ", talk.Say("Subject: x\r\n\r\nhello\r\n."));
    }

    /// <summary>Hands questions on to a name server, but for names with a label that it never answers.</summary>
    private sealed class SilentNames : IDisposable
    {
        private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        private readonly IPEndPoint _server;
        private readonly byte[] _label;
        private int _swallowed;

        public SilentNames(int serverPort, string label)
        {
            _server = new IPEndPoint(IPAddress.Loopback, serverPort);
            _label = [(byte)label.Length, .. Encoding.ASCII.GetBytes(label)];
            _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            new Thread(Serve) { IsBackground = true }.Start();
        }

        public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

        /// <summary>Questions that got no answer.</summary>
        public int Swallowed => Volatile.Read(ref _swallowed);

        public void Dispose() => _socket.Dispose();

        private void Serve()
        {
            byte[] buffer = new byte[4_096];
            try
            {
                while (true)
                {
                    EndPoint client = new IPEndPoint(IPAddress.Any, 0);
                    int length = _socket.ReceiveFrom(buffer, ref client);
                    if (buffer.AsSpan(0, length).IndexOf(_label) >= 0)
                    {
                        Interlocked.Increment(ref _swallowed);
                        continue;
                    }
                    using var ask = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 5_000 };
                    ask.SendTo(buffer.AsSpan(0, length), _server);
                    int answer = ask.Receive(buffer);
                    _socket.SendTo(buffer.AsSpan(0, answer), client);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }
    }
}
