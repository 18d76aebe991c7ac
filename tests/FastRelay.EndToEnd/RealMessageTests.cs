using System.Net;
using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>Real messages by real clients arrive byte for byte, the trace header apart, CRLF-normalised where they were not.</summary>
public sealed class RealMessageTests : IDisposable
{
    private readonly Sink _sink = new(Place.NewAddress());
    private readonly RelayProcess _relay;

    public RealMessageTests() => _relay = new RelayProcess(RelayProcess.SmarthostConfig(_sink.EndPoint)).Start();

    public void Dispose()
    {
        _relay.Dispose();
        _sink.Dispose();
    }

    public static IEnumerable<string> Samples() =>
        Directory.GetFiles(Needs.Where("email-samples"), "msg_*.txt").Order(StringComparer.Ordinal);

    [Fact]
    public void The_e_mail_samples_of_Pythons_test_suite_arrive_byte_for_byte()
    {
        string[] samples = [.. Samples()];
        Assert.True(samples.Length > 40, "the e-mail samples are missing: install the Python test suite (eng/needs --tests)");
        string script = Path.Combine(_relay.Folder, "send.py");
        File.WriteAllText(script, """
            import smtplib, sys
            s = smtplib.SMTP(sys.argv[1], int(sys.argv[2]))
            s.ehlo()
            for i, path in enumerate(sys.argv[3:]):
                data = open(path, 'rb').read()
                s.sendmail('from@example.test', ['m%d@example.test' % i], data)
            s.quit()
            """);
        Tool.Run("python3", [script, $"{_relay.Address}", $"{_relay.Port}", .. samples]).Ok();
        for (int i = 0; i < samples.Length; i++)
        {
            string to = $"m{i}@example.test";
            Arrival arrival = _sink.WaitFor(a => a.To.Contains(to));
            AssertSame(Normalised(AsSmtplibSends(File.ReadAllBytes(samples[i]))), arrival.WithoutTrace, samples[i]);
        }
    }

    [Fact]
    public void The_same_samples_arrive_byte_for_byte_by_swaks()
    {
        string[] samples = [.. Samples()];
        for (int i = 0; i < samples.Length; i++)
        {
            // swaks stuffs dots and puts an end behind the last line itself.
            byte[] message = Normalised(File.ReadAllBytes(samples[i]));
            string file = Path.Combine(_relay.Folder, "swaks.eml");
            File.WriteAllBytes(file, message);
            Tool.Run("swaks", ["--server", $"{_relay.Address}", "--port", $"{_relay.Port}", "--from", "from@example.test", "--to", $"s{i}@example.test", "--data", "@" + file]).Ok();
            string to = $"s{i}@example.test";
            // It takes a mailbox's "From " line for what it is, and leaves it out.
            byte[] sent = message.AsSpan().StartsWith("From "u8) ? message[(message.AsSpan().IndexOf("\r\n"u8) + 2)..] : message;
            AssertSame(sent, WithoutLastEnd(_sink.WaitFor(a => a.To.Contains(to)).WithoutTrace, sent.Length), samples[i]);
        }
    }

    [Fact]
    public void The_same_samples_arrive_byte_for_byte_by_msmtp()
    {
        string[] samples = [.. Samples()];
        for (int i = 0; i < samples.Length; i++)
        {
            string to = $"t{i}@example.test";
            byte[] message = File.ReadAllBytes(samples[i]);
            // msmtp speaks lines as Unix has them, and may not be told to leave the header alone: From and Date are its own.
            Tool.Run("sh", ["-c", $"exec msmtp --host {_relay.Address} --port {_relay.Port} --from from@example.test --domain client.test --set-from-header=off --set-date-header=off --set-msgid-header=off --undisclosed-recipients=off --remove-bcc-headers=off {to} < '{samples[i]}'"]).Ok();
            AssertSame(Normalised(message), _sink.WaitFor(a => a.To.Contains(to)).WithoutTrace, samples[i]);
        }
    }

