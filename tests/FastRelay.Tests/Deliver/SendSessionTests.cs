using System.Globalization;
using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Queue;
using FastRelay.Tests.Deliver.Rig;
using FastRelay.Tests.Support;
using Xunit;

namespace FastRelay.Tests.Deliver;

/// <summary>The driver over real sockets, against hosts that do as the test says.</summary>
public sealed class SendSessionTests : IDisposable
{
    private const string Body = "Subject: hello\r\n\r\nline\r\n..dot\r\nend\r\n";
    private readonly ScriptedPeer _peer = new();
    private DeliverRig? _rig;

    private DeliverRig Rig => _rig ??= Start(new Limits());

    public void Dispose()
    {
        _rig?.Dispose();
        _peer.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_message_arrives_byte_for_byte(bool pipelining)
    {
        if (!pipelining)
        {
            _peer.Offers = ["8BITMIME"];
        }
        Rig.Submit("a@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        PeerMessage message = Assert.Single(_peer.Messages);
        Assert.Equal("a@client.test", message.From);
        Assert.Equal(["b@far.test"], message.To);
        Assert.Equal(Body, message.Data);
        Assert.Equal(1, Rig.Counters.Delivered);
        Assert.True(Rig.Logged("event=delivery", "status=delivered", "host=mx0.far.test", "code=250"));
    }

    [Fact]
    public void A_host_that_says_nothing_and_a_name_without_an_answer_delay_nobody_else()
    {
        using var silent = new ScriptedPeer("127.0.0.2", _peer.Port) { Answer = static (_, _) => "SILENT" };
        DeliverRig rig = Start(new Limits());
        rig.Domain("silent.test", "127.0.0.2");
        rig.Dns.Hangs.Add("hang.test");
        for (int i = 0; i < 100; i++)
        {
            rig.Submit("a@client.test", Body, $"b{i}@silent.test");
            rig.Submit("a@client.test", Body, $"b{i}@hang.test");
        }
        rig.Until(() => silent.Connections > 0 && rig.Dns.Asked.Contains("Mx hang.test"));
        for (int i = 0; i < 100; i++)
        {
            rig.Submit("a@client.test", Body, $"b{i}@far.test");
        }
        rig.Until(() => _peer.Messages.Count == 100 && rig.Queue.Entries == 200);
        // What hangs still hangs: nobody has waited for the end of its patience.
        Assert.False(rig.Logged("event=site_backoff") || rig.Logged("event=dns_deferred") || rig.Logged("status=failed"));
        Assert.Equal((0L, 100L), (rig.Counters.Deferred, rig.Counters.Delivered));
    }

    [Fact]
    public void A_connection_that_has_nothing_more_to_send_makes_room_at_once_for_a_site_that_waits_for_some()
    {
        // Kept for ten minutes, were nobody to ask for its place.
        DeliverRig rig = Start(new Limits { SendSessions = 1, ReuseIdleMs = 600_000 });
        rig.Domain("near.test", "127.0.0.1");
        rig.Submit("a@client.test", Body, "b@far.test");
        rig.Submit("a@client.test", Body, "b@near.test");
        rig.UntilEmpty();
        Assert.Equal((2, 2), (_peer.Messages.Count, _peer.Connections));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(14_000)]
    [InlineData(15_360)]
    [InlineData(15_400)]
    [InlineData(40_000)]
    [InlineData(3_000_000)]
    public void A_body_of_any_size_arrives_byte_for_byte(int size)
    {
        var body = new StringBuilder();
        for (int i = 0; body.Length < size; i++)
        {
            body.Append(i % 7 == 0 ? ".." : "x").Append(i.ToString(CultureInfo.InvariantCulture)).Append("\r\n");
        }
        Rig.Submit("a@client.test", body.ToString(), "b@far.test");
        Rig.UntilEmpty();
        Assert.Equal(body.ToString(), Assert.Single(_peer.Messages).Data);
    }

    [Fact]
    public void A_connection_is_kept_for_the_next_message_and_then_ended_with_QUIT()
    {
        for (int i = 0; i < 3; i++)
        {
            Rig.Submit("a@client.test", Body, "b@far.test");
            Rig.UntilEmpty();
        }
        Assert.Equal(1, _peer.Connections);
        Assert.DoesNotContain(_peer.Lines, line => line.EndsWith("RSET", StringComparison.Ordinal));
        Rig.Until(() => _peer.Lines.Contains("1 QUIT"), "QUIT of the idle connection");
        Rig.Until(() => Rig.Deliverer.Sessions == 0, "the session ends");
    }

    [Fact]
    public void Parameters_are_sent_only_when_they_are_offered()
    {
        Rig.Submit("a@client.test", Body, EnvelopeFlags.EightBit, "b@far.test");
        Rig.UntilEmpty();
        // SIZE counts the content: without the stuffed dot.
        Assert.Contains($"1 MAIL FROM:<a@client.test> SIZE={Body.Length - 1} BODY=8BITMIME", _peer.Lines);
        _peer.Offers = ["HELP"];
        _peer.Answer = static (line, number) => number == 1 && line.StartsWith("MAIL", StringComparison.Ordinal) ? "421 enough" : null;
        Rig.Submit("a@client.test", Body, EnvelopeFlags.EightBit, "b@far.test");
        Rig.UntilEmpty();
        Assert.Contains("2 MAIL FROM:<a@client.test>", _peer.Lines);
    }

    [Fact]
    public void A_connection_ends_after_its_share_of_messages()
    {
        _rig = Start(new Limits { MessagesPerConnection = 2 });
        for (int i = 0; i < 5; i++)
        {
            Rig.Submit("a@client.test", Body, "b@far.test");
            Rig.UntilEmpty();
            int done = i + 1;
            Rig.Until(() => done % 2 == 1 || Rig.Deliverer.Sessions == 0, "QUIT after two");
        }
        Assert.Equal(3, _peer.Connections);
        Assert.Equal(5, _peer.Messages.Count);
    }

    [Theory]
    [InlineData("421 4.7.0 one is enough")]
    [InlineData("CLOSE")]
    [InlineData("RESET")]
    public void A_used_connection_that_ends_at_MAIL_costs_the_message_no_attempt(string answer)
    {
        _peer.Answer = (line, number) => number == 1 && line.Contains("<second@", StringComparison.Ordinal) ? answer : null;
        Rig.Submit("first@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        Rig.Submit("second@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        Assert.Equal(2, _peer.Messages.Count);
        Assert.Equal(2, _peer.Connections);
        Assert.Equal(0, Rig.Counters.Deferred);
    }

    [Fact]
    public void An_idle_connection_that_the_peer_closed_is_not_used()
    {
        _peer.Answer = static (line, number) => number == 1 && line == "." ? "250 ok\r\n421 4.4.2 good bye" : null;
        Rig.Submit("first@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        Rig.Submit("second@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        Assert.Equal(2, _peer.Messages.Count);
        Assert.Equal(2, _peer.Connections);
        Assert.Equal(0, Rig.Counters.Deferred);
    }

    [Fact]
    public void A_421_that_ends_a_connection_that_has_served_counts_for_the_rules_and_not_for_the_message()
    {
        Rig.Queue.Change(new QueueOptions { Jitter = 0, ReplyRules = [new ReplyRuleConfig("", @"^421 4\.7\.28 ", 1, 0, ReplyAction.Backoff, 3_600_000)] }, Rig.Limits);
        _peer.Answer = static (line, _) => line.StartsWith("MAIL FROM:<second@", StringComparison.Ordinal) ? "421 4.7.28 too fast" : null;
        Rig.Submit("first@client.test", Body, "b@far.test");
        Rig.UntilEmpty();
        Rig.Submit("second@client.test", Body, "b@far.test");
        Rig.Until(() => Rig.Counters.RuleShifts == 1, "the reply is counted");
        Rig.Until(() => Rig.Deliverer.Sessions == 0, "the session ends");
        Assert.Equal((1L, 0L, 1), (Rig.Queue.Ready, Rig.Counters.Deferred, _peer.Connections));
    }

    [Fact]
    public void After_a_refused_transaction_RSET_opens_the_next()
    {
        _peer.Answer = static (line, _) => line.StartsWith("RCPT TO:<no@", StringComparison.Ordinal) ? "450 4.2.1 busy"
            : line == "DATA" ? null : null;
        _peer.Offers = ["HELP"];
        Rig.Submit("a@client.test", Body, "no@far.test");
        Rig.Until(() => Rig.Counters.Deferred == 1);
        Rig.Submit("a@client.test", Body, "yes@far.test");
        Rig.Until(() => !_peer.Messages.IsEmpty);
        Assert.Contains("1 RSET", _peer.Lines);
        Assert.Equal(1, _peer.Connections);
    }

    [Fact]
    public void Each_recipient_gets_its_own_outcome()
    {
        _peer.Answer = static (line, _) => line.StartsWith("RCPT TO:<later@", StringComparison.Ordinal) ? "450 4.2.1 busy"
            : line.StartsWith("RCPT TO:<never@", StringComparison.Ordinal) ? "550 5.1.1 nobody" : null;
        Rig.Submit("", Body, "now@far.test", "later@far.test", "never@far.test");
        Rig.Until(() => Rig.Counters.Deferred == 1);
        Assert.Equal(["now@far.test"], Assert.Single(_peer.Messages).To);
        Assert.Equal(1, Rig.Counters.Delivered);
        Assert.Equal(1, Rig.Counters.Failed);
        Assert.Equal(1, Rig.Counters.Dropped);
        Assert.Equal(1, Rig.Queue.Deferred);
    }

    [Fact]
    public void More_recipients_than_one_transaction_takes_go_in_several()
    {
        _rig = Start(new Limits { RecipientsPerTransaction = 4 });
        string[] to = [.. Enumerable.Range(0, 10).Select(i => $"r{i}@far.test")];
        Rig.Submit("a@client.test", Body, to);
        Rig.UntilEmpty();
        Assert.Equal(to, _peer.Messages.SelectMany(m => m.To).Order(StringComparer.Ordinal));
        Assert.All(_peer.Messages, m => Assert.True(m.To.Length <= 4));
    }

    [Fact]
    public void A_hundred_long_recipients_pass_in_one_flight()
    {
        string[] to = [.. Enumerable.Range(0, 100).Select(i => $"{new string('r', 60)}{i:D3}@{new string('d', 60)}.far.test")];
        Rig.Domain(to[0].Split('@')[1], "127.0.0.1");
        Rig.Submit("a@client.test", Body, to);
        Rig.UntilEmpty();
        Assert.Equal(to, Assert.Single(_peer.Messages).To);
    }

    [Fact]
    public void A_lost_answer_to_the_final_dot_is_in_doubt_and_tries_no_other_host()
    {
        using var second = new ScriptedPeer("127.0.0.2", _peer.Port);
        Rig.Domain("two.test", "127.0.0.1", "127.0.0.2");
        _peer.Answer = static (line, _) => line == "." ? "RESET" : null;
        Rig.Submit("a@client.test", Body, "b@two.test");
        Rig.Until(() => Rig.Counters.Deferred == 1);
        Assert.Equal(1, Rig.Counters.InDoubt);
        Assert.Equal(1, Rig.Queue.Deferred);
        Assert.True(Rig.Logged("event=delivery", "status=deferred", "cause=in-doubt"));
        Assert.Equal(0, second.Connections);
    }

    [Fact]
    public void A_refusal_while_the_body_is_sent_is_taken_as_the_answer()
    {
        _peer.Answer = static (line, _) => line == "DATA" ? "354 go\r\n552 5.3.4 too big after all" : null;
        Rig.Submit("", new string('x', 70) + "\r\n", "b@far.test");
        Rig.Until(() => Rig.Counters.Deferred == 1);
        Assert.True(Rig.Logged("event=delivery", "status=deferred", "cause=bad-reply"));
        Assert.Empty(_peer.Messages);
    }

    [Fact]
    public void A_message_larger_than_the_host_takes_is_not_offered()
    {
        _peer.Offers = ["PIPELINING", "SIZE 20"];
        Rig.Submit("", Body, "b@far.test");
        Rig.UntilEmpty();
        Assert.Equal(1, Rig.Counters.Failed);
        Assert.DoesNotContain(_peer.Lines, line => line.Contains("MAIL", StringComparison.Ordinal));
    }

    private DeliverRig Start(Limits limits)
    {
        var rig = new DeliverRig(_peer.Port, limits);
        rig.Domain("far.test", "127.0.0.1");
        rig.Domain("client.test", "127.0.0.1");
        return rig;
    }
}
