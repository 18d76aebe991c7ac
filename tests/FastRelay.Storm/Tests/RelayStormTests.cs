using Xunit.Abstractions;

namespace FastRelay.Storm.Tests;

public class RelayStormTests(ITestOutputHelper output)
{
    [Fact]
    public void A_relay_keeps_its_promises_over_the_seeds()
    {
        var faults = new SimFaults();
        var broken = new List<string>();
        StormRunner.Run(journal: false, Seeds.Of(first: 1, count: 100), faults, broken.Add);
        output.WriteLine(faults.ToString());
        Assert.Empty(broken);
    }
}
