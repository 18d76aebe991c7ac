using System.Net;
using System.Text;
using FastRelay.Smtp;

namespace FastRelay.Tests.Smtp.Proxy;

public class ProxyHeaderTests
{
    private const string Signature = "\r\n\r\n\0\r\nQUIT\n";

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1025 25\r\n", "192.0.2.1:1025")]
    [InlineData("PROXY TCP4 255.255.255.255 0.0.0.0 65535 0\r\n", "255.255.255.255:65535")]
    [InlineData("PROXY TCP6 2001:db8::1 2001:DB8:0:0:0:0:0:2 1 25\r\n", "[2001:db8::1]:1")]
    [InlineData("PROXY TCP6 ::ffff:192.0.2.9 ::1 1 25\r\n", "[::ffff:192.0.2.9]:1")]
    [InlineData("PROXY UNKNOWN\r\n", "Unknown")]
    [InlineData("PROXY UNKNOWN \x01 anything at all\r\n", "Unknown")]
    [InlineData(Signature + "\x21\x11\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02\x04\x01\0\x19", "192.0.2.1:1025")]
    [InlineData(Signature + "\x21\x11\0\x10\xC0\0\x02\x01\xC6\x33\x64\x02\x04\x01\0\x19\x04\0\x01x", "192.0.2.1:1025")]
    [InlineData(Signature + "\x21\x21\0\x24\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07\0\x19", "[2001:db8::1]:7")]
    [InlineData(Signature + "\x20\0\0\0", "Local")]
    [InlineData(Signature + "\x20\x11\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02\x04\x01\0\x19", "Local")]
    [InlineData(Signature + "\x20\x11\0\x02xy", "Local")]
    [InlineData(Signature + "\x21\0\0\0", "Unknown")]
    [InlineData(Signature + "\x21\x12\0\x0C\xC0\0\x02\x01\xC6\x33\x64\x02\x04\x01\0\x19", "Unknown")]
    [InlineData(Signature + "\x21\x31\0\u0003abc", "Unknown")]
    public void A_header_is_read_whole_and_never_sooner(string text, string expected)
    {
        byte[] octets = Encoding.Latin1.GetBytes(text + "EHLO x\r\n");
        int whole = text.Length;
        for (int cut = 0; cut <= octets.Length; cut++)
        {
            ProxyStatus status = ProxyHeader.Read(octets.AsSpan(0, cut), out ProxyHeader header, out int length);
            Assert.Equal(cut < whole ? ProxyStatus.NeedMore : ProxyStatus.Ok, status);
            if (status == ProxyStatus.Ok)
            {
                Assert.Equal(whole, length);
                Assert.Equal(expected, header.Client?.ToString() ?? header.Kind.ToString());
            }
        }
    }

    [Theory]
    [InlineData("EHLO x\r\n")]
    [InlineData("\x16\x03\x01")]
    [InlineData("PROXZ")]
    [InlineData("PROXY\t")]
    [InlineData("proxy TCP4 192.0.2.1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY \r\n")]
    [InlineData("PROXY  TCP4 192.0.2.1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY UDP4 192.0.2.1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1025\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1025 25 \r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1025 25 1\r\n")]
    [InlineData("PROXY TCP4 192.0.2.01 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.256 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1.1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP4 ::1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP6 192.0.2.1 198.51.100.2 1025 25\r\n")]
    [InlineData("PROXY TCP6 ::1%lo ::2 1025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 025 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n")]
    [InlineData("PROXY TCP4 192.0.2.1 198.51.100.2 1 \n\r\n")]
    [InlineData("PROXY UNKNOWNX\r\n")]
    [InlineData("\r\n\r\n\0\r\nQUIX")]
    [InlineData(Signature + "\x11\x11\0\x0C")]
    [InlineData(Signature + "\x22\x11\0\x0C")]
    [InlineData(Signature + "\x21\x41\0\x0C")]
    [InlineData(Signature + "\x21\x13\0\x0C")]
    [InlineData(Signature + "\x21\x11\0\x0B")]
    [InlineData(Signature + "\x21\x21\0\x23")]
    public void What_is_no_header_is_told_as_soon_as_that_is_sure(string text)
    {
        byte[] octets = Encoding.Latin1.GetBytes(text);
        Assert.Equal(ProxyStatus.Broken, ProxyHeader.Read(octets, out ProxyHeader header, out _));
        Assert.Equal(default, header);
    }

    [Fact]
    public void A_line_of_107_octets_is_read_and_one_that_goes_on_is_none()
    {
        byte[] line = Encoding.ASCII.GetBytes("PROXY UNKNOWN " + new string('x', ProxyHeader.LineMax - 16) + "\r\n");
        Assert.Equal(ProxyHeader.LineMax, line.Length);
        Assert.Equal(ProxyStatus.Ok, ProxyHeader.Read(line, out _, out int length));
        Assert.Equal(ProxyHeader.LineMax, length);
        byte[] longer = Encoding.ASCII.GetBytes("PROXY UNKNOWN " + new string('x', ProxyHeader.LineMax - 15) + "\r\n");
        Assert.Equal(ProxyStatus.NeedMore, ProxyHeader.Read(longer.AsSpan(0, ProxyHeader.LineMax - 1), out _, out _));
        Assert.Equal(ProxyStatus.Broken, ProxyHeader.Read(longer.AsSpan(0, ProxyHeader.LineMax), out _, out _));
    }

    [Fact]
    public void A_block_at_its_bound_is_read_and_one_past_it_is_none()
    {
        byte[] block = [.. Encoding.Latin1.GetBytes(Signature), 0x21, 0x11, ProxyHeader.BlockMax >> 8, ProxyHeader.BlockMax & 0xFF, .. new byte[ProxyHeader.BlockMax]];
        Assert.Equal(ProxyStatus.NeedMore, ProxyHeader.Read(block.AsSpan(0, block.Length - 1), out _, out _));
        Assert.Equal(ProxyStatus.Ok, ProxyHeader.Read(block, out ProxyHeader header, out int length));
        Assert.Equal(block.Length, length);
        Assert.Equal(new IPEndPoint(IPAddress.Any, 0), header.Client);
        block[15]++;
        Assert.Equal(ProxyStatus.Broken, ProxyHeader.Read(block, out _, out _));
    }
}
