using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class CommitOrderTests
{
    private readonly List<DiskAction> _actions = [];

    [Fact]
    public void No_commit_completes_before_the_sync_of_its_group_returned()
    {
        JournalRig rig = Watch(new JournalRig().Open());
        Task<CommitResult> commit = rig.Begin(JournalRig.Body(500), "one@example.net").AsTask();
        rig.Manual.Settle();
        Assert.False(commit.IsCompleted);
        Assert.Empty(_actions);
        Assert.True(rig.Disk.RunWriteJob());
        Assert.Equal([DiskAction.Write, DiskAction.Sync], _actions);
        Assert.False(commit.IsCompleted);
        rig.Manual.Settle();
        Assert.True(commit.IsCompleted);
    }

    [Fact]
    public void Messages_that_come_during_a_sync_share_the_next_one_and_are_answered_in_order()
    {
        JournalRig rig = Watch(new JournalRig().Open());
        var order = new List<int>();
        Task first = Follow(rig, 0, order);
        rig.Manual.Settle();
        var others = new List<Task>();
        for (int i = 1; i <= 50; i++)
        {
            others.Add(Follow(rig, i, order));
        }
        rig.Manual.Settle();
        Assert.Empty(order);
        rig.Disk.RunWriteJob();
        rig.Manual.Settle();
        Assert.True(first.IsCompleted);
        Assert.Equal([0], order);
        rig.Disk.RunWriteJob();
        rig.Manual.Settle();
        Assert.All(others, static task => Assert.True(task.IsCompleted));
        Assert.Equal(Enumerable.Range(0, 51), order);
        Assert.Equal(2, _actions.Count(static action => action == DiskAction.Sync));
        Assert.Equal(2, rig.Journal.Stats.Groups);
        Assert.Equal(51, rig.Journal.Stats.Records);
    }

    [Fact]
    public void Nothing_of_a_group_is_written_while_the_sync_of_the_one_before_is_under_way()
    {
        JournalRig rig = new JournalRig(8 << 20).Open();
        byte[] body = JournalRig.Body(28 * 1024);
        var commits = new List<Task<CommitResult>>();
        for (int i = 0; i < 100; i++)
        {
            commits.Add(rig.Begin(body, "one@example.net").AsTask());
        }
        Watch(rig);
        int syncs = 0;
        while (rig.Manual.Loop.Turn(false) | rig.Disk.HasJobs)
        {
            rig.Manual.Settle();
            if (!rig.Disk.RunWriteJob())
            {
                break;
            }
            syncs++;
        }
        Assert.True(syncs > 2);
        for (int i = 0; i < _actions.Count; i += 2)
        {
            Assert.Equal(DiskAction.Write, _actions[i]);
            Assert.Equal(DiskAction.Sync, _actions[i + 1]);
        }
        Assert.All(commits, static commit => Assert.Equal(JournalStatus.Ok, commit.Result.Status));
    }

    [Fact]
    public void Mail_waits_for_room_in_staging_and_outcomes_do_not()
    {
        JournalRig rig = new JournalRig(32 << 20).Open();
        MessageHandle early = rig.Commit(JournalRig.Body(10), "one@example.net");
        byte[] body = JournalRig.Body(28 * 1024);
        var commits = new List<Task<CommitResult>>();
        for (int i = 0; i < 1000; i++)
        {
            commits.Add(rig.Begin(body, "one@example.net").AsTask());
        }
        rig.Manual.Settle();
        rig.Defer(early, 99, 1, "later", 0);
        rig.Deliver(early, 0);
        Assert.DoesNotContain(commits, static commit => commit.IsCompleted);
        rig.Settle();
        Assert.All(commits, static commit => Assert.Equal(JournalStatus.Ok, commit.Result.Status));
        Assert.Equal(1000, rig.Journal.Stats.Messages);
    }

    [Fact]
    public void Without_sync_nothing_is_synced()
    {
        JournalRig rig = Watch(new JournalRig(sync: SyncMode.None).Open());
        rig.Commit(JournalRig.Body(500), "one@example.net");
        Assert.DoesNotContain(DiskAction.Sync, _actions);
        Assert.Equal(0, rig.Journal.Stats.Syncs);
    }

    [Fact]
    public void A_new_segment_is_headed_named_and_its_directory_synced_before_it_takes_a_group()
    {
        JournalRig rig = new JournalRig().Open();
        var renamed = new List<int>();
        rig.Disk.Did = (action, name) =>
        {
            if (action == DiskAction.Rename && name.EndsWith(".seg", StringComparison.Ordinal))
            {
                renamed.Add(_actions.Count);
            }
            _actions.Add(action);
        };
        while (rig.Journal.Stats.Segments == 1)
        {
            rig.Commit(JournalRig.Body(28 * 1024), "one@example.net");
        }
        int at = Assert.Single(renamed);
        Assert.Equal([DiskAction.Write, DiskAction.Sync, DiskAction.Rename, DiskAction.SyncDirectory], _actions.Skip(at - 2).Take(4));
        Assert.Equal(1, _actions.Skip(at).Count(static action => action == DiskAction.Write));
    }

    private static async Task Follow(JournalRig rig, int number, List<int> order)
    {
        await rig.Begin(JournalRig.Body(100), "one@example.net");
        order.Add(number);
    }

    private JournalRig Watch(JournalRig rig)
    {
        rig.Disk.Did = (action, _) => _actions.Add(action);
        return rig;
    }
}
