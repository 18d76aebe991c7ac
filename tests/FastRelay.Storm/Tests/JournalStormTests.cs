using Xunit.Abstractions;

namespace FastRelay.Storm.Tests;

public class JournalStormTests(ITestOutputHelper output)
{
    [Fact]
    public void A_journal_keeps_what_it_promised_over_the_seeds()
    {
        var faults = new SimFaults();
        var broken = new List<string>();
        StormRunner.Run(journal: true, Seeds.Of(first: 1, count: 30), faults, broken.Add);
        output.WriteLine(faults.ToString());
        Assert.Empty(broken);
    }

    [Fact]
    public void A_commit_that_is_reported_before_its_sync_is_noticed() =>
        Seeds.Noticed("was acknowledged and is lost", static seed => new JournalStorm(seed, new DiskProfile { LieAboutSync = true }).Run());

    [Fact]
    public void A_sync_error_that_is_not_looked_at_is_noticed() =>
        Seeds.Noticed("was acknowledged and is lost", static seed => new JournalStorm(seed, new DiskProfile { SyncErrorOneIn = 20, HideSyncErrors = true }).Run());

    [Fact]
    public void A_missing_directory_sync_is_noticed() =>
        Seeds.Noticed("was acknowledged and is lost", static seed => new JournalStorm(seed, new DiskProfile { LieAboutDirectorySync = true }).Run());
}
