using System.Globalization;
using System.Net;
using System.Text;
using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Content;

public class TraceHeaderTests
{
    private static readonly DateTimeOffset Time = new(2025, 11, 5, 6, 7, 8, TimeSpan.FromMinutes(-210));

    [Theory]
    [InlineData("client.example", "192.0.2.1", "a@b.example", "Received: from client.example ([192.0.2.1])\r\n\tby relay.example with ESMTPS id 1-2\r\n\tfor <a@b.example>;\r\n\tWed, 05 Nov 2025 06:07:08 -0330\r\n")]
    [InlineData("[192.0.2.1]", "::ffff:192.0.2.1", "", "Received: from [192.0.2.1] ([192.0.2.1])\r\n\tby relay.example with ESMTPS id 1-2;\r\n\tWed, 05 Nov 2025 06:07:08 -0330\r\n")]
    [InlineData("x (evil)\r\nBcc: y", "2001:db8::1", "", "Received: from unknown ([IPv6:2001:db8::1])\r\n\tby relay.example with ESMTPS id 1-2;\r\n\tWed, 05 Nov 2025 06:07:08 -0330\r\n")]
    [InlineData("", "fe80::1%3", "jos\u00E9@b", "Received: from unknown ([IPv6:fe80::1])\r\n\tby relay.example with ESMTPS id 1-2;\r\n\tWed, 05 Nov 2025 06:07:08 -0330\r\n")]
    public void The_field_says_from_by_with_id_for_and_when(string name, string peer, string only, string expected)
    {
        var header = new TraceHeader
        {
            EhloName = Encoding.UTF8.GetBytes(name),
            Peer = IPAddress.Parse(peer),
            Host = "relay.example"u8,
            With = WithProtocol.Esmtps,
            Id = "1-2"u8,
            OnlyRecipient = Encoding.UTF8.GetBytes(only),
            Time = Time,
        };
        var buffer = new byte[TraceHeader.OctetsMax];
        Assert.True(header.TryWrite(buffer, out var written));
        Assert.Equal(expected, Encoding.UTF8.GetString(buffer, 0, written));
        Assert.False(header.TryWrite(buffer.AsSpan(0, written - 1), out var none));
        Assert.Equal(0, none);

        var scanner = default(HeaderScanner);
        scanner.Feed(buffer.AsSpan(0, written));
        Assert.Equal((1, written, false), (scanner.ReceivedCount, (int)scanner.HeaderOctets, scanner.HasEnded));
    }

    [Theory]
    [InlineData(WithProtocol.Smtp, " with SMTP ")]
    [InlineData(WithProtocol.Esmtp, " with ESMTP ")]
    [InlineData(WithProtocol.Esmtps, " with ESMTPS ")]
    [InlineData(WithProtocol.Esmtpa, " with ESMTPA ")]
    [InlineData(WithProtocol.Esmtpsa, " with ESMTPSA ")]
    public void The_longest_field_fits_and_no_line_passes_998_octets(WithProtocol with, string expected)
    {
        var label = new string('n', 63);
        var name = Encoding.ASCII.GetBytes($"{label}.{label}.{label}.{label}");
        var header = new TraceHeader
        {
            EhloName = name,
            Peer = IPAddress.Parse("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            Host = name,
            With = with,
            Id = new byte[64].Select(_ => (byte)'i').ToArray(),
            OnlyRecipient = Encoding.ASCII.GetBytes(new string('l', 254)),
            Time = Time,
        };
        var buffer = new byte[TraceHeader.OctetsMax];
        Assert.True(header.TryWrite(buffer, out var written));
        var text = Encoding.ASCII.GetString(buffer, 0, written);
        Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.All(text.Split("\r\n"), line => Assert.True(line.Length <= 998));
    }

    [Fact]
    public void Dates_are_what_the_class_library_reads_back()
    {
        var random = new Random(5);
        Span<byte> buffer = stackalloc byte[MailDate.Length];
        for (var i = 0; i < 5_000; i++)
        {
            var time = new DateTimeOffset(random.NextInt64(new DateTime(1970, 1, 1).Ticks, new DateTime(2200, 1, 1).Ticks) / 10_000_000 * 10_000_000, TimeSpan.FromMinutes(random.Next(-14 * 60, 14 * 60)));
            Assert.True(MailDate.TryFormat(time, buffer, out var written));
            var text = Encoding.ASCII.GetString(buffer[..written]);
            Assert.Equal(time.ToString("ddd, dd MMM yyyy HH:mm:ss ", CultureInfo.InvariantCulture) + time.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal), text);
        }

        Assert.False(MailDate.TryFormat(Time, new byte[30], out _));
    }
}
