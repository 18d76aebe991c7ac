using System.Text;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Smtp.Paths;

public class MailPathTests
{
    [Fact]
    public void Forward_paths_are_read_as_the_transcript_says()
    {
        foreach (var golden in GoldenFile.Read("paths.txt"))
        {
            var status = MailPath.ParseForward(golden.Input, false, out var path, out var consumed);
            var actual = status == PathStatus.Ok
                ? $"local={Escaped.FromBytes(path.LocalPart)} domain={Escaped.FromBytes(path.Domain)} used={consumed}{(path.IsAddressLiteral ? " literal" : "")}{(path.IsPostmaster ? " postmaster" : "")}"
                : status.ToString();
            Assert.True(golden.Expected.Single() == actual, $"{golden.Name}: {actual}");
            Assert.True(status == PathStatus.Ok || (consumed == 0 && path.Mailbox.IsEmpty), golden.Name);
        }
    }

    [Fact]
    public void Reverse_path_may_be_null_and_may_not_be_a_bare_postmaster()
    {
        Assert.Equal(PathStatus.Ok, MailPath.ParseReverse("<> SIZE=1"u8, false, out var path, out var consumed));
        Assert.True(path.IsNull);
        Assert.False(path.IsPostmaster || path.IsAddressLiteral);
        Assert.Equal(2, consumed);
        Assert.Equal(PathStatus.BadDomain, MailPath.ParseReverse("<postmaster>"u8, false, out _, out _));
        Assert.NotEqual(PathStatus.Ok, MailPath.ParseReverse("<>x"u8, false, out _, out _));
        Assert.NotEqual(PathStatus.Ok, MailPath.ParseReverse("< >"u8, false, out _, out _));
    }

    [Fact]
    public void Mailbox_is_what_is_sent_on_without_the_route()
    {
        Assert.Equal(PathStatus.Ok, MailPath.ParseForward("<@r.example:\"A b\"@Ex.org>"u8, false, out var path, out _));
        Assert.Equal("\"A b\"@Ex.org", Encoding.ASCII.GetString(path.Mailbox));
    }

    [Theory]
    [InlineData("<jos\u00E9@b\u00FCcher.example>", PathStatus.Ok)]
    [InlineData("<\"jos\u00E9 x\"@b>", PathStatus.Ok)]
    [InlineData("<\u6587@\u6587\u5B57.example>", PathStatus.Ok)]
    [InlineData("<a\u0085@b>", PathStatus.InvalidUtf8)]
    [InlineData("<a@b\u0085.c>", PathStatus.InvalidUtf8)]
    public void Non_ASCII_passes_with_SMTPUTF8_and_needs_it(string argument, PathStatus expected)
    {
        var bytes = Encoding.UTF8.GetBytes(argument);
        Assert.Equal(expected, MailPath.ParseForward(bytes, true, out _, out _));
        Assert.Equal(PathStatus.NeedsSmtpUtf8, MailPath.ParseForward(bytes, false, out _, out _));
    }

    [Theory]
    [InlineData("<a\\xFF@b>")]
    [InlineData("<a\\xC3@b>")]
    [InlineData("<a\\xED\\xA0\\x80@b>")]
    [InlineData("<a\\xC0\\x80@b>")]
    [InlineData("<a@b\\xFF.c>")]
    [InlineData("<\"a\\xFF\"@b>")]
    public void Broken_UTF8_is_refused_even_with_SMTPUTF8(string escaped)
        => Assert.Equal(PathStatus.InvalidUtf8, MailPath.ParseForward(Escaped.ToBytes(escaped), true, out _, out _));

    [Fact]
    public void No_prefix_of_a_path_is_a_path()
    {
        byte[] whole = [.. "<@a,@b:\"q\\\"\"@[IPv6:::1]>"u8];
        Assert.Equal(PathStatus.Ok, MailPath.ParseForward(whole, false, out _, out _));
        for (var length = 0; length < whole.Length; length++)
        {
            Assert.NotEqual(PathStatus.Ok, MailPath.ParseForward(whole.AsSpan(0, length), false, out _, out _));
        }
    }
}
