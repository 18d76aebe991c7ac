using System.Text;
using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>
/// Whole sessions of random commands, good and bad, in random groups and pieces, over a socket: each command gets one
/// reply, none gets two, and when a session ends nothing of it is left.
/// </summary>
public sealed class SessionFuzzTests
{
    private const int Rounds = 40;

    private static readonly string[] s_commands =
    [
        "EHLO client.test", "HELO client.test", "EHLO", "EHLO [127.0.0.1]", "EHLO -", "NOOP", "NOOP x", "RSET", "RSET x", "HELP", "VRFY a", "VRFY", "EXPN a", "ETRN a", "TURN", "SEND FROM:<a@b.test>",
        "MAIL FROM:<a@b.test>", "MAIL FROM:<>", "MAIL FROM:<a@b.test> SIZE=10 BODY=8BITMIME", "MAIL FROM:<a@b.test> SIZE=99999999999", "MAIL FROM:<a@b.test> RET=HDRS ENVID=x+2B", "MAIL FROM:<a@b.test> SMTPUTF8",
        "MAIL FROM:<a@b.test> BODY=BINARYMIME", "MAIL FROM:<a@b.test> REQUIRETLS", "MAIL FROM:<a@b", "MAIL", "mail from:<a@b.test>", "MAIL FROM: <a@b.test>", "MAIL FROM:<a@b.test> AUTH=<>",
        "RCPT TO:<a@b.test>", "RCPT TO:<b@b.test>", "RCPT TO:<c@refused.test>", "RCPT TO:<>", "RCPT TO:<a@b.test> NOTIFY=NEVER", "RCPT TO:<a@b.test> NOTIFY=NEVER,FAILURE", "RCPT TO:<a@b.test> ORCPT=rfc822;a+40b", "RCPT",
        "RCPT TO:<\u00fc@b.test>", "rcpt to:<@x.test:a@b.test>", "STARTTLS", "AUTH PLAIN AAAA", "AUTH", "", " ", "\t", "XYZZY", "\0", "\u00ff\u00fe", "MAIL\0FROM:<a@b.test>", "DATA x", "BDAT", "BDAT x", "BDAT 0 LASTS",
        "NOOP a\rb", "NOOP a\nRSET", "*", "=", ".", "..", "354 go ahead", "250 ok",
    ];

    private static readonly string[] s_contents =
    [
        "", "\r\n", "Subject: x\r\n\r\nbody\r\n", "..\r\n", "no header\r\n", "a\nb\r\n", "a\rb\r\n", "\n.\n", "\r.\r\n", "QUIT\r\nRSET\r\nMAIL FROM:<evil@b.test>\r\n", "\0\u00ff\r\n", "Received: x\r\n\r\n",
    ];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Each_command_of_a_random_session_gets_one_reply(int seed)
    {
        using var rig = new RelayRig("""
            [[relay_for]]
            networks = ["127.0.0.0/8"]
            [limits]
            session_errors = 1000000
            error_delay = "0s"
            """);
        var random = new Random(seed);
        for (int session = 0; session < 5; session++)
        {
            Talk(rig, random);
        }
        Tool.Until(() => rig.Relay.Receiver.Serving == 0, 30, () => "a session did not end");
    }

    private static void Talk(RelayRig rig, Random random)
    {
        using SmtpTalk talk = rig.Talk();
        Assert.StartsWith("220 ", talk.Read());
        for (int round = 0; round < Rounds; round++)
        {
            switch (random.Next(6))
            {
                case 0:
                    Data(talk, random);
                    break;
                case 1:
                    Chunk(talk, random);
                    break;
                case 2:
                    // As a client that means it.
                    Group(talk, random, ["EHLO client.test", "RSET", "MAIL FROM:<a@b.test>", "RCPT TO:<a@b.test>"]);
                    Data(talk, random);
                    break;
                default:
                    Group(talk, random, [.. Enumerable.Range(0, 1 + random.Next(12)).Select(_ => s_commands[random.Next(s_commands.Length)])]);
                    break;
            }
        }
        // Were there a reply too many or too few, this would not be the next, or not the last.
        Assert.StartsWith("221 2.0.0", talk.Say("QUIT"));
        Assert.True(talk.IsClosed());
    }

    private static void Group(SmtpTalk talk, Random random, string[] commands)
    {
        Send(talk, random, string.Concat(commands.Select(c => c + "\r\n")));
        foreach (string command in commands)
        {
            // With a bare LF in it, it is one line still, and one reply: 500 5.5.2.
            string reply = talk.Read();
            AssertReply(reply, command);
            Assert.True(!command.Contains('\n') || reply.StartsWith("500 5.5.2", StringComparison.Ordinal), $"{command}: {reply}");
        }
    }

    private static void Data(SmtpTalk talk, Random random)
    {
        string reply = talk.Say("DATA");
        AssertReply(reply, "DATA");
        if (reply.StartsWith("354", StringComparison.Ordinal))
        {
            Send(talk, random, string.Concat(Enumerable.Range(0, random.Next(5)).Select(_ => s_contents[random.Next(s_contents.Length)])) + "\r\n.\r\n");
            AssertReply(talk.Read(), "content");
        }
    }

    // The octets of a chunk belong to it whatever is answered.
    private static void Chunk(SmtpTalk talk, Random random)
    {
        string content = string.Concat(Enumerable.Range(0, random.Next(4)).Select(_ => s_contents[random.Next(s_contents.Length)])) + "\r\n.\r\nRSET\r\n";
        Send(talk, random, $"BDAT {content.Length}{(random.Next(2) == 0 ? " LAST" : "")}\r\n{content}");
        AssertReply(talk.Read(), "BDAT");
    }

    private static void AssertReply(string reply, string command) =>
        Assert.True(reply.Length > 0 && reply.Split('\n').All(line => line.Length >= 4 && line[0] is >= '2' and <= '5'), $"{command}: {reply}");

    private static void Send(SmtpTalk talk, Random random, string text)
    {
        byte[] octets = Encoding.Latin1.GetBytes(text);
        int sent = 0;
        while (sent < octets.Length)
        {
            int piece = Math.Min(octets.Length - sent, random.Next(3) == 0 ? 1 + random.Next(3) : 1 + random.Next(400));
            talk.Send(octets.AsSpan(sent, piece));
            sent += piece;
        }
    }
}
