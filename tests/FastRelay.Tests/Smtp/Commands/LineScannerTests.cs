using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Commands;

public class LineScannerTests
{
    [Fact]
    public void Swallowing_an_overlong_line_consumes_what_is_there_and_reports_once()
    {
        var scanner = default(LineScanner);
        var junk = new byte[10_000];
        junk.AsSpan().Fill((byte)'x');
        Assert.Equal(ScanStatus.NeedMore, scanner.Next(junk, 512, out _, out var consumed));
        Assert.Equal(junk.Length, consumed);
        Assert.Equal(ScanStatus.NeedMore, scanner.Next(junk, 512, out _, out consumed));
        Assert.Equal(junk.Length, consumed);
        Assert.Equal(ScanStatus.NeedMore, scanner.Next("QUIT\r"u8, 512, out _, out consumed));
        Assert.Equal(5, consumed);
        Assert.Equal(ScanStatus.NeedMore, scanner.Next([], 512, out _, out consumed));
        Assert.Equal(ScanStatus.TooLong, scanner.Next("\nRSET\r\n"u8, 512, out _, out consumed));
        Assert.Equal(1, consumed);
        Assert.Equal(ScanStatus.Line, scanner.Next("RSET\r\n"u8, 512, out var length, out consumed));
        Assert.Equal((4, 6), (length, consumed));
    }

    [Fact]
    public void Reset_forgets_a_half_read_and_a_half_swallowed_line()
    {
        var scanner = default(LineScanner);
        Assert.Equal(ScanStatus.NeedMore, scanner.Next("long line without end"u8, 10, out _, out _));
        scanner.Reset();
        Assert.Equal(ScanStatus.NeedMore, scanner.Next("NOOP"u8, 10, out _, out var consumed));
        Assert.Equal(0, consumed);
        scanner.Reset();
        Assert.Equal(ScanStatus.Line, scanner.Next("R\r\n"u8, 10, out var length, out _));
        Assert.Equal(1, length);
    }
}
