using System.Globalization;
using System.Security.Cryptography.X509Certificates;
using FastRelay.Deliver;
using FastRelay.Queue;
using FastRelay.Routing;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver.Window;

/// <summary>Several messages in flight by BDAT, on one connection to a host that does as the test says.</summary>
public sealed class WindowSessionTests : IDisposable
{
    private readonly ScriptedPeer _peer = new() { Offers = ["PIPELINING", "CHUNKING", "SIZE 10000000", "8BITMIME"] };
    private readonly ManualResetEventSlim _gate = new(initialState: true);
    private DeliverRig _rig;
    private Func<string, int, string?> _script = static (_, _) => null;
    private int _submitted;

    public WindowSessionTests()
    {
        _peer.Answer = (line, number) =>
        {
            _gate.Wait();
            return _script(line, number);
        };
        _rig = Start(inFlight: 32);
    }

    public void Dispose()
    {
        _gate.Set();
        _rig.Dispose();
        _peer.Dispose();
        _gate.Dispose();
    }

    [Fact]
    public void Every_message_goes_by_BDAT_with_RSET_between_and_arrives_once_under_its_own_envelope()
    {
        Submit(200);
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Equal(200, Count("BDAT "));
        Assert.Equal(199, Count("RSET"));
        Assert.Equal(0, Count("DATA"));
        Assert.Equal(1, _peer.Connections);
        Assert.Equal(0, _rig.Counters.InDoubt);
    }

    [Fact]
    public void Without_the_operators_word_nothing_goes_by_BDAT()
    {
        Restart(inFlight: 0);
        Submit(50);
        _rig.UntilEmpty();
        Assert.Equal(0, Count("BDAT "));
        AllArrivedOnce();
    }

    [Theory]
    [InlineData("PIPELINING")]
    [InlineData("CHUNKING")]
    public void A_host_that_offers_only_one_of_the_two_gets_one_message_after_another(string offer)
    {
        _peer.Offers = [offer, "SIZE 10000000"];
        Submit(30);
        _rig.UntilEmpty();
        Assert.Equal(0, Count("BDAT "));
        AllArrivedOnce();
    }

    [Theory]
    [InlineData(8)]
    [InlineData(32)]
    public void No_more_are_in_flight_than_the_route_allows_and_a_connection_begins_with_few(int inFlight)
    {
        Restart(inFlight);
        long most = 0;
        Submit(100);
        _rig.Until(() =>
        {
            long allowed = Math.Min(inFlight, WindowWriter.FirstInFlight + _rig.Counters.Delivered);
            Assert.True(_rig.Queue.InFlight <= allowed, $"{_rig.Queue.InFlight} in flight after {_rig.Counters.Delivered}");
            most = Math.Max(most, _rig.Queue.InFlight);
            return _rig.Queue.Entries == 0;
        });
        Assert.InRange(most, WindowWriter.FirstInFlight, inFlight);
        AllArrivedOnce();
    }

    [Theory]
    [InlineData("250 late\r\n250 ok")] // a reply too many
    [InlineData("250 late\r\n250 late\r\n250 ok")]
    public void A_refusal_in_flight_counts_only_where_it_is_shown_to_be_the_recipients_own(string answer)
    {
        int mails = 0;
        _script = (line, number) => line switch
        {
            _ when number == 1 && line.StartsWith("MAIL", StringComparison.Ordinal) && ++mails == 7 => answer,
            _ when line.StartsWith("RCPT TO:<bad", StringComparison.Ordinal) => "550 nobody",
            _ => null,
        };
        _gate.Reset();
        for (int i = 0; i < 20; i++)
        {
            _rig.Submit($"a{i}@client.test", $"Number: {i:D4}\r\n\r\nx\r\n", $"bad{i}@far.test", $"good{i}@far.test");
        }
        _gate.Set();
        _rig.Until(() => _rig.Counters.Failed >= 20 - 8 && _rig.Counters.Deferred >= 1, "most are judged");
        Assert.DoesNotContain(_rig.Output.Lines, static line => line.Contains("to=good", StringComparison.Ordinal) && line.Contains("status=failed", StringComparison.Ordinal));
    }

    [Fact]
    public void Where_BDAT_is_answered_with_an_enhanced_code_a_refusal_counts_at_once()
    {
        _script = (line, _) => line switch
        {
            _ when line.StartsWith("RCPT TO:<bad", StringComparison.Ordinal) => "550 5.1.1 nobody",
            "." => "250 2.0.0 taken",
            _ => null,
        };
        _rig.Submit("a@client.test", "x\r\n", "bad@far.test", "good@far.test");
        _rig.UntilEmpty();
        Assert.Equal(1, Count("RCPT TO:<bad"));
        Assert.True(_rig.Logged("to=bad@far.test", "status=failed", "nobody"));
    }

