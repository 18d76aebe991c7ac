using FastRelay.Journal;

namespace FastRelay.Tests.Journal;

/// <summary>The oldest message as the index finds it, beside a list that is looked through.</summary>
public sealed class OldestMessagesTests
{
    private readonly MessageIndex _index = new(new SegmentTable());
    private readonly Dictionary<int, long> _twin = [];
    private ulong _id;

    private int Commit(long arrivalMs)
    {
        int slot = _index.Commit(-1, ++_id, 1, arrivalMs, 0);
        _twin.Add(slot, arrivalMs);
        return slot;
    }

    private void Remove(int slot)
    {
        _index.Remove(slot);
        _twin.Remove(slot);
    }

    private int Oldest()
    {
        int slot;
        int turns = 0;
        while (!_index.Oldest.TryFind(1, out slot))
        {
            Assert.Equal(-1, slot);
            Assert.True(++turns < 1_000);
        }
        return slot;
    }

    [Fact]
    public void Nobody_is_the_oldest_of_none()
    {
        Assert.Equal(-1, Oldest());
        Remove(Commit(5));
        Assert.Equal(-1, Oldest());
        _index.AddOpen(++_id);
        Assert.Equal(-1, Oldest());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void It_is_the_one_that_a_look_through_all_finds(int seed)
    {
        var random = new Random(seed);
        long now = 1_000_000;
        for (int step = 0; step < 60_000; step++)
        {
            if (_twin.Count < 10 || random.Next(100) < (step < 30_000 ? 70 : 30))
            {
                // The clock goes on, stands still, and now and then is put back.
                now += random.Next(100) == 0 ? -random.Next(50_000) : random.Next(3);
                Commit(now);
            }
            else if (random.Next(2) == 0)
            {
                // Mostly the oldest go.
                Remove(Oldest());
            }
            else
            {
                Remove(_twin.Keys.ElementAt(random.Next(Math.Min(50, _twin.Count))));
            }
            if (step % 97 == 0)
            {
                Assert.Equal(_twin.Values.Min(), _twin[Oldest()]);
            }
        }
    }

    [Fact]
    public void A_question_looks_through_no_more_pages_than_it_may()
    {
        const int Pages = 40;
        int[] slots = [.. Enumerable.Range(0, Pages * 4_096).Select(i => Commit(1_000 + i))];
        Assert.Equal(slots[0], Oldest());
        // The first of each page goes, so that no page knows any more.
        for (int page = 0; page < Pages; page++)
        {
            Remove(slots[page * 4_096]);
        }
        Assert.Equal(slots[1], Oldest());
        foreach (int slot in slots[1..(30 * 4_096)].Where(_twin.ContainsKey))
        {
            Remove(slot);
        }
        int parts = 0;
        int found;
        while (!_index.Oldest.TryFind(8, out found))
        {
            parts++;
        }
        Assert.Equal(slots[(30 * 4_096) + 1], found);
        Assert.InRange(parts, 3, 4);
        Assert.True(_index.Oldest.TryFind(0, out found));
    }

    [Fact]
    public void What_is_set_aside_is_not_in_the_queue()
    {
        int first = Commit(10);
        int second = Commit(20);
        _index[first].Flags |= EntryFlags.Aside;
        Assert.Equal(second, Oldest());
    }
}
