using System.Text;
using FastRelay.Smtp;
using FastRelay.Tests.Golden;
using Xunit;

namespace FastRelay.Tests.Smtp.Content;

public class HeaderScannerTests
{
    [Theory]
    [InlineData("Received: a\r\n\tReceived: b\r\nreceived : c\r\nX-Received: d\r\n\r\nReceived: e\r\n", 2, 56, true)]
    [InlineData("\r\nReceived: body\r\n", 0, 0, true)]
    [InlineData("Received", 0, 8, false)]
    [InlineData("RECEIVED:", 1, 9, false)]
    [InlineData("Received\r\n: x\r\n", 0, 15, false)]
    [InlineData("", 0, 0, false)]
    [InlineData("..Received: x\r\n\r\n", 0, 15, true)]
    public void Received_counts_at_the_start_of_a_header_line_only(string stored, int received, long octets, bool ended)
    {
        var bytes = Encoding.ASCII.GetBytes(stored);
        foreach (var cut in Cuts.Of(bytes.Length))
        {
            var scanner = default(HeaderScanner);
            var at = 0;
            foreach (var piece in cut)
            {
                scanner.Feed(bytes.AsSpan(at, piece));
                at += piece;
            }

            Assert.Equal((received, octets, ended), (scanner.ReceivedCount, scanner.HeaderOctets, scanner.HasEnded));
        }
    }
}