    [Fact]
    public void Refusals_of_any_kind_settle_their_own_message_only()
    {
        string mail = "";
        _script = (line, _) =>
        {
            mail = line.StartsWith("MAIL", StringComparison.Ordinal) ? line : mail;
            bool refused = mail.StartsWith("MAIL FROM:<a22@", StringComparison.Ordinal);
            return line switch
            {
                _ when refused && line.StartsWith("MAIL", StringComparison.Ordinal) => "550 not from you",
                _ when refused && line != "RSET" && line != "." => "503 5.5.1 MAIL first",
                "RCPT TO:<b24@far.test>" => "550 5.1.1 nobody",
                "RCPT TO:<b26@far.test>" => "450 4.2.1 later",
                "." when mail.StartsWith("MAIL FROM:<a28@", StringComparison.Ordinal) => "554 5.6.0 content",
                _ => null,
            };
        };
        Submit(40);
        // Not by counts: the peer has taken all long before its answers are read, and bounces that go nowhere count as failures too.
        _rig.Until(() => _rig.Queue.Ready == 0 && _rig.Queue.InFlight == 0, "all are judged");
        Assert.Equal(Enumerable.Range(0, 40).Where(i => i is not (22 or 24 or 26 or 28)), Arrived());
        Assert.True(_rig.Logged("to=b22@far.test", "status=failed", "not from you"));
        Assert.True(_rig.Logged("to=b24@far.test", "status=failed", "nobody"));
        Assert.True(_rig.Logged("to=b26@far.test", "status=deferred", "later"));
        Assert.True(_rig.Logged("to=b28@far.test", "status=failed", "content"));
        Assert.Equal(0, _rig.Counters.InDoubt);
    }

    [Theory]
    [InlineData("CLOSE")]
    [InlineData("RESET")]
    public void A_close_in_the_middle_leaves_the_flight_in_doubt_and_the_host_gets_one_at_a_time(string way)
    {
        int chunks = 0;
        _script = (line, _) => line == "." && ++chunks == 30 ? way : null;
        Submit(80);
        _rig.Until(() => _rig.Queue.Ready == 0 && _rig.Queue.InFlight == 0, "the rest has gone");
        int[] arrived = Arrived();
        Assert.Equal(arrived.Distinct(), arrived);
        long doubt = _rig.Counters.InDoubt;
        Assert.InRange(doubt, 1, 32);
        Assert.Equal(80, _rig.Counters.Delivered + doubt);
        Assert.DoesNotContain(_peer.Lines, line => line.StartsWith("2 BDAT", StringComparison.Ordinal));
        Assert.Contains(_peer.Lines, line => line.StartsWith("2 DATA", StringComparison.Ordinal));
    }

    [Fact]
    public void A_421_and_a_close_leave_nothing_in_doubt()
    {
        int mails = 0;
        _script = (line, number) => number == 1 && line.StartsWith("MAIL", StringComparison.Ordinal) && ++mails == 20 ? "421 4.7.0 enough" : null;
        Submit(60);
        _rig.UntilEmpty();
        AllArrivedOnce();
        // They came in the order in which they were given, also those that went back.
        Assert.Equal(Enumerable.Range(0, 60), _peer.Messages.Select(NumberOf));
        Assert.Equal(0, _rig.Counters.InDoubt);
        Assert.Contains(_peer.Lines, line => line.StartsWith("2 BDAT", StringComparison.Ordinal));
    }

    [Fact]
    public void A_530_for_all_of_a_window_is_a_site_that_serves_nobody_and_not_one_that_is_busy()
    {
        _script = static (line, _) => line.StartsWith("MAIL", StringComparison.Ordinal) ? "530 5.7.0 Authentication required"
            : line.StartsWith("RCPT", StringComparison.Ordinal) ? "503 5.5.1 MAIL first" : null;
        Submit(20);
        _rig.Until(() => _rig.Deliverer.Sessions == 0 && _rig.Logged("event=site_backoff"));
        // Those that were under way wait by their own times, and the others have not been tried.
        Assert.Equal((4L, 4L, 16L, 0L), (_rig.Counters.Deferred, _rig.Queue.Deferred, _rig.Queue.Ready, _rig.Counters.InDoubt));
        SiteView site = Assert.Single(_rig.Run(_rig.Queue.Admin.BusiestSitesAsync(2)));
        Assert.Equal((SiteGear.Backoff, 1, 1), (site.Gear, site.Failures, site.Limit));
        // A busy site would have been looked at again after 5 s.
        Assert.InRange(site.GearMs, 20_000, 30_000);
        Assert.Contains("Authentication required", site.Reason);
        Assert.Equal(0, _rig.Counters.Failed);
    }

