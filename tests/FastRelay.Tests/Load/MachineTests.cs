using System.Net;
using System.Text;
using FastRelay.Load;
using FastRelay.Smtp;

namespace FastRelay.Tests.Load;

/// <summary>The two machines, each by a script and both against each other.</summary>
public sealed class MachineTests
{
    [Fact]
    public void With_pipelining_the_envelope_goes_in_one_flight()
    {
        var talk = new SourceTalk(pipelining: true, recipients: 2);
        talk.Greet("250-x\r\n250 PIPELINING\r\n");
        Assert.Equal("MAIL FROM:<source@load.test>\r\nRCPT TO:<user+0@sink.test>\r\nRCPT TO:<user+1@sink.test>\r\nDATA\r\n", talk.Begin());
        Assert.Equal(LoadStep.Content, talk.Hear("250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n"));
        Assert.True(talk.Machine.HasContent);
        talk.Machine.ContentSent();
        Assert.Equal(LoadStep.Ready, talk.Hear("250 taken\r\n"));
        Assert.Equal(LoadOutcome.Accepted, talk.Machine.Outcome);
        Assert.Equal((1, 1), (talk.Machine.RecipientsAccepted, talk.Machine.RecipientsRefused));
    }

    [Fact]
    public void Without_pipelining_each_command_waits_for_its_reply()
    {
        var talk = new SourceTalk(pipelining: true, recipients: 2);
        talk.Greet("250 x\r\n");
        Assert.Equal("MAIL FROM:<source@load.test>\r\n", talk.Begin());
        Assert.Equal("RCPT TO:<user+0@sink.test>\r\n", talk.Answer("250 ok\r\n"));
        Assert.Equal("RCPT TO:<user+1@sink.test>\r\n", talk.Answer("250 ok\r\n"));
        Assert.Equal("DATA\r\n", talk.Answer("250 ok\r\n"));
        Assert.Equal(LoadStep.Content, talk.Hear("354 go\r\n"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(32)]
    [InlineData(33)]
    [InlineData(1000)]
    public void A_long_envelope_goes_in_flights_that_fit_the_buffer(int recipients)
    {
        var talk = new SourceTalk(pipelining: true, recipients);
        talk.Greet("250-x\r\n250 PIPELINING\r\n");
        string flight = talk.Begin();
        int sent = 0;
        for (int flights = 0; talk.Step == LoadStep.Read; flights++)
        {
            int commands = flight.Count(c => c == '\n');
            Assert.InRange(commands, 1, LoadMachine.FlightRecipients + 2);
            sent += commands;
            bool last = flight.EndsWith("DATA\r\n", StringComparison.Ordinal);
            flight = talk.Answer(string.Concat(Enumerable.Repeat("250 ok\r\n", last ? commands - 1 : commands)) + (last ? "354 go\r\n" : ""));
        }
        Assert.Equal(recipients + 2, sent);
        Assert.Equal(recipients, talk.Machine.RecipientsAccepted);
        Assert.Equal(LoadStep.Content, talk.Step);
    }

    [Theory]
    [InlineData("450 no\r\n503 no\r\n503 no\r\n", LoadStep.Ready, "")]
    [InlineData("250 ok\r\n550 no\r\n554 no\r\n", LoadStep.Read, "RSET\r\n")]
    [InlineData("250 ok\r\n250 ok\r\n451 no\r\n", LoadStep.Read, "RSET\r\n")]
    [InlineData("421 bye\r\n", LoadStep.Closed, "")]
    public void A_refused_message_is_counted_and_the_dialogue_goes_on_where_it_can(string replies, LoadStep step, string commands)
    {
        var talk = new SourceTalk(pipelining: true, recipients: 1);
        talk.Greet("250-x\r\n250 PIPELINING\r\n");
        talk.Begin();
        Assert.Equal(commands, talk.Answer(replies));
        Assert.Equal(step, talk.Step);
        Assert.Equal(LoadOutcome.Refused, talk.Machine.Outcome);
    }

    [Fact]
    public void A_server_that_wants_content_for_nobody_gets_the_lone_dot()
    {
        var talk = new SourceTalk(pipelining: true, recipients: 1);
        talk.Greet("250-x\r\n250 PIPELINING\r\n");
        talk.Begin();
        Assert.Equal(LoadStep.Content, talk.Hear("250 ok\r\n550 no\r\n354 go\r\n"));
        Assert.False(talk.Machine.HasContent);
        talk.Machine.ContentSent();
        Assert.Equal(LoadStep.Ready, talk.Hear("250 taken\r\n"));
        Assert.Equal(LoadOutcome.Refused, talk.Machine.Outcome);
    }

    [Fact]
    public void A_server_that_does_not_know_EHLO_is_greeted_with_HELO()
    {
        var talk = new SourceTalk(pipelining: true, recipients: 1);
        talk.Start();
        Assert.Equal("EHLO load.test\r\n", talk.Answer("220 x\r\n"));
        Assert.Equal("HELO load.test\r\n", talk.Answer("500 what\r\n"));
        Assert.Equal(LoadStep.Ready, talk.Hear("250 x\r\n"));
    }

    [Fact]
    public void STARTTLS_and_AUTH_come_before_the_first_message()
    {
        var talk = new SourceTalk(pipelining: true, recipients: 1, LoadTls.StartTls, "AHUAcA==");
        talk.Start();
        talk.Answer("220 x\r\n");
        Assert.Equal("STARTTLS\r\n", talk.Answer("250 x\r\n"));
        Assert.Equal(LoadStep.StartTls, talk.Hear("220 go\r\n"));
        Assert.Equal("EHLO load.test\r\n", talk.TlsStarted());
        Assert.Equal("AUTH PLAIN AHUAcA==\r\n", talk.Answer("250 x\r\n"));
        Assert.Equal(LoadStep.Ready, talk.Hear("235 good\r\n"));
    }

    [Theory]
    [InlineData("554 go away\r\n")]
    [InlineData("421 later\r\n")]
    public void A_banner_that_refuses_ends_the_connection(string banner)
    {
        var talk = new SourceTalk(pipelining: true, recipients: 1);
        talk.Start();
        Assert.Equal(LoadStep.Closed, talk.Hear(banner));
        Assert.False(talk.Machine.Greeted);
    }

    [Fact]
    public void The_sink_keeps_the_order_of_commands()
    {
        var sink = new SinkTalk(new SinkScenario());
        Assert.StartsWith("220 sink.test", sink.Start(), StringComparison.Ordinal);
        Assert.Equal("503 5.5.1 EHLO or HELO first\r\n", sink.Say("MAIL FROM:<a@b.test>"));
        Assert.StartsWith("250-sink.test\r\n250-PIPELINING\r\n250-SIZE 0\r\n", sink.Say("EHLO x"), StringComparison.Ordinal);
        Assert.StartsWith("503", sink.Say("RCPT TO:<a@b.test>"), StringComparison.Ordinal);
        Assert.StartsWith("250", sink.Say("MAIL FROM:<>"), StringComparison.Ordinal);
        Assert.StartsWith("503", sink.Say("MAIL FROM:<>"), StringComparison.Ordinal);
        Assert.StartsWith("554", sink.Say("DATA"), StringComparison.Ordinal);
        Assert.StartsWith("501", sink.Say("RCPT TO:a@b.test"), StringComparison.Ordinal);
        Assert.StartsWith("250", sink.Say("RCPT TO:<a+3@b.test>"), StringComparison.Ordinal);
        Assert.Equal([3], sink.Machine.Copies);
        Assert.StartsWith("354", sink.Say("DATA"), StringComparison.Ordinal);
        Assert.True(sink.Machine.InData);
        Assert.StartsWith("250", sink.EndOfMessage(10), StringComparison.Ordinal);
        Assert.StartsWith("221", sink.Say("QUIT"), StringComparison.Ordinal);
        Assert.Equal(SinkAction.Close, sink.Step.Action);
    }

    [Fact]
    public void The_sink_keeps_the_limits_of_its_scenario()
    {
        var sink = new SinkTalk(new SinkScenario { Recipients = 1, MessageBytes = 100, MessagesPerSession = 1 });
        sink.Start();
        Assert.Contains("SIZE 100", sink.Say("EHLO x"), StringComparison.Ordinal);
        sink.Say("MAIL FROM:<>");
        sink.Say("RCPT TO:<a@b.test>");
        Assert.StartsWith("452 4.5.3", sink.Say("RCPT TO:<c@b.test>"), StringComparison.Ordinal);
        sink.Say("DATA");
        Assert.StartsWith("552", sink.EndOfMessage(101), StringComparison.Ordinal);
        Assert.StartsWith("421", sink.Say("MAIL FROM:<>"), StringComparison.Ordinal);
        Assert.Equal(SinkAction.Close, sink.Step.Action);
    }

    [Fact]
    public void The_sink_takes_messages_by_BDAT_and_throws_away_chunks_for_nobody()
    {
        var sink = new SinkTalk(new SinkScenario { MessageBytes = 100 });
        sink.Start();
        Assert.Contains("250-CHUNKING\r\n", sink.Say("EHLO x"), StringComparison.Ordinal);
        Assert.StartsWith("503 5.5.1", sink.Chunk(7, last: true), StringComparison.Ordinal);
        sink.Say("MAIL FROM:<>");
        Assert.StartsWith("554", sink.Chunk(7, last: true), StringComparison.Ordinal);
        sink.Say("RCPT TO:<a+3@b.test>");
        Assert.StartsWith("250", sink.Chunk(50, last: false), StringComparison.Ordinal);
        Assert.False(sink.Accepted);
        Assert.StartsWith("503", sink.Say("DATA"), StringComparison.Ordinal);
        Assert.StartsWith("250", sink.Chunk(50, last: true), StringComparison.Ordinal);
        Assert.True(sink.Accepted);
        sink.Say("RSET");
        sink.Say("MAIL FROM:<>");
        sink.Say("RCPT TO:<a@b.test>");
        Assert.StartsWith("552", sink.Chunk(101, last: true), StringComparison.Ordinal);
        Assert.False(sink.Accepted);
        Assert.StartsWith("501", sink.Say("BDAT x"), StringComparison.Ordinal);
        Assert.Equal(SinkAction.Close, sink.Step.Action);
        var old = new SinkTalk(new SinkScenario { Chunking = false });
        old.Start();
        Assert.DoesNotContain("CHUNKING", old.Say("EHLO x"), StringComparison.Ordinal);
        Assert.StartsWith("500", old.Say("BDAT 1 LAST"), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("AUTH PLAIN AHUAcA==", "235", "")]
    [InlineData("AUTH PLAIN", "334", "235")]
    public void The_sink_takes_any_password(string command, string first, string second)
    {
        var sink = new SinkTalk(new SinkScenario());
        sink.Start();
        sink.Say("EHLO x");
        Assert.StartsWith(first, sink.Say(command), StringComparison.Ordinal);
        if (second.Length > 0)
        {
            Assert.StartsWith(second, sink.Say("AHUAcA=="), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    public void Whatever_the_sink_refuses_both_sides_count_the_same(int seed, bool pipelining)
    {
        FaultRule[] faults = [.. new[] { DialogueStage.Ehlo, DialogueStage.Mail, DialogueStage.Rcpt, DialogueStage.Data, DialogueStage.Dot }
            .SelectMany(stage => new[] { "450 4.0.0 later\r\n", "550 5.0.0 never\r\n", "421 4.0.0 bye\r\n" }
                .Select(reply => new FaultRule { At = stage, Kind = FaultKind.Reply, Reply = Encoding.ASCII.GetBytes(reply), Odds = 0.03 }))];
        var rules = new SinkRules(new SinkScenario { Faults = faults }, new Random(seed));
        int accepted = 0;
        int refused = 0;
        int sunk = 0;
        for (int connection = 0; connection < 300; connection++)
        {
            var sink = new SinkTalk(rules);
            var source = new SourceTalk(pipelining, recipients: 3);
            source.Start();
            source.Hear(sink.Start());
            for (int message = 0; ; message++)
            {
                while (source.Step == LoadStep.Read && source.Said.Length > 0)
                {
                    source.Hear(sink.SayAll(source.Said));
                }
                if (source.Step != LoadStep.Ready || message == 5)
                {
                    break;
                }
                source.Begin();
                while (source.Step is LoadStep.Read or LoadStep.Content)
                {
                    if (source.Step == LoadStep.Content)
                    {
                        source.Machine.ContentSent();
                        source.Hear(sink.EndOfMessage(10));
                        sunk += sink.Accepted ? 1 : 0;
                    }
                    else
                    {
                        source.Hear(sink.SayAll(source.Said));
                    }
                }
                accepted += source.Machine.Outcome == LoadOutcome.Accepted ? 1 : 0;
                refused += source.Machine.Outcome == LoadOutcome.Refused ? 1 : 0;
                Assert.NotEqual(LoadOutcome.None, source.Machine.Outcome);
                source.Said = "";
            }
        }
        Assert.Equal(sunk, accepted);
        Assert.True(accepted > 300 && refused > 100, $"{accepted} accepted, {refused} refused");
    }

    /// <summary>Feeds a source with replies as text.</summary>
    private sealed class SourceTalk
    {
        private readonly byte[] _into = new byte[LoadMachine.CommandBytes];
        private readonly byte[] _text = new byte[256];
        private ReplyParser _parser = new();

        public SourceTalk(bool pipelining, int recipients, LoadTls tls = LoadTls.None, string? auth = null)
        {
            var commands = new LoadCommands(new LoadOptions { Targets = [new(0, 1)], Recipients = recipients, AuthPlain = auth });
            Machine = new LoadMachine(commands, pipelining, tls, new ReplyTally());
        }

        public LoadMachine Machine { get; }

        public LoadStep Step { get; private set; }

        public string Said { get; set; } = "";

        public void Start() => Step = Machine.Start(secured: false);

        public void Greet(string ehlo)
        {
            Start();
            Assert.Equal("EHLO load.test\r\n", Answer("220 x\r\n"));
            Assert.Equal(LoadStep.Ready, Hear(ehlo));
        }

        public string Begin()
        {
            Step = Machine.Begin(0, _into, out int written);
            return Said = Encoding.ASCII.GetString(_into, 0, written);
        }

        public string TlsStarted()
        {
            Step = Machine.TlsStarted(_into, out int written);
            return Said = Encoding.ASCII.GetString(_into, 0, written);
        }

        public string Answer(string replies)
        {
            Hear(replies);
            return Said;
        }

        public LoadStep Hear(string replies)
        {
            Said = "";
            ReadOnlySpan<byte> input = Encoding.ASCII.GetBytes(replies);
            EhloCapabilities offers = default;
            while (!input.IsEmpty && Step is LoadStep.Read or LoadStep.Content && Said.Length == 0)
            {
                Assert.NotEqual(ReplyStatus.Bad, _parser.Feed(input, _text, ref offers, out int consumed));
                input = input[consumed..];
                Step = Machine.Reply(_parser.Code, offers, _into, out int written);
                Said = Encoding.ASCII.GetString(_into, 0, written);
            }
            Assert.True(input.IsEmpty || Step == LoadStep.Closed, $"replies left over: {Encoding.ASCII.GetString(input)}");
            return Step;
        }
    }

    /// <summary>Feeds a sink with commands as text.</summary>
    private sealed class SinkTalk(SinkRules rules)
    {
        private readonly byte[] _reply = new byte[SinkMachine.ReplyBytes];
        private long _bytes;

        public SinkTalk(SinkScenario scenario)
            : this(new SinkRules(scenario, new Random(1)))
        {
        }

        public SinkMachine Machine { get; } = new(rules, new ReplyTally(), mayTls: false);

        public SinkStep Step { get; private set; }

        public bool Accepted { get; private set; }

        public string Start() => Text(Machine.Start(IPAddress.Loopback, 1, secured: false, 0, _reply));

        public string Say(string line) => Text(Machine.Step(ScanStatus.Line, Encoding.ASCII.GetBytes(line), 0, _reply));

        public string SayAll(string lines)
        {
            var replies = new StringBuilder();
            foreach (string line in lines.Split("\r\n", StringSplitOptions.RemoveEmptyEntries))
            {
                replies.Append(Say(line));
                if (Step.Action == SinkAction.Close)
                {
                    break;
                }
            }
            return replies.ToString();
        }

        // The chunk's octets, which come in pieces; a message is as long as its chunks so far.
        public string Chunk(int octets, bool last)
        {
            Assert.Equal("", Say($"BDAT {octets}{(last ? " LAST" : "")}"));
            _bytes = Machine.InChunks ? _bytes + octets : 0;
            Assert.Equal(octets, Machine.ChunkLeft);
            Machine.TookChunk(octets - 1);
            Machine.TookChunk(1);
            string reply = Text(Machine.EndOfChunk(_bytes, 0, _reply, out bool isMessage, out bool accepted));
            _bytes = isMessage ? 0 : _bytes;
            Accepted = accepted;
            return reply;
        }

        public string EndOfMessage(long bytes)
        {
            string reply = Text(Machine.EndOfMessage(bytes, 0, _reply, out bool accepted));
            Accepted = accepted;
            return reply;
        }

        private string Text(SinkStep step)
        {
            Step = step;
            return Encoding.ASCII.GetString(_reply, 0, step.Length);
        }
    }
}
