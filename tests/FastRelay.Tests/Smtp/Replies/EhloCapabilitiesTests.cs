using FastRelay.Smtp;
using Xunit;

namespace FastRelay.Tests.Smtp.Replies;

public class EhloCapabilitiesTests
{
    [Theory]
    [InlineData("SIZE 100", 100, false, OutcomeCause.None)]
    [InlineData("SIZE 100", 101, false, OutcomeCause.TooBig)]
    [InlineData("SIZE 100", 101, true, OutcomeCause.TooBig)]
    [InlineData("SIZE 100", 100, true, OutcomeCause.NotSupported)]
    [InlineData("SIZE 0", long.MaxValue, false, OutcomeCause.None)]
    [InlineData("SIZE", long.MaxValue, false, OutcomeCause.None)]
    [InlineData("PIPELINING", 101, false, OutcomeCause.None)]
    [InlineData("SMTPUTF8", 101, true, OutcomeCause.None)]
    public void What_a_server_cannot_have_is_known_before_it_is_asked(string offered, long bytes, bool utf8, OutcomeCause hindrance)
    {
        var capabilities = default(EhloCapabilities);
        capabilities.OnLine(250, 0, "host.test"u8);
        capabilities.OnLine(250, 1, System.Text.Encoding.ASCII.GetBytes(offered));
        Assert.Equal(hindrance, capabilities.HindranceTo(bytes, utf8));
    }
}
