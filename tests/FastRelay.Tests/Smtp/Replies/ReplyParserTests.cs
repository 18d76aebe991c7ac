using System.Text;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Smtp.Replies;

public class ReplyParserTests
{
    [Fact]
    public void Text_is_cut_at_the_callers_bound_and_never_inside_a_character()
    {
        byte[] reply = Encoding.UTF8.GetBytes("550-5.1.1 \u20AC\u20AC\r\n550 more\r\n");
        for (var bound = 0; bound < 24; bound++)
        {
            var expected = bound switch { < 9 => "5.1.1 "[..Math.Min(bound, 6)], < 12 => "5.1.1 \u20AC", _ => "5.1.1 \u20AC\u20AC more" };
            foreach (var cut in Cuts.Of(reply.Length))
            {
                var lines = Drivers.Replies(reply, cut, new ReplyParser(), bound);
                var bytes = Encoding.UTF8.GetBytes(expected);
                Assert.Equal($"550 5.1.1 multi |{Escaped.FromBytes(bytes.AsSpan(0, Math.Min(bound, bytes.Length)))}|", Assert.Single(lines));
            }
        }
    }

    [Fact]
    public void An_endless_line_is_swallowed_and_then_refused()
    {
        var parser = new ReplyParser();
        var junk = new byte[4096];
        junk.AsSpan().Fill((byte)'x');
        "250 "u8.CopyTo(junk);
        var text = new byte[512];
        for (var fed = junk.Length; fed <= ReplyParser.TotalOctetsUsual; fed += junk.Length)
        {
            Assert.Equal(ReplyStatus.NeedMore, parser.Feed(junk, text, out var consumed));
            Assert.Equal(junk.Length, consumed);
        }

        Assert.Equal(ReplyStatus.Bad, parser.Feed(junk, text, out _));
        Assert.Equal(ReplyStatus.Bad, parser.Feed("250 ok\r\n"u8, text, out _));
        parser.Reset();
        Assert.Equal(ReplyStatus.Complete, parser.Feed("250 ok\r\n"u8, text, out _));
        Assert.Equal("ok", Encoding.ASCII.GetString(text, 0, parser.TextLength));
    }

    [Fact]
    public void Capabilities_survive_odd_spelling_and_every_cut()
    {
        var reply = "250-mx.example PIPELINING is only a greeting here\r\n250-size 35882577\r\n250-8bitMIME\r\n250-StartTLS\r\n250-AUTH=LOGIN\r\n250-AUTH PLAIN XOAUTH2 FOO  CRAM-MD5\r\n250-CHUNKING \r\n250-X-EXPS\r\n250-DSN\r\n250-ENHANCEDSTATUSCODES\r\n250 SMTPUTF8\r\n"u8.ToArray();
        foreach (var cut in Cuts.Of(reply.Length))
        {
            var parser = new ReplyParser();
            var seen = default(EhloCapabilities);
            var (from, to, status) = (0, 0, ReplyStatus.NeedMore);
            foreach (var piece in cut)
            {
                to += piece;
                status = parser.Feed(reply.AsSpan(from, to - from), new byte[64], ref seen, out var consumed);
                from += consumed;
            }

            Assert.Equal(ReplyStatus.Complete, status);
            Assert.True(seen.Has(SmtpExtensions.Size | SmtpExtensions.EightBitMime | SmtpExtensions.StartTls | SmtpExtensions.Auth | SmtpExtensions.Chunking | SmtpExtensions.Dsn | SmtpExtensions.EnhancedStatusCodes | SmtpExtensions.SmtpUtf8));
            Assert.False(seen.Has(SmtpExtensions.Pipelining));
            Assert.Equal(35882577, seen.SizeMax);
            Assert.Equal(AuthMechanisms.Login | AuthMechanisms.Plain | AuthMechanisms.XOAuth2 | AuthMechanisms.CramMd5, seen.Auth);
        }
    }

    [Theory]
    [InlineData("502-no\r\n502 PIPELINING\r\n", SmtpExtensions.None, 0)]
    [InlineData("250-a\r\n250 SIZE\r\n", SmtpExtensions.Size, 0)]
    [InlineData("250-a\r\n250 SIZE x\r\n", SmtpExtensions.Size, 0)]
    [InlineData("250-a\r\n250 SIZE 9999999999999999999999\r\n", SmtpExtensions.Size, 0)]
    [InlineData("250 PIPELINING\r\n", SmtpExtensions.None, 0)]
    [InlineData("250-a\r\n250 PIPELININGX\r\n", SmtpExtensions.None, 0)]
    public void Capabilities_come_only_from_the_list_of_an_accepted_EHLO(string reply, SmtpExtensions extensions, long size)
    {
        var parser = new ReplyParser();
        var seen = default(EhloCapabilities);
        Assert.Equal(ReplyStatus.Complete, parser.Feed(Encoding.ASCII.GetBytes(reply), new byte[64], ref seen, out _));
        Assert.Equal((extensions, size), (seen.Extensions, seen.SizeMax));
    }
}
