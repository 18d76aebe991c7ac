using System.Runtime.CompilerServices;
using System.Text;
using FastRelay.Queue;
using Xunit;

namespace FastRelay.Tests.Queue;

public class EntryTests
{
    [Fact]
    public void An_entry_is_forty_bytes() => Assert.Equal(40, Unsafe.SizeOf<Entry>());

    [Fact]
    public void Freed_entries_are_used_again_and_come_back_empty()
    {
        var slab = new EntrySlab();
        int[] handles = [.. Enumerable.Range(0, 10_000).Select(_ => slab.Allocate())];
        Assert.Equal(10_000, handles.Distinct().Count());
        Assert.DoesNotContain(0, handles);
        foreach (int handle in handles)
        {
            slab[handle].State = EntryState.Held;
            slab[handle].Attempts = 9;
            slab.Release(handle);
        }
        Assert.Equal(0, slab.Count);
        int again = slab.Allocate();
        Assert.Contains(again, handles);
        Assert.Equal((0, EntryState.Free), (slab[again].Attempts, slab[again].State));
    }

    [Fact]
    public void An_entry_is_not_freed_twice()
    {
        var slab = new EntrySlab();
        int handle = slab.Allocate();
        slab[handle].State = EntryState.Ready;
        slab.Release(handle);
        Assert.Throws<CheckFailedException>(() => slab.Release(handle));
    }

    [Fact]
    public void A_list_behaves_like_a_list()
    {
        var random = new Random(3);
        var slab = new EntrySlab();
        var list = default(EntryList);
        var twin = new LinkedList<int>();
        for (int i = 0; i < 5_000; i++)
        {
            int choice = random.Next(5);
            if (choice < 2 || twin.Count == 0)
            {
                int handle = slab.Allocate();
                list.AddLast(slab, handle);
                twin.AddLast(handle);
            }
            else if (choice == 2)
            {
                int handle = slab.Allocate();
                list.Add(slab, handle, ReadyPlace.First);
                twin.AddFirst(handle);
            }
            else
            {
                int handle = twin.ElementAt(random.Next(twin.Count));
                list.Remove(slab, handle);
                twin.Remove(handle);
            }
            Assert.Equal(twin.Count, list.Count);
            Assert.Equal(twin.First?.Value ?? 0, list.First);
        }
        var forward = new List<int>();
        for (int handle = list.First; handle != 0; handle = slab[handle].Next)
        {
            forward.Add(handle);
        }
        Assert.Equal(twin, forward);
    }

    [Fact]
    public void Slots_of_messages_far_apart_are_kept()
    {
        var messages = new MessageEntries();
        Assert.Equal(0, messages[5]);
        Assert.Equal(0, messages[5_000_000]);
        messages[1_000_000] = 7;
        messages[3] = 8;
        Assert.Equal((7, 8, 0), (messages[1_000_000], messages[3], messages[999_999]));
    }

    [Fact]
    public void Equal_reasons_are_one_text_and_old_ones_give_way()
    {
        var reasons = new ReasonTable();
        int first = reasons.Add("451 try later"u8);
        Assert.Equal(first, reasons.Add("451 try later"u8));
        Assert.Equal("451 try later", Encoding.ASCII.GetString(reasons.Text(first)));
        Assert.True(reasons.Text(0).IsEmpty);
        int last = 0;
        for (int i = 0; i < 5_000; i++)
        {
            last = reasons.Add(Encoding.ASCII.GetBytes($"451 number {i}"));
        }
        Assert.True(reasons.Text(first).IsEmpty);
        Assert.Equal("451 number 4999", Encoding.ASCII.GetString(reasons.Text(last)));
        Assert.NotEqual(first, reasons.Add("451 try later"u8));
        Assert.Equal(ReasonTable.TextBytes, reasons.Text(reasons.Add(new byte[1000])).Length);
    }

    [Fact]
    public void Known_reasons_allocate_nothing()
    {
        var reasons = new ReasonTable();
        reasons.Add("451 try later"u8);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
        {
            reasons.Add("451 try later"u8);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Waits_stay_within_the_jitter_and_follow_the_schedule()
    {
        var options = new QueueOptions();
        var random = new Random(5);
        long[] schedule = [300_000, 600_000, 1_200_000, 2_400_000, 3_600_000, 7_200_000, 7_200_000];
        for (int attempt = 1; attempt <= schedule.Length; attempt++)
        {
            long least = long.MaxValue;
            long most = 0;
            for (int i = 0; i < 2_000; i++)
            {
                long wait = options.RetryAfterMs(attempt, random);
                least = Math.Min(least, wait);
                most = Math.Max(most, wait);
                Assert.True(options.RetryAfterMs(attempt, random, inDoubt: true) >= schedule[attempt - 1]);
            }
            Assert.InRange(least, schedule[attempt - 1] * 80 / 100, schedule[attempt - 1] * 82 / 100);
            Assert.InRange(most, schedule[attempt - 1] * 118 / 100, schedule[attempt - 1] * 120 / 100);
        }
        Assert.Equal(8_640_000, options.LongestWaitMs);
    }

    [Fact]
    public void Backoff_doubles_up_to_its_cap()
    {
        var options = new QueueOptions { Jitter = 0 };
        long[] waits = [.. Enumerable.Range(1, 8).Select(failures => options.BackoffMs(30_000, 600_000, failures, new Random(1)))];
        Assert.Equal([30_000, 60_000, 120_000, 240_000, 480_000, 600_000, 600_000, 600_000], waits);
        Assert.Equal(600_000, options.BackoffMs(30_000, 600_000, int.MaxValue, new Random(1)));
    }
}
