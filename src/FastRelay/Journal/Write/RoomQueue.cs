namespace FastRelay.Journal;

/// <summary>Writers that wait for room, first come first served; linked through the writers themselves.</summary>
internal sealed class RoomQueue
{
    private MessageWriter? _last;

    /// <summary>Who is next.</summary>
    public MessageWriter? First { get; private set; }

    /// <summary>Nobody waits.</summary>
    public bool IsEmpty => First is null;

    /// <summary>Adds a writer at the end.</summary>
    public void Add(MessageWriter writer)
    {
        writer.NextWaiter = null;
        if (_last is null)
        {
            First = writer;
        }
        else
        {
            _last.NextWaiter = writer;
        }
        _last = writer;
    }

    /// <summary>Takes out the first, whose link may belong to a group by now.</summary>
    public void RemoveFirst(MessageWriter? next)
    {
        First = next;
        if (next is null)
        {
            _last = null;
        }
    }

    /// <summary>Answers everybody.</summary>
    public void FinishAll(JournalStatus status)
    {
        MessageWriter? writer = First;
        First = _last = null;
        while (writer is not null)
        {
            MessageWriter? next = writer.NextWaiter;
            writer.NextWaiter = null;
            writer.FinishWait(status);
            writer = next;
        }
    }
}

/// <summary>Buffers of open messages: as many are kept as sessions used at once, up to a bound.</summary>
internal sealed class ChunkPool
{
    private const int MostKept = 256;
    private readonly Stack<byte[]> _free = new();

    /// <summary>Takes one.</summary>
    public byte[] Rent() => _free.TryPop(out byte[]? chunk) ? chunk : GC.AllocateUninitializedArray<byte>(Limits.ChunkBytes);

    /// <summary>Gives one back.</summary>
    public void Return(byte[] chunk)
    {
        if (_free.Count < MostKept)
        {
            _free.Push(chunk);
        }
    }
}