    [Fact]
    public void A_refused_RSET_puts_the_flight_in_doubt_and_the_host_gets_one_at_a_time()
    {
        int resets = 0;
        _script = (line, number) => number == 1 && line == "RSET" && ++resets == 10 ? "503 not now" : null;
        Submit(40);
        _rig.Until(() => _rig.Queue.Ready == 0 && _rig.Queue.InFlight == 0, "the rest has gone");
        Assert.InRange(_rig.Counters.InDoubt, 1, 32);
        Assert.Equal(40, _rig.Counters.Delivered + _rig.Counters.InDoubt);
        Assert.DoesNotContain(_peer.Lines, line => line.StartsWith("2 BDAT", StringComparison.Ordinal));
    }

    [Fact]
    public void Many_in_flight_go_through_TLS()
    {
        using X509Certificate2 certificate = DialTests.SelfSigned("far.test");
        _peer.Offers = [.. _peer.Offers, "STARTTLS"];
        _peer.Certificate = certificate;
        Restart(inFlight: 32, tls: TlsPolicy.Required);
        Submit(100);
        _rig.Submit($"a{_submitted}@client.test", Body(_submitted) + new string('x', 900) + "\r\n" + string.Concat(Enumerable.Repeat("0123456789\r\n", 8_000)), $"b{_submitted++}@far.test");
        Submit(50);
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Equal(151, Count("BDAT "));
        Assert.All(_peer.Messages, message => Assert.True(message.Secure));
    }

    [Fact]
    public void Dots_that_were_stuffed_for_DATA_are_taken_off()
    {
        foreach (int size in new[] { 0, 5, 15_000, 16_384, 40_000, 200_000 })
        {
            string body = $"Number: {_submitted:D4}\r\n\r\nx\r\n" + string.Concat(Enumerable.Repeat("..\r\n...two\r\nplain\r\n", (size / 18) + 1));
            _rig.Submit($"a{_submitted}@client.test", body, $"b{_submitted}@far.test");
            _submitted++;
        }
        _rig.UntilEmpty();
        AllArrivedOnce();
        foreach (PeerMessage message in _peer.Messages)
        {
            Assert.DoesNotContain("\n..\r", message.Data, StringComparison.Ordinal);
            Assert.Contains("\n.\r\n..two\r\nplain\r\n", message.Data, StringComparison.Ordinal);
        }
        Assert.Equal(6, Count("BDAT "));
    }

    [Fact]
    public void A_message_of_all_the_octets_that_may_be_in_flight_goes_and_one_more_goes_by_DATA()
    {
        Restart(inFlight: 32, octets: 64 << 10);
        int head = Body(0).Length;
        foreach (int size in new[] { 64 << 10, (64 << 10) + 1, 100, 40_000, 40_000, 40_000 })
        {
            _rig.Submit($"a{_submitted}@client.test", Body(_submitted) + new string('x', size - head - 2) + "\r\n", $"b{_submitted}@far.test");
            _submitted++;
        }
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Contains(_peer.Lines, line => line.EndsWith("BDAT 65536 LAST", StringComparison.Ordinal));
        Assert.Equal(5, Count("BDAT "));
        Assert.Equal(1, Count("DATA"));
        Assert.Equal(1, _peer.Connections);
    }

