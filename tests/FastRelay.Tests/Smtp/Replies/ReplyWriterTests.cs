using System.Text;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;
using ServerReplies = FastRelay.Smtp.Replies;

namespace FastRelay.Tests.Smtp.Replies;

public class ReplyWriterTests
{
    [Fact]
    public void Greeting_and_queued_carry_our_name_and_id()
    {
        var buffer = new byte[512];
        var writer = new ReplyWriter(buffer);
        writer.Greeting("relay.example"u8);
        writer.QueuedAs("0000001-2"u8);
        writer.Helo("relay.example"u8);
        writer.Fixed(ServerReplies.Bye);
        Assert.False(writer.Overflowed);
        Assert.Equal(
            "220 relay.example ESMTP FastRelay\r\n250 2.0.0 queued as 0000001-2\r\n250 relay.example\r\n221 2.0.0 Bye\r\n",
            Encoding.ASCII.GetString(buffer, 0, writer.Written));
    }

    [Fact]
    public void EHLO_lists_what_is_offered_and_the_client_side_reads_it_back()
    {
        var buffer = new byte[1024];
        for (var bits = 0; bits < 1 << 11; bits++)
        {
            var offered = (SmtpExtensions)bits;
            var writer = new ReplyWriter(buffer);
            writer.Ehlo("relay.example"u8, offered, 1000, AuthMechanisms.Plain | AuthMechanisms.ScramSha256);
            Assert.False(writer.Overflowed);
            var parser = new ReplyParser();
            var seen = default(EhloCapabilities);
            Assert.Equal(ReplyStatus.Complete, parser.Feed(buffer.AsSpan(0, writer.Written), new byte[512], ref seen, out var consumed));
            Assert.Equal(writer.Written, consumed);
            Assert.Equal(250, parser.Code);
            Assert.Equal(offered, seen.Extensions);
            Assert.Equal((offered & SmtpExtensions.Size) != 0 ? 1000 : 0, seen.SizeMax);
            Assert.Equal((offered & SmtpExtensions.Auth) != 0 ? AuthMechanisms.Plain | AuthMechanisms.ScramSha256 : AuthMechanisms.None, seen.Auth);
        }
    }

    [Fact]
    public void EHLO_looks_as_written_here()
    {
        var buffer = new byte[1024];
        var writer = new ReplyWriter(buffer);
        writer.Ehlo("relay.example"u8, SmtpExtensions.Pipelining | SmtpExtensions.Size | SmtpExtensions.StartTls | SmtpExtensions.EnhancedStatusCodes | SmtpExtensions.EightBitMime, 52428800, default);
        Assert.Equal(
            "250-relay.example\\r\\n250-PIPELINING\\r\\n250-SIZE 52428800\\r\\n250-STARTTLS\\r\\n250-ENHANCEDSTATUSCODES\\r\\n250 8BITMIME\\r\\n",
            Escaped.FromBytes(buffer.AsSpan(0, writer.Written)));
    }

    [Fact]
    public void A_reply_that_does_not_fit_is_left_out_whole()
    {
        var buffer = new byte[60];
        for (var room = 0; room <= buffer.Length; room++)
        {
            var writer = new ReplyWriter(buffer.AsSpan(0, room));
            writer.Fixed(ServerReplies.Ok);
            writer.Ehlo("relay.example"u8, SmtpExtensions.Pipelining, 0, default);
            writer.Fixed(ServerReplies.Ok);
            Assert.Contains(writer.Written, new[] { 0, 14, 28, 49 });
            Assert.Equal(room < 14 + 35 + 14, writer.Overflowed);
        }
    }
}
