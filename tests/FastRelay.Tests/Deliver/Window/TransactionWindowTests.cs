using System.Text;
using FastRelay.Config;
using FastRelay.Deliver;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Deliver.Window;

/// <summary>Which reply belongs to which command of which message, when many are owed at once.</summary>
public sealed class TransactionWindowTests
{
    private const string Taken = "250 2.0.0 taken\r\n";
    private const string Good = "250 2.1.0 ok\r\n250 2.1.5 ok\r\n250 2.0.0 taken\r\n";
    private const string GoodNext = "250 2.0.0 reset\r\n" + Good;

    [Fact]
    public void Each_message_is_RSET_MAIL_RCPT_BDAT_and_the_first_of_a_connection_has_no_RSET()
    {
        var talk = new Talk();
        Assert.Equal("MAIL FROM:<a@b.test> SIZE=5\r\nRCPT TO:<r@x.test>\r\nBDAT 5 LAST\r\n", talk.Add(5));
        Assert.Equal("RSET\r\nMAIL FROM:<a@b.test> SIZE=0\r\nRCPT TO:<r@x.test>\r\nRCPT TO:<r@x.test>\r\nBDAT 0 LAST\r\n", talk.Add(0, recipients: 2));
        var used = new Talk(completed: 3);
        Assert.StartsWith("RSET\r\nMAIL", used.Add(5), StringComparison.Ordinal);
    }

