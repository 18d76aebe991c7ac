using Xunit.Abstractions;

namespace FastRelay.Storm.Tests;

public class RelayStormTests(ITestOutputHelper output)
{
    [Fact]
    public void A_relay_keeps_its_promises_over_the_seeds()
    {
        var faults = new SimFaults();
        var broken = new List<string>();
        ulong[] seeds = [.. Seeds.Of(first: 1, count: StormCoverage.Seeds)];
        StormRunner.Run(journal: false, seeds, faults, broken.Add);
        output.WriteLine(faults.ToString());
        Assert.Empty(broken);
        Assert.Empty(seeds.Length < StormCoverage.Seeds ? [] : StormCoverage.Missing(faults));
    }
}
