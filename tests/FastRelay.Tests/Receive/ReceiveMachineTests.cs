using System.Net;
using System.Text;
using FastRelay.Config;
using FastRelay.Journal;
using FastRelay.Receive;
using FastRelay.Smtp;

namespace FastRelay.Tests.Receive;

/// <summary>
/// Whole dialogues against the pure machine. A transcript's lines begin with <c>C: </c> (client) or <c>S: </c> (server);
/// <c>!</c> lines say what the driver or the world does: <c>! tls</c>, <c>! accepted ID</c>, <c>! full</c>,
/// <c>! failed</c>, <c>! ok</c>, <c>! stranger</c>; <c>! read N</c> and <c>! swallowed N</c> tell what became of a chunk.
/// </summary>
public class ReceiveMachineTests
{
    private static readonly Limits s_limits = new() { Recipients = 3, SessionErrors = 5, MessageBytes = 1000, SessionMessages = 2 };

    private static readonly ListenConfig s_listener = new(new IPEndPoint(IPAddress.Loopback, 25), ListenTls.StartTls);

    public static TheoryData<string> Transcripts() => [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Receive", "Golden"), "*.txt").Select(f => Path.GetFileName(f)!).Order()];

    [Theory]
    [MemberData(nameof(Transcripts))]
    public void Answers_as_in_the_transcript(string file)
    {
        string[] lines = File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Receive", "Golden", file));
        string[] actual = [.. Replay(lines)];
        Assert.Equal(lines.Where(l => l.Length > 0 && l[0] != '#'), actual);
    }

    [Fact]
    public void Every_reply_is_whole_lines_of_at_most_512_octets_with_an_enhanced_code_of_its_class()
    {
        var envelope = new EnvelopeBuilder();
        var machine = new ReceiveMachine(new ReceiveOptions("relay.test"u8.ToArray(), RelayPolicy.Loopback, s_limits), envelope);
        byte[] reply = new byte[ReceiveMachine.ReplyBytes];
        machine.Start(IPEndPoint.Parse("127.0.0.1:1"), trusted: true, s_listener, null, reply);
        string[] commands = ["EHLO c.test", "MAIL FROM:<a@b.test>", "RCPT TO:<c@d.test>", "RCPT TO:<>", "DATA", "RSET", "NOOP", "VRFY x", "HELP", "EXPN x", "FOO", "STARTTLS", "QUIT"];
        foreach (string command in commands)
        {
            ReceiveStep step = machine.Step(ScanStatus.Line, Encoding.ASCII.GetBytes(command), JournalStatus.Ok, reply);
            string text = Encoding.ASCII.GetString(reply, 0, step.ReplyLength);
            Assert.EndsWith("\r\n", text);
            foreach (string line in text.Split("\r\n")[..^1])
            {
                Assert.InRange(line.Length, 4, 510);
                if (command != "EHLO c.test" && (line[0] is '2' or '4' or '5'))
                {
                    Assert.Matches($@"^{line[0]}\d\d {line[0]}\.\d+\.\d+ ", line);
                }
            }
        }
    }

    [Fact]
    public void A_transaction_allocates_nothing()
    {
        var envelope = new EnvelopeBuilder();
        var machine = new ReceiveMachine(new ReceiveOptions("relay.test"u8.ToArray(), RelayPolicy.Loopback, new Limits()), envelope);
        byte[] reply = new byte[ReceiveMachine.ReplyBytes];
        machine.Start(IPEndPoint.Parse("127.0.0.1:1"), trusted: true, s_listener, null, reply);
        machine.Step(ScanStatus.Line, "EHLO c.test"u8, JournalStatus.Ok, reply);
        long before = 0;
        for (int i = 0; i < 1000; i++)
        {
            if (i == 500)
            {
                before = GC.GetAllocatedBytesForCurrentThread();
            }
            machine.Step(ScanStatus.Line, "MAIL FROM:<sender@example.test> SIZE=100 BODY=8BITMIME"u8, JournalStatus.Ok, reply);
            machine.Step(ScanStatus.Line, "RCPT TO:<\"quoted user\"@example.test>"u8, JournalStatus.Ok, reply);
            // Assert.Equal would box.
            Assert.True(machine.Step(ScanStatus.Line, "DATA"u8, JournalStatus.Ok, reply).Action == ReceiveAction.Data);
            machine.Accepted("ABC"u8, reply);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static IEnumerable<string> Replay(string[] lines)
    {
        var envelope = new EnvelopeBuilder();
        var machine = new ReceiveMachine(new ReceiveOptions("relay.test"u8.ToArray(), RelayPolicy.Loopback, s_limits), envelope);
        byte[] reply = new byte[ReceiveMachine.ReplyBytes];
        var status = JournalStatus.Ok;
        bool trusted = !lines.Contains("! stranger");
        if (!trusted)
        {
            yield return "! stranger";
        }
        int length = machine.Start(IPEndPoint.Parse("127.0.0.1:1"), trusted, s_listener, null, reply);
        foreach (string line in Said(length))
        {
            yield return line;
        }
        foreach (string line in lines.Where(l => l.StartsWith("C: ", StringComparison.Ordinal) || (l.StartsWith("! ", StringComparison.Ordinal) && l is not ("! stranger" or "! closed") && !l.StartsWith("! read ", StringComparison.Ordinal) && !l.StartsWith("! swallowed ", StringComparison.Ordinal))))
        {
            yield return line;
            length = 0;
            if (line == "! tls")
            {
                machine.TlsStarted();
            }
            else if (line.StartsWith("! accepted ", StringComparison.Ordinal))
            {
                length = machine.Accepted(Encoding.ASCII.GetBytes(line[11..]), reply);
            }
            else if (line[0] == '!')
            {
                status = line switch { "! full" => JournalStatus.Full, "! failed" => JournalStatus.Failed, _ => JournalStatus.Ok };
            }
            else
            {
                ReceiveStep step = machine.Step(ScanStatus.Line, Encoding.Latin1.GetBytes(line[3..]), status, reply);
                length = step.ReplyLength;
                foreach (string said in Said(length))
                {
                    yield return said;
                }
                length = 0;
                if (step.Action is ReceiveAction.Chunk or ReceiveAction.SkipChunk)
                {
                    bool isWhole = step.Action == ReceiveAction.Chunk && machine.LastChunk;
                    yield return step.Action == ReceiveAction.SkipChunk ? $"! swallowed {step.Octets}" : $"! read {step.Octets}{(isWhole ? " LAST" : "")}";
                    step = isWhole ? default : machine.ChunkRead(reply);
                    foreach (string said in Said(step.ReplyLength))
                    {
                        yield return said;
                    }
                }
                if (step.Action == ReceiveAction.Close)
                {
                    yield return "! closed";
                    yield break;
                }
            }
            foreach (string said in Said(length))
            {
                yield return said;
            }
        }

        IEnumerable<string> Said(int octets) => Encoding.ASCII.GetString(reply, 0, octets).Split("\r\n", StringSplitOptions.RemoveEmptyEntries).Select(l => "S: " + l);
    }
}