    [Fact]
    public void A_connection_serves_no_more_messages_than_it_may()
    {
        Restart(inFlight: 32, perConnection: 25);
        Submit(60);
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Equal(3, _peer.Connections);
        Assert.Equal(25, _peer.Lines.Count(line => line.StartsWith("1 BDAT", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(32)]
    [InlineData(0)]
    public void A_host_that_ends_its_connections_after_so_many_messages_is_left_before_it_does(int inFlight)
    {
        Restart(inFlight);
        var mails = new System.Collections.Concurrent.ConcurrentDictionary<int, int>();
        _script = (line, number) => line.StartsWith("MAIL", StringComparison.Ordinal) && mails.AddOrUpdate(number, 1, static (_, n) => n + 1) > 7 ? "421 4.7.0 seven are enough" : null;
        Submit(70);
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Equal(HostTrust.SameEnds, mails.Values.Count(static n => n == 8));
        Assert.Equal(10, _peer.Connections);
        Assert.True(_rig.Logged("event=host_bound", "messages=7"));
        Assert.Equal(0, _rig.Counters.InDoubt);
    }

    [Fact]
    public void A_host_that_answers_only_when_it_has_read_all_and_reads_only_when_its_answers_are_read_is_no_dead_end()
    {
        // 32 recipients a message and long answers: more replies than a socket holds while nobody reads them.
        string[] many = [.. Enumerable.Range(0, 90).Select(static i => $"r{i:D2}@far.test")];
        string words = new('w', 400);
        _script = (line, _) => line.StartsWith("RCPT", StringComparison.Ordinal) ? "250 2.1.5 " + words : null;
        for (int i = 0; i < 60; i++)
        {
            _rig.Submit("a@client.test", Body(0) + new string('y', 900) + "\r\n", many);
        }
        _rig.UntilEmpty();
        Assert.Equal(60, _peer.Messages.Count);
        Assert.All(_peer.Messages, message => Assert.Equal(many, message.To));
    }

    [Fact]
    public void A_silent_host_ends_with_its_flight_in_doubt()
    {
        Restart(inFlight: 8, timeoutMs: 300);
        bool silent = false;
        _script = (line, _) => (silent |= line == ".") ? "SILENT" : null;
        Submit(3);
        _rig.Until(() => _rig.Queue.Deferred == 3, "all are deferred");
        Assert.Equal(3, _rig.Counters.InDoubt);
    }

    [Fact]
    public void Sending_many_in_flight_allocates_nothing()
    {
        Restart(inFlight: 32, perConnection: int.MaxValue);
        _rig.Output.Keep = false;
        long least = long.MaxValue;
        for (int round = 0; round < 4; round++)
        {
            _rig.Queue.Stopping = true;
            Submit(200);
            long before = GC.GetAllocatedBytesForCurrentThread();
            _rig.Queue.Stopping = false;
            _rig.UntilEmpty();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(800, _rig.Counters.Delivered);
        // As in SendAllocationTests: 24 bytes a message would be 4,800.
        Assert.InRange(least, 0, 1024);
    }

    private void Restart(int inFlight, int octets = 1 << 20, int perConnection = 1_000, int timeoutMs = 600_000, TlsPolicy tls = TlsPolicy.None)
    {
        _rig.Dispose();
        _rig = Start(inFlight, octets, perConnection, timeoutMs, tls);
    }

    private DeliverRig Start(int inFlight, int octets = 1 << 20, int perConnection = 1_000, int timeoutMs = 600_000, TlsPolicy tls = TlsPolicy.None)
    {
        var limits = new Limits
        {
            SendSessionsPerSite = 1,
            InFlightBytes = octets,
            MessagesPerConnection = perConnection,
            FinalDotTimeoutMs = timeoutMs,
            ReuseIdleMs = 600_000,
        };
        Assert.True(NextHop.TryParse("smtp:[127.0.0.1]", out NextHop hop, out _));
        return new DeliverRig(_peer.Port, limits, route: new RouteRule("far.test", hop, tls) { InFlight = inFlight });
    }

    private void Submit(int count)
    {
        _gate.Reset();
        for (int i = 0; i < count; i++, _submitted++)
        {
            _rig.Submit($"a{_submitted}@client.test", Body(_submitted), $"b{_submitted}@far.test");
        }
        _gate.Set();
    }

    private static string Body(int number) => $"Number: {number:D4}\r\n\r\nx\r\n";

    private int Count(string command) => _peer.Lines.Count(line => line[(line.IndexOf(' ', StringComparison.Ordinal) + 1)..].StartsWith(command, StringComparison.Ordinal));

    private void AllArrivedOnce() => Assert.Equal(Enumerable.Range(0, _submitted), Arrived());

    // The numbers of what arrived, in order; every one under its own envelope.
    private int[] Arrived()
    {
        PeerMessage[] taken = [.. _peer.Messages.Where(message => message.From.Length > 0)];
        foreach (PeerMessage message in taken)
        {
            int number = NumberOf(message);
            Assert.Equal($"a{number}@client.test", message.From);
            Assert.Equal([$"b{number}@far.test"], message.To);
        }
        return [.. taken.Select(NumberOf).Order()];
    }

    private static int NumberOf(PeerMessage message) => int.Parse(message.Data.AsSpan("Number: ".Length, 4), CultureInfo.InvariantCulture);
}
