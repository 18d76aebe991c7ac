using FastRelay.EndToEnd.Rig;
using FastRelay.Tests.Receive.Rig;

namespace FastRelay.Tests.Receive;

/// <summary>What counts against <c>message_bytes</c>: the message, and not what the dots of transparency add to it.</summary>
public sealed class SizeSocketTests : IDisposable
{
    private readonly RelayRig _rig = new("[[relay_for]]\nnetworks = [\"127.0.0.0/8\"]\n[limits]\nmessage_bytes = \"1KiB\"\n");

    public void Dispose() => _rig.Dispose();

    [Theory]
    [InlineData(204, "250 2.0.0")]
    [InlineData(205, "552 5.3.4")]
    public void Dots_that_are_doubled_on_the_wire_count_once(int lines, string told)
    {
        using SmtpTalk talk = _rig.Talk().Hello();
        // An empty header, and lines of five octets: 2 + 5 * 204 is 1,022.
        talk.Say("MAIL FROM:<a@b.test>");
        talk.Say("RCPT TO:<c@d.test>");
        talk.Say("DATA");
        talk.Send("\r\n" + string.Concat(Enumerable.Repeat("..xx\r\n", lines)) + ".\r\n");
        Assert.StartsWith(told, talk.Read());
        talk.Say("MAIL FROM:<a@b.test>");
        talk.Say("RCPT TO:<c@d.test>");
        string content = "\r\n" + string.Concat(Enumerable.Repeat(".xx\r\n", lines));
        Assert.StartsWith(told, talk.Say($"BDAT {content.Length} LAST\r\n{content[..^2]}"));
    }
}
