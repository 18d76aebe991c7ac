using System.Runtime.CompilerServices;
using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

public class IndexTests
{
    [Fact]
    public void An_entry_is_64_bytes() => Assert.Equal(64, Unsafe.SizeOf<IndexEntry>());

    [Theory]
    [InlineData(1ul)]
    [InlineData(256ul)]
    [InlineData(0x9E3779B97F4A7C15ul)]
    public void The_table_of_ids_agrees_with_a_dictionary(ulong stride)
    {
        var entries = new Slab<IndexEntry>();
        var table = new IdTable(entries);
        var twin = new Dictionary<ulong, int>();
        var random = new Random(5);
        ulong id = 1000;
        for (int step = 0; step < 60_000; step++)
        {
            if (twin.Count < 10 || random.Next(100) < 52)
            {
                id += stride;
                int slot = entries.Allocate();
                entries[slot] = new IndexEntry { Id = id };
                table.Add(slot);
                twin.Add(id, slot);
            }
            else
            {
                ulong gone = twin.Keys.ElementAt(random.Next(Math.Min(twin.Count, 50)));
                table.Remove(twin[gone]);
                entries.Free(twin[gone]);
                twin.Remove(gone);
                Assert.Equal(-1, table.Find(gone));
            }
        }
        foreach ((ulong known, int slot) in twin)
        {
            Assert.Equal(slot, table.Find(known));
        }
        Assert.Equal(twin.Count, entries.Count);
    }

    [Fact]
    public void Settling_many_recipients_one_by_one_counts_down_to_none()
    {
        foreach (int recipients in new[] { 1, 63, 64, 65, 128, 1000 })
        {
            var index = new MessageIndex(new SegmentTable());
            int slot = index.Commit(-1, 7, recipients, 0, 0);
            Assert.Equal(recipients, index.PendingCount(slot));
            for (int i = 0; i < recipients; i++)
            {
                Assert.True(index.IsPending(slot, i));
                Assert.True(index.Settle(slot, i));
                Assert.False(index.Settle(slot, i));
                Assert.False(index.IsPending(slot, i));
                Assert.Equal(recipients - i - 1, index.PendingCount(slot));
            }
            Assert.False(index.IsPending(slot, recipients));
            index.Remove(slot);
            Assert.Equal(0, index.Messages);
        }
    }
}
