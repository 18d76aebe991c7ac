using System.Text;
using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>BDAT (RFC 3030) over a real socket, up to what a sink gets.</summary>
public sealed class ChunkSocketTests : IDisposable
{
    private readonly RelayRig _rig = new("[limits]\nmessage_bytes = \"64KiB\"\nsession_errors = 1000");

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData("Subject: s\r\n\r\na\r\n.\r\nb\r\n", "Subject: s\r\n\r\na\r\n.\r\nb\r\n")]
    [InlineData("Subject: s\r\n\r\n.\r\n..\r\n.x\r\n", "Subject: s\r\n\r\n.\r\n..\r\n.x\r\n")]
    [InlineData("Subject: s\r\n\r\nno end", "Subject: s\r\n\r\nno end\r\n")]
    [InlineData("Subject: s\r\n\r\na\n.\nb\rc\r\r\nd", "Subject: s\r\n\r\na\r\n.\r\nb\r\nc\r\n\r\nd\r\n")]
    [InlineData("Subject: s\r\n\r\nlast is CR\r", "Subject: s\r\n\r\nlast is CR\r\n")]
    [InlineData("Subject: s\r\n\r\nnul\0byte \u00ff\r\n", "Subject: s\r\n\r\nnul\0byte \u00ff\r\n")]
    [InlineData("", "")]
    public void Content_arrives_whole_however_it_is_cut_into_chunks(string content, string expected)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(content);
        foreach (int size in new[] { 1, 2, 7, Math.Max(1, bytes.Length) })
        {
            string to = $"cut{size}@chunk.test";
            using SmtpTalk talk = _rig.Talk().Hello();
            Begin(talk, to);
            for (int at = 0; at < bytes.Length; at += size)
            {
                byte[] piece = bytes[at..Math.Min(bytes.Length, at + size)];
                talk.Send([.. Encoding.ASCII.GetBytes($"BDAT {piece.Length}\r\n"), .. piece]);
                Assert.Equal("250 2.0.0 OK", talk.Read());
            }
            Assert.StartsWith("250 2.0.0 queued as ", talk.Say("BDAT 0 LAST"));
            Assert.Equal(expected, _rig.Arrived(to));
        }
    }

    [Fact]
    public void A_whole_message_in_one_flight_is_answered_in_order_also_octet_by_octet()
    {
        string flight = "MAIL FROM:<s@chunk.test>\r\nRCPT TO:<one@chunk.test>\r\nBDAT 8\r\nSubject:BDAT 10 LAST\r\n x\r\n\r\nQUIT" +
            "MAIL FROM:<s@chunk.test>\r\nRCPT TO:<two@chunk.test>\r\nBDAT 6 LAST\r\nQUIT\r\nQUIT\r\n";
        string[] expected = ["250 2.1.0", "250 2.1.5", "250 2.0.0 OK", "250 2.0.0 queued", "250 2.1.0", "250 2.1.5", "250 2.0.0 queued", "221 2.0.0"];
        foreach (bool drip in new[] { false, true })
        {
            using SmtpTalk talk = _rig.Talk().Hello();
            talk.Socket.NoDelay = true;
            if (drip)
            {
                foreach (char octet in flight)
                {
                    talk.Send(octet.ToString());
                }
            }
            else
            {
                talk.Send(flight);
            }
            Assert.All(expected, start => Assert.StartsWith(start, talk.Read()));
            Assert.True(talk.IsClosed());
        }
        Tool.Until(() => _rig.Sink.Arrivals.Count == 4, 20, () => "four messages");
        Assert.Equal("Subject: x\r\n\r\nQUIT\r\n", _rig.Arrived("one@chunk.test"));
        Assert.Equal("QUIT\r\n", _rig.Arrived("two@chunk.test"));
    }

    [Theory]
    [InlineData("", "503 5.5.1")]
    [InlineData("MAIL FROM:<s@chunk.test>\r\n", "554 5.5.1")]
    [InlineData("MAIL FROM:<s@chunk.test>\r\nRCPT TO:<u@refused.test>\r\n", "554 5.5.1")]
    public void The_octets_of_a_refused_chunk_are_not_commands(string before, string answer)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        talk.Send(before + "BDAT 12\r\nQUIT\r\nQUIT\r\nBDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
        for (int i = 0; i < before.Count(c => c == '\n'); i++)
        {
            Assert.Matches("^(250|550) ", talk.Read());
        }
        Assert.StartsWith(answer, talk.Read());
        Assert.StartsWith("503 5.5.1", talk.Read());
        Assert.Equal("250 2.0.0 OK", talk.Read());
    }

    [Theory]
    [InlineData("RSET", "250 2.0.0 OK")]
    [InlineData("EHLO client.test", "250-relay.test")]
    [InlineData("HELO client.test", "250 relay.test")]
    [InlineData("BDAT x", "501 5.5.4")]
    [InlineData("BDAT 100000 LAST", "552 5.3.4")]
    public void What_ends_a_transaction_between_chunks_gives_the_message_up(string line, string answer)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Begin(talk, "gone@chunk.test");
        Assert.StartsWith("250", talk.Say("BDAT 4000\r\n" + new string('x', 3998)));
        talk.Send(line + "\r\n" + (line.Contains("100000", StringComparison.Ordinal) ? new string('y', 100000) : ""));
        Assert.StartsWith(answer, talk.Read());
        Assert.StartsWith("503 5.5.1", talk.Say("BDAT 0 LAST"));
        Assert.Equal("Subject: next\r\n\r\nx\r\n", _rig.PassThrough(talk, "Subject: next\r\n\r\nx"));
        Assert.DoesNotContain(_rig.Sink.Arrivals, a => a.To.Contains("gone@chunk.test"));
    }

    [Fact]
    public void Chunks_that_add_up_to_too_much_are_refused_in_step()
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Begin(talk, "big@chunk.test");
        for (int i = 0; i < 3; i++)
        {
            Assert.StartsWith("250", talk.Say("BDAT 20000\r\n" + new string('x', 19998)));
        }
        talk.Send("BDAT 20000\r\n" + new string('x', 20000) + "BDAT 20000 LAST\r\n" + new string('x', 20000));
        Assert.StartsWith("552 5.3.4", talk.Read());
        Assert.StartsWith("503 5.5.1", talk.Read());
        Assert.Equal("x\r\n", _rig.PassThrough(talk, "x"));
        Assert.DoesNotContain(_rig.Sink.Arrivals, a => a.To.Contains("big@chunk.test"));
    }

    [Theory]
    [InlineData("BDAT 100\r\nnot all of it")]
    [InlineData("BDAT 4\r\nhalfBDAT 100 LAST\r\nnot all of it")]
    [InlineData("BDAT 4\r\nhalfQUIT\r\n")]
    [InlineData("BDAT 2147483648 LAST\r\nnothing like that")]
    public void A_client_that_leaves_inside_sent_nothing(string bytes)
    {
        using (SmtpTalk talk = _rig.Talk().Hello())
        {
            Begin(talk, "left@chunk.test");
            talk.Send(bytes);
        }
        using SmtpTalk after = _rig.Talk().Hello();
        Assert.Equal("x\r\n", _rig.PassThrough(after, "x"));
        Assert.DoesNotContain(_rig.Sink.Arrivals, a => a.To.Contains("left@chunk.test"));
    }

    [Theory]
    [InlineData("17179869185")]
    [InlineData("9223372036854775808 LAST")]
    [InlineData("18446744073709551615")]
    [InlineData("99999999999999999999 LAST")]
    public void A_count_that_nobody_can_mean_ends_the_session(string count)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        Begin(talk, "huge@chunk.test");
        Assert.StartsWith("552 5.3.4", talk.Say($"BDAT {count}"));
        Assert.True(talk.IsClosed());
    }

    private static void Begin(SmtpTalk talk, string to)
    {
        Assert.StartsWith("250 2.1.0", talk.Say("MAIL FROM:<s@chunk.test>"));
        Assert.StartsWith("250 2.1.5", talk.Say($"RCPT TO:<{to}>"));
    }
}