    [Fact]
    public void MIME_monsters_arrive_byte_for_byte()
    {
        byte[][] monsters =
        [
            Encoding.Latin1.GetBytes("Subject: " + new string('x', 5000) + "\r\n\r\nlong header line\r\n"),
            Encoding.Latin1.GetBytes("Subject: 8bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xe4\xf6\xfc\xff\x80\r\n"),
            Encoding.Latin1.GetBytes("Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n\r\n.\r\n"),
            Encoding.Latin1.GetBytes("\r\nno header at all\r\n"),
            Encoding.Latin1.GetBytes("Subject: long line\r\n\r\n" + new string('y', 200_000) + "\r\n"),
            Encoding.Latin1.GetBytes("Subject: deep\r\n" + string.Concat(Enumerable.Range(0, 200).Select(i => $"Content-Type: multipart/mixed; boundary=\"b{i}\"\r\n\r\n--b{i}\r\n")) + "\r\n"),
            Encoding.Latin1.GetBytes("Subject: folded\r\n\twith tab\r\n  and spaces  \r\nX-Empty:\r\nX-Trail: space \r\n\r\n trailing \t\r\n\r\n\r\n\r\n"),
            [.. Encoding.Latin1.GetBytes("Subject: every octet\r\n\r\n"), .. Enumerable.Range(0, 256).Select(i => (byte)i).Where(b => b is not 10 and not 13), 13, 10],
            Encoding.Latin1.GetBytes("Subject: big\r\n\r\n" + string.Concat(Enumerable.Repeat(".0123456789 abcdefghijklmnopqrstuvwxyz\r\n", 100_000))),
        ];
        using SmtpTalk talk = _relay.Talk().Hello();
        for (int i = 0; i < monsters.Length; i++)
        {
            Assert.StartsWith("250", talk.Say("MAIL FROM:<m@example.test> BODY=8BITMIME"));
            Assert.StartsWith("250", talk.Say($"RCPT TO:<monster{i}@example.test>"));
            Assert.StartsWith("354", talk.Say("DATA"));
            talk.Send(Stuffed(monsters[i]));
            talk.Send(".\r\n");
            Assert.StartsWith("250 2.0.0", talk.Read());
            string to = $"monster{i}@example.test";
            AssertSame(monsters[i], _sink.WaitFor(a => a.To.Contains(to)).WithoutTrace, to);
        }
    }

    [Fact]
    public void Swaks_sends_a_message_with_an_attachment()
    {
        string attachment = Path.Combine(_relay.Folder, "file.bin");
        File.WriteAllBytes(attachment, [.. Enumerable.Range(0, 20_000).Select(i => (byte)(i * 7))]);
        Tool.Run("swaks", ["--server", $"{_relay.Address}", "--port", $"{_relay.Port}", "--from", "swaks@example.test", "--to", "one@example.test,two@other.test",
            "--header", "Subject: by swaks", "--body", "hello from swaks", "--attach", "@" + attachment]).Ok();
        Arrival arrival = _sink.WaitFor(a => a.From == "swaks@example.test");
        Assert.Contains("hello from swaks", arrival.Text);
        Tool.Until(() => _sink.Arrivals.Where(a => a.From == "swaks@example.test").SelectMany(a => a.To).Order().SequenceEqual(["one@example.test", "two@other.test"]), 20, () => _relay.Log);
    }

    [Fact]
    public void Msmtp_sends_a_message()
    {
        Tool.Run("msmtp", ["--host", $"{_relay.Address}", "--port", $"{_relay.Port}", "--from", "msmtp@example.test", "--domain", "client.test", "to@example.test"],
            input: "Subject: by msmtp\n\n.dot\nlast line without end").Ok();
        Arrival arrival = _sink.WaitFor(a => a.From == "msmtp@example.test");
        Assert.EndsWith("\r\n\r\n.dot\r\nlast line without end\r\n", arrival.Text);
    }

    [Fact]
    public void The_trace_header_says_who_gave_the_message_to_whom()
    {
        using SmtpTalk talk = _relay.Talk().Hello();
        talk.Say("MAIL FROM:<t@example.test>");
        talk.Say("RCPT TO:<trace@example.test>");
        talk.Say("DATA");
        string id = talk.Say("Subject: t\r\n\r\nx\r\n.").Split(' ')[^1];
        string text = _sink.WaitFor(a => a.To is ["trace@example.test"]).Text;
        Assert.Matches(@"^Received: from client\.test \(\[127\.0\.0\.1\]\)\r\n\s+by relay\.test[^\r]* with ESMTP id " + id + @"[\s\S]*;\s+\w{3}, \d\d? \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", text);
    }

    /// <summary>smtplib ends octets that do not end in CRLF with one more.</summary>
    private static byte[] AsSmtplibSends(byte[] data) => data.AsSpan().EndsWith("\r\n"u8) ? data : [.. data, 13, 10];

    private static byte[] Normalised(byte[] data)
    {
        string text = Encoding.Latin1.GetString(data).Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n').Replace("\n", "\r\n", StringComparison.Ordinal);
        return Encoding.Latin1.GetBytes(text.EndsWith("\r\n", StringComparison.Ordinal) ? text : text + "\r\n");
    }

    /// <summary>What was sent may have been given one or, without an empty line in it, two more ends of line than the file has.</summary>
    private static byte[] WithoutLastEnd(byte[] data, int length) =>
        data.Length > length && data[length..] is ([13, 10] or [13, 10, 13, 10]) ? data[..length] : data;

    private static byte[] Stuffed(byte[] data)
    {
        string text = Encoding.Latin1.GetString(data).Replace("\r\n.", "\r\n..", StringComparison.Ordinal);
        return Encoding.Latin1.GetBytes(text.StartsWith('.') ? "." + text : text);
    }

    private static void AssertSame(byte[] expected, byte[] actual, string what)
    {
        int common = expected.AsSpan().CommonPrefixLength(actual);
        Assert.True(expected.Length == actual.Length && common == expected.Length,
            $"{what}: sent {expected.Length} octets, {actual.Length} arrived, different from {common} on: "
            + $"...{Encoding.Latin1.GetString(actual.AsSpan(Math.Max(0, common - 40), Math.Min(80, actual.Length - Math.Max(0, common - 40))))}");
    }
}
