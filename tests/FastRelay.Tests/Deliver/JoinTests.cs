using System.Globalization;
using FastRelay.Deliver;
using FastRelay.Tests.Deliver.Rig;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>The next envelope behind a final dot (RFC 2920 3.1), on one connection to a host that does as the test says.</summary>
public sealed class JoinTests : IDisposable
{
    private readonly ScriptedPeer _peer = new();
    private readonly DeliverRig _rig;

    // Closed while messages are submitted: the host answers when all of them wait for it.
    private readonly ManualResetEventSlim _gate = new(initialState: true);
    private Func<string, int, string?> _script = static (_, _) => null;
    private int _submitted;

    public JoinTests()
    {
        _peer.Answer = (line, number) =>
        {
            _gate.Wait();
            return _script(line, number);
        };
        _rig = new DeliverRig(_peer.Port, new Limits { SendSessionsPerSite = 1 });
        _rig.Domain("far.test", "127.0.0.1");
    }

    public void Dispose()
    {
        _gate.Set();
        _rig.Dispose();
        _peer.Dispose();
        _gate.Dispose();
    }

    [Fact]
    public void A_host_that_answered_twenty_cleanly_is_sent_the_next_envelope_with_the_dot()
    {
        Submit(HostTrust.CleanAnswers);
        _rig.UntilEmpty();
        Assert.Equal(0, Resets());
        Submit(12);
        _rig.UntilEmpty();
        // The first of them finds nothing in front of it.
        Assert.Equal(11, Resets());
        AllArrivedOnce();
        Assert.Equal(1, _peer.Connections);
    }

    [Fact]
    public void A_host_without_PIPELINING_never_is()
    {
        _peer.Offers = ["SIZE 10000000", "8BITMIME"];
        Submit(40);
        _rig.UntilEmpty();
        Assert.Equal(0, Resets());
        AllArrivedOnce();
    }

    [Fact]
    public void Each_answer_counts_for_its_own_message()
    {
        Earn();
        string mail = "";
        _script = (line, _) =>
        {
            mail = line.StartsWith("MAIL", StringComparison.Ordinal) ? line : mail;
            return Judge(line, mail.StartsWith("MAIL FROM:<a22@", StringComparison.Ordinal));
        };
        static string? Judge(string line, bool isRefused) => line switch
        {
            _ when isRefused && line.StartsWith("MAIL", StringComparison.Ordinal) => "550 not from you",
            _ when isRefused && line != "RSET" => "503 5.5.1 MAIL first",
            "RCPT TO:<b24@far.test>" => "550 5.1.1 nobody",
            "RCPT TO:<b26@far.test>" => "450 4.2.1 later",
            _ => null,
        };
        Submit(10);
        _rig.Until(() => Arrived().Length >= 27 && _rig.Counters.Failed >= 2 && _rig.Counters.Deferred >= 1, "all are judged");
        int[] taken = [.. Enumerable.Range(0, 30).Where(i => i is not (22 or 24 or 26))];
        Assert.Equal(taken, Arrived());
        Assert.True(_rig.Logged("to=b22@far.test", "status=failed", "not from you"));
        Assert.True(_rig.Logged("to=b24@far.test", "status=failed", "nobody"));
        Assert.True(_rig.Logged("to=b26@far.test", "status=deferred", "later"));
        Assert.True(Resets() > 3);
    }

    [Theory]
    [InlineData("554 5.6.0 bad content")]
    [InlineData("451 4.3.0 not now")]
    public void A_refusal_of_one_message_says_nothing_of_the_next(string refusal)
    {
        Earn();
        int dots = 0;
        _script = (line, _) => line == "." && ++dots == 3 ? refusal : null;
        Submit(10);
        _rig.Until(() => Arrived().Length >= 29, "all others arrive");
        int[] missing = [.. Enumerable.Range(0, 30).Except(Arrived())];
        Assert.Equal([22], missing);
        Assert.Equal(1, _peer.Connections);
    }

    [Theory]
    [InlineData("CLOSE")]
    [InlineData("RESET")]
    public void A_close_after_the_dot_leaves_one_in_doubt_and_the_host_gets_one_at_a_time(string way)
    {
        Earn();
        int dots = 0;
        _script = (line, _) => line == "." && ++dots == 3 ? way : null;
        Submit(10);
        _rig.Until(() => Arrived().Length >= 29, "all others arrive");
        Assert.Equal(Enumerable.Range(0, 30).Where(i => i != 22), Arrived());
        Assert.Equal(1, _rig.Counters.InDoubt);
        // The envelope behind that dot was no attempt.
        Assert.DoesNotContain(_rig.Output.Lines, line => line.Contains("to=b23@far.test", StringComparison.Ordinal) && line.Contains("status=deferred", StringComparison.Ordinal));
        Assert.DoesNotContain(_peer.Lines, line => line == "2 RSET");
    }

    [Fact]
    public void A_host_that_says_421_to_the_envelope_behind_the_dot_gets_it_on_another_connection()
    {
        Earn();
        int mails = 0;
        _script = (line, number) => number == 1 && line.StartsWith("MAIL", StringComparison.Ordinal) && ++mails == 4 ? "421 enough" : null;
        Submit(10);
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.Equal(2, _peer.Connections);
        Assert.Equal(0, _rig.Counters.InDoubt);
    }

