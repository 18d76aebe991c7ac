namespace FastRelay.Storm.Tests;

public class JournalStormTests
{
    [Fact]
    public void A_journal_keeps_what_it_promised_over_the_seeds()
    {
        var faults = new SimFaults();
        foreach (ulong seed in Seeds.Of(first: 1, count: 30))
        {
            var first = new JournalStorm(seed);
            first.Run();
            var second = new JournalStorm(seed);
            second.Run();
            Assert.True(first.Universe.Trace.Hash == second.Universe.Trace.Hash, $"seed {seed} has two traces");
            faults.Add(first.Universe.Faults);
        }
        Console.WriteLine(faults);
    }

    [Fact]
    public void A_commit_that_is_reported_before_its_sync_is_noticed() =>
        Seeds.Noticed("acknowledged", static seed => new JournalStorm(seed, new DiskProfile { LieAboutSync = true }).Run());

    [Fact]
    public void A_sync_error_that_is_not_looked_at_is_noticed() =>
        Seeds.Noticed("", static seed => new JournalStorm(seed, new DiskProfile { SyncErrorOneIn = 20, HideSyncErrors = true }).Run());

    [Fact]
    public void A_missing_directory_sync_is_noticed() =>
        Seeds.Noticed("", static seed => new JournalStorm(seed, new DiskProfile { LieAboutDirectorySync = true }).Run());
}
