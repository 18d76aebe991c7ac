using System.Buffers;
using System.Text;
using FastRelay.Host.Admin;

namespace FastRelay.Tests.Host;

public sealed class SourceMetricsTests
{
    [Fact]
    public void Every_source_has_a_sample_for_each_outcome()
    {
        var page = new ArrayBufferWriter<byte>();
        SourceMetrics.Write([], page);
        Assert.Equal(0, page.WrittenCount);
        SourceMetrics.Write([new SourceFigures("out-1", 3, 2, 1), new SourceFigures("b", 0, 0, 0)], page);
        string[] lines = Encoding.UTF8.GetString(page.WrittenSpan).Split('\n');
        Assert.Equal("# TYPE fastrelay_source_outcomes_total counter", lines[1]);
        Assert.Equal(
            [
                "fastrelay_source_outcomes_total{source=\"out-1\",status=\"delivered\"} 3",
                "fastrelay_source_outcomes_total{source=\"out-1\",status=\"deferred\"} 2",
                "fastrelay_source_outcomes_total{source=\"out-1\",status=\"failed\"} 1",
            ],
            lines[2..5]);
        Assert.Equal((9, ""), (lines.Length, lines[8]));
    }
}