    [Theory]
    [InlineData("502 5.5.1 not known")]
    [InlineData("450 4.3.0 not now")]
    [InlineData("354 go")]
    public void A_host_that_refuses_RSET_gets_one_at_a_time(string refusal)
    {
        Earn();
        _script = (line, _) => line == "RSET" ? refusal : null;
        Submit(50);
        _rig.UntilEmpty();
        AllArrivedOnce();
        // The one on which it was found out, and the one that takes the rest.
        Assert.InRange(_peer.Connections, 2, 3);
    }

    [Fact]
    public void A_refusal_may_be_anothers_where_a_reply_is_left_over()
    {
        // 250 too many before MAIL's: `later` seems taken, `nobody` gets the 450 that was for `later`, and DATA the 550 that was for `nobody`.
        _script = (line, _) => line switch
        {
            _ when line.StartsWith("MAIL", StringComparison.Ordinal) => "250 too many\r\n250 ok",
            "RCPT TO:<later@far.test>" => "450 4.2.1 later",
            "RCPT TO:<nobody@far.test>" => "550 5.1.1 nobody",
            "DATA" => "503 5.5.1 no recipient",
            _ => null,
        };
        _rig.Submit("a@client.test", "x\r\n", "later@far.test", "nobody@far.test");
        _rig.Until(() => _rig.Counters.Failed + _rig.Counters.Deferred >= 2, "both are judged");
        Assert.Equal(0, _rig.Counters.Failed);
    }

    [Fact]
    public void A_farewell_behind_a_refusal_leaves_it_as_it_is()
    {
        _script = (line, _) => line switch
        {
            "RCPT TO:<nobody@far.test>" => "550 5.1.1 nobody",
            "DATA" => "503 5.5.1 no recipient\r\n421 4.7.0 too many errors",
            _ => null,
        };
        _rig.Submit("a@client.test", "x\r\n", "nobody@far.test");
        _rig.Until(() => _rig.Counters.Failed == 1, "it fails");
    }

    [Fact]
    public void A_message_over_the_hosts_SIZE_fails_alone()
    {
        _peer.Offers = ["PIPELINING", "SIZE 1000"];
        Earn();
        Submit(2);
        Submit(1, new string('x', 900) + "\r\n" + new string('y', 900) + "\r\n");
        Submit(3);
        _rig.UntilEmpty();
        Assert.Equal(Enumerable.Range(0, 26).Where(i => i != 22), Arrived());
        Assert.True(_rig.Logged("to=b22@far.test", "status=failed"));
    }

    [Fact]
    public void Bodies_of_any_size_keep_their_envelopes()
    {
        Earn();
        foreach (int size in new[] { 0, 14_000, 15_300, 15_358, 15_361, 40_000, 300_000 })
        {
            Submit(3, string.Concat(Enumerable.Repeat("0123456789\r\n", (size + 11) / 12)));
        }
        _rig.UntilEmpty();
        AllArrivedOnce();
        Assert.True(Resets() > 3);
    }

    [Fact]
    public void An_envelope_that_finds_no_room_behind_the_dot_goes_on_when_the_dot_is_answered()
    {
        Earn();
        string[] many = [.. Enumerable.Range(0, 100).Select(i => $"{i:D3}{new string('x', 50)}@{new string('y', 60)}.{new string('z', 60)}.far.test")];
        foreach (string mailbox in many)
        {
            _rig.Domain(mailbox[(mailbox.IndexOf('@', StringComparison.Ordinal) + 1)..], "127.0.0.1");
        }
        _gate.Reset();
        _rig.Submit("first@client.test", new string('a', 900) + "\r\n", "b@far.test");
        // 100 commands of 190 octets do not fit into the 16 KiB that the body's end has begun to fill.
        _rig.Submit("wide@client.test", "Number: 9999\r\n\r\nx\r\n", many);
        _gate.Set();
        _rig.UntilEmpty();
        Assert.Equal(many, Assert.Single(_peer.Messages, message => message.From == "wide@client.test").To);
    }

    private void Earn()
    {
        Submit(HostTrust.CleanAnswers);
        _rig.UntilEmpty();
    }

    private void Submit(int count, string body = "")
    {
        _gate.Reset();
        for (int i = 0; i < count; i++, _submitted++)
        {
            _rig.Submit($"a{_submitted}@client.test", $"Number: {_submitted:D4}\r\n\r\nx\r\n{body}", $"b{_submitted}@far.test");
        }
        _gate.Set();
    }

    private int Resets() => _peer.Lines.Count(line => line.EndsWith(" RSET", StringComparison.Ordinal));

    private void AllArrivedOnce() => Assert.Equal(Enumerable.Range(0, _submitted), Arrived());

    // The numbers of what arrived, in order; every one under its own envelope.
    private int[] Arrived()
    {
        foreach (PeerMessage message in Taken)
        {
            int number = NumberOf(message);
            Assert.Equal($"a{number}@client.test", message.From);
            Assert.Equal([$"b{number}@far.test"], message.To);
        }
        return [.. Taken.Select(NumberOf).Order()];
    }

    // Without the bounces of what was refused.
    private IEnumerable<PeerMessage> Taken => _peer.Messages.Where(message => message.From.Length > 0);

    private static int NumberOf(PeerMessage message) => int.Parse(message.Data.AsSpan("Number: ".Length, 4), CultureInfo.InvariantCulture);
}
