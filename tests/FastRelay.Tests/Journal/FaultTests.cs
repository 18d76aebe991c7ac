using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>A fixed script runs against a disk whose n-th call fails, for every n; then the power goes, and the journal is opened again.</summary>
public class FaultTests
{
    public enum Trouble
    {
        /// <summary>One call fails.</summary>
        Once,

        /// <summary>From then on every call fails, until the power goes.</summary>
        ForEver,
    }

    [Theory]
    [InlineData(Trouble.Once, 5)]
    [InlineData(Trouble.Once, 28)]
    [InlineData(Trouble.ForEver, 5)]
    [InlineData(Trouble.ForEver, 28)]
    public void What_was_committed_is_there_and_what_was_settled_is_not_whichever_call_fails(Trouble trouble, int errno)
    {
        int calls = int.MaxValue;
        for (int n = 0; n < calls; n++)
        {
            var script = new Script();
            calls = script.Run(n, trouble, errno);
            script.CheckAfterPowerCut();
        }
        Assert.True(calls > 40, "the script is too short to prove anything");
    }

    [Fact]
    public void A_failed_sync_fails_its_group_seals_the_segment_and_the_journal_goes_on_in_the_next()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle kept = rig.Commit(JournalRig.Body(100), "one@example.net");
        bool failed = false;
        rig.Disk.Fault = (action, name) =>
        {
            int errno = !failed && action == DiskAction.Sync ? 5 : 0;
            failed |= errno != 0;
            return errno;
        };
        CommitResult lost = rig.Wait(rig.Begin(JournalRig.Body(100), "two@example.net"));
        Assert.Equal(JournalStatus.Failed, lost.Status);
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        Assert.Equal(2, rig.Journal.Stats.Segments);
        rig.Commit(JournalRig.Body(100), "three@example.net");
        rig.Deliver(kept, 0);
        rig.Settle();
        JournalRig next = rig.Crash(keepUnsynced: true).Open();
        Assert.Equal(["three@example.net"], next.Replayed.Select(static message => message.Recipients[0]));
        Assert.Equal(0, next.Report.DamagedGroups);
    }

    [Fact]
    public void While_the_disk_fails_intake_is_closed_and_it_reopens_by_itself()
    {
        JournalRig rig = new JournalRig().Open();
        bool broken = true;
        rig.Disk.Fault = (action, _) => broken && action is DiskAction.Sync or DiskAction.Write ? 5 : 0;
        Assert.Equal(JournalStatus.Failed, rig.Wait(rig.Begin(JournalRig.Body(100), "one@example.net")).Status);
        Assert.Equal(JournalStatus.Failed, rig.Journal.Admission);
        Assert.False(rig.Journal.HasOutcomeRoom);
        rig.Pass(10_000);
        Assert.Equal(JournalStatus.Failed, rig.Journal.Admission);
        Assert.Equal(JournalStatus.Failed, rig.Wait(rig.Begin(JournalRig.Body(100), "one@example.net")).Status);
        broken = false;
        rig.Pass(3_000);
        Assert.Equal(JournalStatus.Ok, rig.Journal.Admission);
        rig.Commit(JournalRig.Body(100), "two@example.net");
    }

    [Fact]
    public void An_outcome_in_a_failed_group_is_written_again()
    {
        JournalRig rig = new JournalRig().Open();
        MessageHandle one = rig.Commit(JournalRig.Body(100), "one@example.net");
        MessageHandle two = rig.Commit(JournalRig.Body(100), "two@example.net");
        bool failed = false;
        rig.Disk.Fault = (action, _) =>
        {
            int errno = !failed && action == DiskAction.Write ? 28 : 0;
            failed |= errno != 0;
            return errno;
        };
        rig.Deliver(one, 0);
        rig.Defer(two, 77, 2, "451 later", 0);
        Task<CommitResult> lost = rig.Begin(JournalRig.Body(100), "three@example.net").AsTask();
        rig.Settle();
        Assert.Equal(JournalStatus.Failed, lost.Result.Status);
        SeenMessage seen = Assert.Single(rig.Crash().Open().Replayed);
        Assert.Equal("two@example.net", seen.Recipients[0]);
        Assert.Equal("451 later", seen.Reason);
    }

    [Fact]
    public void A_message_with_a_chunk_in_a_failed_group_fails_and_one_without_does_not()
    {
        JournalRig rig = new JournalRig(8 << 20).Open();
        var large = new MessageWriter(rig.Journal);
        large.Begin();
        rig.Fill(large, JournalRig.Body(40_000));
        Task<CommitResult> small = rig.Begin(JournalRig.Body(100), "small@example.net").AsTask();
        bool failed = false;
        rig.Disk.Fault = (action, _) =>
        {
            int errno = !failed && action == DiskAction.Sync ? 5 : 0;
            failed |= errno != 0;
            return errno;
        };
        rig.Manual.Settle();
        Task<CommitResult> later = rig.Begin(JournalRig.Body(100), "later@example.net").AsTask();
        Task<CommitResult> broken = large.CommitAsync(JournalRig.Envelope("s@example.org", "large@example.net")).AsTask();
        rig.Settle();
        Assert.Equal(JournalStatus.Failed, small.Result.Status);
        Assert.Equal(JournalStatus.Failed, broken.Result.Status);
        Assert.Equal(JournalStatus.Ok, later.Result.Status);
        Assert.Equal(["later@example.net"], rig.Crash().Open().Replayed.Select(static message => message.Recipients[0]));
    }

    /// <summary>Mail small and large, outcomes, holds, over several segments.</summary>
    private sealed class Script
    {
        private readonly JournalRig _rig = new();
        private readonly Dictionary<MessageId, byte[]> _live = [];
        private readonly HashSet<MessageId> _settled = [];
        private readonly List<(MessageId Id, MessageHandle Handle)> _handles = [];

        public int Run(int failAt, Trouble trouble, int errno)
        {
            _rig.Open();
            int calls = 0;
            _rig.Disk.Fault = (_, _) =>
            {
                int n = calls++;
                return n == failAt || (trouble == Trouble.ForEver && n > failAt) ? errno : 0;
            };
            for (int i = 0; i < 24; i++)
            {
                Add(i % 6 == 5 ? 200_000 : 27_000 + (i * 100), i);
                if (i % 3 == 2)
                {
                    Settle(_handles[0]);
                    _handles.RemoveAt(0);
                }
                _rig.Pass(500);
            }
            return calls;
        }

        public void CheckAfterPowerCut()
        {
            JournalRig next = _rig.Crash().Open();
            Dictionary<MessageId, SeenMessage> found = next.Replayed.ToDictionary(static message => message.Id);
            foreach ((MessageId id, byte[] body) in _live)
            {
                Assert.True(found.TryGetValue(id, out SeenMessage? message), "a committed message is lost");
                Assert.Equal(BodyStatus.Ok, next.Read(message.Handle, out byte[] read));
                Assert.Equal(body, read);
            }
            foreach (MessageId id in _settled)
            {
                Assert.False(found.ContainsKey(id), "a settled message came back");
            }
            Assert.Equal(0, next.Report.DamagedGroups);
            next.Commit(JournalRig.Body(10), "after@example.net");
        }

        private void Add(int length, int seed)
        {
            byte[] body = JournalRig.Body(length, seed);
            CommitResult result = _rig.Wait(_rig.Begin(out MessageId id, body, "one@example.net"));
            if (result.Status == JournalStatus.Ok)
            {
                _live.Add(id, body);
                _handles.Add((id, result.Message));
            }
            else
            {
                // The first is settled by turns: keep the list long enough whatever fails.
                _handles.Add((default, MessageHandle.None));
            }
        }

        private void Settle((MessageId Id, MessageHandle Handle) message)
        {
            if (!message.Handle.IsValid)
            {
                return;
            }
            _rig.Deliver(message.Handle, 0);
            _rig.Settle();
            _live.Remove(message.Id);
            if (_rig.Journal.HasOutcomeRoom)
            {
                // Its outcome is durable: nothing is staged, and nothing failed.
                _settled.Add(message.Id);
            }
        }
    }
}