    [Fact]
    public void Replies_cut_anywhere_give_each_message_its_own_outcome()
    {
        // Taken; MAIL refused; one of two recipients refused; content refused; nobody accepted; taken.
        string replies = Good
            + "250 2.0.0 reset\r\n550-5.7.1 not\r\n550 5.7.1 from you\r\n503 5.5.1 MAIL first\r\n503 5.5.1 MAIL first\r\n"
            + "250 reset\r\n250 ok\r\n450 4.2.1 later\r\n250 ok\r\n250 2.6.0 taken too\r\n"
            + "250 reset\r\n250 ok\r\n250 ok\r\n554 5.6.0 content\r\n"
            + "250 reset\r\n250 ok\r\n550 5.1.1 nobody\r\n554 5.5.1 no valid recipients\r\n"
            + GoodNext;
        string[] expected =
        [
            "Delivered taken", "Failed not from you", "Deferred later|Delivered taken too", "Failed content", "Failed nobody", "Delivered taken",
        ];
        byte[] bytes = Encoding.ASCII.GetBytes(replies);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            Talk talk = Six();
            talk.Hear(bytes.AsSpan(0, cut));
            talk.Hear(bytes.AsSpan(cut));
            Assert.Equal(expected, talk.Outcomes);
            Assert.False(talk.OutOfStep);
            Assert.Equal(0, talk.Window.Count);
            Assert.Equal(0, talk.Window.Bytes);
        }
        Talk slow = Six();
        foreach (byte one in bytes)
        {
            slow.Hear([one]);
        }
        Assert.Equal(6, slow.Outcomes.Count);
        Assert.Equal(6, slow.Window.Completed);
    }

    [Fact]
    public void A_connection_lost_anywhere_leaves_the_unanswered_in_doubt_and_no_other()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(Good + GoodNext + GoodNext);
        for (int cut = 0; cut < bytes.Length; cut++)
        {
            var talk = new Talk();
            talk.Add(5);
            talk.Add(5);
            talk.Add(5);
            talk.Hear(bytes.AsSpan(0, cut));
            int answered = talk.Outcomes.Count;
            talk.End(OutcomeCause.ConnectionLost);
            Assert.Equal(Encoding.ASCII.GetString(bytes.AsSpan(0, cut)).Split(Taken).Length - 1, answered);
            Assert.Equal(3, talk.Outcomes.Count);
            Assert.All(talk.Outcomes.Take(answered), static outcome => Assert.StartsWith("Delivered", outcome, StringComparison.Ordinal));
            Assert.All(talk.Outcomes.Skip(answered), static outcome => Assert.StartsWith("Deferred InDoubt", outcome, StringComparison.Ordinal));
            Assert.True(talk.Window.IsInDoubt);
            Assert.Equal(cut < "250 2.1.0 ok\r\n".Length, talk.Window.IsSiteTrouble);
        }
    }

    [Fact]
    public void What_was_not_sent_to_its_end_goes_back_as_it_was()
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5, sent: false);
        talk.End(OutcomeCause.ConnectionLost);
        Assert.StartsWith("Deferred InDoubt", talk.Outcomes[0], StringComparison.Ordinal);
        Assert.Equal("Release", talk.Outcomes[1]);
        // The first one of all, which the host has heard of: an attempt, and no doubt.
        var alone = new Talk();
        alone.Add(5, sent: false);
        alone.Hear("250 2.1.0 ok\r\n"u8);
        alone.End(OutcomeCause.ConnectionLost);
        Assert.StartsWith("Deferred ConnectionLost", Assert.Single(alone.Outcomes), StringComparison.Ordinal);
        Assert.False(alone.Window.IsInDoubt);
    }

    [Fact]
    public void A_recipient_that_was_refused_before_the_connection_was_lost_stays_refused()
    {
        var talk = new Talk();
        talk.Add(5, recipients: 2);
        talk.Hear("250 2.1.0 ok\r\n550 5.1.1 nobody\r\n"u8);
        talk.End(OutcomeCause.ConnectionLost);
        string[] outcomes = Assert.Single(talk.Outcomes).Split('|');
        Assert.StartsWith("Failed", outcomes[0], StringComparison.Ordinal);
        Assert.StartsWith("Deferred InDoubt", outcomes[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "421 4.7.0 enough\r\n", "Release")]
    [InlineData("250 2.0.0 reset\r\n", "421 4.7.0 enough\r\n", "Release")]
    [InlineData("250 2.0.0 reset\r\n250 2.1.0 ok\r\n", "421 4.7.0 enough\r\n", "Deferred")]
    [InlineData("250 2.0.0 reset\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n", "421 4.7.0 enough\r\n", "Deferred")]
    public void Behind_a_421_and_the_end_nothing_was_attempted(string before, string last, string second)
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5);
        talk.Add(5);
        talk.Hear(Encoding.ASCII.GetBytes(Good + before + last));
        Assert.True(talk.Window.IsClosing);
        talk.End(OutcomeCause.ConnectionLost);
        Assert.StartsWith(second, talk.Outcomes[1], StringComparison.Ordinal);
        Assert.Equal("Release", talk.Outcomes[2]);
        Assert.False(talk.Window.IsInDoubt);
        Assert.Equal(421, talk.Window.Failure.ReplyCode);
    }

    [Fact]
    public void A_421_to_the_first_message_of_a_connection_is_trouble_with_the_site()
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5);
        talk.Hear("421 4.7.0 not you\r\n"u8);
        talk.End(OutcomeCause.ConnectionLost);
        Assert.StartsWith("Deferred", talk.Outcomes[0], StringComparison.Ordinal);
        Assert.Equal("Release", talk.Outcomes[1]);
        Assert.True(talk.Window.IsSiteTrouble);
    }

    [Fact]
    public void A_host_that_goes_on_after_421_is_heard_and_its_end_leaves_doubt()
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5);
        talk.Add(5);
        talk.Hear(Encoding.ASCII.GetBytes("250 ok\r\n250 ok\r\n421 4.3.0 try later\r\n" + GoodNext));
        Assert.StartsWith("Deferred", talk.Outcomes[0], StringComparison.Ordinal);
        Assert.StartsWith("Delivered", talk.Outcomes[1], StringComparison.Ordinal);
        talk.End(OutcomeCause.ConnectionLost);
        Assert.StartsWith("Deferred InDoubt", talk.Outcomes[2], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("250 ok\r\n354 go\r\n")]
    [InlineData("250 ok\r\n250 ok\r\n354 go\r\n")]
    [InlineData("what is this\r\n")]
    // A reply too many in front: RCPT's answer stands where BDAT's should.
    [InlineData("250 2.0.0 hello\r\n250 2.1.0 ok\r\n250 2.1.5 ok\r\n")]
    // Consent to a message for nobody.
    [InlineData("550 no\r\n503 no\r\n250 2.0.0 taken\r\n")]
    [InlineData("250 ok\r\n550 no\r\n250 2.0.0 taken\r\n")]
    public void A_reply_that_cannot_stand_where_it_does_ends_the_trust(string replies)
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5);
        talk.Hear(Encoding.ASCII.GetBytes(replies));
        Assert.True(talk.OutOfStep);
        talk.End(OutcomeCause.BadReply);
        Assert.Equal(2, talk.Outcomes.Count);
        Assert.StartsWith("Deferred InDoubt", talk.Outcomes[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_refused_RSET_ends_the_trust()
    {
        var talk = new Talk();
        talk.Add(5);
        talk.Add(5);
        talk.Hear(Encoding.ASCII.GetBytes(Good + "503 5.5.1 not now\r\n"));
        Assert.True(talk.OutOfStep);
        talk.End(OutcomeCause.BadReply);
        Assert.StartsWith("Delivered", talk.Outcomes[0], StringComparison.Ordinal);
        Assert.StartsWith("Deferred InDoubt", talk.Outcomes[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("250 2.0.0 taken\r\n", false, "Deferred")]
    [InlineData("552 5.3.4 too big\r\n", false, "Failed")]
    [InlineData("250 2.0.0 taken\r\n", true, "Deferred InDoubt")]
    [InlineData("552 5.3.4 too big\r\n", true, "Failed")]
    public void An_answer_to_content_that_is_still_on_its_way_counts_only_when_it_refuses(string answer, bool sending, string outcome)
    {
        // While it is being sent its body is still read from: nothing may settle it.
        var talk = new Talk();
        talk.Add(5, sent: sending, gone: false);
        talk.Hear(Encoding.ASCII.GetBytes("250 ok\r\n250 ok\r\n" + answer));
        Assert.True(talk.OutOfStep);
        talk.End(OutcomeCause.BadReply);
        Assert.StartsWith(outcome, Assert.Single(talk.Outcomes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_window_holds_as_many_as_its_size_and_not_one_more()
    {
        var window = new TransactionWindow(RouteConfig.InFlightMost, 4);
        window.Start(default, 0);
        byte[] into = new byte[CommandWriter.CommandBytes];
        for (int i = 0; i < RouteConfig.InFlightMost; i++)
        {
            window.Add([0], 1, eightBit: false);
            while (window.Write(into, default, default) > 0)
            {
            }
            window.Tail.ContentWritten();
        }
        Assert.Equal(RouteConfig.InFlightMost, window.Count);
        Assert.ThrowsAny<Exception>(() => window.Add([0], 1, eightBit: false));
        Assert.ThrowsAny<Exception>(() => new TransactionWindow(RouteConfig.InFlightMost + 1, 4));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Any_mix_of_replies_is_accounted_as_one_transaction_after_another_would_be(int seed)
    {
        var random = new Random(seed);
        for (int round = 0; round < 3_000; round++)
        {
            var talk = new Talk(completed: random.Next(2), size: 1 + random.Next(5));
            var expected = new List<string>();
            var replies = new Queue<byte>();
            int begun = 0;
            while (expected.Count < 12 || talk.Window.Count > 0)
            {
                bool add = begun < 12 && talk.Window.Count < talk.Window.Size && random.Next(2) == 0;
                if (add)
                {
                    int recipients = 1 + random.Next(3);
                    bool reset = talk.Add(5, recipients).StartsWith("RSET", StringComparison.Ordinal);
                    (string said, string outcome) = Script(random, reset, recipients, begun++);
                    expected.Add(outcome);
                    foreach (byte one in Encoding.ASCII.GetBytes(said))
                    {
                        replies.Enqueue(one);
                    }
                }
                byte[] piece = [.. Enumerable.Range(0, random.Next(60)).TakeWhile(_ => replies.Count > 0).Select(_ => replies.Dequeue())];
                talk.Hear(piece);
            }
            Assert.False(talk.OutOfStep);
            Assert.Equal(expected, talk.Outcomes);
        }
    }

    // The replies to one message, numbered, and what they come to.
    private static (string Said, string Outcome) Script(Random random, bool reset, int recipients, int number)
    {
        var said = new StringBuilder(reset ? "250 reset\r\n" : "");
        var outcomes = new string[recipients];
        bool mail = random.Next(5) > 0;
        said.Append(mail ? "250 ok\r\n" : $"550 mail {number}\r\n");
        for (int i = 0; i < recipients; i++)
        {
            bool taken = random.Next(4) > 0;
            said.Append(mail ? taken ? "250 ok\r\n" : $"450 rcpt {number} {i}\r\n" : "503 first\r\n");
            outcomes[i] = mail ? taken ? "" : $"Deferred rcpt {number} {i}" : $"Failed mail {number}";
        }
        bool some = outcomes.Contains("");
        bool content = some && random.Next(4) > 0;
        said.Append(content ? $"250 taken {number}\r\n" : $"554 content {number}\r\n");
        return (said.ToString(), string.Join('|', outcomes.Select(o => o.Length > 0 ? o : content ? $"Delivered taken {number}" : $"Failed content {number}")));
    }

    private static Talk Six()
    {
        var talk = new Talk();
        foreach (int recipients in (int[])[1, 1, 2, 1, 1, 1])
        {
            talk.Add(5, recipients);
        }
        return talk;
    }

    /// <summary>A window with its peer's words as text.</summary>
    private sealed class Talk
    {
        private readonly byte[] _into = new byte[CommandWriter.CommandBytes];
        private byte[] _rest = [];

        public Talk(int completed = 0, int size = 8)
        {
            EhloCapabilities peer = default;
            peer.OnLine(250, 1, "SIZE 1000000"u8);
            Window = new TransactionWindow(size, 4);
            Window.Start(peer, completed);
        }

        public TransactionWindow Window { get; }

        public List<string> Outcomes { get; } = [];

        public bool OutOfStep { get; private set; }

        public string Add(long octets, int recipients = 1, bool sent = true, bool gone = true)
        {
            Window.Add(Enumerable.Range(0, recipients).ToArray(), octets, eightBit: false);
            var said = new StringBuilder();
            for (int length = -1; length != 0;)
            {
                bool named = Window.Tail.NextRecipient >= 0;
                length = Window.Write(_into, "a@b.test"u8, named ? "r@x.test"u8 : default);
                said.Append(Encoding.ASCII.GetString(_into, 0, length));
            }
            if (sent)
            {
                Window.Tail.ContentWritten();
            }
            Window.Sending();
            if (gone)
            {
                Window.Sent();
            }
            return said.ToString();
        }

        public void Hear(ReadOnlySpan<byte> bytes)
        {
            byte[] input = [.. _rest, .. bytes];
            int at = 0;
            while (at < input.Length && Window.AwaitsReply && !OutOfStep)
            {
                WindowStep step = Window.Receive(input.AsSpan(at), out int consumed);
                at += consumed;
                if (step == WindowStep.Settled)
                {
                    Outcomes.Add(Text());
                    Window.Pop();
                }
                OutOfStep |= step == WindowStep.OutOfStep;
                if (step == WindowStep.Read && !Window.HasWholeReply)
                {
                    break;
                }
            }
            _rest = input[at..];
        }

        public void End(OutcomeCause cause)
        {
            for (bool first = true; Window.Count > 0; first = false)
            {
                Outcomes.Add(Window.End(cause, first) == WindowFate.Report ? Text() : "Release");
                Window.Pop();
            }
        }

        private string Text()
        {
            TransactionLedger ledger = Window.Head.Ledger;
            return string.Join('|', Enumerable.Range(0, ledger.Count).Select(i =>
            {
                Outcome outcome = ledger.OutcomeAt(i);
                string cause = outcome.Cause == OutcomeCause.Reply ? "" : $"{outcome.Cause} ";
                string words = Encoding.ASCII.GetString(ledger.TextAt(i).Span);
                bool isEnhanced = words.Length > 6 && words[1] == '.' && words[3] == '.';
                return $"{outcome.Class} {cause}{(isEnhanced ? words[6..] : words)}";
            }));
        }
    }
}
