using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Text;
using FastRelay.EndToEnd.Rig;

namespace FastRelay.EndToEnd;

/// <summary>8-bit mail to a host without 8BITMIME: Postfix's smtp-sink, and ours for what bounces.</summary>
public sealed class EightBitServerTests
{
    private const string Message = "From: <a@sender.test>\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        + "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: 8bit\r\n\r\n..gr\xFC\xDF \r\n"
        + "--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xFF\xFE\r\n--b--\r\n";

    private const string Converted = "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
        + "--b\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n.gr=FC=DF=20\r\n"
        + "--b\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n//4=\r\n--b--\r\n";

    [Theory]
    [InlineData("convert", Converted)]
    [InlineData("as_is", null)]
    public void A_sink_that_does_not_announce_8BITMIME_gets_what_the_operator_wants(string mode, string? expected)
    {
        string folder = Place.NewFolder("sink");
        Tool.Run("chmod", ["777", folder]).Ok();
        int port = Place.FreePort();
        using Process sink = Tool.Start(Needs.Program("smtp-sink"), ["-u", "nobody", "-8", "-D", Path.Combine(folder, "m."), $"127.0.0.1:{port}", "100"]);
        try
        {
            using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(new IPEndPoint(IPAddress.Loopback, port), $"[deliver]\neight_bit = \"{mode}\"\n")).Start();
            using SmtpTalk talk = relay.Talk().Hello();
            Assert.StartsWith("250", Send(talk, Message));
            relay.WaitForEmptyQueue();
            Tool.Until(() => Directory.GetFiles(folder).Length == 1, 10, () => relay.Log);
            string arrived = Encoding.Latin1.GetString(File.ReadAllBytes(Directory.GetFiles(folder)[0])).Replace("\r\n", "\n", StringComparison.Ordinal);
            expected ??= Message[Message.IndexOf("MIME-Version", StringComparison.Ordinal)..].Replace("\r\n..", "\r\n.", StringComparison.Ordinal);
            Assert.EndsWith(expected.Replace("\r\n", "\n", StringComparison.Ordinal), arrived.TrimEnd('\n') + "\n");
            if (mode == "convert")
            {
                Assert.DoesNotContain(arrived, letter => letter > 127);
            }
        }
        finally
        {
            sink.Kill();
            sink.WaitForExit();
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void What_is_signed_bounces_and_the_size_that_is_said_is_the_size_that_arrives()
    {
        using var sink = new Sink(Place.NewAddress()) { Extensions = ["PIPELINING", "SIZE 100000000"] };
        using RelayProcess relay = new RelayProcess(RelayProcess.SmarthostConfig(sink.EndPoint, "[deliver]\neight_bit = \"convert\"\n")).Start();
        using SmtpTalk talk = relay.Talk().Hello();
        Assert.StartsWith("250", Send(talk, "DKIM-Signature: v=1; a=rsa-sha256\r\n" + Message));
        Arrival bounce = sink.WaitFor(a => a.From.Length == 0);
        Assert.Contains("Status: 5.6.2", bounce.Text, StringComparison.Ordinal);
        Assert.StartsWith("250", Send(talk, Message));
        Arrival arrival = sink.WaitFor(a => a.From == "a@sender.test");
        Assert.EndsWith(Converted, arrival.Text, StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"MAIL FROM:<a@sender.test> SIZE={arrival.Data.Length}"), sink.Commands);
    }

    private static string Send(SmtpTalk talk, string message)
    {
        Assert.StartsWith("250", talk.Say("MAIL FROM:<a@sender.test> BODY=8BITMIME"));
        Assert.StartsWith("250", talk.Say("RCPT TO:<b@far.test>"));
        Assert.StartsWith("354", talk.Say("DATA"));
        return talk.Say(message + ".");
    }
}
